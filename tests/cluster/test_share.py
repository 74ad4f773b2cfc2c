"""How much of a content a node holds: who holds little of it is not warm, who holds it all is."""

import json
import subprocess

import pytest
from conftest import base_of, create, end, fetch, holders, play, warmcluster
from warmcluster import until

SEGMENTS, SEGMENT_BYTES = 40, 20_000
# What a viewer plays is held, and nothing ahead of it.
OVERRIDES = {"delivery": {"cache": {"prefetch": 0}}}
RENDITIONS = {"low": 800_000, "high": 4_000_000}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = warmcluster.Cluster(tmp_path_factory.mktemp("share"), api=2, delivery=3, ports="free", overrides=OVERRIDES)
    c.up()
    c.wait_met()
    yield c
    end(c)


def make_ladder(origin, content):
    """Two renditions of 40 segments each; returns {path: bytes}."""
    master, objects = "#EXTM3U\n", {}
    for name, bandwidth in RENDITIONS.items():
        master += f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}\n{name}/index.m3u8\n"
        playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        for i in range(SEGMENTS):
            objects[f"{name}/seg-{i}.m4s"] = f"{name} {i} ".encode() * (SEGMENT_BYTES // 10)
            playlist += f"#EXTINF:4,\nseg-{i}.m4s\n"
        objects[f"{name}/index.m3u8"] = (playlist + "#EXT-X-ENDLIST\n").encode()
    objects["master.m3u8"] = master.encode()
    for path, data in objects.items():
        file = origin / content / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return objects


def part_of(objects, rendition, segments):
    names = ["master.m3u8", f"{rendition}/index.m3u8"] + [f"{rendition}/seg-{i}.m4s" for i in range(segments)]
    return {name: objects[name] for name in names}


def share(api, content, node):
    return holders(api, content).get(node, {}).get("share_permille", 0)


def wait_share(cluster, content, node, low, high):
    for api in cluster.of_role("api"):
        until(f"{api.name} knows a share of {content} on {node} in {low}..{high}", 20,
              lambda api=api: low <= share(api, content, node) <= high)


def explain(cluster, content):
    said = subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-1").admin, "--json",
                           "explain", content], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(said.stdout)


def test_who_watched_a_tenth_leaves_no_warm_node(cluster):
    objects = make_ladder(cluster.origin_dir, "vod/s1")
    api = cluster.node("api-1")
    first = create(api, "vod/s1")
    play(first, part_of(objects, "high", SEGMENTS // 10))
    wait_share(cluster, "vod/s1", first["node"], 80, 120)
    assert holders(api, "vod/s1")[first["node"]]["kbps"] == 4000
    assert api.request("DELETE", f"/v1/sessions/{first['session']}").status == 204
    now = explain(cluster, "vod/s1")
    assert now["outcome"] == "cold", now
    held = {c["node"]: c["share_permille"] for c in now["candidates"]}
    assert 80 <= held.pop(first["node"]) <= 120 and set(held.values()) == {0}
    second = create(cluster.node("api-2"), "vod/s1")
    assert second["outcome"] == "cold"
    # All of the best there is makes it warm, and that is known within seconds.
    play(second, part_of(objects, "high", SEGMENTS))
    wait_share(cluster, "vod/s1", second["node"], 1000, 1000)
    third = create(api, "vod/s1")
    assert (third["outcome"], third["node"]) == ("warm", second["node"])
    taken = explain(cluster, "vod/s1")["candidates"][0]
    assert taken["reason"] == "taken" and taken["share_permille"] == 1000


def test_a_poor_rendition_is_not_warm(cluster):
    objects = make_ladder(cluster.origin_dir, "vod/s2")
    api = cluster.node("api-1")
    first = create(api, "vod/s2")
    play(first, part_of(objects, "low", SEGMENTS))
    wait_share(cluster, "vod/s2", first["node"], 200, 200)
    assert create(api, "vod/s2")["outcome"] == "cold"
    play(first, part_of(objects, "high", SEGMENTS))
    wait_share(cluster, "vod/s2", first["node"], 1000, 1000)
    assert create(api, "vod/s2")["outcome"] == "warm"


def test_a_holder_of_all_is_preferred_to_one_of_little(make_cluster):
    cluster = make_cluster(api=1, delivery=2, overrides=OVERRIDES)
    objects = make_ladder(cluster.origin_dir, "vod/s3")
    api = cluster.node("api-1")
    session = create(api, "vod/s3")
    # Any node serves any token: this places what each is to hold. What one lacks the content's first node fills
    # for it (D7), and holds as well.
    all_of_it = cluster.node(session["node"])
    little, = (n for n in cluster.of_role("delivery") if n.name != all_of_it.name)
    path = base_of(session).partition("/p/")[2]
    for node, segments in ((little, 4), (all_of_it, SEGMENTS)):
        for name in part_of(objects, "high", segments):
            assert fetch(f"http://{node.http}/p/{path}{name}").status == 200
    wait_share(cluster, "vod/s3", little.name, 80, 120)
    wait_share(cluster, "vod/s3", all_of_it.name, 1000, 1000)
    for _ in range(4):
        one = create(api, "vod/s3")
        assert (one["outcome"], one["node"]) == ("warm", all_of_it.name)


def test_the_share_outlives_a_restart(make_cluster):
    cluster = make_cluster(api=1, delivery=1, overrides=OVERRIDES)
    objects = make_ladder(cluster.origin_dir, "vod/s4")
    api, node = cluster.node("api-1"), cluster.node("delivery-1")
    play(create(api, "vod/s4"), part_of(objects, "high", 20))
    wait_share(cluster, "vod/s4", node.name, 490, 500)
    node.restart()
    cluster.wait_met()
    wait_share(cluster, "vod/s4", node.name, 490, 500)
    # And it is measured again, not only remembered: what comes now counts.
    play(create(api, "vod/s4"), part_of(objects, "high", SEGMENTS))
    wait_share(cluster, "vod/s4", node.name, 1000, 1000)
