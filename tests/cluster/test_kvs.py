"""Operators see whether replicas agree: warmcastctl kvs stats, owners, get and diff against real nodes."""

import json
import subprocess

from conftest import create, make_content, play, wait_holder, warmcluster


def ctl(cluster, *arguments):
    """The warmcastctl that was built with the cluster's warmcastd."""
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=30, check=False)


def wait_equal(cluster, deadline_s=15):
    """Until each node's replica equals the first one's, by `kvs diff`; returns what it said last."""
    first, *others = cluster.nodes
    said = {}

    def equal(node):
        said[node.name] = ctl(cluster, "kvs", "diff", first.admin, node.admin)
        assert said[node.name].returncode in (0, 1), said[node.name].stderr
        return said[node.name].returncode == 0

    for node in others:
        warmcluster.until(f"the replicas of {first.name} and {node.name} are equal", deadline_s,
                          lambda node=node: equal(node))
    return said


def test_after_a_viewer_all_replicas_are_equal_and_show_what_he_left(cluster):
    objects = make_content(cluster.origin_dir, "vod/kvs-1")
    session = create(cluster.node("api-1"), "vod/kvs-1")
    play(session, objects)
    wait_holder(cluster.nodes, "vod/kvs-1", session["node"], objects=len(objects))
    for said in wait_equal(cluster).values():
        assert said.stdout.startswith("the replicas are equal: ") and said.stdout.endswith(" rows\n")
    api = cluster.node("api-1").admin
    register = json.loads(ctl(cluster, "--admin", api, "--json", "kvs", "get", session["node"], "register").stdout)
    assert register["owner"] == session["node"] and register["stream"] == "control" and register["version"] >= 1
    assert register["value"]["name"] == session["node"] and register["value"]["state"] == "ready"
    origin = cluster.node("api-1").admin_get("/v1/contents/vod/kvs-1")[1]["origin"]
    got = ctl(cluster, "--admin", api, "--json", "kvs", "get", session["node"], f"{origin}:vod/kvs-1")
    location = json.loads(got.stdout)
    assert location["value"]["objects"] == len(objects)
    assert location["value"]["bytes"] == sum(map(len, objects.values()))
    # By id it is the same entry.
    again = ctl(cluster, "--admin", api, "--json", "kvs", "get", register["id"], f"{origin}:vod/kvs-1")
    assert json.loads(again.stdout) == location


def test_stats_and_owners(cluster):
    wait_equal(cluster)
    first, second = cluster.nodes[:2]
    stats = json.loads(ctl(cluster, "--admin", first.admin, "--json", "kvs", "stats").stdout)
    assert stats["node"] == first.name and stats["mute"] is False and len(stats["fingerprint"]) == 16
    assert stats["frames_applied"] > 0 and stats["digests_sent"] > 0 and stats["commits"] > 0
    assert stats["frames_refused"] == 0
    owners = json.loads(ctl(cluster, "--admin", second.admin, "--json", "kvs", "owners").stdout)["rows"]
    assert {r["owner"] for r in owners if r["stream"] == "control"} == {n.name for n in cluster.nodes}
    assert all(r["exact"] for r in owners if r["stream"] != "load"), owners
    text = ctl(cluster, "--admin", second.admin, "kvs", "owners").stdout
    assert len(text.splitlines()) == len(owners) + 1


def test_what_is_not_there_and_what_is_malformed(cluster):
    admin = cluster.node("api-1").admin
    for arguments, part in ((("nobody", "register"), "no node of that name"), (("api-2", "main:never"), "no such entry"),
                            (("api-2", "main:a/../b"), "ORIGIN:CONTENT")):
        got = ctl(cluster, "--admin", admin, "kvs", "get", *arguments)
        assert got.returncode == 1 and part in got.stderr and got.stderr.count("\n") == 1, got
    got = ctl(cluster, "kvs", "diff", admin, cluster.node("api-2").http)
    assert got.returncode == 2 and got.stdout == "", got


def test_replicas_that_never_met_differ(cluster, make_cluster):
    alone = make_cluster(api=1, delivery=0).node("api-1")
    here = cluster.node("api-2")
    got = ctl(cluster, "kvs", "diff", here.admin, alone.admin)
    assert got.returncode == 1 and got.stdout.splitlines()[-1].startswith("the replicas differ: "), got
    assert here.admin in got.stdout and alone.admin in got.stdout
    answer = json.loads(ctl(cluster, "--json", "kvs", "diff", here.admin, alone.admin).stdout)
    assert answer["equal"] is False and answer["nodes"] == [here.admin, alone.admin]
    ids = {n["id"] for n in here.admin_get("/v1/nodes")[1]["nodes"] + alone.admin_get("/v1/nodes")[1]["nodes"]}
    assert {d["id"] for d in answer["differing"]} == ids


def test_a_probe_is_timed_on_its_way_to_every_node(cluster):
    api = cluster.node("api-1")
    got = ctl(cluster, "--admin", api.admin, "--json", "kvs", "probe", "--slots", "3")
    assert got.returncode == 0, got
    tries = [json.loads(line) for line in got.stdout.splitlines()]
    assert len(tries) == 3 and len({t["number"] for t in tries}) == 3
    for t in tries:
        assert {n["node"] for n in t["nodes"]} == {n.name for n in cluster.nodes} - {api.name}
        assert all(0 < n["latency_us"] < 10_000_000 for n in t["nodes"]), t
    for node in cluster.nodes:
        metrics = node.admin_get("/metrics")[1]
        count = next(line for line in metrics.splitlines() if line.startswith("warmcast_kvs_spread_seconds_count"))
        assert int(count.split()[1]) >= (0 if node is api else 3), (node.name, count)
        slots = node.admin_get("/v1/kvs/probe?owner=api-1")[1]["slots"]
        assert {s["number"] for s in slots} >= {t["number"] for t in tries}, node.name
    # It is no content, and not kept longer than it is wanted.
    assert "probe" not in json.dumps(api.admin_get("/v1/nodes")[1])
    assert api.admin_post("/v1/kvs/probe", method="DELETE")[0] == 200
    wait_equal(cluster)
    assert cluster.node("delivery-1").admin_get("/v1/kvs/probe?owner=api-1")[1]["slots"] == []


def test_a_probe_outlives_a_restart_and_is_counted_behind(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    api, delivery = cluster.nodes
    said = delivery.admin_post("/v1/kvs/probe", {"slots": 5})[1]
    delivery.restart(hard=True)
    slots = delivery.admin_get("/v1/kvs/probe?owner=delivery-1")[1]["slots"]
    assert {(w["slot"], w["number"]) for w in said["writes"]} == {(s["slot"], s["number"]) for s in slots}
    assert delivery.admin_post("/v1/kvs/probe", {})[1]["writes"][0]["number"] > max(s["number"] for s in slots)
    wait_equal(cluster)
    nodes = json.loads(ctl(cluster, "--admin", api.admin, "--json", "nodes", "--lag").stdout)["nodes"]
    assert {n["name"]: n["behind"] for n in nodes} == {"api-1": 0, "delivery-1": 0}
