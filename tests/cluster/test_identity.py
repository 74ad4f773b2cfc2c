"""Who a node is: a cloned disk, a changed address, a name that two nodes want."""

import shutil

import pytest
import warmcluster
from conftest import wait_event


def ids_seen_by(node):
    return {n["id"]: n for n in node.admin_get("/v1/nodes")[1]["nodes"]}


def own_id(node):
    return next(i for i, n in ids_seen_by(node).items() if n["self"])


def wait_alive(nodes, ids):
    def probe():
        return all(ids_seen_by(n).get(i, {}).get("liveness") == "alive" for n in nodes for i in ids)
    warmcluster.until(f"{[n.name for n in nodes]} see {ids} alive", 20, probe)


@pytest.fixture
def held():
    sockets = []
    yield sockets
    for s in sockets:
        s.close()


@pytest.mark.parametrize("activated", [False, True])
def test_a_cloned_disk_becomes_another_node(make_cluster, held, activated):
    """delivery-2 is started on a copy of delivery-1's disk: one of the two gives the id up, and both live."""
    cluster = make_cluster(api=1, delivery=2, start=False)
    first, clone = cluster.node("delivery-1"), cluster.node("delivery-2")
    for node in (first, clone) if activated else ():
        held += node.hold_sockets()
    for node in (cluster.node("api-1"), first):
        node.start()
    shared = own_id(first)
    first.term()
    shutil.copytree(first.data_dir, clone.data_dir, dirs_exist_ok=True)
    first.start()
    clone.start()

    def retired():
        return [n for n in (first, clone) if list(n.data_dir.glob("self.duplicate-*"))]
    loser = warmcluster.until("one of the two gives up the id", 60, retired)[0]
    said = wait_event(loser, "duplicate-id")
    assert "another process has this node's id" in said["msg"], said
    assert said["peer_id"] == shared

    def apart():
        try:
            ids = {own_id(first), own_id(clone)}
        except OSError:
            return None  # it starts anew
        return ids if len(ids) == 2 else None
    ids = warmcluster.until("two nodes with two ids", 20, apart)
    wait_alive([cluster.node("api-1"), first, clone], ids)
    loser.wait_ready()
    assert loser.request("GET", "/none").status == 404


def test_two_nodes_with_one_name_are_told(make_cluster):
    cluster = make_cluster(api=1, delivery=2, start=False, overrides={"delivery-2": {"node": "delivery-1"}})
    first, second = cluster.node("delivery-1"), cluster.node("delivery-2")
    cluster.node("api-1").start()
    first.start()
    second.start(wait=False)
    for node in (first, second):
        line = wait_event(node, "duplicate-name")
        assert "same name" in line["msg"], line
    assert "name" in wait_event(second, "not-ready")["msg"]
    assert first.is_ready() and not second.is_ready()
    first.term()
    second.wait_ready()


def test_a_node_comes_back_at_another_address(make_cluster):
    cluster = make_cluster(api=1, delivery=2)
    api, moved = cluster.node("api-1"), cluster.node("delivery-2")
    before = own_id(moved)
    moved.term()
    http, rpc, admin = warmcluster.free_ports(["127.0.0.77"])
    moved.http, moved.rpc, moved.admin = (f"127.0.0.77:{port}" for port in (http, rpc, admin))
    cluster.write_config(moved)
    moved.start()
    assert own_id(moved) == before
    warmcluster.until("api-1 knows the new address", 10,
                      lambda: ids_seen_by(api)[before]["rpc"].startswith("127.0.0.77:"))
    wait_alive([api, cluster.node("delivery-1")], [before])
