"""A fake of a gateway and its API: every payment is good. What it does is chosen by the path."""

import base64
import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CLIENT_ID = "c" * 64


def _encoded(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


CHALLENGE = _encoded(
    {
        "stripe402Version": 1,
        "price": 500,
        "minTopUp": 50_000,
        "resource": {"url": "/"},
        "accepts": [
            {"scheme": "stripe", "currency": "usd", "amount": 500, "minTopUp": 50_000, "publishableKey": "pk_test_fake"}
        ],
        "extensions": ["maxPrice", "currency", "idempotencyKey", "paymentIntentId"],
    }
)
RECEIPT = _encoded({"success": True, "creditsRemaining": 49_500, "clientId": CLIENT_ID, "chargeId": "pi_fake"})
LONG = b"x" * 200_000


def bomb(encodings):
    """32 MiB, encoded."""
    body = bytes(32 << 20)
    for _ in encodings.split(","):
        body = gzip.compress(body)
    return body


BOMBS = {encodings: bomb(encodings) for encodings in ("gzip", "gzip,gzip", "gzip,gzip,gzip")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        gateway, path = self.server.gateway, self.path
        length = int(self.headers.get("content-length") or 0)
        body = self._chunked() if self.headers.get("transfer-encoding") else self.rfile.read(length)
        is_paid = "payment" in self.headers
        gateway.seen.append((path, is_paid, body))
        if is_paid:
            gateway.keys.append(json.loads(base64.b64decode(self.headers["payment"])).get("idempotencyKey"))
        if not body and ("transfer-encoding" in self.headers or "content-type" in self.headers):
            self._answer(400, b"a body is described, and there is none")
        elif path == "/free" or (path == "/free-without-a-body" and not body):
            self._answer(200, b"free")
        elif path.startswith("/to/"):
            self._answer(302, b"", location="/" + path[len("/to/") :])
        elif path == "/away":
            self._answer(302, b"", location=gateway.elsewhere + "/back")
        elif path == "/back":
            self._answer(302, b"", location=gateway.elsewhere + "/priced")
        elif path == "/failing":
            self._answer(503, b'{"why": "no reason"}', set_cookie="seen=yes")
        elif path.startswith("/bomb/"):
            _, _, status, encodings = path.split("/")
            self._answer(int(status), BOMBS[encodings], content_encoding=encodings)
        elif path == "/longer":
            self._longer()
        elif not is_paid:
            self._answer(402, json.dumps({"error": "x" * 2_000}).encode(), payment_required=CHALLENGE)
        elif path.startswith("/paid-to/"):
            self._answer(303, b"", payment_response=RECEIPT, location="/" + path[len("/paid-to/") :])
        elif path == "/declined":
            refusal = json.dumps({"success": False, "errorCode": "card_declined", "error": "no"})
            self._answer(402, gzip.compress(refusal.encode()), content_encoding="gzip")
        elif path == "/dropped":
            self.close_connection = True
        elif path == "/slow" and not gateway.may_answer.wait(timeout=2):
            self.close_connection = True
        elif path == "/stream":
            self._stream(gateway)
        else:
            self._answer(200, b"served", payment_response=RECEIPT)

    do_POST = do_GET

    def _chunked(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _longer(self):
        """More than its content-length says: chunks take precedence."""
        self.send_response(503)
        self.send_header("content-length", "10")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LONG), LONG))

    def _stream(self, gateway):
        """The second half is sent after the first was read."""
        self.send_response(200)
        self.send_header("payment-response", RECEIPT)
        self.send_header("content-length", "12")
        self.end_headers()
        self.wfile.write(b"first,")
        gateway.was_unbuffered = gateway.first_was_read.wait(timeout=10)
        self.wfile.write(b"second")

    def log_message(self, *_):
        pass


class Gateway:
    def __init__(self, elsewhere=""):
        self.elsewhere = elsewhere
        self.seen = []
        #: Of each payment, the name of its top-up.
        self.keys = []
        self.may_answer = threading.Event()
        self.first_was_read = threading.Event()
        self.was_unbuffered = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.gateway = self
        # A caller that gives up is no error.
        self._server.handle_error = lambda *_: None
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def paid(self):
        return [path for path, is_paid, _ in self.seen if is_paid]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def gateway(elsewhere=""):
    started = Gateway(elsewhere)
    try:
        yield started
    finally:
        started.close()
