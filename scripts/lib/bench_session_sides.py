"""The two servers of scripts/bench session, and what drives them."""

import json
import pathlib
import re
import subprocess
import time

import bench_pairs
import warmcluster
from bench_pairs import Failed, pin

HERE = pathlib.Path(__file__).resolve().parent
NAMES = "lv{}"
LOCATIONS_DEADLINE_S = 900
# Nobody comes to play: each place is given back after a second, and there are more of them than can be taken meanwhile.
SESSIONS_A_NODE = 1_000_000
NGINX_IP = "127.0.0.121"
NGINX_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen {address};
        location / {{ return 201 '{body}'; }}
    }}
}}
"""


class Ours:
    """One api node with one http worker, and three delivery nodes that hold every content."""

    name = "warmcastd"

    def __init__(self, arguments, folder, cores):
        self.arguments = arguments
        self.cores = cores
        overrides = {"*": {"session": {"start_within": "1s"}}, "api": {"workers": 1},
                     "delivery": {"capacity": {"sessions": SESSIONS_A_NODE}, "workers": 1}}
        self.cluster = warmcluster.Cluster(folder, api=1, delivery=3, ports="free", first_ip=111, overrides=overrides,
                                           binary=arguments.warmcastd, cache_size="100GiB")
        self.api = self.cluster.of_role("api")[0]

    def start(self, say):
        cluster, contents = self.cluster, self.arguments.contents
        cluster.prepare()
        for node in cluster.of_role("delivery"):
            mark = node.cache_dir.parent / f"{node.name}.filled"
            if not mark.exists() or mark.read_text() != str(contents):
                say(f"filling the cache of {node.name} with {contents} contents")
                subprocess.run([self.arguments.fill, node.cache_dir, str(contents), NAMES], check=True)
                mark.write_text(str(contents))
        cluster.up()
        cluster.wait_met()
        self.wait_locations(say)
        pin(self.api.pid(), {self.cores[-1]})
        for node in cluster.of_role("delivery"):
            pin(node.pid(), {self.cores[0]})
        status, answer = self.api.post_json("/v1/sessions", {"content": "lv1"})
        if status != 201 or answer["outcome"] != "warm":
            raise Failed(f"the api node says {status} {answer}")
        self.body = json.dumps(answer, separators=(",", ":"))
        self.address = self.api.http
        self.pids = [self.api.pid()]
        self.others = [node.pid() for node in cluster.of_role("delivery")]

    def entries(self):
        return int(self.metric("warmcast_kvs_entries"))

    def metric(self, name):
        text = warmcluster.request("GET", f"http://{self.api.admin}/metrics").body.decode()
        values = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, values))

    def created(self, outcome):
        return self.metric('warmcast_sessions_created_total{outcome="%s"}' % outcome)

    def wait_locations(self, say=lambda text: None):
        wanted, said = 3 * self.arguments.contents, time.monotonic()

        def complete():
            nonlocal said
            entries = self.entries()
            if time.monotonic() - said > 20:
                said = time.monotonic()
                say(f"the api node knows of {entries:,} of {wanted:,} locations")
            return entries >= wanted

        warmcluster.until(f"the api node knows of {wanted:,} locations", LOCATIONS_DEADLINE_S, complete)

    def stop(self):
        self.cluster.down(now=True)


class Nginx:
    """One worker that answers with a constant body."""

    name = "nginx"

    def __init__(self, folder, cores, wrapper=(), options=()):
        self.folder = pathlib.Path(folder)
        self.cores = cores
        self.wrapper, self.options = wrapper, options
        self.process = None
        self.others = []

    def start(self, body):
        if "'" in body or "$" in body:
            raise Failed("the answer does not fit into nginx's configuration")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.address = f"{NGINX_IP}:{warmcluster.free_ports([NGINX_IP], 1)[0]}"
        conf = self.folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=self.folder, address=self.address, body=body))
        try:
            self.process = subprocess.Popen([*self.wrapper, "nginx", "-p", self.folder, "-c", conf, *self.options],
                                            stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise Failed("there is no nginx: scripts/setup bench") from None
        warmcluster.until("nginx answers", 30, self._answers)
        self.pids = [self.process.pid, *bench_pairs.children_of(self.process.pid)]
        for pid in self.pids:
            pin(pid, {self.cores[-1]})

    def _answers(self):
        if self.process.poll() is not None:
            raise Failed(f"nginx ended: {self.process.stderr.read().strip()}")
        try:
            return warmcluster.request("POST", f"http://{self.address}/v1/sessions", b"{}").status == 201
        except OSError:
            return False

    def stop(self):
        bench_pairs.stop(self.process)


def drive(side, arguments, cores, seconds):
    """wrk for so long from the first core; what it saw, and what that cost: a dict."""
    command = ["taskset", "-c", str(cores[0]), "wrk", "-t", "1", "-c", str(arguments.connections), "-d", f"{seconds}s",
               "-s", HERE / "bench_session.lua", f"http://{side.address}", "--", str(arguments.contents)]
    text, cost = bench_pairs.drive(side, command, cores[-1])
    seen = json.loads(text.strip().splitlines()[-1])
    return {
        "per_s": seen["requests"] / (seen["us"] / 1e6),
        "cpu_us": cost["cpu_s"] * 1e6 / max(1, seen["requests"]),
        "p50_us": seen["p50_us"],
        "p99_us": seen["p99_us"],
        "errors": seen["errors"],
        "requests": seen["requests"],
        # Of the time in which wrk sent: it makes its bodies before.
        "core_busy": min(1.0, cost["core_s"] / (seen["us"] / 1e6)),
        "foreign": cost["foreign"],
    }
