"""I9: what an operator purged is served by nobody, also not by who was away."""

import json
import os
import subprocess

from conftest import base_of, create, fetch, make_content, wait_event, wait_holder
from warmcluster import until


def ctl(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=90, check=False)


def uri_at(session, node, path):
    """The session's object on another delivery node: tokens are good everywhere (D3)."""
    rest = base_of(session).partition("://")[2].partition("/")[2]
    return f"http://{node.http}/{rest}{path}"


def fill_everywhere(cluster, content, **kwargs):
    """(session, objects), with every delivery node holding all of it."""
    objects = make_content(cluster.origin_dir, content, **kwargs)
    session = create(cluster.node("api-1"), content)
    for node in cluster.of_role("delivery"):
        for path, data in objects.items():
            assert fetch(uri_at(session, node, path)).body == data
        wait_holder(cluster.of_role("api"), content, node.name, objects=len(objects))
    return session, objects


def rewrite(cluster, content, path, data, same_validator):
    """Other bytes in the same file; with the same validator, only a purge can tell."""
    file = cluster.origin_dir / content / path
    before = file.stat()
    assert len(data) == before.st_size
    with file.open("r+b") as f:
        f.write(data)
    if same_validator:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_purge_reaches_all_and_is_recorded_by_a_second_node(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    session, objects = fill_everywhere(cluster, "vod/p1")
    fill_everywhere(cluster, "vod/p1x", segments=1)
    old = objects["v/seg-1.m4s"]
    new = bytes(len(old))
    rewrite(cluster, "vod/p1", "v/seg-1.m4s", new, same_validator=True)
    for node in cluster.of_role("delivery"):
        assert fetch(uri_at(session, node, "v/seg-1.m4s")).body == old  # held, and never stale
    api = cluster.node("api-1")
    said = ctl(cluster, "--admin", api.admin, "--json", "purge", "vod/p1", "--wait")
    assert said.returncode == 0, said.stderr
    answer = json.loads(said.stdout)
    assert {n["node"] for n in answer["applied"]} == {"delivery-1", "delivery-2", "delivery-3"}
    assert answer["pending"] == []
    assert answer["recorded_by"] in {n.name for n in cluster.nodes} - {"api-1"}
    for node in cluster.of_role("delivery"):
        assert fetch(uri_at(session, node, "v/seg-1.m4s")).body == new
        event = wait_event(node, "content-purged", content="vod/p1", purge=answer["id"])
        assert event["units"] == len(objects)
        purged = [e for e in node.log_events() if e.get("event") == "content-purged"]
        assert len(purged) == 1  # once, though two nodes say it; and nothing of vod/p1x
    text = ctl(cluster, "--admin", api.admin, "purge", "vod/p1", "--wait")
    assert text.returncode == 0
    assert "recorded by " in text.stdout and "applied by 3 of 3 delivery nodes\n" in text.stdout


def test_a_node_that_was_away_applies_what_it_missed_before_it_serves(make_cluster):
    cluster = make_cluster(api=1, delivery=3)
    session, objects = fill_everywhere(cluster, "lv1")
    away = cluster.node("delivery-3")
    api = cluster.node("api-1")
    away.kill()
    until("the dead node is known to be down", 10, lambda: any(
        n["name"] == away.name and n["liveness"] == "down" for n in api.admin_get("/v1/nodes")[1]["nodes"]))
    old = objects["v/seg-1.m4s"]
    rewrite(cluster, "lv1", "v/seg-1.m4s", bytes(len(old)), same_validator=False)
    rewrite(cluster, "lv1", "v/seg-2.m4s", bytes(len(objects["v/seg-2.m4s"])), same_validator=True)
    said = ctl(cluster, "--admin", api.admin, "--json", "purge", "lv1", "--wait")
    assert said.returncode == 0, said.stderr
    answer = json.loads(said.stdout)
    assert {n["node"] for n in answer["applied"]} == {"delivery-1", "delivery-2"}
    assert answer["pending"] == [{"node": "delivery-3", "down": True}]
    away.start(wait=False)

    def first_answer():
        try:
            return fetch(uri_at(session, away, "v/seg-1.m4s"))
        except OSError:
            return None

    first = until("the node answers again", 10, first_answer)
    assert first.status == 200 and first.body == bytes(len(old))
    wait_event(away, "content-purged", content="lv1", purge=answer["id"])
    wait_event(away, "proven")
    assert fetch(uri_at(session, away, "v/seg-2.m4s")).body == bytes(len(objects["v/seg-2.m4s"]))
    until("all have applied it", 10, lambda: not api.admin_get(f"/v1/purge/{answer['id']}")[1]["pending"])
    # Once: not again after another start.
    away.restart(hard=True)
    wait_event(away, "proven")
    until("what was applied is told again", 10,
          lambda: not api.admin_get(f"/v1/purge/{answer['id']}")[1]["pending"])


def test_a_purge_outlives_the_disk_of_whom_it_was_said_to(make_cluster):
    """The issuer is lost for good before the third node hears of its order."""
    cluster = make_cluster(api=1, delivery=2)
    session, objects = fill_everywhere(cluster, "lv1")
    away, api = cluster.node("delivery-2"), cluster.node("api-1")
    away.kill()
    until("the dead node is known to be down", 10, lambda: any(
        n["name"] == away.name and n["liveness"] == "down" for n in api.admin_get("/v1/nodes")[1]["nodes"]))
    rewrite(cluster, "lv1", "v/seg-1.m4s", bytes(len(objects["v/seg-1.m4s"])), same_validator=True)
    answer = json.loads(ctl(cluster, "--admin", api.admin, "--json", "purge", "lv1").stdout)
    assert answer["recorded_by"] == "delivery-1"
    api.kill()
    away.start()
    wait_event(away, "content-purged", content="lv1", purge=answer["id"])
    assert fetch(uri_at(session, away, "v/seg-1.m4s")).body == bytes(len(objects["v/seg-1.m4s"]))


def test_alone_it_is_said_that_nobody_recorded_it(make_cluster):
    cluster = make_cluster(api=0, delivery=1)
    node = cluster.nodes[0]
    status, answer = node.admin_post("/v1/purge", {"content": "lv1"})
    assert status == 202 and answer["recorded_by"] is None and "no second node" in answer["detail"]
    until("it is applied all the same", 10,
          lambda: not node.admin_get(f"/v1/purge/{answer['id']}")[1]["pending"])


def test_what_is_no_purge(make_cluster):
    cluster = make_cluster(api=1, delivery=0)
    node = cluster.nodes[0]
    for body in ({}, {"content": ""}, {"content": 1}, {"content": "a", "more": 1}, {"content": "x" * 300}, []):
        assert node.admin_post("/v1/purge", body)[0] == 400, body
    assert node.admin_get("/v1/purge")[0] == 405
    assert node.admin_get("/v1/purge/xyz")[0] == 404
    assert node.admin_get("/v1/purge/" + "00" * 16)[0] == 404
