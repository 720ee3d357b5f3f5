"""The outside's MX: takes mail for whatever domain, stores it, and refuses on demand.

usage: mx.py FOLDER NAME CERTIFICATE KEY ADDRESS...

With "-" for certificate and key it offers no TLS; one whose name begins with "rude" offers it, and
hangs up on who takes the offer.

Each message becomes FOLDER/messages/N.json, each answer to RCPT and DATA a line of
FOLDER/attempts; FOLDER/respond holds the JSON object {"rcpt": TEXT, "data": TEXT} with the
answers to give instead of 250, read anew each time. Of a message that is not large, "wire" is what
the client has said since the one before it, byte for byte.
"""

import asyncio
import base64
import itertools
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP

folder, name, certificate, key, *addresses = sys.argv[1:]
os.makedirs(os.path.join(folder, "messages"), exist_ok=True)
numbers = itertools.count(1)


def respond(stage):
    try:
        with open(os.path.join(folder, "respond"), encoding="utf-8") as file:
            return json.load(file).get(stage)
    except FileNotFoundError:
        return None


def note(stage, session, envelope, answer, recipient=None):
    line = {
        "stage": stage,
        "peer": session.peer[0],
        "from": envelope.mail_from,
        "to": [recipient] if recipient else envelope.rcpt_tos,
        "answer": answer,
    }
    with open(os.path.join(folder, "attempts"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return answer


class Wire(SMTP):
    """Keeps what comes, inside of TLS if there is any, up to a limit."""

    LIMIT = 200_000
    wire = b""

    async def smtp_STARTTLS(self, arg):
        if name.startswith("rude"):
            self.transport.close()
        else:
            await super().smtp_STARTTLS(arg)

    def data_received(self, data):
        self.wire = (self.wire + data)[: self.LIMIT]
        super().data_received(data)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = respond("rcpt")
        if answer is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
            answer = "250 2.1.5 fine"
        return note("rcpt", session, envelope, answer, address)

    async def handle_DATA(self, server, session, envelope):
        wire, server.wire = server.wire, b""
        answer = respond("data")
        if answer is not None:
            return note("data", session, envelope, answer)
        number = next(numbers)
        message = {
            "peer": session.peer[0],
            "helo": session.host_name,
            # the extra information of the TLS protocol; a cipher is (name, version, bits)
            "tls": session.ssl["cipher"][1] if session.ssl else None,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "raw": base64.b64encode(envelope.original_content).decode(),
            "wire": base64.b64encode(wire).decode() if len(wire) < Wire.LIMIT else "",
        }
        path = os.path.join(folder, "messages", f"{number:06}")
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(message, file)
        os.rename(path + ".part", path + ".json")
        return note("data", session, envelope, f"250 2.0.0 stored as {number}")


async def main():
    context = None
    if certificate != "-":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()

    def session():
        return Wire(
            Handler(),
            data_size_limit=80_000_000,
            enable_SMTPUTF8=True,
            hostname=name,
            tls_context=context,
            timeout=120,
        )

    servers = [await loop.create_server(session, address, 25) for address in addresses]
    print("listening on", *addresses, flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
