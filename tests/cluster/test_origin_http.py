"""Clusters whose origin store is an HTTP server: playing, crowds, and a store that fails in every way."""

import asyncio
import hashlib
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest

from conftest import base_of, create, fetch, make_content, play, wait_event, wait_holder
from stores import Store
from warmcluster import until

VIEWERS = 1000


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    with Store(folder) as made:
        yield made


def up(make_cluster, store, delivery=1):
    return make_cluster(api=1, delivery=delivery, overrides={"*": {"origins": [store.origin()]}})


def test_a_viewer_plays_from_it(make_cluster, store):
    cluster = up(make_cluster, store, delivery=2)
    objects = make_content(store.folder, "lv1", segments=12)
    session = create(cluster.node("api-1"), "lv1")
    play(session, objects)
    wait_holder(cluster.of_role("api"), "lv1", session["node"], objects=len(objects))
    play(session, objects)
    assert all(store.gets(f"lv1/{path}") == 1 for path in objects), store.requests
    # One after the other: one connection is enough.
    assert store.connections <= 2, store.connections
    answer = fetch(base_of(session) + "v/none.m4s")
    assert answer.status == 404
    for _ in range(20):
        assert fetch(base_of(session) + "v/none.m4s").status == 404
    assert store.gets("lv1/v/none.m4s") <= 2
    part = fetch(base_of(session) + "v/seg-0.m4s", Range="bytes=1000-1999")
    assert part.status == 206 and part.body == objects["v/seg-0.m4s"][1000:2000]


async def crowd(urls, seen):
    """One request for each URL, all at once; the statuses and sums of the bodies."""
    async def view(url):
        parts = urllib.parse.urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            seen()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            while piece := await reader.read(1 << 20):
                body += piece
            return head.split()[1], hashlib.sha256(body).digest()
        finally:
            writer.close()

    return await asyncio.wait_for(asyncio.gather(*map(view, urls)), 60)


def test_a_thousand_viewers_of_a_cold_object_are_one_request(make_cluster, store):
    cluster = up(make_cluster, store, delivery=2)
    objects = make_content(store.folder, "lv1", segments=1, size=300_000)
    session = create(cluster.node("api-1"), "lv1")
    url = urllib.parse.urlsplit(base_of(session) + "v/seg-0.m4s")
    nodes = cluster.of_role("delivery")
    urls = [url._replace(netloc=nodes[i % 2].http).geturl() for i in range(VIEWERS)]
    store.fault = lambda path, data: "held"
    asked = 0

    def seen():
        nonlocal asked
        asked += 1
        if asked == VIEWERS:  # nobody came late
            store.release.set()

    answers = asyncio.run(crowd(urls, seen))
    right = hashlib.sha256(objects["v/seg-0.m4s"]).digest()
    assert answers == [(b"200", right)] * VIEWERS
    # Two before a node knows all purges that the others know: until then it asks none of them.
    assert 1 <= store.gets("lv1/v/seg-0.m4s") <= len(nodes), store.requests


def test_it_dies_and_comes_back(make_cluster, store):
    cluster = up(make_cluster, store)
    objects = make_content(store.folder, "lv1")
    make_content(store.folder, "lv2")
    session, other = create(cluster.node("api-1"), "lv1"), create(cluster.node("api-1"), "lv2")
    node = cluster.node(session["node"])
    play(session, objects)
    store.stop()
    # What is held plays on, playlists past their time too; what is not is refused at once.
    playlist = base_of(session) + "master.m3u8"
    until("the playlist is past its time", 10, lambda: "fwd=stale" in fetch(playlist).headers["Cache-Status"])
    play(session, objects)
    began = time.monotonic()
    for i in range(50):
        assert fetch(base_of(other) + f"v/seg-{i % 4}.m4s").status == 404
    assert time.monotonic() - began < 10
    event = wait_event(node, "origin-failed")
    assert event["origin"] == "web" and "onnect" in event["detail"], event
    before = len(store.requests)
    store.start()
    back = time.monotonic()
    until("it is asked again", 6, lambda: fetch(base_of(other) + "v/seg-0.m4s").status == 200)
    assert time.monotonic() - back < 6
    assert len(store.requests) - before < 20
    wait_event(node, "origin-recovered")
    failed = [e for e in node.log_events() if e.get("event") == "origin-failed"]
    assert len(failed) <= 3, failed  # a line when it changes, not one a request


def make_certificate(folder, name):
    """Its own CA, for 127.0.0.1."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True, timeout=30)
    return cert, key


def test_certificates_are_checked(make_cluster, tmp_path):
    cert, other = make_certificate(tmp_path, "store"), make_certificate(tmp_path, "other")
    folder = tmp_path / "store"
    objects = make_content(folder, "lv1")
    with Store(folder, tls=cert) as store:
        for ca, good in ((cert[0], True), (other[0], False), (None, False)):
            cluster = make_cluster(api=1, delivery=1, overrides={
                "*": {"origins": [store.origin(**({"ca_file": ca} if ca else {}))]}})
            session = create(cluster.node("api-1"), "lv1")
            answer = fetch(base_of(session) + "v/seg-0.m4s")
            if good:
                assert answer.status == 200 and answer.body == objects["v/seg-0.m4s"]
            else:
                assert answer.status == 404
                assert "certificate" in wait_event(cluster.node("delivery-1"), "origin-failed")["detail"]


def test_who_cannot_reach_the_store_is_helped_and_hinders_nobody(make_cluster, tmp_path):
    """One node has no way of its own to the store: it has all through the others, and who asks it goes on by himself."""
    cert, other = make_certificate(tmp_path, "store"), make_certificate(tmp_path, "other")
    folder = tmp_path / "store"
    with Store(folder, tls=cert) as store:
        cluster = make_cluster(api=1, delivery=3, overrides={
            "*": {"origins": [store.origin(ca_file=cert[0])]},
            "delivery-2": {"origins": [store.origin(ca_file=other[0])]}})
        for node in cluster.of_role("delivery"):
            wait_event(node, "proven")
        cut_off = {}
        for i in range(30):  # of some contents the one that is cut off is the first node
            objects = make_content(folder, f"lv{i}", segments=3, size=2_000)
            session = create(cluster.node("api-1"), f"lv{i}")
            path = urllib.parse.urlsplit(base_of(session)).path
            for n, name in enumerate(("delivery-1", "delivery-3")):
                answer = cluster.node(name).request("GET", path + f"v/seg-{n}.m4s")
                assert answer.status == 200 and answer.body == objects[f"v/seg-{n}.m4s"]
            answer = cluster.node("delivery-2").request("GET", path + "v/seg-2.m4s")
            cut_off[i] = answer.status
            assert answer.status == 404 or answer.body == objects["v/seg-2.m4s"]
        assert set(cut_off.values()) == {200, 404}, cut_off


@pytest.mark.parametrize("fault", ["reset", "short", 500])
def test_a_broken_answer_is_never_an_object(make_cluster, store, fault):
    cluster = up(make_cluster, store)
    objects = make_content(store.folder, "lv1", size=2_000_000)
    session = create(cluster.node("api-1"), "lv1")
    play(session, {k: v for k, v in objects.items() if "seg" not in k})
    store.fault = lambda path, data: fault
    url = base_of(session) + "v/seg-1.m4s"
    for _ in range(3):
        try:
            answer = fetch(url)
            assert answer.status == 404, (answer.status, len(answer.body))
        except OSError:
            pass  # reset: what came was incomplete, and the viewer knows
        except Exception as error:  # http.client: fewer bytes than announced
            assert "IncompleteRead" in repr(error), error
    store.fault = None
    until("it is whole", 6, lambda: fetch(url).status == 200)
    assert fetch(url).body == objects["v/seg-1.m4s"]


def test_what_was_missing_appears(make_cluster, store):
    cluster = up(make_cluster, store)
    objects = make_content(store.folder, "lv1")
    late = store.folder / "lv1" / "v" / "seg-3.m4s"
    late.unlink()
    session = create(cluster.node("api-1"), "lv1")
    url = base_of(session) + "v/seg-3.m4s"
    assert fetch(url).status == 404
    late.write_bytes(objects["v/seg-3.m4s"])
    until("it is found", 10, lambda: fetch(url).status == 200)
    play(session, objects)


def test_a_node_leaves_while_its_store_hangs(make_cluster, store):
    cluster = up(make_cluster, store)
    make_content(store.folder, "lv1")
    session = create(cluster.node("api-1"), "lv1")
    store.fault = lambda path, data: "held"
    url = urllib.parse.urlsplit(base_of(session) + "v/seg-0.m4s")
    with socket.create_connection((url.hostname, url.port)) as viewer:
        viewer.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until("the store is asked", 10, lambda: store.gets("lv1/v/seg-0.m4s"))
    node = cluster.node(session["node"])
    node.signal(signal.SIGTERM)
    wait_event(node, "drain")
    node.signal(signal.SIGTERM)
    node.wait_gone(4)
    assert node.exit_status() == 0
