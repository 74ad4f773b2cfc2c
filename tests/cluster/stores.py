"""Origin stores that tests start: HTTP servers over a folder which count, and fail as a test wants.

    with Store(folder) as store:                     # a plain web server
        overrides = {"*": {"origins": [store.origin()]}}
        store.fault = lambda path, data: "reset"     # or None, a status, "short", "slow" (1 KiB/s), "held"
        store.stop(); store.start()                  # dies, and is back on the same port

S3Store is the same for a bucket, and verifies each request's signature as AWS describes Signature Version 4, with nothing
of the product's. Its clock can be set off, its keys changed.
"""

import datetime
import hashlib
import hmac
import http.server
import re
import socket
import ssl
import struct
import threading
import urllib.parse

HELD_MAX_S = 20.0
SKEW_MAX_S = 15 * 60
SLOW_BYTES = 1024


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that has gone

    def process_request(self, request, client_address):
        self.store.connected(request)
        super().process_request(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.store.handle(self)

    do_HEAD = do_GET


class Store:
    """Serves the files below a folder as /o/PATH, with an ETag of their bytes."""

    prefix = "/o/"

    def __init__(self, folder, tls=None):
        """tls: (certificate file, key file)."""
        self.folder = folder
        self.tls = tls
        self.port = 0
        self.fault = None              # (path, data) -> None or what goes wrong
        self.release = threading.Event()  # ends what is "held"
        self.requests = []             # (method, path)
        self.connections = 0
        self._sockets = []
        self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.store = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """As by kill -9: connections are closed too."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.release.set()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._sockets.clear()

    def connected(self, request):
        self.connections += 1
        self._sockets.append(request)

    def origin(self, **more):
        scheme = "https" if self.tls else "http"
        return {"name": "web", "match": "", "type": "http",
                "url_template": f"{scheme}://127.0.0.1:{self.port}/o/{{object}}", **more}

    def gets(self, path):
        return self.requests.count(("GET", path))

    def refusal(self, handler, path):
        """None, or (status, body) of what is refused before the folder is looked at."""
        del handler
        return None if path is not None else (404, b"")

    def missing(self):
        return 404, b"no such object\n"

    def handle(self, handler):
        raw = handler.path.partition("?")[0]
        path = urllib.parse.unquote(raw[len(self.prefix):]) if raw.startswith(self.prefix) else None
        self.requests.append((handler.command, path))
        refused = self.refusal(handler, path)
        if refused is None:
            file = self.folder / path
            data = file.read_bytes() if file.is_file() else None
            fault = self.fault(path, data) if self.fault else None
            if fault is not None:
                return self._fail(handler, fault, data)
            refused = self.missing() if data is None else None
        if refused is not None:
            return self._answer(handler, *refused)
        return self._answer(handler, 200, data, ETag=f'"{hashlib.md5(data).hexdigest()}"')

    def _answer(self, handler, status, body, length=None, **fields):
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)

    def _drip(self, handler, data):
        """A kibibyte a second, until there is no fault any more."""
        self._answer(handler, 200, b"", length=len(data), ETag=f'"{hashlib.md5(data).hexdigest()}"')
        if handler.command != "GET":
            return
        at = 0
        while at < len(data):
            n = SLOW_BYTES if self.fault else len(data)
            handler.wfile.write(data[at:at + n])
            handler.wfile.flush()
            at += n
            for _ in range(20):
                if self.fault and at < len(data):
                    self.release.wait(0.05)

    def _fail(self, handler, fault, data):
        handler.close_connection = True
        if isinstance(fault, int):
            return self._answer(handler, fault, b"trouble\n")
        if fault == "held":
            self.release.wait(HELD_MAX_S)
            return self._answer(handler, 200, data, ETag=f'"{hashlib.md5(data).hexdigest()}"')
        half = data[:len(data) // 2]
        if fault == "short":
            return self._answer(handler, 200, half, length=len(data))
        if fault == "slow":
            return self._drip(handler, data)
        if fault == "reset":
            self._answer(handler, 200, half, length=len(data))
            handler.wfile.flush()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            return None
        raise AssertionError(f"no such fault: {fault}")


class RangedStore(Store):
    """The same for large files: answers ranges, never holds a file in memory, and counts what it sends. A fault is
    (path, range as "first-last" or None) -> None, a status, "reset" (in the middle) or "whole" (as one that knows no
    ranges). The ETag is of what `tags` says of a path, or its time and length."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ranges = []   # (path, "first-last" or None) of each GET
        self.sent = 0      # bytes of bodies
        self.tags = {}     # path -> ETag, or None for no ETag at all

    def handle(self, handler):
        raw = handler.path.partition("?")[0]
        path = urllib.parse.unquote(raw[len(self.prefix):])
        self.requests.append((handler.command, path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        if handler.command == "GET":
            self.ranges.append((path, wanted and wanted[0][6:]))
        file = self.folder / path
        if not file.is_file():
            return self._answer(handler, 404, b"no such object\n")
        fault = self.fault(path, wanted and wanted[0][6:]) if self.fault else None
        if isinstance(fault, int):
            return self._answer(handler, fault, b"trouble\n")
        total = file.stat().st_size
        tag = self.tags.get(path, f'"{file.stat().st_mtime_ns}-{total}"')
        fields = {"ETag": tag} if tag else {}
        first, last = 0, total - 1
        if wanted and fault != "whole":
            first, last = int(wanted[1]), min(int(wanted[2]), total - 1)
            if first >= total:
                return self._answer(handler, 416, b"", **{"Content-Range": f"bytes */{total}"})
            fields["Content-Range"] = f"bytes {first}-{last}/{total}"
        handler.send_response(206 if "Content-Range" in fields else 200)
        for name, value in {**fields, "Content-Length": str(last - first + 1)}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "GET":
            return None
        return self._send(handler, file, first, last - first + 1, fault == "reset")

    def _send(self, handler, file, first, left, breaks):
        with open(file, "rb") as f:
            f.seek(first)
            if breaks:
                left //= 2
            while left > 0:
                piece = f.read(min(left, 1 << 20))
                handler.wfile.write(piece)
                self.sent += len(piece)
                left -= len(piece)
        if breaks:
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()


def uri_encoded(data, keep=""):
    """URI encoding as AWS describes it: every byte but unreserved ones."""
    return urllib.parse.quote_from_bytes(data, safe="-._~" + keep)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_of(method, target, headers, secret, stamp, scope, payload):
    """AWS Signature Version 4 of a request, as hex. headers: those that are signed, by their lower-case names."""
    path, _, query = target.partition("?")
    decoded = urllib.parse.unquote_to_bytes
    pairs = sorted((uri_encoded(decoded(name)), uri_encoded(decoded(value)))
                   for name, _, value in (p.partition("=") for p in query.split("&") if p))
    names = sorted(headers)
    canonical = "\n".join([method, uri_encoded(decoded(path), "/"), "&".join(f"{name}={value}" for name, value in pairs),
                           "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names), ";".join(names), payload])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _error(status, code):
    return status, f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code></Error>".encode()


class S3Store(Store):
    """A bucket `media` in path style. keys: {access key: (secret, session token or None)}."""

    prefix = "/media/"
    region = "eu-west-1"

    def __init__(self, folder):
        super().__init__(folder)
        self.keys = {"lab:media": ("se/cr+et=", None)}
        self.clock_off_s = 0
        self.may_list = True
        self.verified = 0
        self.refused = []  # codes

    def origin(self, credentials_file, **more):
        return {"name": "vod", "match": "", "type": "s3", "endpoint": f"http://127.0.0.1:{self.port}", "bucket": "media",
                "region": self.region, "credentials_file": credentials_file, **more}

    def missing(self):
        return _error(404, "NoSuchKey") if self.may_list else _error(403, "AccessDenied")

    def refusal(self, handler, path):
        refused = self._verify(handler) or (_error(404, "NoSuchBucket") if path is None else None)
        if refused is None:
            self.verified += 1
            return None
        self.refused.append(re.search(rb"<Code>(.*)</Code>", refused[1])[1].decode())
        return refused

    def _verify(self, handler):
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(.*)/(\d{8})/([^/]*)/s3/aws4_request, *"
                             r"SignedHeaders=([a-z0-9;-]*), *Signature=([0-9a-f]{64})", handler.headers.get("Authorization", ""))
        if not match:
            return _error(400, "AuthorizationHeaderMalformed")
        access, day, region, signed, signature = match.groups()
        if access not in self.keys:
            return _error(403, "InvalidAccessKeyId")
        secret, token = self.keys[access]
        if handler.headers.get("x-amz-security-token") != token:
            return _error(400, "InvalidToken")
        if region != self.region:
            return _error(400, "AuthorizationHeaderMalformed")
        stamp = handler.headers.get("x-amz-date", "")
        names = signed.split(";")
        sent = {name.lower() for name in handler.headers.keys()}
        must = {"host"} | {name for name in sent if name.startswith("x-amz-")}
        if not must <= set(names) or names != sorted(names) or not stamp.startswith(day):
            return _error(403, "SignatureDoesNotMatch")
        payload = handler.headers.get("x-amz-content-sha256")
        if payload is None:
            return _error(400, "MissingSecurityHeader")
        when = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.clock_off_s)
        if abs((now - when).total_seconds()) > SKEW_MAX_S:
            return _error(403, "RequestTimeTooSkewed")
        headers = {name: ",".join(handler.headers.get_all(name, [])) for name in names}
        expected = signature_of(handler.command, handler.path, headers, secret, stamp, f"{day}/{region}/s3/aws4_request", payload)
        return None if hmac.compare_digest(expected, signature) else _error(403, "SignatureDoesNotMatch")

