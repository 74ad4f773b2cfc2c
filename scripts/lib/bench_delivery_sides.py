"""The servers of scripts/bench delivery: a cluster of ours, nginx and Varnish, each over the same objects."""

import http.client
import json
import os
import pathlib
import subprocess
import sys

import bench_pairs
import warmcluster
from bench_pairs import Failed, pin

CONTENT = "bench"
SESSIONS = 200_000
CONNECTIONS = 18_000
NGINX_IP, VARNISH_IP, STORE_IP = "127.0.0.121", "127.0.0.122", "127.0.0.123"
FIRST_IP = 101
NGINX_CONF = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {dir}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    types {{ video/iso.segment m4s; }}
    sendfile on;
    tcp_nopush on;
    open_file_cache max=10000 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    {http}
    server {{
        listen {address} backlog=4096;
        {server}
    }}
}}
"""
# As the issue of the peers' manuals has it: one request of many to the store, and whole objects kept.
NGINX_CACHE = "proxy_cache_path {dir}/cache levels=1:2 keys_zone=objects:10m max_size=10g inactive=1h use_temp_path=off;"
NGINX_PROXY = """
        location / {{
            proxy_pass http://{store};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache objects;
            proxy_cache_valid 200 1h;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 60s;
            proxy_cache_lock_age 60s;
        }}
"""
VCL = """
vcl 4.1;
backend store {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_backend_response {{ set beresp.ttl = 1h; set beresp.do_stream = true; }}
"""


def get(address, path, headers=()):
    """(status, headers, length of the body)."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, len(answer.read())
    finally:
        connection.close()


def command_of(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def head_bytes(address, path):
    """The lengths of wrk's request for it and of the answer's head."""
    status, headers, _ = get(address, path)
    if status != 200:
        raise Failed(f"http://{address}{path} answers {status}")
    request = len(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")
    return request + len("HTTP/1.1 200 OK\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in headers.items())


class Ours:
    """One api node and as many delivery nodes, each with one http worker on the servers' core."""

    name = "warmcastd"

    def __init__(self, arguments, folder, cores, delivery=1, overrides=None, wrapper=None):
        self.cores = cores
        wide = {"workers": 1, "capacity": {"sessions": SESSIONS, "egress_mbps": 1_000_000}}
        self.cluster = warmcluster.Cluster(
            folder, api=1, delivery=delivery, ports="free", first_ip=FIRST_IP, binary=arguments.warmcastd,
            cache_size="20GiB", overrides=warmcluster.deep_merge({"api": {"workers": 1}, "delivery": wide}, overrides or {}))
        self.api = self.cluster.of_role("api")[0]
        self.nodes = self.cluster.of_role("delivery")
        if wrapper is not None:
            for node in self.nodes:
                node.wrapper = wrapper
        self.others = []

    def start(self):
        self.cluster.up()
        self.cluster.wait_met(60)
        pin(self.api.pid(), {self.cores[-1]})
        for node in self.nodes:
            pin(node.pid(), {self.cores[0]})
        self.pids = [node.pid() for node in self.nodes]
        self.others = [self.api.pid()]
        self.address = self.nodes[0].http
        self.addresses = [node.http for node in self.nodes]

    def token(self, content=CONTENT):
        """The path of a new session's objects, up to its content."""
        status, answer = self.api.post_json("/v1/sessions", {"content": content})
        if status != 201:
            raise Failed(f"the api node says {status} {answer}")
        return "/" + "/".join(answer["uri"].split("/")[3:5])

    def prefix(self):
        return f"{self.token()}/{CONTENT}/"

    def warm(self, prefix, names, address=None):
        """Returns when the cache has all of them."""
        for name in names:
            def hit(name=name):
                status, headers, _ = get(address or self.address, prefix + name)
                if status != 200:
                    raise Failed(f"{self.name} answers {status} for {name}")
                return "hit" in headers.get("Cache-Status", "")
            warmcluster.until(f"the cache has {name}", 60, hit)

    def stop(self):
        self.cluster.down(now=True)


class Store:
    """The slow origin store (bench_delivery_origin.py), on the core of what drives."""

    def __init__(self, cores, latency_ms, mbit_s):
        self.cores, self.latency_ms, self.mbit_s = cores, latency_ms, mbit_s
        self.process = None

    def start(self):
        self.address = f"{STORE_IP}:{warmcluster.free_ports([STORE_IP], 1)[0]}"
        program = pathlib.Path(__file__).with_name("bench_delivery_origin.py")
        self.process = subprocess.Popen([sys.executable, "-B", program, self.address, str(self.latency_ms), str(self.mbit_s)],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.pids = [self.process.pid]
        warmcluster.until("the store answers", 30, self._answers)
        pin(self.process.pid, {self.cores[-1]})

    def _answers(self):
        try:
            return self.counts() is not None
        except OSError:
            return False

    def counts(self):
        """How often each path was asked for."""
        return json.loads(warmcluster.request("GET", f"http://{self.address}/-/counts").body)

    def stop(self):
        bench_pairs.stop(self.process)


class _Peer:
    """A process of its own that is pinned to the servers' core."""

    def __init__(self, folder, cores):
        self.folder = pathlib.Path(folder)
        self.cores = cores
        self.process = None
        self.others = []

    def _start(self, path):
        try:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise Failed(f"there is no {self.command()[0]}: scripts/setup bench") from None
        warmcluster.until(f"{self.name} answers", 60, lambda: self._answers(path))
        children = bench_pairs.children_of(self.process.pid)
        for pid in (self.process.pid, *children):
            pin(pid, {self.cores[0]})
        # nginx looks once through its cache, which is empty, and that process ends within a minute.
        self.pids = [self.process.pid, *(pid for pid in children if "cache loader" not in command_of(pid))]
        self.addresses = [self.address]

    def _answers(self, path):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended: {self.process.stderr.read().strip()}")
        try:
            return get(self.address, path)[0] > 0
        except (OSError, http.client.HTTPException):
            return False

    def prefix(self):
        return f"/{CONTENT}/"

    def warm(self, prefix, names):
        for name in names:
            for _ in range(2):
                status, _, _ = get(self.address, prefix + name)
                if status != 200:
                    raise Failed(f"{self.name} answers {status} for {name}")

    def stop(self):
        bench_pairs.stop(self.process)


class Nginx(_Peer):
    """Files of a folder, or, with a store's HOST:PORT, a cache in front of it."""

    name = "nginx"

    def __init__(self, folder, cores, root=None, store=None, wrapper=(), options=()):
        super().__init__(folder, cores)
        self.root, self.store = root, store
        self.wrapper, self.options = wrapper, options

    def command(self):
        return [*map(str, self.wrapper), "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *self.options]

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.address = f"{NGINX_IP}:{warmcluster.free_ports([NGINX_IP], 1)[0]}"
        server = "".join(([f"location /{CONTENT}/ {{ root {self.root}; }}"] if self.root else [])
                         + ([NGINX_PROXY.format(store=self.store)] if self.store else []))
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(
            # Its worker would be nobody, who may not enter the benchmark's folder.
            user="user root;" if os.geteuid() == 0 else "", dir=self.folder, address=self.address,
            descriptors=os.sysconf("SC_OPEN_MAX"), connections=CONNECTIONS,
            http=NGINX_CACHE.format(dir=self.folder) if self.store else "", server=server))
        self._start("/")


class Varnish(_Peer):
    """A cache in memory in front of a store's HOST:PORT."""

    name = "varnish"

    def __init__(self, folder, cores, store, memory="4G"):
        super().__init__(folder, cores)
        self.store, self.memory = store, memory

    def command(self):
        # One pool; its threads block in their writes, so that there have to be as many as viewers are served at once.
        return ["taskset", "-c", str(self.cores[0]), "varnishd", "-F", "-j", "none", "-n", str(self.folder), "-a", self.address,
                "-T", "none", "-f", str(self.folder / "bench.vcl"), "-s", f"malloc,{self.memory}", "-p", "thread_pools=1",
                "-p", "thread_pool_min=100", "-p", "thread_pool_max=5000", "-p", "timeout_idle=3600"]

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        host, _, port = self.store.rpartition(":")
        (self.folder / "bench.vcl").write_text(VCL.format(host=host, port=port))
        self.address = f"{VARNISH_IP}:{warmcluster.free_ports([VARNISH_IP], 1)[0]}"
        self._start("/")
