"""D7, its second level: who misses an object asks the content's first node to fill it, and the origin store sees one request."""

import collections
import concurrent.futures
import hashlib
import http.client
import re
import signal
import threading
import time

import pytest

from conftest import base_of, create, fetch, make_content, wait_event
from stores import Store
from test_purge import uri_at
from warmcluster import until

CONTENTS = 8


class SlowStore(Store):
    """Answers after delay_s, at rate_bytes a second."""

    delay_s = 0.0
    rate_bytes = 0
    chunk_bytes = 65536

    def handle(self, handler):
        if self.delay_s:
            self.release.wait(self.delay_s)
        super().handle(handler)

    def _answer(self, handler, status, body, length=None, **fields):
        if not self.rate_bytes or status != 200 or handler.command != "GET":
            return super()._answer(handler, status, body, length, **fields)
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for at in range(0, len(body), self.chunk_bytes):
            handler.wfile.write(body[at:at + self.chunk_bytes])
            if self.release.wait(self.chunk_bytes / self.rate_bytes):
                self.rate_bytes = 0
        return None


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    with SlowStore(folder) as made:
        yield made


def metric(node, name):
    return int(re.search(rf"^warmcast_{name} (\d+)$", node.admin_get("/metrics")[1], re.M)[1])


def up(make_cluster, store, delivery=4):
    cluster = make_cluster(api=1, delivery=delivery, overrides={"*": {"origins": [store.origin()]}})
    for node in cluster.of_role("delivery"):
        wait_event(node, "proven")
    return cluster


def crowd(uris, within_s=0.1):
    """Asks for all of them at about the same time; returns (status, body or None, seconds to the first byte) of each."""
    start = time.monotonic() + 0.2
    answers = [None] * len(uris)

    def one(i, uri):
        until_s = start + within_s * i / len(uris) - time.monotonic()
        threading.Event().wait(max(until_s, 0))
        _, _, rest = uri.partition("http://")
        host, _, path = rest.partition("/")
        connection = http.client.HTTPConnection(host, timeout=30)
        began = time.monotonic()
        try:
            connection.request("GET", "/" + path)
            answer = connection.getresponse()
            first = answer.read(1)
            took = time.monotonic() - began
            answers[i] = (answer.status, first + answer.read(), took)
        except (http.client.HTTPException, OSError):
            answers[i] = (0, None, time.monotonic() - began)
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(len(uris)) as pool:
        list(pool.map(one, range(len(uris)), uris))
    return answers


def first_node(cluster, store, contents):
    """{content: the node that asks the origin store for it}: the one whose bytes come from there."""
    del store
    first = {}
    for content in contents:
        before = {n.name: metric(n, "origin_bytes_total") for n in cluster.of_role("delivery")}
        session = create(cluster.node("api-1"), content)
        for node in cluster.of_role("delivery"):
            assert fetch(uri_at(session, node, "probe.m4s")).status == 200
        grown = [n for n in cluster.of_role("delivery") if metric(n, "origin_bytes_total") > before[n.name]]
        assert len(grown) == 1, [n.name for n in grown]
        first[content] = grown[0]
    return first


def make_cold(store, n=CONTENTS, size=2_000_000):
    made = {}
    for i in range(n):
        content = f"lv{i}"
        made[content] = make_content(store.folder, content, segments=2, size=size)
        (store.folder / content / "probe.m4s").write_bytes(b"probe" * 100)
    return made


def test_a_crowd_on_all_nodes_is_one_request(make_cluster, store):
    cluster = up(make_cluster, store)
    contents = make_cold(store)
    store.delay_s, store.rate_bytes = 0.05, 25_000_000
    nodes = cluster.of_role("delivery")
    requests = collections.Counter()
    for content, objects in contents.items():
        session = create(cluster.node("api-1"), content)
        uris = [uri_at(session, nodes[i % len(nodes)], "v/seg-0.m4s") for i in range(60)]
        for status, body, _ in crowd(uris):
            assert status == 200
            assert body == objects["v/seg-0.m4s"]
        requests[store.gets(f"{content}/v/seg-0.m4s")] += 1
    # Nobody's view differed here.
    assert requests == {1: len(contents)}, requests
    assert sum(metric(n, "peer_failures_total") for n in nodes) == 0


def test_a_slow_store_is_waited_for_where_it_is_asked(make_cluster, store):
    """Longer than a second for the first byte: who was asked to fill says that it is at it, and is not passed over."""
    cluster = up(make_cluster, store, delivery=3)
    contents = make_cold(store, n=3, size=100_000)
    nodes = cluster.of_role("delivery")
    store.delay_s = 2.5
    for content, objects in contents.items():
        session = create(cluster.node("api-1"), content)
        for status, body, took in crowd([uri_at(session, node, "v/seg-0.m4s") for node in nodes]):
            assert status == 200 and body == objects["v/seg-0.m4s"]
            assert 2 < took < 4
        assert store.gets(f"{content}/v/seg-0.m4s") == 1


def test_a_first_node_that_dies_in_the_middle(make_cluster, store):
    cluster = up(make_cluster, store, delivery=4)
    contents = make_cold(store, n=4, size=4_000_000)
    first = first_node(cluster, store, contents)
    content, dying = next(iter(first.items()))
    others = [n for n in cluster.of_role("delivery") if n is not dying]
    path = "v/seg-0.m4s"
    session = create(cluster.node("api-1"), content)
    uris = [uri_at(session, others[i % len(others)], path) for i in range(12)]
    store.rate_bytes = 2_000_000
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answers = pool.submit(crowd, uris)
        until("the object is on its way", 10, lambda: all(metric(n, "peer_fill_bytes_total") > 300_000 for n in others))
        dying.signal(signal.SIGKILL)
        store.rate_bytes = 0
        got = answers.result(40)
    whole = contents[content][path]
    for status, body, _ in got:
        assert body is None or (status == 200 and body == whole)
    # They were reset, and are served when they ask again: by the next in order, with one more request.
    for status, body, took in crowd(uris):
        assert status == 200 and body == whole
        assert took < 3
    assert store.gets(f"{content}/{path}") <= 3


def test_a_first_node_that_hangs_costs_a_second(make_cluster, store):
    cluster = up(make_cluster, store, delivery=3)
    contents = make_cold(store, n=4, size=100_000)
    first = first_node(cluster, store, contents)
    content, hung = next(iter(first.items()))
    others = [n for n in cluster.of_role("delivery") if n is not hung]
    session = create(cluster.node("api-1"), content)
    hung.signal(signal.SIGSTOP)
    try:
        for status, body, took in crowd([uri_at(session, n, "v/seg-0.m4s") for n in others]):
            assert status == 200 and body == contents[content]["v/seg-0.m4s"]
            assert took < 1.8, took
        assert store.gets(f"{content}/v/seg-0.m4s") <= 2
        for status, body, took in crowd([uri_at(session, n, "v/seg-1.m4s") for n in others]):
            assert status == 200 and body == contents[content]["v/seg-1.m4s"]
            assert took < 0.9, took
    finally:
        hung.signal(signal.SIGCONT)


def test_what_is_not_there_is_asked_for_once(make_cluster, store):
    cluster = up(make_cluster, store, delivery=3)
    make_cold(store, n=1, size=1000)
    session = create(cluster.node("api-1"), "lv0")
    for node in cluster.of_role("delivery"):
        for _ in range(5):
            assert fetch(uri_at(session, node, "v/none.m4s")).status == 404
    assert store.gets("lv0/v/none.m4s") == 1
    (store.folder / "lv0/v/none.m4s").write_bytes(b"late")
    for node in cluster.of_role("delivery"):
        until("it is seen", 8, lambda node=node: fetch(uri_at(session, node, "v/none.m4s")).body == b"late")
    assert store.gets("lv0/v/none.m4s") <= 3


def test_what_came_round_is_refused(make_cluster, store):
    cluster = up(make_cluster, store, delivery=1)
    objects = make_cold(store, n=1, size=1000)["lv0"]
    session = create(cluster.node("api-1"), "lv0")
    node = cluster.of_role("delivery")[0]
    name = re.search(r"^cluster: (\S+)", node.config_file.read_text(), re.M)[1]
    answer = fetch(base_of(session) + "v/seg-0.m4s", CDN_Loop=f"other; x=1, warmcast-{name}")
    assert answer.status == 508 and answer.headers["Cache-Control"] == "no-store"
    assert fetch(base_of(session) + "v/seg-0.m4s", CDN_Loop=f"warmcast-{name}2").body == objects["v/seg-0.m4s"]
    assert metric(node, "request_loops_total") == 1
    assert hashlib.md5(objects["v/seg-0.m4s"]).digest() == hashlib.md5(fetch(base_of(session) + "v/seg-0.m4s").body).digest()
