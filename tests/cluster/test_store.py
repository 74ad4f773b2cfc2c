"""The replica on disk in trouble: each a clear message and a defined state, and own data is never lost."""

import errno
import os
import shutil
import struct
import subprocess

import pytest

from conftest import create, make_content, play, wait_event, wait_holder
from test_kvs import wait_equal
from warmcluster import until


def metric(node, name):
    lines = node.admin_get("/metrics")[1].splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


def events(node, name):
    return [e for e in node.log_events() if e.get("event") == name]


def watch(cluster, content):
    """A viewer of a small content, from the first request to the last byte."""
    objects = make_content(cluster.origin_dir, content, segments=1, size=10)
    session = create(cluster.node("api-1"), content)
    play(session, objects)
    return session["node"], len(objects)


@pytest.fixture
def small_disk(make_cluster):
    """A cluster whose delivery node has its data_dir on a file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.fail("needs root to mount a small file system")
    cluster = make_cluster(start=False, api=1, delivery=1)
    data_dir = cluster.node("delivery-1").data_dir
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data_dir], check=True)
    yield cluster
    cluster.down(now=True)
    subprocess.run(["umount", data_dir], check=True)


def fill(path, left=0):
    """Takes all that is left of the file system, but for so many bytes."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
        file.truncate(file.tell() - left)


def test_a_full_disk_makes_a_node_mute_and_loses_nothing(small_disk):
    cluster = small_disk
    cluster.up()
    cluster.wait_met()
    node, api = cluster.node("delivery-1"), cluster.node("api-1")
    before = node.admin_get("/v1/status")[1]["id"]
    held = {"c0": watch(cluster, "c0")[1]}
    wait_holder([api], "c0", node.name, objects=held["c0"])
    fill(node.data_dir / "filler")
    while not events(node, "store-failed"):
        assert len(held) < 1000, "a full disk was never noticed"
        content = f"c{len(held)}"
        held[content] = watch(cluster, content)[1]
    said = events(node, "store-failed")[0]
    assert "no space" in said["error"] and ": 0 MiB free on the disk" in said["detail"].replace("; ", ": "), said
    assert str(node.data_dir) in said["detail"] and "serving goes on" in said["msg"]
    assert metric(node, "warmcast_kvs_mute") == 1
    # It serves as before, and is nobody's dead node.
    name, n = watch(cluster, "while-mute")
    assert name == node.name
    held["while-mute"] = n
    assert {x["name"]: x["liveness"] for x in api.admin_get("/v1/nodes")[1]["nodes"]}[node.name] == "alive"
    assert len(events(node, "store-failed")) == 1  # once, however often it is tried
    (node.data_dir / "filler").unlink()
    wait_event(node, "store-recovered")
    assert metric(node, "warmcast_kvs_mute") == 0
    for content, objects in held.items():
        wait_holder([api], content, node.name, objects=objects)
    node.restart(hard=True)
    assert node.admin_get("/v1/status")[1]["id"] == before
    for content, objects in held.items():
        wait_holder([node, api], content, node.name, objects=objects)
    wait_equal(cluster)


def test_a_start_on_a_full_disk_is_one_clear_line(small_disk):
    """Wherever space ends: at a lock file, in the midst of `self` or of `view`."""
    node = small_disk.node("delivery-1")
    for left_kib in (0, 4, 40, 76, 84, 108, 124, 140):
        fill(node.data_dir / "filler", left_kib << 10)
        end = subprocess.run([small_disk.binary, "--config", node.config_file], capture_output=True, text=True, timeout=20)
        assert end.returncode == 74, (left_kib, end)
        said = [line for line in end.stdout.splitlines() if "open-failed" in line]
        assert len(said) == 1 and "no space" in said[0] and str(node.data_dir) in said[0], (left_kib, end.stdout)
        (node.data_dir / "filler").unlink()
        for side in ("self", "view"):
            shutil.rmtree(node.data_dir / side, ignore_errors=True)
    small_disk.up()
    small_disk.wait_met()


def rewrite_format(file, change):
    """The number of the format, as it lies in every copy of its page: LMDB has no sums over pages."""
    data = bytearray(file.read_bytes())
    at, found = data.find(b"format"), 0
    while at >= 0:
        number, = struct.unpack_from(">I", data, at + 6)
        if 0 < number < 1000:  # not a page that holds something else by now
            struct.pack_into(">I", data, at + 6, number + change)
            found += 1
        at = data.find(b"format", at + 6)
    assert found, file
    file.write_bytes(data)


@pytest.mark.parametrize("side", ["self", "view"])
def test_a_newer_format_is_refused_and_left_alone(make_cluster, side):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    name, n = watch(cluster, "lv1")
    wait_holder(cluster.nodes, "lv1", name, objects=n)
    before = node.admin_get("/v1/status")[1]["id"]
    assert node.term()
    file = node.data_dir / side / "data.mdb"
    rewrite_format(file, +1)
    data = file.read_bytes()
    end = subprocess.run([cluster.binary, "--config", node.config_file], capture_output=True, text=True, timeout=20)
    assert end.returncode == 74, end
    said = [line for line in end.stdout.splitlines() if "open-failed" in line]
    assert len(said) == 1 and "version" in said[0] and f"/{side}" in said[0], end.stdout
    assert file.read_bytes() == data
    rewrite_format(file, -1)  # as the build does that knows it
    node.start()
    assert node.admin_get("/v1/status")[1]["id"] == before
    wait_holder(cluster.nodes, "lv1", name, objects=n)
    assert not events(node, "self-set-aside") and not events(node, "view-set-aside")


def test_little_virtual_memory_is_said_and_enough(make_cluster):
    """Sanitizers take more than that for themselves: scripts/test leaves out what is called memory there."""
    cluster = make_cluster(start=False, api=1, delivery=1)
    node = cluster.node("api-1")
    node.wrapper = ["prlimit", f"--as={8 << 30}"]
    cluster.up()
    cluster.wait_met()
    said = wait_event(node, "map-limited")
    assert "self: a map of " in said["detail"] and "wanted were 16384" in said["detail"], said
    assert 64 << 20 <= metric(node, "warmcast_store_map_bytes") < 8 << 30
    name, n = watch(cluster, "lv1")
    wait_holder(cluster.nodes, "lv1", name, objects=n)
    # With the limit gone the file may grow as everywhere.
    node.wrapper = None
    node.restart()
    until("it has a whole map", 10, lambda: metric(node, "warmcast_store_map_bytes") == 64 << 30)
    assert metric(node, "warmcast_store_oldest_reader_seconds") == 0
