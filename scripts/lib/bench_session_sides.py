"""The two servers of scripts/bench session, what they cost, and the machine they share."""

import json
import os
import pathlib
import re
import subprocess
import time

import warmcluster

HERE = pathlib.Path(__file__).resolve().parent
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
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


class Failed(Exception):
    """What a person is told."""


def pin(pid, cpus):
    """All threads of a process."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cpus)


def run_ns(pids):
    """CPU time of all threads of these processes (sum_exec_runtime)."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total


def machine_ticks():
    """Ticks since the start: "cpu": in processes of all cores, or taken by the host; "cpuN": in which a core was busy."""
    found = {}
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if not name.startswith("cpu"):
            continue
        user, nice, system, _, _, irq, softirq, steal = map(int, numbers[:8])
        found[name] = user + nice + system + steal + (irq + softirq if name != "cpu" else 0)
    return found


def children_of(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


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
        self._wait_locations(say)
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

    def _wait_locations(self, say):
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

    def __init__(self, folder, cores):
        self.folder = pathlib.Path(folder)
        self.cores = cores
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
            self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", conf], stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise Failed("there is no nginx: scripts/setup bench") from None
        warmcluster.until("nginx answers", 10, self._answers)
        self.pids = [self.process.pid, *children_of(self.process.pid)]
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
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def drive(side, arguments, cores, seconds):
    """wrk for so long from the first core; what it saw, and what that cost: a dict."""
    command = ["taskset", "-c", str(cores[0]), "wrk", "-t", "1", "-c", str(arguments.connections), "-d", f"{seconds}s",
               "-s", HERE / "bench_session.lua", f"http://{side.address}", "--", str(arguments.contents)]
    ours = [*side.pids, *side.others, os.getpid()]
    before, cpu, all_cpu, began = machine_ticks(), run_ns(side.pids), run_ns(ours), time.monotonic()
    wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    text, errors = wrk.stdout.read(), wrk.stderr.read()
    _, status, usage = os.wait4(wrk.pid, 0)
    wrk.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - began
    after, cpu, all_cpu = machine_ticks(), run_ns(side.pids) - cpu, run_ns(ours) - all_cpu
    if wrk.returncode != 0:
        raise Failed(f"wrk ended with {wrk.returncode}: {text}{errors}")
    seen = json.loads(text.strip().splitlines()[-1])
    known_s = all_cpu / 1e9 + usage.ru_utime + usage.ru_stime
    core = f"cpu{cores[-1]}"
    return {
        "per_s": seen["requests"] / (seen["us"] / 1e6),
        "cpu_us": cpu / 1e3 / max(1, seen["requests"]),
        "p50_us": seen["p50_us"],
        "p99_us": seen["p99_us"],
        "errors": seen["errors"],
        "requests": seen["requests"],
        # Of the time in which wrk sent: it makes its bodies before.
        "core_busy": min(1.0, (after[core] - before[core]) * TICK_S / (seen["us"] / 1e6)),
        "foreign": max(0.0, (after["cpu"] - before["cpu"]) * TICK_S - known_s) / (elapsed * os.cpu_count()),
    }
