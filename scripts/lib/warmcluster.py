"""A local cluster of real warmcastd processes on 127.0.0.1, 127.0.0.2 ... for tests, the demo and benchmarks.

    with Cluster(tmp_path, api=2, delivery=3, ports="free") as cluster:     # up() and down()
        status, session = cluster.node("api-1").post_json("/v1/sessions", {"content": "lv1"})
        cluster.node("delivery-1").kill()

Node i listens on 127.0.0.(first_ip + i - 1), api nodes first, then delivery, then ingest; every node of a cluster has
the same three ports, because steering replaces only the host in a URI. All state lies under one directory:

    cluster.json            what up() started        conf/NAME.yaml, conf/token.keys, conf/cluster.key
    data/NAME, cache/NAME   replica and cache        log/NAME.jsonl (stdout), log/NAME.err (stderr)
    origin/                 the dir origin store     run/NAME.pid

Only the Python standard library is used. Not thread-safe: one thread drives one Cluster.
"""

import base64
import collections
import contextlib
import fcntl
import http.client
import ipaddress
import json
import os
import pathlib
import random
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "warmcastd"
READY_DEADLINE_S = 30.0
TERM_DEADLINE_S = 50.0  # a node may wait 40 s for answers under way
POLL_S = 0.02

# What systemd does: descriptors stand from 3 on, and LISTEN_PID is who is executed.
ACTIVATE = """
import fcntl, os, sys
n = int(sys.argv[1])
spare = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 64) for fd in sys.argv[2:2 + n]]
for i, fd in enumerate(spare):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n))
os.execvp(sys.argv[2 + n], sys.argv[2 + n:])
"""

Response = collections.namedtuple("Response", "status headers body")
Ports = collections.namedtuple("Ports", "http rpc admin")
DEFAULT_PORTS = Ports(8080, 7000, 9000)


class ClusterError(Exception):
    """What a person is told, in one or more plain lines."""


def until(what, deadline_s, probe):
    """Polls until probe() is true and returns that value; raises ClusterError naming `what` at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= end:
            raise ClusterError(f"{what}: not within {deadline_s:g} s")
        time.sleep(POLL_S)


def request(method, url, body=None, headers=None, timeout_s=10.0):
    """One HTTP request on a connection of its own, redirects not followed. Raises OSError or HTTPException."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)
    try:
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def deep_merge(base, over):
    """A new mapping: `over` wins, mappings are merged, a None removes the key, lists are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def yaml_scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*|[0-9]+[A-Za-z%]+|[0-9.]+:[0-9]+", text)
    if plain and text.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n"):
        return text
    return json.dumps(text, ensure_ascii=False)


def to_yaml(value, indent=0):
    """Block-style YAML of nested dicts and lists, in the order given."""
    pad = " " * indent
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}{key}:\n{to_yaml(item, indent + 2)}")
            else:
                empty = "{}" if isinstance(item, dict) else "[]" if isinstance(item, list) else yaml_scalar(item)
                lines.append(f"{pad}{key}: {empty}\n")
    else:
        for item in value:
            text = to_yaml(item, indent + 2).lstrip(" ") if isinstance(item, (dict, list)) else yaml_scalar(item) + "\n"
            lines.append(f"{pad}- {text}")
    return "".join(lines)


_reserved = []


def reserve(port):
    """Until this process ends no other one gets that port of free_ports, not even while nobody listens on it: a name in
    the kernel's table stands for it, which is of the network namespace as ports are, and goes with the process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0warmcast-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def free_ports(addresses, count=3):
    """`count` ports free on every address, below the kernel's range for outgoing connections; this process's from then on."""
    for _ in range(200):
        candidates = random.SystemRandom().sample(range(10000, 32000), count)
        if not all(reserve(port) for port in candidates):
            continue
        with contextlib.ExitStack() as opened:
            try:
                for address in addresses:
                    for port in candidates:
                        listener = opened.enter_context(socket.socket())
                        listener.bind((address, port))
                return candidates
            except OSError:
                continue
    raise ClusterError(f"no {count} ports are free on all of {', '.join(addresses)}")


def is_our_process(pid, config):
    """Whether pid is a living warmcastd that runs with this config file (a pid may have been given to another)."""
    try:
        arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    programs = {os.path.basename(argument) for argument in arguments}
    return state not in ("Z", "X") and PROGRAM.encode() in programs and os.fsencode(config) in arguments


def tail(path, lines):
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


class Node:
    """One process of the cluster: its addresses, its files, its life."""

    def __init__(self, cluster, name, role, ip, ports):
        self.cluster = cluster
        self.name = name
        self.role = role
        self.ip = ip
        self.http = f"{ip}:{ports.http}"
        self.rpc = f"{ip}:{ports.rpc}"
        self.admin = f"{ip}:{ports.admin}"
        root = cluster.dir
        self.config_file = root / "conf" / f"{name}.yaml"
        self.data_dir = root / "data" / name
        self.cache_dir = root / "cache" / name
        self.log_file = root / "log" / f"{name}.jsonl"
        self.err_file = root / "log" / f"{name}.err"
        self.pid_file = root / "run" / f"{name}.pid"
        self.binary = None  # of this node only; None: the cluster's
        self.wrapper = None  # a command before the binary of this node only; None: the cluster's
        self.pass_fds = ()  # descriptors that it inherits, under the same numbers
        self._process = None

    def pid(self):
        """The pid of the living process, or None."""
        if self._process is not None:  # our own child: nobody else can have its pid until it is reaped
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if is_our_process(pid, self.config_file) else None

    def start(self, wait=True):
        if self.pid() is not None:
            raise ClusterError(f"{self.name} runs already")
        wrapper = self.cluster.wrapper if self.wrapper is None else self.wrapper
        with open(self.log_file, "ab") as log, open(self.err_file, "ab") as err:
            self._process = subprocess.Popen(
                [*wrapper, str(self.binary or self.cluster.binary), "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=err, start_new_session=True, pass_fds=self.pass_fds,
                env={**os.environ, **self.cluster.env})
        self.pid_file.write_text(f"{self._process.pid}\n")
        if wait:
            self.wait_ready()

    def activate(self, sockets):
        """From the next start on it inherits these as from systemd; they stay open here."""
        numbers = [s.fileno() for s in sockets]
        before = self.cluster.wrapper if self.wrapper is None else self.wrapper
        self.pass_fds = numbers
        self.wrapper = [sys.executable, "-c", ACTIVATE, str(len(numbers)), *map(str, numbers), *before]

    def hold_sockets(self, n=1):
        """n sockets that listen where viewers come, for activate(): the caller's, who closes them."""
        host, port = self.http.split(":")
        held = []
        for _ in range(n):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if n > 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind((host, int(port)))
            s.listen(4096)
            held.append(s)
        self.activate(held)
        return held

    def is_ready(self):
        try:
            return request("GET", f"http://{self.admin}/readyz", timeout_s=2).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, deadline_s=READY_DEADLINE_S):
        """Returns once /readyz says 200; raises with the last log lines when the process ends or time is up."""
        def probe():
            if self._process is not None and self._process.poll() is not None:
                raise ClusterError(self.describe_end(f"ended with status {self._process.returncode} while starting"))
            return self.is_ready()
        try:
            until(f"{self.name} is ready", deadline_s, probe)
        except ClusterError as error:
            if self.name in str(error) and "not within" in str(error):
                raise ClusterError(self.describe_end(f"is not ready after {deadline_s:g} s")) from None
            raise

    def describe_end(self, what):
        shown = [*tail(self.log_file, 12), *tail(self.err_file, 12)] or ["(it wrote nothing)"]
        return f"{self.name} {what}; its last words ({self.log_file}):\n" + "\n".join(f"  | {line}" for line in shown)

    def signal(self, number):
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_gone(self, deadline_s=TERM_DEADLINE_S):
        until(f"{self.name} has ended", deadline_s, lambda: self.pid() is None)

    def exit_status(self):
        """The status of a process that this object started and that has ended (negative: the signal), else None."""
        return None if self._process is None else self._process.poll()

    def kill(self):
        """As by kill -9 or a power cut: no goodbye. Returns when it is gone."""
        self.signal(signal.SIGKILL)
        self.wait_gone()

    def term(self, deadline_s=TERM_DEADLINE_S):
        """Drains and leaves; killed when it does not. Returns whether it left by itself."""
        self.signal(signal.SIGTERM)
        try:
            self.wait_gone(deadline_s)
            return True
        except ClusterError:
            self.kill()
            return False

    def restart(self, hard=False):
        if hard:
            self.kill()
        else:
            self.term()
        self.start()

    def request(self, method, path, body=None, headers=None, timeout_s=10.0):
        return request(method, f"http://{self.http}{path}", body, headers, timeout_s)

    def post_json(self, path, value, headers=None):
        """(status, decoded answer or None) of a POST to the viewers' listener."""
        answer = self.request("POST", path, json.dumps(value).encode(),
                              {"Content-Type": "application/json", **(headers or {})})
        return answer.status, json.loads(answer.body) if answer.body else None

    def admin_get(self, path, timeout_s=10.0):
        """(status, answer) of the operators' listener; the answer is decoded where it is JSON, else text."""
        answer = request("GET", f"http://{self.admin}{path}", timeout_s=timeout_s)
        if "json" in (answer.headers.get("Content-Type") or ""):
            return answer.status, json.loads(answer.body)
        return answer.status, answer.body.decode(errors="replace")

    def admin_post(self, path, value=None, method="POST", timeout_s=10.0):
        """(status, decoded answer) of a POST, or another method, to the operators' listener."""
        body = None if value is None else json.dumps(value).encode()
        answer = request(method, f"http://{self.admin}{path}", body, {"Content-Type": "application/json"}, timeout_s)
        return answer.status, json.loads(answer.body) if answer.body else None

    def log_events(self):
        """The node's log so far, one dict a line; a line that is no JSON comes as {"unparsable": line}."""
        events = []
        for line in tail(self.log_file, 1000000):
            try:
                events.append(json.loads(line))
            except ValueError:
                events.append({"unparsable": line})
        return events


def without_pathways(playlist):
    """What the origin store holds of a playlist, or an MPD, that came with the session's pathways."""
    if playlist.lstrip()[:1] == b"<":
        return re.sub(rb'(<BaseURL serviceLocation="[^"]*">[^<]*</BaseURL>)+<ContentSteering [^>]*>[^<]*</ContentSteering>', b"",
                      playlist)
    tag = re.search(rb'#EXT-X-CONTENT-STEERING:[^\n]*PATHWAY-ID="([^"]+)"\n', playlist)
    if tag is None:
        return playlist
    own = playlist.replace(tag[0], b"").replace(b',PATHWAY-ID="' + tag[1] + b'"', b"")
    other = re.search(rb'^#EXT-X-[^\n]*(PATHWAY-ID=|GROUP-ID="[^"]*@)', own, re.MULTILINE)
    return own if other is None else own[:other.start()]


class Cluster:
    """See the top of this file.

    overrides: parts of the configuration, merged over the defaults (deep_merge): keys are "*", a role, or a node's name.
    ports: a Ports, or "free" for three that nothing listens on. wrapper: a command before the binary, as a list; default:
    the words of $WARMCAST_WRAPPER (for instance "valgrind --leak-check=full --error-exitcode=99"). addresses: one a node,
    instead of those from 127.0.0.first_ip on.
    """

    def __init__(self, dir, api=2, delivery=3, ingest=0, *, name="local", ports=DEFAULT_PORTS, first_ip=1, addresses=None,
                 overrides=None, binary=None, wrapper=None, env=None, cache_size="1GiB", say=None):
        self.dir = pathlib.Path(dir).resolve()
        self.name = name
        self.binary = pathlib.Path(binary or os.environ.get("WARMCASTD") or REPOSITORY / "build" / PROGRAM).resolve()
        self.wrapper = list(shlex.split(os.environ.get("WARMCAST_WRAPPER", "")) if wrapper is None else wrapper)
        self.env = dict(env or {})
        self.overrides = overrides or {}
        self.cache_size = cache_size
        self.say = say or (lambda text: None)
        self.origin_dir = self.dir / "origin"
        roles = ["api"] * api + ["delivery"] * delivery + ["ingest"] * ingest
        if not roles:
            raise ClusterError("a cluster needs at least one node")
        if addresses is None:
            if not 1 <= first_ip <= first_ip + len(roles) - 1 <= 254:
                raise ClusterError(f"{len(roles)} nodes from 127.0.0.{first_ip} on do not fit below 127.0.0.255")
            addresses = [str(ipaddress.IPv4Address("127.0.0.0") + first_ip + i) for i in range(len(roles))]
        if len(addresses) != len(roles):
            raise ClusterError(f"{len(addresses)} addresses for {len(roles)} nodes")
        self.ports = Ports(*free_ports(addresses)) if ports == "free" else Ports(*ports)
        counts = collections.Counter()
        self.nodes = []
        for role, address in zip(roles, addresses):
            counts[role] += 1
            self.nodes.append(Node(self, f"{role}-{counts[role]}", role, address, self.ports))

    @classmethod
    def load(cls, dir, **kwargs):
        """The cluster that up() once wrote there, or None."""
        try:
            state = json.loads((pathlib.Path(dir) / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return cls(dir, state["api"], state["delivery"], state["ingest"], name=state["name"], ports=state["ports"],
                   addresses=state["addresses"], binary=state["binary"], wrapper=state["wrapper"], **kwargs)

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def node(self, name):
        for node in self.nodes:
            if node.name == name:
                return node
        raise ClusterError(f"no node {name}; there are {', '.join(n.name for n in self.nodes)}")

    def of_role(self, role):
        return [node for node in self.nodes if node.role == role]

    def config_of(self, node):
        """The whole configuration of a node as nested dicts."""
        seeds = [n.rpc for n in self.of_role("api")[:3] + self.of_role("delivery")[:1]] or [self.nodes[0].rpc]
        config = {
            "cluster": self.name,
            "node": node.name,
            "roles": [node.role],
            "data_dir": node.data_dir,
            "listen": {"http": [node.http], "rpc": node.rpc, "admin": node.admin},
            "seeds": seeds,
            "origins": [{"name": "main", "match": "", "type": "dir", "path": self.origin_dir}],
            "secrets": {
                "token_keys_file": self.dir / "conf" / "token.keys",
                "cluster_key_file": self.dir / "conf" / "cluster.key",
            },
        }
        if node.role == "delivery":
            config["cache"] = {"disks": [{"path": node.cache_dir, "size": self.cache_size}], "ram": "64MiB"}
        for key in ("*", node.role, node.name):
            config = deep_merge(config, self.overrides.get(key, {}))
        return config

    def write_config(self, node):
        node.config_file.write_text(to_yaml(self.config_of(node)))

    def _write_key(self, path, key_id):
        """A new secret, readable by its owner only; one that is there is kept."""
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")

    def prepare(self):
        """Folders, keys and configurations; starts nothing."""
        for part in ("conf", "log", "run", "origin"):
            (self.dir / part).mkdir(parents=True, exist_ok=True)
        self._write_key(self.dir / "conf" / "token.keys", "k1")
        self._write_key(self.dir / "conf" / "cluster.key", "c1")
        for node in self.nodes:
            node.data_dir.mkdir(parents=True, exist_ok=True)
            if node.role == "delivery":
                node.cache_dir.mkdir(parents=True, exist_ok=True)
            self.write_config(node)
        state = {role: len(self.of_role(role)) for role in ("api", "delivery", "ingest")}
        state.update(name=self.name, ports=list(self.ports), addresses=[n.ip for n in self.nodes],
                     binary=str(self.binary), wrapper=self.wrapper)
        (self.dir / "cluster.json").write_text(json.dumps(state, indent=1) + "\n")

    @contextlib.contextmanager
    def _locked(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        with open(self.dir / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ClusterError(f"another command is at work on {self.dir}; try again when it is done") from None
            yield

    def up(self):
        """Starts every node and returns when all are ready; on failure ends them again and raises ClusterError."""
        if not os.access(self.binary, os.X_OK):
            raise ClusterError(f"no program at {self.binary}: build it first (cmake -S . -B build -G Ninja && ninja -C build)")
        with self._locked():
            former = Cluster.load(self.dir)
            running = [n.name for n in (former.nodes if former else []) if n.pid() is not None]
            if running:
                raise ClusterError(f"a cluster is up in {self.dir} already ({', '.join(running)}); say `down` first")
            self.prepare()
            try:
                self._start_all()
            except BaseException:
                self._stop_all()
                raise

    def _start_all(self):
        began = time.monotonic()
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready(max(1.0, READY_DEADLINE_S - (time.monotonic() - began)))
            self.say(f"{node.name} is ready at {node.ip} after {time.monotonic() - began:.1f} s (pid {node.pid()})")

    def _stop_all(self):
        """Ends exactly the processes that this cluster started: SIGTERM to all, SIGKILL to those that stay."""
        living = [n for n in self.nodes if n.pid() is not None]
        for node in living:
            node.signal(signal.SIGTERM)
        end = time.monotonic() + TERM_DEADLINE_S
        for node in living:
            try:
                node.wait_gone(max(0.0, end - time.monotonic()))
                status = node.exit_status()
                self.say(f"{node.name} has left" + (f" with status {status}" if status else ""))
            except ClusterError:
                node.kill()
                self.say(f"{node.name} did not leave within {TERM_DEADLINE_S:g} s and was killed")
        for node in self.nodes:
            node.pid_file.unlink(missing_ok=True)
        return len(living)

    def wait_met(self, deadline_s=15.0):
        """Returns once every node sees every other alive and ready: readiness of each says nothing of the others."""
        want = {node.name for node in self.nodes}

        def complete(node):
            _, answer = node.admin_get("/v1/nodes")
            return {n["name"] for n in answer["nodes"] if n["liveness"] == "alive" and n["state"] == "ready"} == want

        for node in self.nodes:
            until(f"{node.name} sees all {len(want)} nodes", deadline_s, lambda node=node: complete(node))

    def down(self, now=False):
        """Returns how many processes were ended. now: asked twice, they leave without draining."""
        with self._locked():
            if now:
                for node in self.nodes:
                    node.signal(signal.SIGTERM)
                for node in self.nodes:
                    node.signal(signal.SIGTERM)
            return self._stop_all()

    def status(self):
        """A dict a node: name, role, pid (None when down), http, rpc, admin, ready."""
        return [{"name": n.name, "role": n.role, "pid": n.pid(), "http": n.http, "rpc": n.rpc, "admin": n.admin,
                 "ready": n.pid() is not None and n.is_ready()} for n in self.nodes]
