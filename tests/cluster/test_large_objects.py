"""Large objects: a byte costs one slice and not the whole (D5), whatever kind of store it comes from.

WARMCAST_LARGE_MIB sets how large, from 64 on; 1024 is what the figures in the documents were measured with.
"""

import hashlib
import http.client
import os
import random
import re
import urllib.parse

import pytest

from conftest import base_of, create, fetch, make_content, wait_event, wait_holder
from stores import RangedStore
from test_purge import uri_at
from warmcluster import until

MIB = 1 << 20
SLICE = 8 * MIB
LARGE_MIB = int(os.environ.get("WARMCAST_LARGE_MIB", "256"))
LARGE = LARGE_MIB * MIB + 12345  # its last slice is a short one


def make_large(folder, path, size=LARGE, seed=1):
    """A sparse file with some bytes of its own in each MiB, and at both sides of each edge of a slice."""
    rng = random.Random(seed)
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as f:
        f.truncate(size)
        for at in range(0, size, MIB):
            f.seek(max(at - 16, 0))
            f.write(rng.randbytes(32 if at + 16 < size else size - at))
    return file


def read(file, first, n):
    with open(file, "rb") as f:
        f.seek(first)
        return f.read(n)


def md5_of(file):
    with open(file, "rb") as f:
        return hashlib.file_digest(f, "md5").hexdigest()


def metric(node, name):
    return int(re.search(rf"^warmcast_{name} (\d+)$", node.admin_get("/metrics")[1], re.M)[1])


def fetched(node):
    """Bytes out of the origin store, when no fill runs any more."""
    until("no fill runs", 20, lambda: metric(node, "fills_running") == 0)
    return metric(node, "origin_bytes_total")


class Reading:
    """A GET that is read piece by piece."""

    def __init__(self, url, **headers):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.connection.request("GET", parts.path, headers=headers)
        self.answer = self.connection.getresponse()
        self.sum = hashlib.md5()
        self.n = 0

    def take(self, n):
        """Up to n more bytes; fewer at the end, or when the connection breaks, which is then in `broken`."""
        self.broken = None
        while n > 0:
            try:
                piece = self.answer.read(min(n, 1 << 18))
            except (OSError, http.client.HTTPException) as error:
                self.broken = error
                break
            if not piece:
                break
            self.sum.update(piece)
            self.n += len(piece)
            n -= len(piece)
        return self.n

    def close(self):
        self.connection.close()


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    with RangedStore(folder) as made:
        yield made


def up(make_cluster, store, **kwargs):
    """store None: a folder."""
    overrides = {"*": {"origins": [store.origin()]}} if store else {}
    return make_cluster(**{"api": 1, "delivery": 1, "overrides": overrides, **kwargs})


@pytest.fixture(params=["dir", "http"])
def large(request, make_cluster, tmp_path):
    """(cluster, the store or None, the folder of the objects)"""
    if request.param == "dir":
        cluster = up(make_cluster, None)
        yield cluster, None, cluster.origin_dir
        return
    (tmp_path / "store").mkdir()
    with RangedStore(tmp_path / "store") as made:
        yield up(make_cluster, made), made, made.folder


def begin(cluster, folder, name="film.mp4", **kwargs):
    file = make_large(folder, f"lv1/{name}", **kwargs)
    session = create(cluster.node("api-1"), "lv1")
    return file, session, base_of(session) + name, cluster.node(session["node"])


def test_a_byte_costs_a_slice(large):
    cluster, store, folder = large
    file, _, url, node = begin(cluster, folder)
    at = LARGE // 2 + 7
    answer = fetch(url, Range=f"bytes={at}-{at}")
    assert (answer.status, answer.body) == (206, read(file, at, 1))
    assert answer.headers["Content-Range"] == f"bytes {at}-{at}/{LARGE}"
    assert fetched(node) == SLICE
    if store:
        first = at // SLICE * SLICE
        assert store.ranges == [("lv1/film.mp4", f"{first}-{first + SLICE - 1}")]
    # Its neighbours are held by now.
    until("it is stored", 10, lambda: "hit" in fetch(url, Range=f"bytes={at - 4}-{at + 4}").headers["Cache-Status"])
    assert fetched(node) == SLICE
    # Over an edge: both sides, and nothing more.
    edge = (at // SLICE + 3) * SLICE
    answer = fetch(url, Range=f"bytes={edge - 10}-{edge + 9}")
    assert (answer.status, answer.body) == (206, read(file, edge - 10, 20))
    assert fetched(node) == 3 * SLICE


def test_every_answer_tells_the_whole_length(large):
    cluster, _, folder = large
    file, _, url, node = begin(cluster, folder)
    answer = fetch(url, "HEAD")
    assert answer.status == 200 and int(answer.headers["Content-Length"]) == LARGE
    etag = answer.headers["ETag"]
    assert fetched(node) == SLICE
    answer = fetch(url, Range="bytes=-20")
    assert (answer.status, answer.body) == (206, read(file, LARGE - 20, 20))
    assert answer.headers["Content-Range"] == f"bytes {LARGE - 20}-{LARGE - 1}/{LARGE}" and answer.headers["ETag"] == etag
    before = fetched(node)
    assert before == SLICE + LARGE % SLICE
    for wanted in (f"bytes={LARGE}-", f"bytes={LARGE + 100 * SLICE}-{LARGE + 100 * SLICE}"):
        answer = fetch(url, Range=wanted)
        assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{LARGE}"
    assert fetch(url, If_None_Match=etag).status == 304
    assert fetch(url, Range="bytes=5-9", If_Match='"other"').status == 412
    assert fetched(node) == before
    # A part of another object is not wanted: all of this one is.
    whole = Reading(url, **{"Range": f"bytes={LARGE - 5}-", "If-Range": '"other"'})
    assert whole.answer.status == 200 and int(whole.answer.headers["Content-Length"]) == LARGE
    whole.close()
    answer = fetch(url, Range=f"bytes={LARGE - 5}-", If_Range=etag)
    assert (answer.status, answer.body) == (206, read(file, LARGE - 5, 5))


def test_past_the_end_of_one_that_nobody_knows(large):
    cluster, _, folder = large
    make_content(folder, "lv2", segments=1)
    session = create(cluster.node("api-1"), "lv2")
    answer = fetch(base_of(session) + "v/seg-0.m4s", Range=f"bytes={3 * SLICE}-")
    assert answer.status == 416 and answer.headers["Content-Range"] == "bytes */200000"
    (folder / "lv2" / "empty.mp4").write_bytes(b"")
    answer = fetch(base_of(session) + "empty.mp4")
    assert (answer.status, answer.body) == (200, b"")


def test_the_whole_through_a_cache_that_is_smaller(make_cluster, store):
    cluster = up(make_cluster, store, cache_size="48MiB")
    file, session, url, node = begin(cluster, store.folder)
    right = md5_of(file)
    reading = Reading(url)
    assert reading.answer.status == 200
    half = reading.take(LARGE // 2)
    # It is asked for as it is needed: what sockets hold (up to some MiB each), the present slice and one ahead.
    assert store.sent < half + 8 * SLICE, (store.sent, half)
    assert metric(node, "cache_bytes") < 48 * MIB
    assert reading.take(LARGE) == LARGE and reading.sum.hexdigest() == right
    reading.close()
    asked = [r for p, r in store.ranges if p == "lv1/film.mp4"]
    assert asked == [f"{i}-{i + SLICE - 1}" for i in range(0, LARGE, SLICE)], asked
    # A viewer who broke off goes on.
    at = LARGE - 3 * SLICE - 1
    rest = Reading(url, Range=f"bytes={at}-")
    assert rest.answer.status == 206 and rest.take(LARGE) == LARGE - at
    assert rest.sum.hexdigest() == hashlib.md5(read(file, at, LARGE)).hexdigest()
    rest.close()


def test_it_is_held_over_a_restart(make_cluster, store):
    cluster = up(make_cluster, store)
    file, session, url, node = begin(cluster, store.folder, size=5 * SLICE + 1)
    right = md5_of(file)
    reading = Reading(url)
    assert reading.take(LARGE) == 5 * SLICE + 1 and reading.sum.hexdigest() == right
    reading.close()
    wait_holder(cluster.of_role("api"), "lv1", node.name, objects=6)
    sent = store.sent
    node.restart()
    cluster.wait_met()
    # Until it knows that it missed no purge, it has what it held confirmed.
    until("it is a hit", 10, lambda: "fwd" not in fetch(url, Range="bytes=0-0").headers["Cache-Status"])
    again = Reading(url)
    assert again.take(LARGE) == 5 * SLICE + 1 and again.sum.hexdigest() == right
    again.close()
    assert store.sent == sent


def test_another_object_is_never_spliced(large):
    """What changes in the middle resets who has bytes of the former, and is whole for who asks anew."""
    cluster, store, folder = large
    file, _, url, node = begin(cluster, folder, size=12 * SLICE)
    reading = Reading(url)
    reading.take(SLICE)
    asked = metric(node, "origin_bytes_total")
    assert asked < 10 * SLICE, "the viewer is not read for: a socket cannot hold as much"
    other = make_large(folder, "lv1/other.mp4", size=12 * SLICE, seed=2)
    os.replace(other, file)
    n = reading.take(LARGE)
    assert reading.broken is not None or n < 12 * SLICE
    reading.close()
    again = Reading(url)
    assert again.answer.status == 200
    assert again.take(LARGE) == 12 * SLICE and again.sum.hexdigest() == md5_of(file)
    again.close()


def test_a_store_that_breaks_off_resets_and_goes_on(make_cluster, store):
    cluster = up(make_cluster, store)
    file, _, url, node = begin(cluster, store.folder, size=6 * SLICE)
    store.fault = lambda path, wanted: "reset" if wanted and wanted.startswith(f"{3 * SLICE}-") else None
    reading = Reading(url)
    n = reading.take(LARGE)
    assert 2 * SLICE < n <= 4 * SLICE and n < 6 * SLICE
    reading.close()
    store.fault = None
    until("the store is asked again", 10, lambda: fetch(url, Range=f"bytes={3 * SLICE}-{3 * SLICE}").status == 206)
    rest = Reading(url, Range=f"bytes={n}-")
    assert rest.take(LARGE) == 6 * SLICE - n
    assert rest.sum.hexdigest() == hashlib.md5(read(file, n, LARGE)).hexdigest()
    rest.close()


def test_a_store_without_ranges_gives_it_whole(make_cluster, store):
    cluster = up(make_cluster, store)
    store.fault = lambda path, wanted: "whole"
    file, _, url, node = begin(cluster, store.folder, size=3 * SLICE)
    answer = fetch(url, Range=f"bytes={2 * SLICE + 1}-{2 * SLICE + 9}")
    assert (answer.status, answer.body) == (206, read(file, 2 * SLICE + 1, 9))
    until("it is stored as one", 10, lambda: "hit" in fetch(url, Range="bytes=1-1").headers["Cache-Status"])
    reading = Reading(url)
    assert reading.take(LARGE) == 3 * SLICE and reading.sum.hexdigest() == md5_of(file)
    reading.close()


def test_a_holder_gives_the_slices_that_it_has(make_cluster, store):
    cluster = up(make_cluster, store, delivery=2)
    file, session, url, holder = begin(cluster, store.folder, size=4 * SLICE)
    other = next(n for n in cluster.of_role("delivery") if n is not holder)
    for i in (1, 2):
        assert fetch(url, Range=f"bytes={i * SLICE}-{i * SLICE}").status == 206
    wait_holder(cluster.nodes, "lv1", holder.name, objects=2)
    for node in (holder, other):
        wait_event(node, "proven")
    asked = len(store.requests)
    answer = fetch(uri_at(session, other, "film.mp4"), Range=f"bytes={SLICE + 5}-{3 * SLICE - 1}")
    assert (answer.status, answer.body) == (206, read(file, SLICE + 5, 2 * SLICE - 5))
    assert "detail=peer" in answer.headers["Cache-Status"]
    assert len(store.requests) == asked and metric(other, "peer_fill_bytes_total") == 2 * SLICE
    # What that one lacks is the store's to give, once for both, and the pieces fit.
    reading = Reading(uri_at(session, other, "film.mp4"))
    assert reading.take(LARGE) == 4 * SLICE and reading.sum.hexdigest() == md5_of(file)
    reading.close()
    assert sorted(r for _, r in store.ranges) == sorted(f"{i}-{i + SLICE - 1}" for i in range(0, 4 * SLICE, SLICE))
