"""A web server that serves a folder, and can be asked to misbehave.

usage: web.py FOLDER ADDRESS PORT [CERTIFICATE KEY]

The first line printed is "listening PORT", each further one the path of a request.

    /NAME          the file
    /busy/NAME     503 the first time, then the file
    /redirect/URL  302 to the URL
    /stream        2 MiB of unknown length
    /hang          no answer for a minute
"""

import os
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, address, port, *tls = sys.argv[1:]
busy = set()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        path = self.path.split("?")[0]
        _, verb, *rest = path.split("/", 2)
        if verb == "redirect":
            self.send_response(302)
            self.send_header("Location", rest[0])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif verb == "stream":
            self.send_response(200)
            self.end_headers()
            for _ in range(2048):
                self.wfile.write(b"#" * 1024)
        elif verb == "hang":
            time.sleep(60)
        elif verb == "busy" and path not in busy:
            busy.add(path)
            self.send_error(503)
        else:
            self.send_file(rest[0] if verb == "busy" else verb)

    def send_file(self, name):
        try:
            with open(os.path.join(folder, os.path.basename(name)), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # clients that hang up are part of the tests
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


server = Server((address, int(port)), Handler)
if tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(f"listening {server.server_address[1]}", flush=True)
server.serve_forever()
