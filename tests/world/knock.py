"""Tries a TCP port again and again from one address.

stdin:  {"source": ADDRESS or null, "host", "port", "times", "timeout"}
stdout: what became of each attempt: ["open", "refused" or "silent"...]
"""

import json
import socket
import sys


def knock(order):
    family = socket.AF_INET6 if ":" in order["host"] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(order["timeout"])
        if order["source"]:
            connection.bind((order["source"], 0))
        try:
            connection.connect((order["host"], order["port"]))
        except ConnectionRefusedError:
            return "refused"
        except OSError:  # a time-out, or nobody there at all
            return "silent"
        return "open"


order = json.load(sys.stdin)
json.dump([knock(order) for _ in range(order["times"])], sys.stdout)
