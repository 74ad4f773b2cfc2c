"""Copies ahead of an audience: where they are placed, that the audience finds them, and what stops them."""

import json
import re
import subprocess
import urllib.request

from conftest import create, holders, make_content, play, wait_event, wait_holder
from warmcluster import until


def ctl(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=120, check=False)


def warm(cluster, content, copies, *more, node=None):
    admin = (node or cluster.node("api-1")).admin
    said = ctl(cluster, "--admin", admin, "--json", "warm", content, "--copies", str(copies), *more)
    return said, json.loads(said.stdout) if said.stdout else None


def order_now(cluster, content):
    """Names of delivery nodes in the order in which spill and cold choose them."""
    candidates = cluster.node("api-1").admin_get(f"/v1/explain?content={content}")[1]["candidates"]
    return [c["node"] for c in candidates]


def metric(node, name):
    with urllib.request.urlopen(f"http://{node.admin}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def test_copies_stand_where_the_audience_is_sent(cluster):
    objects = make_content(cluster.origin_dir, "vod/w1")
    api, other = cluster.of_role("api")
    order = order_now(cluster, "vod/w1")
    said, answer = warm(cluster, "vod/w1", 2, "--wait")
    assert said.returncode == 0, said.stderr
    assert [n["node"] for n in answer["nodes"]] == order[:2]
    for node in answer["nodes"]:
        assert node["state"] == "done" and node["ended"] and not node["holder"]
        assert (node["objects"], node["remaining"], node["failed"]) == (len(objects), 0, 0)
        assert node["bytes"] == sum(map(len, objects.values()))
        wait_holder([api, other], "vod/w1", node["node"], objects=len(objects))
        event = wait_event(cluster.node(node["node"]), "warm-ended", warm=answer["id"])
        assert event["objects"] == len(objects) and event["content"] == "vod/w1"
    assert set(holders(api, "vod/w1")) == set(order[:2])
    wait_event(api, "warm", warm=answer["id"], copies=2)
    fetched = sum(metric(n, "warmcast_origin_bytes_total") for n in cluster.of_role("delivery"))
    for node in (api, other):
        session = create(node, "vod/w1")
        assert session["outcome"] == "warm" and session["node"] in order[:2]
        play(session, objects)
    assert sum(metric(n, "warmcast_origin_bytes_total") for n in cluster.of_role("delivery")) == fetched
    # Those who hold it count: one more copy goes to one more node. (The first one may have filled some for the
    # other, so that it had them already the first time.)
    present = metric(cluster.node(order[0]), "warmcast_warm_present_total")
    said, answer = warm(cluster, "vod/w1", 3, "--wait", node=other)
    assert said.returncode == 0, said.stderr
    assert [n["holder"] for n in answer["nodes"]] == [True, True, False]
    assert {n["node"] for n in answer["nodes"][:2]} == set(order[:2]) and answer["nodes"][2]["node"] == order[2]
    assert metric(cluster.node(order[0]), "warmcast_warm_present_total") == present + len(objects)
    assert metric(other, "warmcast_warm_orders_total") == 1


def test_what_cannot_be_fetched_is_said(cluster):
    objects = make_content(cluster.origin_dir, "vod/w2", segments=3)
    (cluster.origin_dir / "vod/w2/v/seg-1.m4s").unlink()
    said = ctl(cluster, "--admin", cluster.node("api-1").admin, "warm", "vod/w2", "--wait")
    assert said.returncode == 1 and "0 of 1 nodes have all of it" in said.stderr
    row = said.stdout.splitlines()[1].split()
    assert row[1:5] == ["no", "done", str(len(objects) - 1), "0"] and row[5] == "1"
    assert "not found: vod/w2/v/seg-1.m4s" in said.stdout
    said, answer = warm(cluster, "vod/none", 1, "--wait")
    assert said.returncode == 1 and "none of the playlists" in answer["nodes"][0]["detail"]


def test_other_entries(cluster):
    objects = make_content(cluster.origin_dir, "vod/w3", entry="index.m3u8")
    said, answer = warm(cluster, "vod/w3", 1, "--wait")
    assert said.returncode == 0 and answer["nodes"][0]["objects"] == len(objects), said.stderr
    dash = cluster.origin_dir / "vod/w4/manifest.mpd"
    dash.parent.mkdir(parents=True)
    dash.write_bytes(b"<MPD/>")
    said, answer = warm(cluster, "vod/w4", 1, "--wait")
    assert said.returncode == 0 and answer["nodes"][0]["objects"] == 1
    assert "only the manifest" in answer["nodes"][0]["detail"]


def test_refusals(cluster):
    api, delivery = cluster.node("api-1"), cluster.node("delivery-1")
    said = ctl(cluster, "--admin", api.admin, "warm", "vod/w5", "--copies", "9")
    assert said.returncode == 1 and "only 3 delivery nodes could be chosen for 9 copies" in said.stderr
    said = ctl(cluster, "--admin", delivery.admin, "warm", "vod/w5")
    assert said.returncode == 1 and "ask the admin listener of an api node" in said.stderr
    for bad in ("0", "65", "x", "-1"):
        assert ctl(cluster, "warm", "a", "--copies", bad).returncode == 2
    assert ctl(cluster, "purge", "a", "--copies", "1").returncode == 2
    for body in ({}, {"content": ""}, {"content": 1}, {"content": "a", "copies": 0}, {"content": "a", "copies": 65},
                 {"content": "a", "copies": "1"}, {"content": "a", "more": 1}, {"content": "../a"}, []):
        assert api.admin_post("/v1/warm", body)[0] == 400, body
    assert api.admin_get("/v1/warm")[0] == 405
    assert api.admin_get("/v1/warm/" + "00" * 16)[0] == 404
    assert api.admin_get("/v1/warm/xyz")[0] == 404
    assert api.request("POST", "/v1/warm", b"{}").status == 404  # viewers' listener has no such thing


def test_a_purge_stops_it(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    make_content(cluster.origin_dir, "vod/long", segments=18000, size=100)
    api, delivery = cluster.node("api-1"), cluster.node("delivery-1")
    said, answer = warm(cluster, "vod/long", 1)
    assert said.returncode == 0, said.stderr

    def node():
        return api.admin_get(f"/v1/warm/{answer['id']}")[1]["nodes"][0]
    until("it is under way", 20, lambda: node()["objects"] > 20)
    assert ctl(cluster, "--admin", api.admin, "purge", "vod/long", "--wait").returncode == 0
    stopped = until("it stops", 10, lambda: (lambda n: n if n["ended"] else None)(node()))
    assert stopped["state"] == "stopped" and stopped["objects"] < 18000 and "purged" in stopped["detail"]
    wait_event(delivery, "warm-ended", warm=answer["id"])
    until("nothing is held of it", 10, lambda: "delivery-1" not in holders(api, "vod/long"))
    # An order after the purge is another order.
    make_content(cluster.origin_dir, "vod/short", segments=2)
    assert warm(cluster, "vod/short", 1, "--wait")[0].returncode == 0


def test_a_node_that_dies_goes_on_when_it_is_back(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    objects = make_content(cluster.origin_dir, "vod/long", segments=18000, size=100)
    api, delivery = cluster.node("api-1"), cluster.node("delivery-1")
    _, answer = warm(cluster, "vod/long", 1)

    def node():
        return api.admin_get(f"/v1/warm/{answer['id']}")[1]["nodes"][0]
    until("it is under way", 20, lambda: node()["objects"] > 20)
    delivery.kill()
    until("the operator hears that it is down", 15, lambda: node()["state"] == "down")
    delivery.start()
    done = until("it has all of it", 60, lambda: (lambda n: n if n["ended"] else None)(node()))
    assert done["state"] == "done" and done["objects"] == len(objects) and done["failed"] == 0
