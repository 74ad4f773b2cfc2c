"""The two that scripts/bench gossip measures, behind one interface: warmcastd and serf.

    start() stop() settled()     processes() -> {name: pid}
    write(size)                  spread(deadline_s) -> seconds until the last node had it, or None
    stored_s                     the part of it until the writer had it on disk, or None
    put(worker, i, size)         a write of the load, by node i of 1 ..., on a connection of that worker
    gossip_port                  frame_bytes() -> bytes as the program itself counts them, or None
    die(name, signal) -> seconds until the last of the others said so, or None; revive(name, signal)
"""

import datetime
import http.client
import json
import secrets
import signal
import time

import serf_agents
from warmcluster import Cluster, Ports, until

API_NODES = 4  # of ours; the others deliver


def wall_of(ts):
    return datetime.datetime.fromisoformat(ts.replace("Z", "+00:00")).timestamp()


class Lines:
    """The lines that a growing log file got since the last look."""

    def __init__(self, path):
        self.path = path
        self.at = path.stat().st_size if path.exists() else 0
        self.rest = b""

    def new(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        self.at += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        return whole


class Ours:
    name = "warmcast"
    gossip_port = 7000

    def __init__(self, directory, addresses, binary):
        api = min(API_NODES, max(1, len(addresses) // 2))
        # The log says each death and return; nobody asks the viewers' listeners anything.
        self.cluster = Cluster(directory, api=api, delivery=len(addresses) - api, addresses=addresses, binary=binary,
                               ports=Ports(8080, self.gossip_port, 9000), cache_size="16MiB",
                               overrides={"*": {"workers": 1}})
        self.nodes = self.cluster.nodes
        self.waited = None
        self.stored_s = None

    def start(self):
        self.cluster.up()

    def stop(self):
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            node.kill()

    def settled(self):
        self.cluster.wait_met(deadline_s=60)

    def processes(self):
        return {node.name: node.pid() for node in self.nodes}

    def write(self, size):
        began = time.monotonic()
        status, said = self.nodes[0].admin_post("/v1/kvs/probe", {"slot": 999, "bytes": size})
        self.stored_s = time.monotonic() - began
        if status != 200:
            raise OSError(f"the probe was refused: {status} {said}")
        self.waited = said["owner"], said["writes"][0]["number"]

    def spread(self, deadline_s):
        """Each node notes by the host's clock when it applied the write: asked late, it tells the same."""
        owner, number = self.waited
        missing, worst = {node.name: node for node in self.nodes[1:]}, 0
        end = time.monotonic() + deadline_s
        time.sleep(0.3)
        while missing:
            for node in list(missing.values()):
                for seen in node.admin_get("/v1/kvs/probe")[1]["seen"]:
                    if seen["owner"] == owner and seen["number"] == number:
                        worst = max(worst, seen["latency_us"])
                        del missing[node.name]
            if missing and time.monotonic() > end:
                return None
            if missing:
                time.sleep(0.25)
        return worst / 1e6

    def put(self, worker, i, size):
        node = self.nodes[i]
        if node.name not in worker:
            host, port = node.admin.split(":")
            worker[node.name] = http.client.HTTPConnection(host, int(port), timeout=10)
        worker[node.name].request("POST", "/v1/kvs/probe", json.dumps({"bytes": size}), {"Content-Type": "application/json"})
        answer = worker[node.name].getresponse()
        answer.read()
        return answer.status == 200

    def frame_bytes(self):
        total = 0
        for node in self.nodes:
            for line in node.admin_get("/metrics")[1].splitlines():
                if line.startswith('warmcast_rpc_bytes_total{direction="out",'):
                    total += int(float(line.split()[-1]))
        return total

    def die(self, name, signum, deadline_s):
        victim = self.cluster.node(name)
        logs = {node.name: Lines(node.log_file) for node in self.nodes if node.name != name}
        said = {}
        began = time.time()
        victim.signal(signum)
        while len(said) < len(logs) and time.time() < began + deadline_s:
            time.sleep(0.05)
            for observer, log in logs.items():
                for line in log.new():
                    event = json.loads(line)
                    if event.get("event") == "node-down" and event.get("peer") == name:
                        said[observer] = wall_of(event["ts"])
        return max(said.values()) - began if len(said) == len(logs) else None

    def revive(self, name, signum):
        node = self.cluster.node(name)
        if signum == signal.SIGSTOP:
            node.signal(signal.SIGCONT)
        else:
            node.wait_gone()
            node.start()
        self.cluster.wait_met(deadline_s=60)


class Serf:
    name = "serf"
    gossip_port = serf_agents.GOSSIP_PORT

    def __init__(self, directory, addresses, profile):
        self.cluster = serf_agents.Agents(directory, addresses, profile)
        self.nodes = self.cluster.agents
        self.sent = 0
        self.stored_s = None
        self.began = 0.0

    def start(self):
        self.cluster.start()

    def stop(self):
        self.cluster.stop()

    def settled(self):
        everybody = {agent.name for agent in self.nodes}
        for agent in self.nodes:
            until(f"{agent.name} sees all {len(everybody)}", 90,
                  lambda agent=agent: self.cluster.alive_seen_by(agent) == everybody)

    def processes(self):
        return {agent.name: agent.pid() for agent in self.nodes}

    def write(self, size):
        self.sent += 1
        self.cluster.events(forget=True)
        self.began = time.monotonic()
        self.cluster.send_event(self.nodes[0], "probe", f"{self.sent:04d}" + secrets.token_hex(size // 2 - 2))

    def spread(self, deadline_s):
        number = f"{self.sent:04d}".encode()
        end = self.began + deadline_s
        while time.monotonic() < end:
            heard = {}
            for when, name, event in self.cluster.events():
                if event["Event"] == b"user" and event["Payload"].startswith(number):
                    heard.setdefault(name, when)
            if len(heard) == len(self.nodes):
                return max(heard.values()) - self.began
            time.sleep(0.05)
        return None

    def put(self, worker, i, size):
        agent = self.nodes[i]
        if agent.name not in worker:
            worker[agent.name] = serf_agents.Connection(agent.ip)
        # Equal events of two agents at one Lamport time are one to serf, and its packets are compressed.
        event = {"Name": "load", "Payload": secrets.token_hex(size // 2), "Coalesce": False}
        worker[agent.name].call("event", event, answer=False)
        return True

    def frame_bytes(self):
        return None

    def die(self, name, signum, deadline_s):
        victim = next(agent for agent in self.nodes if agent.name == name)
        self.cluster.events(forget=True)
        began = time.monotonic()
        victim.signal(signum)
        while time.monotonic() < began + deadline_s:
            time.sleep(0.05)
            said = {}
            for when, observer, event in self.cluster.events():
                if event["Event"] == b"member-failed" and any(m["Name"] == name.encode() for m in event["Members"]):
                    said.setdefault(observer, when)
            said.pop(name, None)
            if len(said) == len(self.nodes) - 1:
                return max(said.values()) - began
        return None

    def revive(self, name, signum):
        victim = next(agent for agent in self.nodes if agent.name == name)
        if signum == signal.SIGSTOP:
            victim.signal(signal.SIGCONT)
        else:
            self.cluster.restart(victim)
        self.settled()
