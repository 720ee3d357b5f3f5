"""DKIM by dkimpy, which shares no code with what the appliance signs with.

stdin:  {"sign": {"selector", "domain", "key": PEM}, "raw": BASE64}  -> {"raw": BASE64}
     or {"verify": [NAME SERVER...], "raw": BASE64, "later": SECONDS that the clock is ahead}
        -> {"signatures": [{"domain", "selector", "algorithm", "headers", "pass", "reason"}...]}
     or {"arc": [NAME SERVER...], "raw": BASE64}
        -> {"verdict": "pass" or another, "domains": [who sealed, the last first], "reason"}
"""

import base64
import json
import re
import sys
import time

import dkim
import dns.resolver

order = json.load(sys.stdin)
raw = base64.b64decode(order["raw"])
clock, later = time.time, order.get("later", 0)
time.time = lambda: clock() + later


def asking(servers):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = servers
    resolver.lifetime = 10

    def lookup(name, timeout=5):
        try:
            answer = resolver.resolve(name.decode(), "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(list(answer)[0].strings)

    return lookup


def arc():
    verdict, sets, reason = dkim.arc_verify(raw, dnsfunc=asking(order["arc"]))
    return {
        "verdict": verdict.decode(),
        "domains": [one["as-domain"].decode() for one in sets],
        "reason": reason,
    }


def verify():
    lookup = asking(order["verify"])

    def one(index, value):
        tags = dkim.util.parse_tag_value(value)
        signature = {
            "domain": tags[b"d"].decode(),
            "selector": tags[b"s"].decode(),
            "algorithm": tags[b"a"].decode(),
            "headers": re.sub(r"\s", "", tags[b"h"].decode()).lower().split(":"),
            "pass": False,
            "reason": None,
        }
        try:
            signature["pass"] = dkim.DKIM(raw).verify(idx=index, dnsfunc=lookup)
        except (dkim.DKIMException, dns.exception.DNSException) as error:
            signature["reason"] = f"{type(error).__name__}: {error}"
        return signature

    headers, _ = dkim.rfc822_parse(raw)
    values = [value for name, value in headers if name.lower() == b"dkim-signature"]
    return {"signatures": [one(*item) for item in enumerate(values)]}


def sign():
    wanted = order["sign"]
    header = dkim.sign(
        raw,
        wanted["selector"].encode(),
        wanted["domain"].encode(),
        wanted["key"].encode(),
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
    )
    return {"raw": base64.b64encode(header + raw).decode()}


for word, action in (("verify", verify), ("arc", arc), ("sign", sign)):
    if word in order:
        json.dump(action(), sys.stdout)
