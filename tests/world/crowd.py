"""Opens many connections from one address, says nothing on any of them, and then tries from another.

stdin:  {"source", "other", "host", "port", "count", "timeout", "greets": whether a server speaks first}
stdout: {"taken", "refused", "silent": how many were, "greeting": what the other one is told, if so}
"""

import json
import socket
import sys

order = json.load(sys.stdin)
result = {"taken": 0, "refused": 0, "silent": 0, "greeting": None}


def connect(source):
    return socket.create_connection(
        (order["host"], order["port"]), timeout=order["timeout"], source_address=(source, 0)
    )


held = []
for _ in range(order["count"]):
    try:
        held.append(connect(order["source"]))
        result["taken"] += 1
    except ConnectionRefusedError:
        result["refused"] += 1
    except OSError:
        result["silent"] += 1
        # each takes its time-out, and one is enough to fail
        break
with connect(order["other"]) as other:
    if order["greets"]:
        result["greeting"] = other.recv(512).decode("utf-8", "replace")
json.dump(result, sys.stdout)
