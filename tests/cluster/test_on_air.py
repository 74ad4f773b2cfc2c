"""A programme on air: its playlist and segments appear in the origin store while viewers on all nodes play it."""

import collections
import random
import re
import threading
import time

import pytest

from conftest import create, fetch, wait_event
from stores import Store
from test_first_node import metric
from test_purge import uri_at
from warmcluster import until

TARGET_S = 1
FRESH_S = TARGET_S / 2  # D2: half a segment
SEGMENTS = 10
VIEWERS = 9
LATE_S = 0.8            # a segment comes that much later than the playlist that names it
CONTROL = b"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\n"


class TimedStore(Store):
    """Notes when each object was asked for."""

    def __init__(self, folder):
        super().__init__(folder)
        self.times = collections.defaultdict(list)

    def handle(self, handler):
        self.times[handler.path.removeprefix(self.prefix)].append(time.monotonic())
        super().handle(handler)


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    with TimedStore(folder) as made:
        yield made


class Programme(threading.Thread):
    """Appends a segment every TARGET_S, and ends. late_s: the playlist names it so long before it is there."""

    def __init__(self, folder, late_s=0.0):
        super().__init__(daemon=True)
        self.folder, self.late_s = folder, late_s
        rng = random.Random(7)
        self.segments = [rng.randbytes(50_000 + i) for i in range(SEGMENTS)]
        self.failed = None
        folder.mkdir()
        self.write("master.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nlive.m3u8\n")
        self.write("seg-0.m4s", self.segments[0])
        self.write("live.m3u8", self.playlist(1))

    def write(self, name, data):
        made = self.folder / f".{name}"
        made.write_bytes(data)
        made.rename(self.folder / name)

    def playlist(self, n):
        text = b"#EXTM3U\n#EXT-X-TARGETDURATION:%d\n" % TARGET_S + CONTROL
        text += b"".join(b"#EXTINF:%d,\nseg-%d.m4s\n" % (TARGET_S, i) for i in range(n))
        return text + (b"#EXT-X-ENDLIST\n" if n == SEGMENTS else b"")

    def run(self):
        tick, start = threading.Event(), time.monotonic()
        for i in range(1, SEGMENTS):
            tick.wait(max(start + i * TARGET_S - time.monotonic(), 0))
            if self.late_s:
                self.write("live.m3u8", self.playlist(i + 1))
                tick.wait(self.late_s)
                self.write(f"seg-{i}.m4s", self.segments[i])
            else:
                self.write(f"seg-{i}.m4s", self.segments[i])
                self.write("live.m3u8", self.playlist(i + 1))


class Viewer(threading.Thread):
    """Plays to the end; reloads half a target duration after a playlist that has not changed."""

    def __init__(self, session, nodes, programme):
        super().__init__(daemon=True)
        self.session, self.nodes, self.programme = session, nodes, programme
        self.trouble, self.ages, self.loads, self.waits = [], [], 0, []

    def load(self, path):
        node = random.choice(self.nodes)
        answer = fetch(uri_at(self.session, node, path))
        if answer.status != 200:
            self.trouble.append((path, node.name, answer.status, answer.body[:200]))
        return answer

    def run(self):
        try:
            self.play()
        except Exception as e:  # noqa: BLE001: whatever it is the test is to hear of it
            self.trouble.append(repr(e))

    def play(self):
        have, pause, deadline = 0, threading.Event(), time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = self.load("live.m3u8")
            self.loads += 1
            self.ages.append(int(answer.headers.get("Age", 0)))
            if b"#EXT-X-SERVER-CONTROL" in answer.body or len(answer.body) != len(
                    self.programme.playlist(answer.body.count(b"#EXTINF"))):
                self.trouble.append(answer.body)
            named = re.findall(rb"^seg-\d+\.m4s$", answer.body, re.M)
            for i in range(have, len(named)):
                began = time.monotonic()
                if self.load(f"seg-{i}.m4s").body != self.programme.segments[i]:
                    self.trouble.append(("wrong bytes", i))
                self.waits.append(time.monotonic() - began)
            done = b"#EXT-X-ENDLIST" in answer.body
            pause.wait(0 if done else TARGET_S if len(named) > have else TARGET_S / 2)
            have = max(have, len(named))
            if done and have == SEGMENTS:
                return
        self.trouble.append("it did not come to an end")


def play_all(make_cluster, store, late_s):
    """(cluster, the viewers, what is named the most often within one time of freshness: of the playlist)"""
    # Nothing is fetched ahead: such requests would be among those that are counted.
    overrides = {"*": {"origins": [store.origin()]}, "delivery": {"cache": {"prefetch": 0}}}
    cluster = make_cluster(api=1, delivery=3, overrides=overrides)
    nodes = cluster.of_role("delivery")
    for node in nodes:
        wait_event(node, "proven")
    programme = Programme(store.folder / "live1", late_s)
    session = create(cluster.node("api-1"), "live1")
    viewers = [Viewer(session, nodes, programme) for _ in range(VIEWERS)]
    programme.start()
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join(90)
    assert [v.trouble for v in viewers] == [[]] * VIEWERS
    return cluster, viewers


def most_within(times, span_s):
    times = sorted(times)
    return max(sum(1 for t in times if at <= t < at + span_s) for at in times)


def test_one_fetch_of_the_playlist_in_its_time_for_all(make_cluster, store):
    cluster, viewers = play_all(make_cluster, store, 0)
    times = store.times["live1/live.m3u8"]
    loads = sum(v.loads for v in viewers)
    # A fetch in each half segment at most: the next is sent when the former's answer is that old.
    assert most_within(times, 0.9 * FRESH_S) == 1, [round(t - times[0], 2) for t in times]
    assert len(times) <= (times[-1] - times[0]) / FRESH_S + 1.5
    assert loads > 3 * len(times), (loads, len(times))
    for i in range(SEGMENTS):
        assert len(store.times[f"live1/seg-{i}.m4s"]) == 1, i
    assert max(age for v in viewers for age in v.ages) <= 2
    assert sum(metric(n, "peer_failures_total") for n in cluster.of_role("delivery")) == 0


def test_a_segment_that_is_named_too_early_is_waited_for(make_cluster, store):
    cluster, viewers = play_all(make_cluster, store, LATE_S)
    again = 0
    for i in range(1, SEGMENTS):
        times = store.times[f"live1/seg-{i}.m4s"]
        again += len(times) - 1
        # Once every 250 ms for the cluster, and never by two nodes at once.
        assert len(times) <= 1 + LATE_S / 0.25 + 2, [round(t - times[0], 2) for t in times]
        assert len(times) == 1 or min(b - a for a, b in zip(times, times[1:])) > 0.15, times
    assert again > SEGMENTS / 2
    assert max(w for v in viewers for w in v.waits) < 2.0


def test_what_never_comes_is_told_so_after_two_seconds(make_cluster, store):
    cluster = make_cluster(api=1, delivery=3, overrides={"*": {"origins": [store.origin()]}})
    nodes = cluster.of_role("delivery")
    for node in nodes:
        wait_event(node, "proven")
    programme = Programme(store.folder / "live1")
    session = create(cluster.node("api-1"), "live1")
    assert fetch(uri_at(session, nodes[0], "live.m3u8")).status == 200
    answers, took = {}, {}

    def ask(node):
        began = time.monotonic()
        answers[node.name] = fetch(uri_at(session, node, "seg-5.m4s")).status
        took[node.name] = time.monotonic() - began

    askers = [threading.Thread(target=ask, args=(node,), daemon=True) for node in nodes]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(20)
    assert set(answers.values()) == {404}
    times = store.times["live1/seg-5.m4s"]
    # Who has not read the playlist hears from the first node, through which it came, that the content grows.
    assert min(took.values()) > 1.8 and max(took.values()) < 3.5, took
    assert len(times) <= 10 and min(b - a for a, b in zip(times, times[1:])) > 0.15, times
    programme.write("seg-5.m4s", programme.segments[5])
    began = time.monotonic()
    until("it is there", 3, lambda: fetch(uri_at(session, nodes[0], "seg-5.m4s")).body == programme.segments[5])
    assert time.monotonic() - began < 1.5
