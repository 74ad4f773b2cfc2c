"""Nodes of other versions: what only one side of a link can do is not done there (V2), and what this build has never heard
of is passed on as it came, and kept over a restart (V1)."""

import os

import pytest
from conftest import create
from stranger import (ANNOUNCE, BROADCAST, FINGERPRINTS, HEARTBEAT, LEASE_ASK, LEASE_CLOSE, LEASE_GRANT, LEASES, NAMED_ANNOUNCE,
                      NAMED_FRAME, NAMED_PULL, NAMES, PULL, RANGES, TREE, WARM, WARM_TOLD, WARMS, WATCHED_ASK, WATCHED_TOLD,
                      WATCHES, Fixed, Stranger, encode, kinds)
from warmcluster import until

NO_KEY = {"*": {"secrets": {"cluster_key_file": None}}}
OF_FEATURE = {
    BROADCAST: {ANNOUNCE, PULL, TREE},
    FINGERPRINTS: {RANGES},
    NAMES: {NAMED_FRAME, NAMED_ANNOUNCE, NAMED_PULL},
    LEASES: {LEASE_ASK, LEASE_GRANT, LEASE_CLOSE},
    WARMS: {WARM, WARM_TOLD},
    WATCHES: {WATCHED_ASK, WATCHED_TOLD},
}
# Fields 1001 to 1004, one of each type of the wire.
TO_COME = encode([(1001, 150), (1002, Fixed(2**64 - 1)), (1003, b"\xff\0\xfex")]) + b"\xe5\x3e\x09\x09\x09\x09"


def register(name, roles, *more):
    """As a delivery node of a version to come would say it, with a field that this one does not know."""
    return encode([(1, name), (3, roles), (4, 2), (5, "127.0.0.1:1"), (6, "http://127.0.0.1:1"), (8, "9.9.9"), (9, 1), (10, 9),
                   (13, 100), *more]) + TO_COME


def write(node):
    assert node.admin_post("/v1/kvs/probe", {"slots": 2, "bytes": 16})[0] == 200


@pytest.mark.parametrize("features", [0, BROADCAST, BROADCAST | NAMES, FINGERPRINTS, 2**64 - 1])
def test_only_what_both_sides_can_do_is_done(make_cluster, features):
    cluster = make_cluster(api=1, delivery=1, overrides=NO_KEY)
    node = cluster.node("api-1")
    allowed = set().union(*(kinds_of for bit, kinds_of in OF_FEATURE.items() if features & bit))
    with Stranger(node, features) as peer:
        peer.say_row([(b"r", register("stranger", 2, (11, Fixed(features))))])
        until("it is known", 10, lambda: "stranger" in {n["name"] for n in node.admin_get("/v1/nodes")[1]["nodes"]})
        # A viewer for whom nobody but these two are there, and writes to be told of.
        create(node, "lv1")
        write(node)
        if features & BROADCAST:
            peer.hear_until(lambda heard: kinds(heard) & {ANNOUNCE, NAMED_ANNOUNCE, NAMED_FRAME, TREE}, 10)
        write(cluster.node("delivery-1"))
        peer.hear_beats(8)
        said = kinds(peer.heard)
        assert not said & (set().union(*OF_FEATURE.values()) - allowed), said
        if features & NAMES:
            assert said & OF_FEATURE[NAMES], said
            assert ANNOUNCE not in said, said
        assert HEARTBEAT in said and node.is_ready()


def order_copies(node):
    node.admin_post("/v1/warm", {"content": "lv1", "copies": 1})


def ask_what_is_watched(node):
    node.admin_get("/v1/watched")


@pytest.mark.parametrize("has_it", [False, True])
@pytest.mark.parametrize("feature, kind, act", [(LEASES, LEASE_ASK, None), (WARMS, WARM, order_copies),
                                                (WATCHES, WATCHED_ASK, ask_what_is_watched)])
def test_a_delivery_node_is_asked_for_what_it_can_do(make_cluster, feature, kind, act, has_it):
    cluster = make_cluster(api=1, delivery=0, overrides=NO_KEY)
    node = cluster.node("api-1")
    features = feature if has_it else 2**64 - 1 - feature
    with Stranger(node, features, name="delivery-9") as peer:
        peer.say_row([(b"r", register("delivery-9", 2, (11, Fixed(features))))])
        until("viewers are sent to it", 10, lambda: node.post_json("/v1/sessions", {"content": "lv1"})[0] == 201)
        assert create(node, "lv1")["node"] == "delivery-9"
        if act is not None:
            act(node)
        if has_it:
            peer.hear_until(lambda heard: kind in kinds(heard), 10)
        else:
            peer.hear_beats(6)
            assert kind not in kinds(peer.heard)


def check_unknown_is_kept(first, second, runs=(None,)):
    """An entry of a version to come, written at `first`, arrives by way of `second` as it was; also when that is started anew,
    alone, with each of these programs. Both have no cluster key."""
    owner, key = os.urandom(16), b"\x01\xff\0new"
    entries = {b"r": register("newer", 2), key: os.urandom(300)}

    def arrives(node):
        with Stranger(node, 0, name="reader") as reader:
            rows = reader.ask_all()
            until(f"{node.name} tells of it", 10, lambda: (owner, 0) in rows() and len(rows()[owner, 0]) == len(entries))
            assert rows()[owner, 0] == entries

    with Stranger(first, 0, name="newer", node_id=owner, extra=[(1001, "of a version to come")]) as writer:
        # What it does not know in an envelope, in a message, and a message of a kind to come.
        writer.say(HEARTBEAT, TO_COME, extra=[(1001, 1)])
        writer.say(1002, b"next")
        writer.say_row(list(entries.items()), extra=[(1001, 7)])
        until(f"{second.name} has heard of it", 10, lambda: owner.hex() in {
            n["id"] for n in second.admin_get("/v1/nodes")[1]["nodes"]})
        arrives(second)
    first.kill()
    for program in runs:
        second.binary = program
        second.restart(hard=True)
        arrives(second)


def test_what_is_not_understood_is_passed_on_and_kept(make_cluster):
    cluster = make_cluster(api=2, delivery=0, overrides=NO_KEY)
    check_unknown_is_kept(*cluster.nodes)
