"""What docs/runbooks.md says one does and sees when a node is gone or slow. What an origin store's end looks like is in
test_origin_http.py, keys are in test_keys.py, and test_documents.py looks at the names of all commands."""

import json
import re
import shutil
import subprocess
import time

from conftest import base_of, create, fetch, make_content, play, wait_event, wait_holder
from warmcluster import until


def ctl(cluster, *arguments, node="api-1", status=0):
    said = subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node(node).admin, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == status, (arguments, said.stdout, said.stderr)
    return said.stdout


def ctl_json(cluster, *arguments, **more):
    return json.loads(ctl(cluster, "--json", *arguments, **more))


def away(cluster, node="api-1"):
    """Whom a plan counts as away; with one away there may be none (V5), and it says so."""
    said = subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node(node).admin, "--json", "rollout",
                           "plan"], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode in (0, 1) and said.stdout, said.stderr
    return json.loads(said.stdout)["away"]


def row_of(table, name):
    """The line about a node as {head: cell}."""
    heads, *lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    return next(dict(zip(heads, line)) for line in lines if line and line[0] == name)


def test_a_node_is_gone_and_comes_back_with_its_disk(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    objects = make_content(cluster.origin_dir, "lv1")
    session = create(cluster.node("api-1"), "lv1")
    play(session, objects)
    gone = cluster.node(session["node"])
    rest = [n for n in cluster.nodes if n is not gone]
    wait_holder(rest, "lv1", gone.name, objects=len(objects))
    gone.kill()
    killed = time.monotonic()
    for node in rest:
        line = wait_event(node, "node-down", peer=gone.name)
        assert line["reason"] and line["claimed_by"]
    # Two seconds, and what it takes to look; each look reads logs.
    assert time.monotonic() - killed < 4
    row = row_of(ctl(cluster, "nodes"), gone.name)
    assert row["LIVE"] == "down" and row["SINCE"][0].isdigit() and row["BY"] != "-", row
    for api in cluster.of_role("api"):
        for _ in range(10):
            assert create(api, "lv1")["node"] != gone.name
    # Players go on by the other pathway, under the same token.
    tail = base_of(session).partition("/p/")[2]
    other = next(n for n in cluster.of_role("delivery") if n is not gone)
    answer = fetch(f"http://{other.http}/p/{tail}v/seg-1.m4s")
    assert answer.status == 200 and answer.body == objects["v/seg-1.m4s"]
    assert away(cluster) == [gone.name]
    gone.start()
    wait_holder(rest, "lv1", gone.name, objects=len(objects))
    assert row_of(ctl(cluster, "nodes"), gone.name)["LIVE"] == "alive"


def test_a_node_comes_back_with_an_empty_disk_or_never(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    gone, api = cluster.node("delivery-3"), cluster.node("api-1")

    def named():
        return [n for n in ctl_json(cluster, "nodes")["nodes"] if n["name"] == gone.name]
    former = named()[0]["id"]
    gone.kill()
    until("it is down", 15, lambda: named()[0]["liveness"] == "down")
    for folder in (gone.data_dir, gone.cache_dir):
        shutil.rmtree(folder)
        folder.mkdir()
    gone.start()
    both = until("it is a new node beside the old one", 15, lambda: sorted(
        (n["liveness"], n["id"]) for n in named() if len(named()) == 2 and n["liveness"] in ("alive", "down")) or None)
    until("the new one is alive", 15, lambda: {n["liveness"] for n in named()} == {"alive", "down"})
    assert [n["id"] for n in named() if n["liveness"] == "down"] == [former], both
    assert gone.name in away(cluster)
    # By its id: its name is the new one's, too.
    assert ctl_json(cluster, "expel", former)["node_id"] == former
    until("the old one is out", 10, lambda: [n["expelled"] for n in named() if n["id"] == former] == [True])
    until("nobody is away", 10, lambda: not away(cluster))
    # And one that never comes back.
    lost = cluster.node("delivery-2")
    lost.kill()
    until("it is away", 15, lambda: away(cluster) == [lost.name])
    ctl(cluster, "expel", lost.name)
    until("it is counted no more", 10, lambda: not away(cluster))
    assert create(api, "anything")["node"] in {"delivery-1", gone.name}


def test_a_node_that_is_slow_is_looked_at_and_taken_out(make_cluster):
    cluster = make_cluster(api=1, delivery=2, overrides={"delivery": {"capacity": {"sessions": 50}}})
    objects = make_content(cluster.origin_dir, "lv1")
    api = cluster.node("api-1")
    session = create(api, "lv1")
    play(session, objects)
    slow = session["node"]
    wait_holder([api], "lv1", slow, objects=len(objects))
    until("its sessions stand beside its capacity", 10, lambda: row_of(ctl(cluster, "nodes"), slow)["SESSIONS"] == "1/50")
    heads = next(line for line in ctl(cluster, "explain", "lv1").splitlines() if line.startswith("RANK")).split()
    assert {"NODE", "REASON", "LOAD", "TOLD"} <= set(heads)

    def candidate():
        return next(c for c in ctl_json(cluster, "explain", "lv1")["candidates"] if c["node"] == slow)
    until("its load is known, and how old that is", 10, lambda: candidate()["load"] == 1 and candidate()["age_ms"] is not None)
    ctl(cluster, "drain", slow)
    until("it takes nobody new", 10, lambda: create(api, "lv1")["node"] != slow)

    def beat():
        answer = api.request("POST", f"/v1/sessions/{session['session']}/heartbeat")
        assert answer.status == 200
        return json.loads(answer.body)["node"]
    # What nobody else holds is copied before its viewers go.
    until("its viewer is told where to go", 20, lambda: beat() != slow)
    play(session, objects)  # who cannot move plays on
    ctl(cluster, "undrain", slow)
    until("it is back", 10, lambda: row_of(ctl(cluster, "nodes"), slow)["STATE"] == "ready")
