"""Of Mbit/s a session counts with what its content takes: a node that is full of them takes no more (A3)."""

from conftest import base_of, create, fetch, holders, make_content, play
from warmcluster import until

CAPACITY_MBPS, SESSION_KBPS = 40, 4000


def make_heavy(origin, content):
    objects = make_content(origin, content, segments=2, size=1000)
    objects["master.m3u8"] = objects["master.m3u8"].replace(b"=1000000", b"=%d" % (SESSION_KBPS * 1000))
    (origin / content / "master.m3u8").write_bytes(objects["master.m3u8"])
    return objects


def reckoned(api, content):
    return next(iter(holders(api, content).values()), {}).get("kbps", 0)


def load_of(api, node):
    candidates = api.admin_get("/v1/explain?content=vod/heavy")[1]["candidates"]
    return next(c["load"] for c in candidates if c["node"] == node.name)


def test_a_node_full_of_heavy_sessions(make_cluster):
    limits = {"sessions": 100, "egress_mbps": CAPACITY_MBPS, "reserve": "10%"}
    cluster = make_cluster(api=1, delivery=1, overrides={"delivery": {"capacity": limits}})
    api, node = cluster.node("api-1"), cluster.node("delivery-1")
    objects = make_heavy(cluster.origin_dir, "vod/heavy")
    play(create(api, "vod/heavy"), objects)
    until("it is known what the content takes", 10, lambda: reckoned(api, "vod/heavy") == SESSION_KBPS)

    def one_more():
        status, session = api.post_json("/v1/sessions", {"content": "vod/heavy"})
        return status == 201 and fetch(base_of(session) + "master.m3u8").status == 200

    # The first came before anything was known, and so did the places that were lent then.
    started = sum(one_more() for _ in range(40))
    most = CAPACITY_MBPS * 1000 // SESSION_KBPS
    assert most // 2 <= started <= most + 8, started
    # Whoever asks now knows that it is full, long before it has a hundred sessions.
    until("the api node knows that it is full", 15, lambda: load_of(api, node) >= 100)
    status, problem = api.post_json("/v1/sessions", {"content": "vod/heavy"})
    assert status == 503 and problem["type"].endswith(":no-headroom")
    assert node.admin_get("/v1/status")[1]["sessions"]["active"] <= started + 1
