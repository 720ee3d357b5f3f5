"""A ManageSieve client (RFC 5804) that tries to log in, over TLS or without.

stdin:  {"source", "host", "port", "timeout", "user", "password", "tls": bool,
         "behind": BASE64 or null, "pause": SECONDS}
stdout: {"offered": the mechanisms before TLS, "login": the answer, "scripts": those listed or null,
         "heard", "ended"}
With "behind", nobody logs in: these bytes are said behind STARTTLS in the clear, in one segment or
after a pause, and some commands after the handshake, if there is one; "heard" has all answers, each a
list of lines, and "ended" what the end was.
"""

import base64
import json
import socket
import ssl
import sys
import time

order = json.load(sys.stdin)


class Talk:
    def __init__(self):
        self.socket = socket.create_connection(
            (order["host"], order["port"]),
            timeout=order["timeout"],
            source_address=(order["source"], 0),
        )
        self.file = self.socket.makefile("rb")

    def answer(self):
        """The lines of an answer, the last of which is OK, NO or BYE."""
        lines = []
        while not lines or not lines[-1].startswith(("OK", "NO", "BYE")):
            line = self.file.readline()
            if not line:
                raise SystemExit(f"closed by the server after {lines}")
            lines.append(line.decode().rstrip())
        return lines

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def encrypt(self):
        answer = self.say("STARTTLS")
        if not answer[-1].startswith("OK"):
            raise SystemExit(f"no TLS: {answer}")
        return self.handshake()

    def handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # self-signed for now: what the certificate says is for the test to judge
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=order["host"])
        self.file = self.socket.makefile("rb")
        return self.answer()


def inject(talk, behind, pause):
    """What is heard when more than STARTTLS is said in the clear; the end is the last of it."""
    heard = []
    try:
        if pause:
            talk.socket.sendall(b"STARTTLS\r\n")
            time.sleep(pause)
            talk.socket.sendall(behind)
        else:
            talk.socket.sendall(b"STARTTLS\r\n" + behind)
        heard.append(talk.answer())
        heard.append(talk.handshake())
        for line in ("NOOP", "LISTSCRIPTS", "NOOP", "LOGOUT"):
            heard.append(talk.say(line))
        left = talk.file.read()
        return heard, f"at the end {left}"
    except (OSError, SystemExit) as error:
        return heard, f"{type(error).__name__}: {error}"


talk = Talk()
sasl = [line for line in talk.answer() if line.startswith('"SASL" ')]
result = {"offered": sasl[0].split(" ", 1)[1].strip('"'), "login": None, "scripts": None}
if order["behind"] is not None:
    behind = base64.b64decode(order["behind"])
    result["heard"], result["ended"] = inject(talk, behind, order["pause"])
    json.dump(result, sys.stdout)
    sys.exit()
if order["tls"]:
    talk.encrypt()
login = f"\0{order['user']}\0{order['password']}".encode()
plain = base64.b64encode(login).decode()
result["login"] = talk.say(f'AUTHENTICATE "PLAIN" "{plain}"')[-1]
if result["login"].startswith("OK"):
    result["scripts"] = talk.say("LISTSCRIPTS")[:-1]
json.dump(result, sys.stdout)
