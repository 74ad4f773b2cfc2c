"""A node that an operator drains gets no new viewer, keeps those it has, and is itself again when told so."""

import json
import subprocess

from conftest import base_of, create, fetch, make_content, wait_holder
from warmcluster import until


def ctl(cluster, *arguments, timeout_s=30):
    return subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-2").admin, *arguments],
                          capture_output=True, text=True, timeout=timeout_s, check=False)


def states(node):
    """What it knows; nothing while it starts."""
    try:
        return {n["name"]: n["state"] for n in node.admin_get("/v1/nodes")[1]["nodes"]}
    except OSError:
        return {}


def wait_state(nodes, name, state):
    for node in nodes:
        until(f"{node.name} sees {name} {state}", 10, lambda node=node: states(node).get(name) == state)


def warm_session(cluster, content):
    make_content(cluster.origin_dir, content)
    first = create(cluster.node("api-1"), content)
    assert fetch(base_of(first) + "v/seg-0.m4s").status == 200
    wait_holder(cluster.of_role("api"), content, first["node"])
    return first


def test_a_drained_node_gets_no_new_viewer_until_undrained(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    session = warm_session(cluster, "lv1")
    node = cluster.node(session["node"])
    said = ctl(cluster, "--json", "drain", node.name)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["node"] == node.name and json.loads(said.stdout)["recorded_by"]
    wait_state(cluster.of_role("api"), node.name, "draining")
    for api in cluster.of_role("api"):
        assert create(api, "lv1")["node"] != node.name
    assert node.admin_get("/readyz")[0] == 503
    # Who plays goes on, and who asks is led away.
    assert fetch(base_of(session) + "v/seg-1.m4s").status == 200
    beat = cluster.node("api-1").request("POST", f"/v1/sessions/{session['session']}/heartbeat")
    moved = json.loads(beat.body)
    assert beat.status == 200 and moved["node"] != node.name
    assert fetch(base_of(moved) + "v/seg-1.m4s").status == 200
    # The order outlives the process, and is taken back.
    node.term()
    node.start(wait=False)
    wait_state([node], node.name, "draining")
    wait_state(cluster.of_role("api"), node.name, "draining")
    assert create(cluster.node("api-1"), "lv1")["node"] != node.name
    assert ctl(cluster, "undrain", node.name).returncode == 0
    wait_state(cluster.of_role("api"), node.name, "ready")
    wait_holder(cluster.of_role("api"), "lv1", node.name)
    until("it gets viewers again", 10, lambda: create(cluster.node("api-1"), "lv1")["node"] == node.name)


def test_waiting_for_a_drain_ends_when_the_last_viewer_has_gone(make_cluster):
    cluster = make_cluster(api=2, delivery=2, overrides={"*": {"session": {"start_within": "2s"}}})
    session = warm_session(cluster, "lv2")
    waiting = subprocess.Popen([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-1").admin,
                                "drain", session["node"], "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while waiting.stderr.readline() in ("", "draining: 0 sessions left\n"):
            assert waiting.poll() is None
        assert cluster.node("api-2").request("DELETE", f"/v1/sessions/{session['session']}").status == 204
        out, errors = waiting.communicate(timeout=40)
    finally:
        waiting.kill()
    assert waiting.returncode == 0 and out.endswith("drained\n"), (out, errors)
    assert errors.splitlines()[-1] == "draining: 0 sessions left"


def test_a_drain_of_nobody_is_refused(cluster):
    said = ctl(cluster, "drain", "delivery-9")
    assert said.returncode == 1 and said.stderr.count("\n") == 1 and "no node of that name" in said.stderr, said.stderr
