"""S3 by moto, over TLS, with signatures that botocore checks, and with trouble on demand.

s3.py CERTIFICATE KEY ACCESS_KEY, with the secret key in the environment

Buckets: `bucket`; `elsewhere`, of the region eu-test-1; `private`, to which the key has no right;
`pages`, whose lists come two files at a time.
In the name of a file: `flaky` has every other request to write it refused, `broken` breaks off
every other download of it in the middle, `slow` takes a second to be written, and of `short`
only the first half is kept.
"""

import collections
import io
import logging
import os
import ssl
import sys
import time
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

CERTIFICATE, KEY, ACCESS = sys.argv[1:]
SECRET = os.environ["SECRET_KEY"]
BUCKETS = {"bucket": "us-east-1", "private": "us-east-1", "elsewhere": "eu-test-1", "pages": "us-east-1"}

app = create_backend_app("s3")
for name in BUCKETS:
    made = app.test_client().put(f"/{name}", headers={"Host": "127.0.0.1"})
    assert made.status_code == 200, made.data
asked = collections.Counter()


def signature(environ, query):
    """The signature that a request should have."""
    scope = query["X-Amz-Credential"].split("/")
    plain = {k: v for k, v in query.items() if not k.startswith("X-Amz-")}
    url = f"https://{environ['HTTP_HOST']}{urlsplit(environ['REQUEST_URI']).path}"
    if plain:
        url += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in plain.items())
    request = AWSRequest(environ["REQUEST_METHOD"], url)
    request.context["timestamp"] = query["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(ACCESS, SECRET), "s3", scope[2], query["X-Amz-Expires"])
    auth._modify_request_before_signing(request)
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)


def refusal(environ):
    """Why a request is refused: status, code, message, and what else stands in the error."""
    query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    if query.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
        return 403, "AccessDenied", "not signed", ""
    key, _, region, _, _ = query["X-Amz-Credential"].split("/")
    if key != ACCESS:
        return 403, "InvalidAccessKeyId", "The key does not exist in our records.", ""
    if signature(environ, query) != query["X-Amz-Signature"]:
        return 403, "SignatureDoesNotMatch", "Check your key and signing method.", ""
    bucket = environ["PATH_INFO"].split("/")[1]
    if bucket == "private":
        return 403, "AccessDenied", "Access Denied", ""
    if region != BUCKETS.get(bucket, region):
        more = f"<Region>{BUCKETS[bucket]}</Region>"
        return 400, "AuthorizationHeaderMalformed", "The region is wrong.", more
    return None


def every_other(environ):
    """Whether this is the first, third... request of its kind."""
    kind = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    asked[kind] += 1
    return asked[kind] % 2 == 1


def broken(parts):
    """The first half of a body, and then the end of the connection."""
    body = b"".join(parts)
    yield body[: len(body) // 2]
    raise ConnectionAbortedError


def serve(environ, start):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    refused = refusal(environ)
    if "slow" in path and method == "PUT":
        time.sleep(1)
    if not refused and method == "PUT" and "flaky" in path and every_other(environ):
        refused = 503, "SlowDown", "Please reduce your request rate.", ""
    if refused:
        # with what is still to come unread, the connection would be reset before the answer is read
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, code, message, more = refused
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
        body = b"" if method == "HEAD" else body.encode()
        length = [("Content-Length", str(len(body)))] if body else []
        start(f"{status} Refused", [("Content-Type", "application/xml"), *length])
        return [body]
    if "short" in path and method == "PUT":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body[: len(body) // 2])
        environ["CONTENT_LENGTH"] = str(len(body) // 2)
    if path.startswith("/pages") and "list-type" in environ["QUERY_STRING"]:
        environ["QUERY_STRING"] += "&max-keys=2"
    parts = app(environ, start)
    return broken(parts) if method == "GET" and "broken" in path and every_other(environ) else parts


WSGIRequestHandler.protocol_version = "HTTP/1.1"
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = make_server("127.0.0.1", 0, serve, threaded=True, ssl_context=context)
print("listening", server.server_port, flush=True)
server.serve_forever()
