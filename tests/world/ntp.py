"""A time server (RFC 5905) with the time of this machine: python3 ntp.py ADDRESS..."""

import select
import socket
import struct
import sys
import time

# seconds from 1900, where NTP counts from, to 1970
EPOCH = 2208988800


def stamp():
    now = time.time()
    return struct.pack("!II", int(now) + EPOCH & 0xFFFFFFFF, int(now % 1 * 2**32))


def answer(request, received):
    version = request[0] & 0x38
    # mode server, stratum 1, the request's poll interval, a microsecond of precision
    head = struct.pack("!BBBb", version | 4, 1, request[2], -20)
    # no delay, no dispersion, no name; set now; the request's own transmit time is its origin
    return head + bytes(8) + b"TEST" + received + request[40:48] + received + stamp()


sockets = []
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, 123))
    sockets.append(server)
print("listening", flush=True)
while True:
    for server in select.select(sockets, [], [])[0]:
        request, peer = server.recvfrom(1024)
        if len(request) >= 48 and request[0] & 7 == 3:
            server.sendto(answer(request, stamp()), peer)
