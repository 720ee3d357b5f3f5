"""Mail programs and a mail server that stay connected, until a file appears.

usage: steady.py HOST STOP USER PASSWORD RECIPIENT

stdout: {"imap": answers in one IMAP session, "sent": messages handed in, "smtp": commands in sessions
of some seconds from outside, "errors": [TEXT...]}
"""

import imaplib
import json
import os
import smtplib
import ssl
import sys
import threading
import time

host, stop, user, password, recipient = sys.argv[1:]
# which certificate it is, is not the question here
context = ssl._create_unverified_context()
counts = {"imap": 0, "sent": 0, "smtp": 0, "errors": []}
DEADLINE = time.monotonic() + 900


def goes_on():
    return not os.path.exists(stop) and time.monotonic() < DEADLINE


def reads():
    client = imaplib.IMAP4_SSL(host, 993, ssl_context=context, timeout=120)
    client.login(user, password)
    client.select("INBOX")
    while goes_on():
        status, _ = client.noop()
        if status != "OK":
            raise OSError(f"NOOP: {status}")
        counts["imap"] += 1
        time.sleep(0.5)
    client.logout()


def writes():
    while goes_on():
        number = counts["sent"]
        with smtplib.SMTP_SSL(host, 465, timeout=240, context=context) as client:
            client.login(user, password)
            text = (
                f"From: {user}\r\nTo: {recipient}\r\nSubject: steady {number}\r\n"
                f"Message-ID: <steady-{number}-{time.time()}@example.org>\r\n"
                "Date: Sun, 29 Nov 2026 10:00:00 +0000\r\n\r\nSteady.\r\n"
            )
            client.sendmail(user, [recipient], text)
        counts["sent"] += 1
        # a user has a limit
        time.sleep(5)


def knocks():
    while goes_on():
        with smtplib.SMTP(host, 25, timeout=240) as client:
            client.ehlo("c1.example.com")
            for _ in range(5):
                client.noop()
                counts["smtp"] += 1
                time.sleep(1)


def told(what):
    try:
        what()
    except Exception as error:
        counts["errors"].append(f"{what.__name__}: {type(error).__name__}: {error}")


threads = [threading.Thread(target=told, args=(what,)) for what in (reads, writes, knocks)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(counts))
