"""A node that an operator drains gets no new viewer, keeps those it has, and is itself again when told so."""

import contextlib
import json
import subprocess

from conftest import base_of, create, fetch, holders, make_content, play, wait_event, wait_holder
from stores import Store
from test_peer_fill import held_by_one, up
from warmcluster import until


def ctl(cluster, *arguments, timeout_s=30):
    return subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-2").admin, *arguments],
                          capture_output=True, text=True, timeout=timeout_s, check=False)


def ctl_at(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-1").admin, *arguments],
                          capture_output=True, text=True, timeout=30, check=False)


def copies_of(node, name):
    """Of a drain, as that node knows."""
    return next(n["copies"] for n in node.admin_get("/v1/nodes")[1]["nodes"] if n["name"] == name)


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


def moved_from(cluster, session):
    """Where heartbeats lead it, as soon as that is another node."""
    def beat():
        answer = cluster.node("api-1").request("POST", f"/v1/sessions/{session['session']}/heartbeat")
        assert answer.status == 200, answer.body
        moved = json.loads(answer.body)
        return moved if moved["node"] != session["node"] else None
    return until("it is led to another node", 20, beat)


@contextlib.contextmanager
def drain_wait(cluster, node):
    """`drain --wait` under way; what it says on stderr can be read line by line."""
    waiting = subprocess.Popen([cluster.binary.parent / "warmcastctl", "--admin", cluster.node("api-1").admin,
                                "drain", node, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield waiting
    finally:
        waiting.kill()
        waiting.communicate(timeout=10)


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
    moved = moved_from(cluster, session)
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
    with drain_wait(cluster, session["node"]) as waiting:
        while " 1 sessions left, 0 copies left" not in waiting.stderr.readline():
            assert waiting.poll() is None
        assert cluster.node("api-2").request("DELETE", f"/v1/sessions/{session['session']}").status == 204
        out, errors = waiting.communicate(timeout=40)
    assert waiting.returncode == 0 and out.endswith("\ndrained\n"), (out, errors)
    assert errors.splitlines()[-1].endswith(": 0 sessions left, 0 copies left")


def test_what_only_a_draining_node_holds_is_copied_before_its_viewers_go(make_cluster, tmp_path):
    (tmp_path / "store").mkdir()
    with Store(tmp_path / "store") as store:
        cluster = up(make_cluster, store)
        session, objects, node, others = held_by_one(cluster, store, "lv1", segments=30)
        api, asked = cluster.node("api-1"), len(store.requests)
        with drain_wait(cluster, node.name) as waiting:
            moved = moved_from(cluster, session)
            assert moved["outcome"] == "warm"
            wait_event(node, "copies", contents=1)
            wait_event(node, "copies-made", contents=1, failed=0)
            copy = cluster.node(moved["node"])
            wait_holder([api], "lv1", copy.name, objects=len(objects))
            assert set(holders(api, "lv1")) == {node.name, copy.name}
            assert copy in others and waiting.poll() is None  # its viewer is there yet
            play(moved, objects)
            out, errors = waiting.communicate(timeout=40)
        assert waiting.returncode == 0 and out.endswith("\ndrained\n"), (out, errors)
        assert any(line.endswith(" 1 copies left") for line in errors.splitlines()), errors
        assert errors.splitlines()[-1].endswith(": 0 sessions left, 0 copies left")
        # All of it came out of the draining node's cache, but for playlists that were no longer fresh.
        assert [path for _, path in store.requests[asked:] if not path.endswith(".m3u8")] == []
        assert ctl_at(cluster, "undrain", node.name).returncode == 0
        until("the count is taken back", 10, lambda: copies_of(api, node.name) == {"left": 0, "failed": 0})


def test_a_copy_that_no_node_has_room_for_does_not_hold_up_a_drain(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    session = warm_session(cluster, "lv3")
    node = cluster.node(session["node"])
    with drain_wait(cluster, node.name) as waiting:
        until("it is given up", 30, lambda: copies_of(node, node.name) == {"left": 0, "failed": 1})
        event = wait_event(node, "copy-failed", content="lv3", viewers=1)
        assert event["detail"] == "no other node that is ready has room"
        assert node.admin_get("/v1/status")[1]["copies"] == {"left": 0, "failed": 1}
        assert "warmcast_drain_copies_failed 1\n" in node.admin_get("/metrics")[1]
        # There is nowhere to go: who plays goes on, and the drain ends with him.
        assert fetch(base_of(session) + "v/seg-1.m4s").status == 200
        assert cluster.node("api-1").request("DELETE", f"/v1/sessions/{session['session']}").status == 204
        out, errors = waiting.communicate(timeout=40)
    assert waiting.returncode == 0, errors
    assert out.endswith("\n1 copies could not be made: the node's log names them (copy-failed)\ndrained\n"), out


def test_a_drain_of_nobody_is_refused(cluster):
    said = ctl(cluster, "drain", "delivery-9")
    assert said.returncode == 1 and said.stderr.count("\n") == 1 and "no node of that name" in said.stderr, said.stderr
