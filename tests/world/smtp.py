"""An SMTP client that says just what it is told to, from the address it is told to use.

stdin: {"source", "host", "port", "implicit": bool, "timeout": seconds, "steps": [STEP...]}
STEP:  {"line": TEXT} and its reply; {"starttls": true}; {"data": BASE64}: a message with its dots
       doubled and its reply; {"raw": BASE64}: bytes and one reply; {"plain": [USER, PASSWORD]} and
       {"login": [USER, PASSWORD]}: AUTH; "must": true ends the script at an answer of 400 and more
       {"starttls": true, "behind": BASE64, "pause": SECONDS}: with bytes behind it in the clear, in
       one segment or after a pause; {"again": TEXT, "times": N}: a line so often, the answer is how
       often which code came; {"send": BASE64, "times": N, "pause": SECONDS}: bytes so often, and no
       reply is waited for; {"rest": SECONDS}: all that comes until the server closes, or is silent
       for so long
stdout: {"replies": [{"step", "code", "text"}...], "ended": TEXT or null, "tls", "certificate"}
"""

import base64
import collections
import json
import re
import socket
import ssl
import sys
import time

order = json.load(sys.stdin)
result = {"replies": [], "ended": None, "tls": None, "certificate": None}


class Ended(Exception):
    pass


class Talk:
    def __init__(self):
        self.socket = socket.create_connection(
            (order["host"], order["port"]),
            timeout=order["timeout"],
            source_address=(order["source"], 0),
        )
        self.rest = b""
        if order["implicit"]:
            self.encrypt()

    def encrypt(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # self-signed for now: what the certificate says is for the test to judge
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.rest:
            raise Ended("the server said something more before TLS")
        self.socket = context.wrap_socket(self.socket, server_hostname=order["host"])
        result["tls"] = self.socket.version()
        certificate = self.socket.getpeercert(binary_form=True)
        result["certificate"] = base64.b64encode(certificate).decode()

    def line(self):
        while b"\n" not in self.rest:
            more = self.socket.recv(65536)
            if not more:
                raise Ended("closed by the server")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self, step):
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if not re.match(r"\d\d\d-", line):
                break
        code = int(lines[-1][:3]) if re.match(r"\d\d\d", lines[-1]) else 0
        self.note(step, "\n".join(line[4:] for line in lines), code)
        return code

    def note(self, step, text, code=0):
        result["replies"].append({"step": step, "code": code, "text": text[:2000]})

    def send(self, data, times, pause):
        # as much as goes at a time; the time-out is for a part
        many = max(1, (1 << 20) // max(1, len(data))) if pause == 0 else 1
        try:
            while times > 0:
                self.socket.sendall(data * min(many, times))
                times -= many
                time.sleep(pause)
        except OSError as error:
            # who is refused in the middle of it may have been told why
            self.note("send", f"cut off: {type(error).__name__}: {error}")

    def rest_of_it(self, seconds):
        how = "closed"
        self.socket.settimeout(seconds)
        try:
            while more := self.socket.recv(65536):
                self.rest += more
        except TimeoutError:
            how = "silent"
        except OSError as error:
            how = type(error).__name__
        self.socket.settimeout(order["timeout"])
        self.note(f"rest: {how}", self.rest.decode("utf-8", "replace"))
        self.rest = b""

    def again(self, text, times):
        counts = collections.Counter()
        for _ in range(times):
            code = self.say(text)
            result["replies"].pop()
            counts[code] += 1
        self.note(f"again: {text}", " ".join(f"{c}*{n}" for c, n in sorted(counts.items())), code)
        return code

    def say(self, text, shown=None):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply(shown or text)

    def step(self, step):
        if "line" in step:
            return self.say(step["line"])
        if "starttls" in step:
            behind = base64.b64decode(step.get("behind", ""))
            pause = step.get("pause", 0)
            if pause:
                self.socket.sendall(b"STARTTLS\r\n")
                time.sleep(pause)
                self.socket.sendall(behind)
            else:
                self.socket.sendall(b"STARTTLS\r\n" + behind)
            code = self.reply("STARTTLS")
            if code == 220:
                self.encrypt()
            return code
        if "send" in step:
            self.send(base64.b64decode(step["send"]), step["times"], step["pause"])
            return 0
        if "rest" in step:
            self.rest_of_it(step["rest"])
            return 0
        if "again" in step:
            return self.again(step["again"], step["times"])
        if "raw" in step:
            # a connection that was reset may still have its answer, but takes not even nothing
            if step["raw"]:
                self.socket.sendall(base64.b64decode(step["raw"]))
            return self.reply("raw")
        if "data" in step:
            code = self.say("DATA")
            if code != 354:
                return code
            body = base64.b64decode(step["data"])
            if not body.endswith(b"\r\n"):
                body += b"\r\n"
            body = re.sub(rb"(?m)^\.", b"..", body) + b".\r\n"
            # the timeout is for a part, not for all of a large message
            for start in range(0, len(body), 1 << 20):
                self.socket.sendall(body[start : start + (1 << 20)])
            return self.reply("message")
        encode = lambda text: base64.b64encode(text.encode()).decode()
        if "plain" in step:
            user, password = step["plain"]
            return self.say("AUTH PLAIN " + encode(f"\0{user}\0{password}"), "AUTH PLAIN")
        user, password = step["login"]
        code = self.say("AUTH LOGIN")
        for word in (user, password):
            if code != 334:
                return code
            code = self.say(encode(word), "AUTH LOGIN, a word")
        return code


try:
    talk = Talk()
    code = talk.reply("connect")
    for step in order["steps"]:
        if code >= 500 and not result["replies"][1:]:
            raise Ended("greeted with a refusal")
        code = talk.step(step)
        if step.get("must") and (code >= 400 or code == 0):
            break
except Ended as end:
    result["ended"] = str(end)
except (OSError, ssl.SSLError) as error:
    result["ended"] = f"{type(error).__name__}: {error}"
json.dump(result, sys.stdout)
