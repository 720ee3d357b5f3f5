"""The door of an authority: TLS with a certificate of its own, and a pebble behind it.

usage: acme_front.py ADDRESS PORT CERTIFICATE KEY PEBBLE MOOD

PEBBLE is host:port. MOOD is a file that is read at each request: "limit TEXT" refuses every new order as
asked for too often, with that text; anything else lets all through. Each request is a line on standard
output.
"""

import http.client
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

address, port, certificate, key, pebble, mood_file = sys.argv[1:]
# it is on loopback, with a certificate that it ships
inside = ssl._create_unverified_context()
PASSED = ("Content-Type", "Location", "Link", "Replay-Nonce", "Retry-After")


def mood():
    with open(mood_file) as file:
        return file.read().strip()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        print(self.command, self.path, flush=True)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb, _, text = mood().partition(" ")
        connection = http.client.HTTPSConnection(pebble, timeout=60, context=inside)
        if verb == "limit" and self.path == "/order-plz":
            connection.request("HEAD", "/nonce-plz", headers={"Host": self.headers["Host"]})
            answer = connection.getresponse()
            answer.read()
            problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": text, "status": 429}
            self.send_response(429)
            self.send_header("Replay-Nonce", answer.headers["Replay-Nonce"])
            content, kind = json.dumps(problem, indent=2).encode(), "application/problem+json"
            self.send_header("Content-Type", kind)
        else:
            headers = {"Host": self.headers["Host"], "User-Agent": "front"}
            if self.headers.get("Content-Type"):
                headers["Content-Type"] = self.headers["Content-Type"]
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name in PASSED:
                for value in answer.headers.get_all(name) or []:
                    self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        connection.close()

    do_GET = do_HEAD = do_POST = pass_on

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer((address, int(port)), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
