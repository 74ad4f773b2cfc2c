"""The next segments of a viewer who plays what his node does not hold are fetched before he asks for them."""

import re
import urllib.parse

from conftest import base_of, create, fetch, holders, make_content, wait_holder
from warmcluster import until

SEGMENTS, AHEAD = 20, 3


def metric(node, name):
    found = re.findall(rf"^{name} (\S+)$", node.admin_get("/metrics")[1], re.MULTILINE)
    assert found, name
    return int(found[0])


def wait_fetched(node, n):
    until(f"{n} objects were fetched ahead", 10, lambda: metric(node, "warmcast_prefetch_objects_total") >= n)


def load_of(node):
    """What it told last; at first nothing."""
    status, answer = node.admin_get(f"/v1/kvs/get?owner={node.name}&stream=load&key=load")
    return answer["value"] if status == 200 else {}


def begin(cluster, content):
    """A viewer who has the playlists; returns his node, what he is to see, and where."""
    objects = make_content(cluster.origin_dir, content, segments=SEGMENTS, size=50_000)
    session = create(cluster.node("api-1"), content)
    for name in ("master.m3u8", "v/index.m3u8"):
        assert fetch(base_of(session) + name).status == 200
    return cluster.node(session["node"]), objects, base_of(session)


def was_ready(answer):
    """In the cache, or on its way there already (RFC 9211)."""
    return "; hit" in answer.headers["Cache-Status"] or "collapsed" in answer.headers["Cache-Status"]


def test_from_the_second_segment_on_all_is_there(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    node, objects, base = begin(cluster, "vod/p1")
    before = metric(node, "warmcast_prefetch_objects_total")
    assert before == 0
    for i in range(SEGMENTS):
        name = f"v/seg-{i}.m4s"
        answer = fetch(base + name)
        assert answer.status == 200 and answer.body == objects[name]
        assert was_ready(answer) == (i > 0), (i, answer.headers["Cache-Status"])
        wait_fetched(node, min(i + AHEAD, SEGMENTS - 1))
    assert metric(node, "warmcast_prefetch_objects_total") == SEGMENTS - 1  # each once
    assert metric(node, "warmcast_prefetch_used_total") == SEGMENTS - 1
    assert metric(node, "warmcast_prefetch_failed_total") == 0
    # For the viewer these were hits, and yet the node does not call its cache warm for them (D9).
    until("its load tells of misses", 20, lambda: load_of(node).get("miss_permille", 0) > 900)
    assert load_of(node)["hit_permille"] > 0
    # Nobody else's: what a node holds is not fetched for the next viewer.
    api = cluster.node("api-1")
    until("it is known that all is held", 20,
          lambda: holders(api, "vod/p1").get(node.name, {}).get("share_permille") == 1000)
    again = create(api, "vod/p1")
    assert again["outcome"] == "warm" and again["node"] == node.name
    assert fetch(base_of(again) + "v/seg-3.m4s").status == 200
    assert metric(node, "warmcast_prefetch_used_total") == SEGMENTS - 1


def test_a_viewer_who_stops(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node, _, base = begin(cluster, "vod/p2")
    assert fetch(base + "v/seg-4.m4s").status == 200
    wait_fetched(node, AHEAD)
    wait_holder([cluster.node("api-1")], "vod/p2", node.name, objects=2 + 1 + AHEAD)
    assert metric(node, "warmcast_prefetch_objects_total") == AHEAD


def test_what_the_player_says(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node, _, base = begin(cluster, "vod/p3")
    said = urllib.parse.quote('bl=45000,nor="' + urllib.parse.quote("seg-11.m4s", safe="") + '"', safe="")
    assert fetch(f"{base}v/seg-0.m4s?CMCD={said}").status == 200
    wait_fetched(node, 1)
    assert "; hit" in fetch(base + "v/seg-11.m4s", CMCD_Request="bl=60000").headers["Cache-Status"]
    wait_fetched(node, 2)
    assert metric(node, "warmcast_prefetch_objects_total") == 2
    assert "; hit" in fetch(base + "v/seg-12.m4s").headers["Cache-Status"]


def test_none_by_configuration(make_cluster):
    cluster = make_cluster(api=1, delivery=1, overrides={"delivery": {"cache": {"prefetch": 0}}})
    node, _, base = begin(cluster, "vod/p4")
    assert fetch(base + "v/seg-0.m4s").status == 200
    assert not was_ready(fetch(base + "v/seg-1.m4s"))
    assert metric(node, "warmcast_prefetch_objects_total") == 0
