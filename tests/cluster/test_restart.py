"""A node that is restarted while viewers are on it: its listening socket outlives the process, and nobody is refused.

The sockets are held by this process, as systemd holds those of warmcastd.socket; or the node passes on its own.
"""

import collections
import json
import pathlib
import signal
import socket
import threading
import urllib.parse
import uuid

import pytest
from conftest import base_of, create, fetch, make_content, wait_event
from warmcluster import until

class Ended(Exception):
    """The connection ended before an answer began."""


class Wire:
    """One viewer's requests on a connection that is kept while the node keeps it."""

    def __init__(self, url):
        self.parts = urllib.parse.urlsplit(url)
        self.file = self.socket = None
        self.used = 0

    def close(self):
        if self.socket is not None:
            self.file.close()
            self.socket.close()
        self.socket = None

    def ask(self, method, path, headers="", body=b""):
        """(status, body). Raises Ended where nothing of an answer came, OSError where it was reset."""
        if self.socket is None:
            self.socket = socket.create_connection((self.parts.hostname, self.parts.port), timeout=30)
            self.file, self.used = self.socket.makefile("rb"), 0
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\n{length}{headers}\r\n".encode() + body)
        line = self.file.readline()
        if not line:
            raise Ended
        fields = {}
        while (field := self.file.readline().strip()):
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        n = int(fields.get("content-length", "0"))
        got = self.file.read(n)
        assert len(got) == n, f"{len(got)} of {n} bytes"
        self.used += 1
        if fields.get("connection") == "close":
            assert not self.file.read(1), "something came after the last answer"
            self.close()
        return int(line.split()[1]), got


class Viewers:
    """Threads that ask all the time, and what became of it."""

    def __init__(self):
        self.counts, self.faults = collections.Counter(), []
        self.stop = threading.Event()
        self.threads = []

    def once(self, wire, want, *request):
        """One request and the one retry that a connection used before allows (RFC 9112 9.3.1)."""
        for retry in (False, True):
            reused = wire.socket is not None and wire.used > 0
            try:
                status, body = wire.ask(*request)
                want(status, body)
                self.counts["answered"] += 1
                return
            except Ended:
                wire.close()
                if reused and not retry:
                    self.counts["retried"] += 1
                    continue
                self.faults.append("ended unanswered")
            except (OSError, AssertionError) as error:
                wire.close()
                self.faults.append(f"{type(error).__name__} {error}")
            return

    def add(self, url, want, requests, pause_s=0.0, keep=True):
        def run():
            wire = Wire(url)
            for request in requests:
                if self.stop.wait(pause_s) or len(self.faults) > 20:
                    break
                self.once(wire, want, *request)
                if not keep:
                    wire.close()
            wire.close()
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive(), "a viewer hangs"
        assert not self.faults, (self.faults[:10], self.counts)


def endless(make):
    while True:
        yield make()


@pytest.fixture
def held():
    sockets = []
    yield sockets
    for s in sockets:
        s.close()


def started(node):
    return sum(e.get("event") == "started" for e in node.log_events())


def restart(node):
    """systemctl restart"""
    assert node.term(), "it had to be killed"
    assert node.exit_status() == 0
    node.start()


def replace(node):
    """SIGUSR2: the same process, the program anew."""
    pid, before = node.pid(), started(node)
    node.signal(signal.SIGUSR2)
    until("the program runs anew", 60, lambda: started(node) > before)
    assert node.pid() == pid
    node.wait_ready()


def watch_delivery(viewers, session, objects):
    base = base_of(session)
    path, data = "v/seg-0.m4s", objects["v/seg-0.m4s"]
    assert fetch(base + path).body == data

    def want(status, body):
        assert status == 200 and body == data, (status, body[:200])

    target = urllib.parse.urlsplit(base + path).path
    for keep, pause_s in ((True, 0.005), (True, 0.005), (False, 0.005), (True, 0.4)):
        viewers.add(base, want, endless(lambda: ("GET", target)), pause_s, keep)


def create_sessions(viewers, node, content):
    body = json.dumps({"content": content}).encode()

    def want(status, answer):
        assert status == 201, (status, answer[:300])

    def request():
        return "POST", "/v1/sessions", f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4()}\r\n", body

    for keep in (True, False):
        viewers.add(f"http://{node.http}", want, endless(request), 0.02, keep)


def serve_through(cluster, name, how, times):
    objects = make_content(cluster.origin_dir, "lv1", segments=1, size=50_000)
    session = create(cluster.node("api-1"), "lv1")
    node, viewers = cluster.node(name), Viewers()
    if node.role == "delivery":
        watch_delivery(viewers, session, objects)
    else:
        assert fetch(base_of(session) + "v/seg-0.m4s").status == 200
        create_sessions(viewers, node, "lv1")
    try:
        for _ in range(times):
            before = viewers.counts["answered"]
            until("viewers are served", 20, lambda before=before: viewers.counts["answered"] > before + 50 or viewers.faults)
            how(node)
    finally:
        viewers.end()


@pytest.mark.parametrize("name, sockets, workers", [("delivery-1", 1, 2), ("delivery-1", 3, 2), ("api-1", 1, 2)])
def test_a_restart_under_held_sockets_loses_nobody(make_cluster, held, name, sockets, workers):
    cluster = make_cluster(start=False, api=1, delivery=1, overrides={name: {"workers": workers}})
    held += cluster.node(name).hold_sockets(sockets)
    cluster.up()
    cluster.wait_met()
    assert wait_event(cluster.node(name), "inherited")["sockets"] == sockets
    serve_through(cluster, name, restart, 3)


@pytest.mark.parametrize("name", ["delivery-1", "api-1"])
def test_a_node_that_is_replaced_in_its_process_loses_nobody(make_cluster, name):
    cluster = make_cluster(api=1, delivery=1, overrides={"*": {"workers": 2}})
    serve_through(cluster, name, replace, 3)
    # Nobody else holds the sockets: one who leaves for good closes them.
    node = cluster.node(name)
    assert node.term() and node.exit_status() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((node.ip, cluster.ports.http), timeout=5)


def test_who_comes_while_no_process_runs_waits(make_cluster, held):
    cluster = make_cluster(start=False, api=1, delivery=1)
    node = cluster.node("api-1")
    held += node.hold_sockets(2)
    cluster.up()
    cluster.wait_met()
    assert node.term()
    waiting = [socket.create_connection((node.ip, cluster.ports.http), timeout=30) for _ in range(20)]
    for s in waiting:
        s.sendall(b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n")
    node.start()
    for s in waiting:
        assert s.recv(12) == b"HTTP/1.1 404"
        s.close()


def test_who_was_replaced_passes_on_what_is_held_elsewhere(make_cluster, held):
    cluster = make_cluster(start=False, api=1, delivery=1)
    node = cluster.node("api-1")
    held += node.hold_sockets(1)
    cluster.up()
    cluster.wait_met()
    replace(node)
    assert node.term()
    with socket.create_connection((node.ip, cluster.ports.http), timeout=30) as waiting:
        waiting.sendall(b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n")
        node.start()
        assert waiting.recv(12) == b"HTTP/1.1 404"


def test_who_would_not_start_is_not_replaced(make_cluster):
    cluster = make_cluster(api=1, delivery=0)
    node = cluster.node("api-1")
    good = pathlib.Path(node.config_file).read_text()
    node.config_file.write_text(good + "nonsense: 1\n")
    node.signal(signal.SIGUSR2)
    assert "nonsense" in wait_event(node, "not-replaced")["error"]
    node.config_file.write_text(good)
    assert started(node) == 1 and node.is_ready()


def test_what_does_not_listen_is_refused(make_cluster, held):
    cluster = make_cluster(start=False, api=1, delivery=0)
    node = cluster.node("api-1")
    held.append(socket.socket())
    node.activate(held)
    node.start(wait=False)
    until("it ends", 20, lambda: node.pid() is None)
    assert node.exit_status() == 78 and wait_event(node, "inherit-failed")
