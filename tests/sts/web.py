"""Web servers of other domains: their MTA-STS policies, and a place for reports.

usage: web.py FOLDER ADDRESS CERTIFICATE KEY

FOLDER/HOST.txt is /.well-known/mta-sts.txt of HOST, read anew each time; what is posted to /report
becomes FOLDER/report. Each request is a line on standard output.
"""

import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, address, certificate, key = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        host = os.path.basename(self.headers.get("Host", ""))
        try:
            if self.path != "/.well-known/mta-sts.txt":
                raise FileNotFoundError
            with open(os.path.join(folder, host + ".txt"), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/tlsrpt+gzip" or self.path != "/report":
            self.send_error(400)
            return
        path = os.path.join(folder, "report")
        with open(path + ".part", "wb") as file:
            file.write(content)
        os.rename(path + ".part", path)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *words):
        print(self.headers.get("Host"), format % words, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # clients that trust nobody hang up
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


server = Server((address, 443), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("listening", flush=True)
server.serve_forever()
