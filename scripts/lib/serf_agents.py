"""A cluster of Debian's serf agents on loopback addresses, for benchmarks beside it.

Speaks serf's RPC protocol (msgpack over TCP, https://www.serf.io/docs/agent/rpc.html) with as much of msgpack as that
needs, so that events are timed as they come and no process is started for each. One thread reads all streams.
"""

import os
import pathlib
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

GOSSIP_PORT = 7946
RPC_PORT = 7373
CALL_TIMEOUT_S = 10.0


# -- msgpack --

def pack(value):
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):  # raw, as that protocol's age wants it
        if len(value) < 32:
            return bytes([0xA0 | len(value)]) + value
        return b"\xda" + struct.pack(">H", len(value)) + value
    if isinstance(value, (list, tuple)):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())
    raise TypeError(type(value))


class Short(Exception):
    """The buffer ends within a value."""


FIXED = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q", 0xCA: ">f", 0xCB: ">d"}
SIZED = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
LISTS = {0xDC: ">H", 0xDD: ">I"}
MAPS = {0xDE: ">H", 0xDF: ">I"}


def take(data, at, n):
    if at + n > len(data):
        raise Short
    return data[at:at + n], at + n


def number(data, at, form):
    raw, at = take(data, at, struct.calcsize(form))
    return struct.unpack(form, raw)[0], at


def unpack(data, at=0):
    """(value, the place after it); strings come as bytes. Raises Short."""
    raw, at = take(data, at, 1)
    tag = raw[0]
    count = None
    if tag < 0x80 or tag >= 0xE0:
        return (tag if tag < 0x80 else tag - 256), at
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    if tag in FIXED:
        return number(data, at, FIXED[tag])
    if 0xA0 <= tag < 0xC0:
        return take(data, at, tag & 0x1F)
    if tag in SIZED:
        n, at = number(data, at, SIZED[tag])
        return take(data, at, n)
    if 0x90 <= tag < 0xA0 or tag in LISTS:
        count, at = number(data, at, LISTS[tag]) if tag in LISTS else (tag & 0x0F, at)
        items = []
        for _ in range(count):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    if tag < 0x90 or tag in MAPS:
        count, at = number(data, at, MAPS[tag]) if tag in MAPS else (tag & 0x0F, at)
        items = {}
        for _ in range(count):
            key, at = unpack(data, at)
            items[key.decode()], at = unpack(data, at)
        return items, at
    raise ValueError(f"msgpack tag {tag:#x}")


# -- one agent --

class Connection:
    """An RPC connection; call() is for one thread at a time."""

    def __init__(self, address):
        self.socket = socket.create_connection((address, RPC_PORT), timeout=CALL_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sequence = 0
        self.call("handshake", {"Version": 1}, answer=False)

    def close(self):
        self.socket.close()

    def next_value(self):
        while True:
            try:
                value, at = unpack(self.buffer)
                self.buffer = self.buffer[at:]
                return value
            except Short:
                more = self.socket.recv(65536)
                if not more:
                    raise ConnectionError("the agent closed the connection") from None
                self.buffer += more

    def call(self, command, body, answer):
        self.sequence += 1
        header = {"Command": command, "Seq": self.sequence}
        self.socket.sendall(pack(header) + (b"" if body is None else pack(body)))
        said = self.next_value()
        if said["Error"]:
            raise OSError(f"serf: {command}: {said['Error'].decode()}")
        return self.next_value() if answer else None


class Agent:
    def __init__(self, cluster, name, ip):
        self.cluster = cluster
        self.name = name
        self.ip = ip
        self.process = None
        self.log_file = cluster.dir / f"{name}.log"

    def start(self, join):
        command = ["serf", "agent", f"-node={self.name}", f"-bind={self.ip}:{GOSSIP_PORT}",
                   f"-rpc-addr={self.ip}:{RPC_PORT}", f"-profile={self.cluster.profile}", "-log-level=warn"]
        command += [f"-retry-join={ip}" for ip in join if ip != self.ip] + ["-retry-interval=1s"]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def pid(self):
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def signal(self, signum):
        if self.pid() is not None:
            os.kill(self.process.pid, signum)

    def end(self):
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(timeout=10)
            self.process = None


# -- all of them --

class Agents:
    """agents: a list; events(): what their streams said, as (monotonic time, agent's name, event dict)."""

    def __init__(self, directory, addresses, profile="lan"):
        if shutil.which("serf") is None:
            raise FileNotFoundError("serf is missing: scripts/setup bench installs it")
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.profile = profile
        self.agents = [Agent(self, f"serf-{i + 1}", ip) for i, ip in enumerate(addresses)]
        self.callers = {}
        self._streams = selectors.DefaultSelector()
        self._heard = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._reader = threading.Thread(target=self._read_all, daemon=True)

    def start(self):
        # One to join first: agents that find nobody yet may meet only at their next exchange of all state, 30 s later.
        first, *others = self.agents
        first.start([])
        self.connect(first)
        for agent in others:
            agent.start([first.ip])
        for agent in others:
            self.connect(agent)
        self._reader.start()

    def stop(self):
        self._ending.set()
        if self._reader.is_alive():
            self._reader.join(timeout=5)
        for agent in self.agents:
            agent.end()

    def restart(self, agent):
        agent.end()
        agent.start([other.ip for other in self.agents[:4]])
        self.connect(agent)

    def connect(self, agent, deadline_s=20):
        """A connection for calls and one whose events are timed as they come."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                self.callers[agent.name] = Connection(agent.ip)
                stream = Connection(agent.ip)
                break
            except OSError:
                if time.monotonic() > end or agent.pid() is None:
                    raise
                time.sleep(0.05)
        stream.call("stream", {"Type": "user:probe,member-failed,member-join"}, answer=False)
        stream.socket.setblocking(False)
        self._streams.register(stream.socket, selectors.EVENT_READ, (agent, stream))

    def _read_all(self):
        while not self._ending.is_set():
            ready = self._streams.select(timeout=0.1)
            now = time.monotonic()
            for key, _ in ready:
                self._read_one(now, *key.data)

    def _read_one(self, now, agent, stream):
        try:
            more = stream.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self._streams.unregister(stream.socket)
            stream.close()
            return
        stream.buffer += more
        try:
            while stream.buffer:
                value, at = unpack(stream.buffer)
                stream.buffer = stream.buffer[at:]
                if "Event" in value:
                    with self._lock:
                        self._heard.append((now, agent.name, value))
        except Short:
            pass

    def events(self, forget=False):
        with self._lock:
            heard = list(self._heard)
            if forget:
                self._heard.clear()
        return heard

    def send_event(self, agent, name, payload):
        self.callers[agent.name].call("event", {"Name": name, "Payload": payload, "Coalesce": False}, answer=False)

    def alive_seen_by(self, agent):
        """Names of the members that it holds for alive."""
        said = self.callers[agent.name].call("members", None, answer=True)
        return {m["Name"].decode() for m in said["Members"] if m["Status"] == b"alive"}
