"""A real S3 service of the tests' own: OpenStack Swift with its s3api, from Debian's packages, on free ports of 127.0.0.1.

    with Swift(folder) as swift:              # some seconds
        swift.put("lv1/master.m3u8", b"...")
        overrides = {"*": {"origins": [swift.origin(credentials_file)]}}
        swift.stop_proxy(); swift.start_proxy()

One account, device and process of each kind; the bucket `media`, region us-east-1. /etc/swift/swift.conf is the package's.
"""

import datetime
import hashlib
import http.client
import os
import pathlib
import shutil
import signal
import subprocess

from stores import signature_of, uri_encoded
from warmcluster import free_ports, until

PROGRAMS = ("swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server",
            "swift-ring-builder", "memcached")
ACCESS, SECRET, REGION = "lab:media", "sek/r+it=", "us-east-1"

COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 1
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
recon_cache_path = {folder}/recon
log_level = ERROR
"""
SERVER = COMMON + """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = COMMON + """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache s3api tempauth copy bulk slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_lab_media = sek/r+it= .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
""" + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in (
    "catch_errors", "gatekeeper", "healthcheck", "copy", "bulk", "slo", "dlo", "versioned_writes", "symlink"))


def missing():
    """Which of the programs are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Swift:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = {}
        *self.ports, self.memcached, self.port = free_ports(["127.0.0.1"], 5)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        for part in ("devices/d1", "recon"):
            (self.folder / part).mkdir(parents=True)
        user = os.environ.get("USER") or "root"
        for kind, port in zip(("account", "container", "object"), self.ports):
            self._ring(kind, port)
            conf = self.folder / f"{kind}.conf"
            conf.write_text(SERVER.format(kind=kind, port=port, user=user, folder=self.folder))
            self._run(kind, f"swift-{kind}-server", conf)
        (self.folder / "proxy.conf").write_text(
            PROXY.format(port=self.port, user=user, folder=self.folder, memcached=self.memcached))
        self._run("memcached", "memcached", "-u", user, "-l", "127.0.0.1", "-p", str(self.memcached), "-U", "0")
        self.start_proxy()
        until("the bucket is made", 30, lambda: self.request("PUT", "/media") in (200, 409))

    def start_proxy(self):
        self._run("proxy", "swift-proxy-server", self.folder / "proxy.conf")
        until("swift's proxy answers", 30, self._answers)

    def _answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthcheck")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _ring(self, kind, port):
        builder = self.folder / f"{kind}.builder"
        for arguments in (["create", "4", "1", "0"], ["add", f"r1z1-127.0.0.1:{port}/d1", "1"], ["rebalance"]):
            subprocess.run(["swift-ring-builder", builder, *arguments], check=True, capture_output=True, timeout=60)

    def _run(self, name, *command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    start_new_session=True)

    def _end(self, name):
        """The whole group: servers have workers."""
        process = self.processes.pop(name)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(10)

    def stop_proxy(self):
        """As by kill -9."""
        self._end("proxy")

    def stop(self):
        for name in list(self.processes):
            self._end(name)

    def origin(self, credentials_file):
        return {"name": "vod", "match": "", "type": "s3", "endpoint": f"http://127.0.0.1:{self.port}", "bucket": "media",
                "credentials_file": credentials_file}

    def request(self, method, path, body=b""):
        """Signed; the status, or 0 when nobody answers."""
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(body).hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": payload, "x-amz-date": stamp}
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        target = uri_encoded(path.encode(), "/")
        signature = signature_of(method, target, headers, SECRET, stamp, scope, payload)
        headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={';'.join(sorted(headers))}, "
                                    f"Signature={signature}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, target, body=body, headers=headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def put(self, key, body):
        status = self.request("PUT", f"/media/{key}", body)
        assert status == 200, (key, status)
