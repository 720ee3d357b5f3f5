"""Hands messages in over several connections at once, and says how long each took.

stdin:  {"source", "host", "port", "implicit": bool, "login": [USER, PASSWORD] or null, "name": for EHLO,
         "connections", "per_connection": messages on one before a new one is opened,
         "patience": seconds for which a temporary refusal is answered by trying again,
         "messages": [{"from", "to", "file"}...],
         "inbox": [USER, PASSWORD] or null: wait until they all are in that user's INBOX, "limit": seconds}
stdout: {"began": time, "took": [seconds from MAIL FROM to its 250...], "arrived": time or null}

Connections are open, encrypted and logged in before the clock starts. Times are seconds since 1970.
"""

import imaplib
import json
import queue
import re
import smtplib
import socket
import ssl
import sys
import threading
import time

order = json.load(sys.stdin)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# self-signed, all of them
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


class Refused(Exception):
    pass


class Temporary(Refused):
    pass


class Inbox(imaplib.IMAP4_SSL):
    def __init__(self, login):
        super().__init__(order["host"], 993, ssl_context=context, timeout=order["limit"])
        self.login(*login)

    def _create_socket(self, timeout):
        source = (order["source"], 0)
        plain = socket.create_connection((order["host"], 993), timeout, source_address=source)
        return self.ssl_context.wrap_socket(plain, server_hostname=order["host"])

    def count(self, folder="INBOX"):
        status, data = self.status(folder, "(MESSAGES)")
        return int(re.search(rb"MESSAGES (\d+)", data[0]).group(1)) if status == "OK" else 0

    def wait(self, wanted):
        deadline = time.monotonic() + order["limit"]
        while (count := self.count()) < wanted:
            if time.monotonic() > deadline:
                junk = self.count("Junk")
                raise Refused(f"{wanted} messages should be in INBOX: {count} are, in Junk {junk}")
            time.sleep(0.05)


def connect_once():
    where = {"host": order["host"], "port": order["port"], "local_hostname": order["name"]}
    how = {"source_address": (order["source"], 0), "timeout": 600}
    if order["implicit"]:
        client = smtplib.SMTP_SSL(**where, **how, context=context)
    else:
        client = smtplib.SMTP(**where, **how)
        client.starttls(context=context)
    client.ehlo_or_helo_if_needed()
    if order["login"]:
        client.login(*order["login"])
    return client


def connect():
    deadline = time.monotonic() + order["patience"]
    while True:
        try:
            return connect_once()
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected) as error:
            if getattr(error, "smtp_code", 421) >= 500 or time.monotonic() > deadline:
                raise
            time.sleep(10)


def expect(step, answer):
    code, text = answer
    if code >= 300:
        kind = Temporary if code < 500 else Refused
        raise kind(f"{step}: {code} {text.decode('utf-8', 'replace')}")


def send(client, message, body):
    """One message; returns the seconds that it took."""
    start = time.perf_counter()
    expect("MAIL", client.mail(message["from"]))
    expect("RCPT", client.rcpt(message["to"]))
    try:
        expect("DATA", client.data(body))
    except smtplib.SMTPDataError as error:
        expect("DATA", (error.smtp_code, error.smtp_error))
    return time.perf_counter() - start


def send_patiently(client, message, body):
    """One message, perhaps on another connection, which is returned too."""
    deadline = time.monotonic() + order["patience"]
    while True:
        try:
            return client, send(client, message, body)
        except (Temporary, smtplib.SMTPServerDisconnected):
            if time.monotonic() > deadline:
                raise
            client.close()
            time.sleep(10)
            client = connect()


def work(client, waiting, took, failed):
    """Sends what is waiting until nothing is, or somebody has failed."""
    sent = 0
    try:
        while not failed:
            message, body = waiting.get_nowait()
            if sent == order["per_connection"]:
                client.quit()
                client, sent = connect(), 0
            client, seconds = send_patiently(client, message, body)
            took.append(seconds)
            sent += 1
    except queue.Empty:
        client.quit()
    except Exception as error:  # whatever it is, it ends the measurement
        failed.append(error)


def main():
    waiting = queue.SimpleQueue()
    for message in order["messages"]:
        with open(message["file"], "rb") as file:
            waiting.put((message, file.read()))
    inbox = Inbox(order["inbox"]) if order["inbox"] else None
    wanted = inbox.count() + len(order["messages"]) if inbox else 0
    clients = [connect() for _ in range(min(order["connections"], len(order["messages"])))]
    took, failed = [], []
    threads = [
        threading.Thread(target=work, args=(client, waiting, took, failed)) for client in clients
    ]
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    arrived = None
    if inbox:
        inbox.wait(wanted)
        arrived = time.time()
        inbox.logout()
    json.dump({"began": began, "took": took, "arrived": arrived}, sys.stdout)


main()
