"""What an operator sees of nodes that stop, die and leave: the table of nodes, the log, and the metrics."""

import signal
import time

import pytest
from conftest import create, make_content, play, wait_event, wait_holder
from warmcluster import until

LIFE = ("node-alive", "node-suspect", "node-down", "node-state", "claim", "claim-withdrawn")


def seen_by(node, name):
    return next(n for n in node.admin_get("/v1/nodes")[1]["nodes"] if n["name"] == name)


def metrics(node):
    """{"name{labels}": value} of its page."""
    lines = node.admin_get("/metrics")[1].splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def others_of(cluster, name):
    return [n for n in cluster.nodes if n.name != name]


def lines_about(node, name, since=0):
    return [e for e in node.log_events()[since:] if e.get("event") in LIFE and e.get("peer") == name]


@pytest.fixture
def victim(cluster):
    """delivery-2, with how many lines each other node had logged before; back in its place afterwards."""
    node = cluster.node("delivery-2")
    node.logged = {n.name: len(n.log_events()) for n in cluster.nodes}
    yield node
    node.signal(signal.SIGCONT)
    if node.pid() is None:
        node.start()
    cluster.wait_met()


def wait_counts(node, **counts):
    want = {"alive": 0, "suspect": 0, "down": 0, "left": 0, **counts}
    until(f"{node.name} counts {want}", 10, lambda: node.admin_get("/v1/status")[1]["nodes"] == want)


def wait_down(cluster, victim, deadline_s=10):
    for node in others_of(cluster, victim.name):
        until(f"{node.name} takes {victim.name} for down", deadline_s,
              lambda node=node: seen_by(node, victim.name)["liveness"] == "down")


def wait_alive(cluster, victim):
    for node in others_of(cluster, victim.name):
        until(f"{node.name} takes {victim.name} for alive, and nobody claims otherwise", 10,
              lambda node=node: (lambda n: n["liveness"] == "alive" and n["claimed_by"] == [])(seen_by(node, victim.name)))


def assert_understandable(cluster, victim):
    """Each line about it names it and says why; few of them, and none repeated by the hundred."""
    for node in others_of(cluster, victim.name):
        said = node.log_events()[victim.logged[node.name]:]
        assert len(said) < 40, (node.name, said)
        for e in said:
            if e.get("event") in LIFE:
                assert e["peer"] in victim.logged and e["peer_id"], e
            if e.get("event") in ("node-suspect", "node-down", "claim"):
                assert e["reason"] and "detail" not in e and "value" not in e, e


def test_a_stopped_node_is_suspect_then_down_and_alive_again(cluster, victim):
    api = cluster.node("api-1")
    seen, began = [], time.monotonic()
    victim.signal(signal.SIGSTOP)
    while (not seen or seen[-1] != "down") and time.monotonic() < began + 10:
        n = seen_by(api, victim.name)
        if not seen or seen[-1] != n["liveness"]:
            seen.append(n["liveness"])
    assert seen in (["alive", "suspect", "down"], ["alive", "down"]), seen  # between two looks it may be suspect
    n = seen_by(api, victim.name)
    names = {n.name for n in others_of(cluster, victim.name)}
    assert n["state"] == "ready" and len(n["claimed_by"]) >= 2 and set(n["claimed_by"]) <= names, n
    assert n["since_ms"] < 5000 and n["heard_age_ms"] >= 1000 and n["disputed"] is False, n
    wait_down(cluster, victim)
    for node in others_of(cluster, victim.name):
        said = [e for e in lines_about(node, victim.name, victim.logged[node.name]) if e["event"] != "claim"]
        assert [e["event"] for e in said] == ["node-suspect", "node-down"], (node.name, said)
        suspect, down = said
        assert suspect["was"] == "alive" and down["was"] == "suspect", said
        assert down["level"] == "warn" and down["claims"] >= 2 and set(down["claimed_by"].split(",")) <= names, down
        wait_counts(node, alive=4, down=1)
        assert metrics(node)['warmcast_members{liveness="down"}'] == 1 and metrics(node)["warmcast_kvs_claims"] >= 2
    victim.signal(signal.SIGCONT)
    wait_alive(cluster, victim)
    assert wait_event(victim, "stalled")["stalled_ms"] >= 1000
    assert_understandable(cluster, victim)
    until("no claim stands", 10, lambda: all(metrics(n)["warmcast_kvs_claims"] == 0 for n in cluster.nodes))


def test_a_killed_node_is_down_until_it_is_back(cluster, victim):
    victim.kill()
    wait_down(cluster, victim)
    claims = sum(metrics(node)["warmcast_kvs_claims_total"] for node in others_of(cluster, victim.name))
    assert claims >= 2
    for node in others_of(cluster, victim.name):
        down = [e for e in lines_about(node, victim.name, victim.logged[node.name]) if e["event"] == "node-down"]
        assert len(down) == 1 and down[0]["reason"] and down[0]["claimed_by"], (node.name, down)
    victim.start()
    wait_alive(cluster, victim)
    for node in others_of(cluster, victim.name):
        alive = [e for e in lines_about(node, victim.name, victim.logged[node.name]) if e["event"] == "node-alive"]
        assert alive and alive[-1]["was"] in ("down", "suspect"), (node.name, alive)
    assert_understandable(cluster, victim)


def test_a_node_that_leaves_is_no_trouble(cluster, victim):
    victim.term()
    for node in others_of(cluster, victim.name):
        until(f"{node.name} knows that it has left", 10, lambda node=node: seen_by(node, victim.name)["state"] == "left")
        wait_counts(node, alive=4, left=1)
        page = metrics(node)
        assert page['warmcast_members{liveness="left"}'] == 1 and page['warmcast_members{liveness="down"}'] == 0
        said = node.log_events()[victim.logged[node.name]:]
        assert not [e for e in said if e["level"] in ("warn", "error") and e["module"] in ("kvs", "rpc")], said
        assert [e["state"] for e in said if e["event"] == "node-state"] == ["draining", "left"], said
        assert seen_by(node, victim.name)["claimed_by"] == []
    assert_understandable(cluster, victim)


def test_traffic_is_counted_by_kind(cluster):
    api = cluster.node("api-1")
    before = {n.name: metrics(n) for n in cluster.nodes}
    objects = make_content(cluster.origin_dir, "vod/liveness")
    session = create(api, "vod/liveness")
    play(session, objects)
    wait_holder(cluster.nodes, "vod/liveness", session["node"], objects=len(objects))
    assert api.admin_post("/v1/kvs/probe", {"slots": 5})[0] == 200
    until("the probes came everywhere", 10, lambda: all(
        len(n.admin_get("/v1/kvs/probe?owner=api-1")[1]["slots"]) == 5 for n in cluster.nodes))
    rising = ['warmcast_rpc_bytes_total{direction="in",kind="row_frame"}', "warmcast_store_commits_total",
              'warmcast_rpc_frames_total{direction="in",kind="heartbeat"}', 'warmcast_kvs_frames_total{outcome="applied"}',
              'warmcast_kvs_entries_applied_total{by="push"}']
    for node in others_of(cluster, "api-1"):
        after = metrics(node)
        for name in rising:
            assert after[name] > before[node.name][name], (node.name, name)
        assert after.keys() >= before[node.name].keys()
        for name in ("warmcast_kvs_pulls_total", "warmcast_kvs_ranges_asked_total", "warmcast_kvs_frames_pushed_total",
                     "warmcast_kvs_digests_sent_total", "warmcast_store_oldest_reader_seconds",
                     'warmcast_kvs_entries_applied_total{by="pull"}', 'warmcast_kvs_entries_applied_total{by="repair"}',
                     'warmcast_kvs_frames_total{outcome="gap"}', 'warmcast_kvs_frames_total{outcome="duplicate"}'):
            assert name in after, name
        stats = node.admin_get("/v1/kvs/stats")[1]
        traffic = {t["kind"]: t for t in stats["traffic"]}
        assert traffic["row_frame"]["bytes_in"] >= after[rising[0]] and traffic["hello"]["frames_out"] >= 1
        assert stats["frames_applied"] > 0 and stats["entries_repaired"] > 0  # what it joined with
    sent = 'warmcast_rpc_frames_total{direction="out",kind="row_frame"}'
    assert metrics(api)[sent] > before["api-1"][sent]
    api.admin_post("/v1/kvs/probe", method="DELETE")
