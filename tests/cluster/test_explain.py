"""Explain (A5): what an api node would decide now, and what it decided then, with the reasons."""

import json
import subprocess

from conftest import create, make_content, play, wait_holder
from warmcluster import until


def ctl(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=90, check=False)


def explain(node, **query):
    pairs = "&".join(f"{k}={v}" for k, v in query.items())
    status, answer = node.admin_get(f"/v1/explain?{pairs}")
    assert status == 200, answer
    return answer


def test_what_would_be_decided_now(cluster):
    objects = make_content(cluster.origin_dir, "vod/e1")
    api = cluster.node("api-1")
    cold = explain(api, content="vod/e1")
    assert cold["outcome"] == "cold" and cold["holders"] == 0 and cold["asked"] == "api-1"
    assert [c["rank"] for c in cold["candidates"]] == [1, 2, 3]
    assert {c["node"] for c in cold["candidates"]} == {"delivery-1", "delivery-2", "delivery-3"}
    assert sorted(c["order"] for c in cold["candidates"]) == [1, 2, 3]
    assert cold["candidates"][0]["order"] == 1  # an idle cluster: the content's own order
    session = create(api, "vod/e1")
    assert session["node"] == cold["node"] == cold["candidates"][0]["node"]
    play(session, objects)
    wait_holder(cluster.of_role("api"), "vod/e1", session["node"], objects=len(objects))
    for node in cluster.of_role("api"):
        warm = explain(node, content="vod/e1")
        first, *others = warm["candidates"]
        assert warm["outcome"] == "warm" and warm["node"] == session["node"] == first["node"]
        assert first["reason"] == "taken" and first["holder"] and first["state"] == "ready"
        assert first["objects"] == len(objects) and first["bytes"] == sum(map(len, objects.values()))
        assert first["headroom"] == first["capacity"] - first["load"] > 0
        assert {c["reason"] for c in others} == {"not a holder"} and not any(c["holder"] for c in others)
        until("its load was told lately", 10, lambda node=node: (
            explain(node, content="vod/e1")["candidates"][0]["age_ms"] or 0) in range(1, 10_000))


def test_the_table(cluster):
    api = cluster.node("api-2")
    said = ctl(cluster, "--admin", api.admin, "explain", "vod/e2")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0].split() == ["content", "vod/e2", "(origin", "main)"]
    assert "cold, taken by delivery-" in lines[1] and lines[2].split() == ["as", "known", "by", "api-2"]
    assert lines[4].split()[:4] == ["RANK", "NODE", "REASON", "STATE"]
    assert len(lines) == 8 and lines[5].split()[0] == "1" and " taken " in lines[5]
    raw = ctl(cluster, "--admin", api.admin, "--json", "explain", "vod/e2")
    assert len(json.loads(raw.stdout)["candidates"]) == 3


def test_who_decides_nothing_says_whom_to_ask(cluster):
    node = cluster.node("delivery-1")
    said = ctl(cluster, "--admin", node.admin, "explain", "vod/e3")
    assert said.returncode == 1 and len(said.stderr.splitlines()) == 1
    api = [f"{n.name} on {n.ip}" for n in cluster.of_role("api")]
    assert "ask the admin listener of an api node" in said.stderr and any(a in said.stderr for a in api)


def test_what_cannot_be_explained(cluster):
    api = cluster.node("api-1")
    for query, status in (("", 400), ("content=", 400), ("content=..", 400), ("content=a%2Fb", 400),
                          ("content=" + "x" * 300, 404), ("zone=a", 400)):
        assert api.admin_get(f"/v1/explain?{query}")[0] == status, query
    assert api.admin_post("/v1/explain?content=a")[0] == 405


def test_a_drained_and_a_dead_node_are_told_apart(make_cluster):
    cluster = make_cluster(api=1, delivery=3)
    api = cluster.node("api-1")
    cluster.node("delivery-1").kill()
    until("the dead node is known to be down", 15, lambda: any(
        c["state"] == "down" for c in explain(api, content="x")["candidates"]))
    answer = explain(api, content="x")
    last = answer["candidates"][-1]
    assert last["node"] == "delivery-1" and last["rank"] is None and last["reason"] == "unreachable"
    for name in ("delivery-2", "delivery-3"):
        cluster.node(name).kill()
    until("all are known to be down", 15, lambda: all(
        c["state"] == "down" for c in explain(api, content="x")["candidates"]))
    answer = explain(api, content="x")
    assert answer["outcome"] == "refused" and answer["node"] is None
    text = ctl(cluster, "--admin", api.admin, "explain", "x")
    assert text.returncode == 0 and "refused: no delivery node can take a viewer" in text.stdout


def test_what_was_decided_then(cluster):
    make_content(cluster.origin_dir, "vod/e4")
    api, other = cluster.of_role("api")
    session = create(api, "vod/e4")
    handle = session["session"]
    then = explain(api, session=handle)
    assert then["outcome"] == "cold" and then["node"] == then["node_now"] == session["node"]
    assert then["created_by"] == "api-1" and then["content"] == "vod/e4"
    assert then["nodes"] == then["usable"] == 3 and then["reasons"] == {"taken": 1, "ranked lower": 2}
    assert [c["rank"] for c in then["candidates"]] == [1, 2, 3]
    assert then["candidates"][0]["node"] == session["node"]
    text = ctl(cluster, "--admin", api.admin, "explain", handle)
    assert text.returncode == 0, text.stderr
    assert f"cold, taken by {session['node']}" in text.stdout and "3 ranked lower" not in text.stdout
    elsewhere = ctl(cluster, "--admin", other.admin, "explain", handle)
    assert elsewhere.returncode == 1 and len(elsewhere.stderr.splitlines()) == 1
    assert "api-1 created that session" in elsewhere.stderr and f"on {api.ip}." in elsewhere.stderr


def test_what_looks_like_a_session_and_is_none_is_a_content(cluster):
    name = "a" * 80
    said = ctl(cluster, "--admin", cluster.node("api-1").admin, "explain", name)
    assert said.returncode == 0, said.stderr
    assert f"content      {name} (origin main)" in said.stdout
    assert cluster.node("api-1").admin_get(f"/v1/explain?session={name}")[0] == 404


def test_the_node_is_gone_since_and_so_is_the_memory(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    api = cluster.node("api-1")
    session = create(api, "vod/e5")
    cluster.node(session["node"]).kill()
    stays = "delivery-1" if session["node"] == "delivery-2" else "delivery-2"
    moved = until("the session is to move", 15, lambda: (
        lambda a: a if a["node_now"] == stays else None)(explain(api, session=session["session"])))
    assert moved["node"] == session["node"] and moved["candidates"][0]["state"] == "ready"  # as it was then
    api.restart()
    status, problem = api.admin_get(f"/v1/explain?session={session['session']}")
    assert status == 404 and problem["type"].endswith(":forgotten") and "its last start" in problem["detail"]
