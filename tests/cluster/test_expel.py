"""A node that an operator expelled is out everywhere, says so, and comes back as another one only."""

import json
import shutil
import subprocess

from conftest import create, make_content, play, wait_event
from warmcluster import until


def ctl(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=30, check=False)


def nodes_of(node):
    return node.admin_get("/v1/nodes")[1]["nodes"]


def wait_expelled(nodes, node_id):
    for node in nodes:
        until(f"{node.name} holds it for expelled", 10, lambda node=node: any(
            n["id"] == node_id and n["expelled"] and n["liveness"] == "down" and not n["linked"]
            for n in nodes_of(node)))


def test_an_expelled_node_is_refused_everywhere_and_says_so(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    api, out = cluster.node("api-1"), cluster.node("delivery-3")
    rest = [n for n in cluster.nodes if n is not out]
    node_id = next(n["id"] for n in nodes_of(api) if n["name"] == out.name)
    said = ctl(cluster, "--admin", api.admin, "--json", "expel", out.name)
    assert said.returncode == 0, said.stderr
    answer = json.loads(said.stdout)
    assert answer["node_id"] == node_id and answer["recorded_by"] in {n.name for n in rest} - {api.name}
    out.wait_gone()
    assert out.exit_status() == 77
    wait_event(out, "expelled", level="error")
    wait_expelled(rest, node_id)
    for node in rest:
        wait_event(node, "node-expelled", peer=out.name)
        assert not [e for e in node.log_events() if e.get("event") == "node-down" and e.get("peer") == out.name]
    # With what it remembers, it is refused again, and leaves again.
    out.start(wait=False)
    out.wait_gone()
    assert out.exit_status() == 77
    until("one of the others says that it refused it", 10, lambda: any(
        e.get("event") == "peer-closed" and e.get("peer") == out.name for n in rest for e in n.log_events()))
    wait_expelled(rest, node_id)
    objects = make_content(cluster.origin_dir, "lv1")
    for _ in range(5):
        session = create(api, "lv1")
        assert session["node"] != out.name
    play(session, objects)
    # As another one it may come back, under the same name.
    shutil.rmtree(cluster.config_of(out)["data_dir"])
    out.start()
    until("it is a member again", 15, lambda: any(
        n["name"] == out.name and n["id"] != node_id and n["liveness"] == "alive" and not n["expelled"]
        for n in nodes_of(api)))


def test_one_that_was_away_when_it_was_expelled(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    api, out = cluster.node("api-1"), cluster.node("delivery-2")
    node_id = next(n["id"] for n in nodes_of(api) if n["name"] == out.name)
    out.kill()
    said = ctl(cluster, "--admin", api.admin, "expel", node_id)
    assert said.returncode == 0 and said.stdout == "recorded by delivery-1\n", said
    out.start(wait=False)
    out.wait_gone()
    assert out.exit_status() == 77
    wait_event(out, "expelled", level="error")
    wait_expelled([api, cluster.node("delivery-1")], node_id)


def test_what_cannot_be_expelled(make_cluster):
    cluster = make_cluster(api=2, delivery=0)
    api = cluster.node("api-1")
    assert api.admin_post("/v1/nodes/api-1/expel", {})[0] == 409
    assert api.admin_post("/v1/nodes/nobody/expel", {})[0] == 404
    assert api.admin_get("/v1/nodes/api-2/expel")[0] == 405
    assert api.admin_get("/readyz")[0] == 200
