"""Nonsense on the nodes' port: closed, told a few times, and the cluster serves on in bounded memory."""

import os
import socket
import struct
import time

from conftest import create, make_content, play, wait_event
from test_keys import links_of
from warmcluster import until

HELLO_DEADLINE_S = 2.0
STRANGERS = 300
GROWTH_MAX_KIB = 64 * 1024


def connect(node):
    host, port = node.rpc.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def hang_up_seen(s):
    """Reads until the other side closes; returns how many seconds that took."""
    began = time.monotonic()
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


def take_frame(s):
    want, got = 4, b""
    while len(got) < want:
        part = s.recv(want - len(got))
        assert part
        got += part
        if len(got) == 4 and want == 4:
            want += struct.unpack(">I", got)[0]
    return got


def memory_kib(node):
    with open(f"/proc/{node.pid()}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS:")).split()[1])


def refusals(node):
    return [e for e in node.log_events() if e.get("event") == "peer-refused"]


def assert_serves(cluster, content):
    objects = make_content(cluster.origin_dir, content, segments=2, size=10_000)
    play(create(cluster.node("api-1"), content), objects)
    for node in cluster.nodes:
        until(f"{node.name} is linked", 10, lambda node=node: links_of(node) == len(cluster.nodes) - 1)


def flood(node, data, times):
    """Sends it over and over until the other side hangs up; whether it did."""
    with connect(node) as s:
        s.settimeout(5)
        try:
            for _ in range(times):
                s.sendall(data)
        except OSError:
            return True
        hang_up_seen(s)
        return True


def test_nonsense_is_closed_and_told_a_few_times(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    before = memory_kib(node)
    unknown_kind = struct.pack(">I", 3) + b"\xfa\x7f\x00"  # field 2047 of the envelope, empty
    for round_ in range(20):
        for data in (os.urandom(4096), b"\xff\xff\xff\xff", b"\x00\x00\x00\x02\x08\x01" * 100, b"\x00\x00\x00\x00" * 100,
                     unknown_kind * 1000, b"GET / HTTP/1.1\r\n\r\n"):
            with connect(node) as s:
                s.sendall(data)
                assert hang_up_seen(s) < HELLO_DEADLINE_S + 3, data[:16]
    assert flood(node, os.urandom(65536), 200)
    wait_event(node, "peer-refused", reason="malformed")
    assert len(refusals(node)) <= 3
    assert_serves(cluster, "lv1")
    assert memory_kib(node) - before < GROWTH_MAX_KIB


def test_half_a_frame_and_a_stranger_echoing_are_closed_in_time(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    with connect(node) as half, connect(node) as echo, connect(node) as after:
        half.sendall(struct.pack(">I", 60000) + b"x" * 1000)
        hello = take_frame(echo)
        echo.sendall(hello)                   # its own id: refused as itself
        take_frame(after)
        after.sendall(hello + os.urandom(1000))
        for s in (half, echo, after):
            assert hang_up_seen(s) < HELLO_DEADLINE_S + 3
    assert_serves(cluster, "lv2")


def test_many_who_say_nothing_hold_no_place_for_long(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    before = memory_kib(node)
    strangers = [connect(node) for _ in range(STRANGERS)]
    try:
        assert_serves(cluster, "lv3")         # links that are up do not notice
        assert memory_kib(node) - before < GROWTH_MAX_KIB
        cluster.node("api-1").restart(hard=True)
        for n in cluster.nodes:               # and a new one gets in, for the silent ones are closed in turn
            until(f"{n.name} is linked", 20, lambda n=n: links_of(n) == 1)
        for s in strangers:
            s.settimeout(15)
            hang_up_seen(s)
    finally:
        for s in strangers:
            s.close()
    assert len(refusals(node)) <= 2
