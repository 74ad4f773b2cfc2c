"""Nodes that die, restart and come back, with viewers on them."""

import http.client
import json
import signal
import threading
import time

from conftest import base_of, create, fetch, holders, make_content, play, wait_event, wait_holder
from warmcluster import until


def filled(cluster, content, **kwargs):
    """A content that one node holds whole and that every api node knows of."""
    objects = make_content(cluster.origin_dir, content, **kwargs)
    session = create(cluster.node("api-1"), content)
    play(session, objects)
    wait_holder(cluster.of_role("api"), content, session["node"], objects=len(objects))
    return session, objects


class Asking(threading.Thread):
    """Creates sessions one after another until told to stop; keeps every answer that was not clean."""

    def __init__(self, node, content):
        super().__init__(daemon=True)
        self.node, self.content = node, content
        self.unclean, self.asked, self.ending = [], 0, threading.Event()

    def run(self):
        while not self.ending.is_set():
            self.asked += 1
            try:
                status, answer = self.node.post_json("/v1/sessions", {"content": self.content})
                if status not in (201, 503):
                    self.unclean.append((status, answer))
            except (OSError, http.client.HTTPException) as error:
                self.unclean.append(error)
            self.ending.wait(0.01)

    def stop(self):
        self.ending.set()
        self.join()


def test_kill_of_the_assigned_node_in_mid_play(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    session, objects = filled(cluster, "lv1", segments=8)
    victim = cluster.node(session["node"])
    asking = [Asking(api, "lv1") for api in cluster.of_role("api")]
    for a in asking:
        a.start()
    fetch(base_of(session) + "v/seg-0.m4s")
    victim.kill()
    killed = time.monotonic()

    def elsewhere(api):
        status, answer = api.post_json("/v1/sessions", {"content": "lv1"})
        return status == 201 and answer["node"] != victim.name and answer

    for api in cluster.of_role("api"):
        play(until(f"{api.name} assigns to a living node", 5, lambda api=api: elsewhere(api)), objects)
    assert time.monotonic() - killed < 5
    for a in asking:
        until(f"{a.node.name} was asked often enough", 10, lambda a=a: a.asked > 100 or a.unclean)
        a.stop()
    assert [a.unclean for a in asking] == [[], []]

    def beat():
        answer = cluster.node("api-1").request("POST", f"/v1/sessions/{session['session']}/heartbeat")
        assert answer.status == 200 and victim.http not in json.loads(answer.body)["uri"]
        return answer.body.decode()

    moved = json.loads(beat())  # the session is led on, to the same node however often it asks
    assert json.loads(beat())["node"] == moved["node"]
    until("the dead node is no alternate any more", 5, lambda: victim.http not in beat())


def test_restarted_delivery_node_still_holds_its_cache(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    session, objects = filled(cluster, "lv1")
    node = cluster.node(session["node"])
    for hard in (True, False):
        node.restart(hard=hard)
        cluster.wait_met()
        wait_holder([cluster.node("api-1"), node], "lv1", node.name, objects=len(objects))
        again = create(cluster.node("api-1"), "lv1")
        assert (again["outcome"], again["node"]) == ("warm", node.name)

        def hit(again=again):
            answer = fetch(base_of(again) + "v/seg-1.m4s")
            assert answer.body == objects["v/seg-1.m4s"]
            return "hit" in answer.headers["Cache-Status"] and "fwd" not in answer.headers["Cache-Status"]
        # Until it knows that it missed no purge, it has what it held confirmed.
        until("what it held is a hit", 5, hit)


def test_restarted_api_node_assigns_warm_before_any_peer_answers(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    session, _ = filled(cluster, "lv1")
    api = cluster.node("api-1")
    for hard in (True, False):
        for other in cluster.nodes:
            if other is not api:
                other.signal(signal.SIGSTOP)  # they hold their ports and answer nothing
        try:
            api.restart(hard=hard)
            again = create(api, "lv1")
        finally:
            for other in cluster.nodes:
                other.signal(signal.SIGCONT)
        assert (again["outcome"], again["node"]) == ("warm", session["node"])
        cluster.wait_met()


def test_lost_cache_disk_takes_its_locations_back(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    session, _ = filled(cluster, "lv1")
    node = cluster.node(session["node"])
    node.kill()
    for file in sorted(node.cache_dir.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    node.start()
    until("the location is gone", 10, lambda: node.name not in holders(cluster.node("api-1"), "lv1"))


def test_leaving_node_is_left_and_nobody_is_sent_there(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    session, objects = filled(cluster, "lv1")
    node = cluster.node(session["node"])
    assert node.term() and node.exit_status() == 0
    api = cluster.node("api-1")
    states = {n["name"]: n["state"] for n in api.admin_get("/v1/nodes")[1]["nodes"]}
    assert states[node.name] == "left"
    again = create(api, "lv1")
    assert again["node"] != node.name
    play(again, objects)
    events = [e["event"] for e in node.log_events()]
    assert events[-1] == "stopped" and "drain" in events


def test_second_signal_leaves_now(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    node.signal(signal.SIGTERM)
    wait_event(node, "drain")
    assert node.admin_get("/readyz")[0] == 503
    node.signal(signal.SIGTERM)
    node.wait_gone(3)
    assert node.exit_status() == 0


def test_corrupt_replica_is_set_aside(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    session, objects = filled(cluster, "lv1")
    node = cluster.node(session["node"])
    for part, event in (("view", "view-set-aside"), ("self", "self-set-aside")):
        before = node.admin_get("/v1/status")[1]["id"]
        node.kill()
        (node.data_dir / part / "data.mdb").write_bytes(b"\xff" * 20000)
        node.start()
        wait_event(node, event)
        assert list(node.data_dir.glob(f"{part}.corrupt-*"))
        after = node.admin_get("/v1/status")[1]["id"]
        assert (after == before) == (part == "view")
        wait_holder([cluster.node("api-1")], "lv1", node.name, objects=len(objects), deadline_s=15)
