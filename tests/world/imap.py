"""An IMAP client over TLS.

stdin:  {"source", "host", "port", "timeout", "user", "password", "steps": [STEP...]}
STEP:   ["fetch", FOLDER], ["append", FOLDER, BASE64], ["move", FOLDER, UID, FOLDER], ["folders"],
        ["wait", FOLDER, HEADER, VALUE, SECONDS]: fetch, once a message with such a header is there
        ["fill", FOLDER, NAME, COUNT]: appends so many messages with Message-ID <NAME-i@fill> and the
        flags of their number, making the folder; ["marks", FOLDER]: [[MESSAGE_ID, [FLAG...]]...]
stdout: {"login": TEXT, "ended": TEXT or null, "results": [one for each step]}
        of fetch and wait: [{"uid", "flags", "raw"}...]
"""

import base64
import email
import imaplib
import json
import os
import re
import socket
import ssl
import sys
import time

order = json.load(sys.stdin)
result = {"login": None, "ended": None, "results": []}


class Client(imaplib.IMAP4_SSL):
    def _create_socket(self, timeout):
        plain = socket.create_connection(
            (order["host"], order["port"]),
            timeout=order["timeout"],
            source_address=(order["source"], 0),
        )
        return self.ssl_context.wrap_socket(plain, server_hostname=order["host"])


def good(answer):
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{status} {data}")
    return data


def fetch(client, folder):
    good(client.select(f'"{folder}"'))
    messages = []
    for part in good(client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")):
        if isinstance(part, tuple):
            head = part[0].decode()
            messages.append(
                {
                    "uid": int(re.search(r"UID (\d+)", head).group(1)),
                    "flags": re.search(r"FLAGS \(([^)]*)\)", head).group(1).split(),
                    "raw": base64.b64encode(part[1]).decode(),
                }
            )
    return messages


def has(message, header, value):
    parsed = email.message_from_bytes(base64.b64decode(message["raw"]))
    return value in (str(v).strip() for v in parsed.get_all(header, []))


def wait(client, folder, header, value, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = [m for m in fetch(client, folder) if has(m, header, value)]
        except imaplib.IMAP4.error:
            # a folder that is only made for its first message
            found = []
        if found or time.monotonic() > deadline:
            return found
        time.sleep(1)


FLAGS = ["", "\\Seen", "\\Answered", "\\Flagged", "\\Seen \\Flagged", "$Forwarded"]


def fill(client, folder, name, count):
    client.create(f'"{folder}"')
    for i in range(count):
        text = f"Message-ID: <{name}-{i}@fill>\r\nSubject: {name} {i}\r\n\r\n"
        # nothing that gets smaller
        for line in base64.encodebytes(os.urandom(500 + i % 50 * 40)).decode().splitlines():
            text += line + "\r\n"
        flags = f"({FLAGS[i % len(FLAGS)]})"
        good(client.append(f'"{folder}"', flags, None, text.encode()))
    return count


def marks(client, folder):
    good(client.select(f'"{folder}"', readonly=True))
    found = []
    wanted = "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
    for part in good(client.uid("FETCH", "1:*", wanted)):
        if isinstance(part, tuple):
            flags = re.search(r"FLAGS \(([^)]*)\)", part[0].decode()).group(1).split()
            # who looks first is no difference
            flags = sorted(set(flags) - {"\\Recent"})
            # empty without such a field
            header = part[1].decode("utf-8", "replace").partition(":")[2].strip()
            found.append([header, flags])
    return found


def run(client, step):
    word, *rest = step
    if word == "fetch":
        return fetch(client, *rest)
    if word == "wait":
        return wait(client, *rest)
    if word == "fill":
        return fill(client, *rest)
    if word == "marks":
        return marks(client, *rest)
    if word == "folders":
        return [line.decode() for line in good(client.list())]
    if word == "append":
        folder, raw = rest
        return str(good(client.append(f'"{folder}"', None, None, base64.b64decode(raw))))
    if word == "move":
        folder, uid, to = rest
        good(client.select(f'"{folder}"'))
        return str(good(client.uid("MOVE", str(uid), f'"{to}"')))
    raise ValueError(f"no step is called {word}")


try:
    context = ssl.create_default_context()
    # self-signed for now: what the certificate says is for the test to judge
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    imaplib._MAXLINE = 100_000_000
    client = Client(order["host"], order["port"], ssl_context=context, timeout=order["timeout"])
    try:
        status, text = client.login(order["user"], order["password"])
        result["login"] = status
    except imaplib.IMAP4.error as error:
        result["login"] = f"NO {error}"
    if result["login"] == "OK":
        for step in order["steps"]:
            result["results"].append(run(client, step))
    client.logout()
except (OSError, imaplib.IMAP4.error) as error:
    result["ended"] = f"{type(error).__name__}: {error}"
json.dump(result, sys.stdout)
