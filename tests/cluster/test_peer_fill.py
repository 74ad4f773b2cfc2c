"""D7, its first level: what a node misses comes out of another's cache before the origin store is asked."""

import concurrent.futures
import json
import pathlib
import re
import signal
import time

import pytest

from conftest import base_of, create, fetch, make_content, wait_event, wait_holder
from stores import Store
from test_purge import ctl, uri_at
from warmcluster import until

SEGMENTS = 8


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    with Store(folder) as made:
        yield made


def metric(node, name):
    return int(re.search(rf"^warmcast_{name} (\d+)$", node.admin_get("/metrics")[1], re.M)[1])


def held_by_one(cluster, store, content, **kwargs):
    """(session, objects, the holder, the others): all of the content is in one node's cache, and all know it."""
    objects = make_content(store.folder, content, **kwargs)
    session = create(cluster.node("api-1"), content)
    holder = cluster.node(session["node"])
    for path, data in objects.items():
        assert fetch(base_of(session) + path).body == data
    wait_holder(cluster.nodes, content, holder.name, objects=len(objects))
    for node in cluster.of_role("delivery"):
        wait_event(node, "proven")
    return session, objects, holder, [n for n in cluster.of_role("delivery") if n is not holder]


def up(make_cluster, store, delivery=3):
    return make_cluster(api=1, delivery=delivery, overrides={"*": {"origins": [store.origin()]}})


def test_a_miss_is_filled_out_of_a_holders_cache(make_cluster, store):
    cluster = up(make_cluster, store)
    session, objects, holder, others = held_by_one(cluster, store, "lv1")
    # It has no end that says it will not grow: fresh for two seconds, and then the origin store's again.
    del objects["master.m3u8"]
    asked = len(store.requests)
    store.stop()
    for path, data in objects.items():
        answer = fetch(uri_at(session, others[0], path))
        assert answer.status == 200 and answer.body == data, (path, answer.status, answer.body[:200])
        status = answer.headers["Cache-Status"]
        assert status == "Warmcast; fwd=uri-miss; stored; detail=peer", status
        assert int(answer.headers["Age"]) >= 0
        until(f"{path} is stored", 10, lambda path=path:
              fetch(uri_at(session, others[0], path)).headers["Cache-Status"] == "Warmcast; hit")
    assert len(store.requests) == asked
    assert metric(others[0], "peer_fills_total") == len(objects) == metric(holder, "peer_served_total")
    assert metric(others[0], "peer_fill_bytes_total") == sum(map(len, objects.values()))
    assert metric(others[0], "origin_bytes_total") == 0
    # The third now has two to ask.
    wait_holder([others[1]], "lv1", others[0].name, objects=len(objects))
    for path, data in objects.items():
        assert fetch(uri_at(session, others[1], path)).body == data
    assert len(store.requests) == asked


def test_what_nobody_holds_comes_from_the_store(make_cluster, store):
    cluster = up(make_cluster, store, delivery=2)
    session, objects, holder, others = held_by_one(cluster, store, "lv1")
    more = make_content(store.folder, "lv2", segments=1)
    second = create(cluster.node("api-1"), "lv2")
    assert fetch(base_of(second) + "v/seg-0.m4s").body == more["v/seg-0.m4s"]
    assert store.gets("lv2/v/seg-0.m4s") == 1
    # A holder that lacks the object says so.
    late = store.folder / "lv1" / "v" / "late.m4s"
    late.write_bytes(b"late" * 1000)
    answer = fetch(uri_at(session, others[0], "v/late.m4s"))
    assert answer.body == b"late" * 1000
    assert store.gets("lv1/v/late.m4s") == 1
    assert metric(others[0], "peer_misses_total") == 1 == metric(holder, "peer_not_cached_total")
    assert metric(others[0], "peer_failures_total") == 0


def test_a_holder_that_hangs_costs_a_second_once(make_cluster, store):
    cluster = up(make_cluster, store, delivery=2)
    session, objects, holder, others = held_by_one(cluster, store, "lv1")
    holder.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert fetch(uri_at(session, others[0], "v/seg-0.m4s")).body == objects["v/seg-0.m4s"]
        assert time.monotonic() - began < 2.0
        began = time.monotonic()
        assert fetch(uri_at(session, others[0], "v/seg-1.m4s")).body == objects["v/seg-1.m4s"]
        assert time.monotonic() - began < 0.7
    finally:
        holder.signal(signal.SIGCONT)
    assert store.gets("lv1/v/seg-0.m4s") == store.gets("lv1/v/seg-1.m4s") == 2
    assert metric(others[0], "peer_failures_total") == 1


def test_strangers_are_refused(make_cluster, store):
    cluster = up(make_cluster, store, delivery=1)
    session, _, holder, _ = held_by_one(cluster, store, "lv1", segments=1)
    viewers = base_of(session).replace("/p/", "/peer/")  # a viewer's token is none of a node's
    assert fetch(viewers + "v/seg-0.m4s").status == 403
    assert fetch(f"http://{holder.http}/peer/xyz/lv1/v/seg-0.m4s").status == 403
    assert metric(holder, "peer_refused_total") == 2 and metric(holder, "peer_served_total") == 0


def unread(node):
    """Connections to it on which a request waits that it has not read."""
    port = int(node.http.rpartition(":")[2])
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(f[1].partition(":")[2], 16) == port and int(f[4].partition(":")[2], 16) > 0 for f in lines)


def test_a_purged_content_does_not_come_back_from_who_was_away(make_cluster, store):
    """The one who was away holds the old bytes, and is asked for them the very moment it is back."""
    cluster = up(make_cluster, store)
    session, objects, away, others = held_by_one(cluster, store, "lv1", segments=SEGMENTS)
    api = cluster.node("api-1")
    paths = [f"v/seg-{i}.m4s" for i in range(SEGMENTS)]
    new = {path: bytes(len(objects[path])) for path in paths}
    with concurrent.futures.ThreadPoolExecutor(2 * SEGMENTS) as pool:
        away.signal(signal.SIGSTOP)
        try:
            for path, data in new.items():
                (store.folder / "lv1" / path).write_bytes(data)
            said = ctl(cluster, "--admin", api.admin, "--json", "purge", "lv1")
            assert said.returncode == 0, said.stderr
            purge = json.loads(said.stdout)["id"]
            for node in others:
                wait_event(node, "content-purged", content="lv1", purge=purge)
            got = {(node, path): pool.submit(fetch, uri_at(session, node, path)) for node in others for path in paths}
            # On a slow machine it may be suspected before it is asked.
            until("it is asked while it is away", 20,
                  lambda: unread(away) >= SEGMENTS or all(answer.done() for answer in got.values()))
        finally:
            away.signal(signal.SIGCONT)
        for (node, path), answer in got.items():
            assert answer.result(20).body == new[path], (node.name, path)
    wait_event(away, "content-purged", content="lv1", purge=purge)
    for path in paths:
        assert fetch(uri_at(session, away, path)).body == new[path]


def test_after_a_purge_peers_are_asked_again(make_cluster, store):
    cluster = up(make_cluster, store)
    session, objects, holder, others = held_by_one(cluster, store, "lv1")
    api, path = cluster.node("api-1"), "v/seg-0.m4s"
    said = ctl(cluster, "--admin", api.admin, "--json", "purge", "lv1", "--wait")
    assert said.returncode == 0, said.stderr
    assert fetch(uri_at(session, holder, path)).body == objects[path]
    assert store.gets(f"lv1/{path}") == 2
    wait_holder(cluster.nodes, "lv1", holder.name)
    for node in others:
        answer = fetch(uri_at(session, node, path))
        assert answer.body == objects[path]
        assert answer.headers["Cache-Status"].endswith("detail=peer"), answer.headers
    assert store.gets(f"lv1/{path}") == 2
