"""The way of a viewer: a session, the programme byte for byte, and the next viewer on the same node."""

import json

from conftest import base_of, create, fetch, holders, make_content, play, wait_holder
from warmcluster import until


def test_plays_byte_for_byte_and_the_next_session_is_warm_from_both_apis(cluster):
    objects = make_content(cluster.origin_dir, "lv1")
    first = create(cluster.node("api-1"), "lv1")
    assert first["outcome"] == "cold"
    play(first, objects)
    wait_holder([cluster.node("api-1"), cluster.node("api-2")], "lv1", first["node"], objects=len(objects))
    for api in ("api-1", "api-2"):
        again = create(cluster.node(api), "lv1")
        assert (again["outcome"], again["node"]) == ("warm", first["node"])
        assert again["uri"].endswith("/lv1/master.m3u8")
        play(again, objects)


def test_api_nodes_that_know_nothing_pick_the_same_node(cluster):
    for i in range(20):
        make_content(cluster.origin_dir, f"same-{i}", segments=1)
        nodes = {create(cluster.node(api), f"same-{i}")["node"] for api in ("api-1", "api-2")}
        assert len(nodes) == 1


def test_session_reads_the_same_from_any_api_and_ends_twice(cluster):
    make_content(cluster.origin_dir, "lv2")
    made = create(cluster.node("api-1"), "lv2")
    for api in ("api-1", "api-2"):
        answer = cluster.node(api).request("GET", f"/v1/sessions/{made['session']}")
        assert answer.status == 200
        read = json.loads(answer.body)
        assert (read["session"], read["content"], read["node"]) == (made["session"], "lv2", made["node"])
    beat = cluster.node("api-2").request("POST", f"/v1/sessions/{made['session']}/heartbeat")
    assert beat.status == 200 and json.loads(beat.body)["uri"].startswith(base_of(made)[:20])
    for _ in range(2):
        assert cluster.node("api-2").request("DELETE", f"/v1/sessions/{made['session']}").status == 204


def test_alternates_serve_the_same_bytes(cluster):
    objects = make_content(cluster.origin_dir, "lv3")
    session = create(cluster.node("api-1"), "lv3")
    assert len(session["alternates"]) == 2
    for uri in session["alternates"]:
        play({**session, "uri": uri}, objects)


def test_content_with_slashes_spaces_and_other_scripts(cluster):
    name = "channel 7/番組/今日 100%"
    objects = make_content(cluster.origin_dir, name)
    session = create(cluster.node("api-1"), name)
    base = session["uri"].rpartition("/")[0] + "/"
    for path, data in objects.items():
        assert fetch(base + path).body == data


def test_entry_is_found_where_there_is_no_master(cluster):
    make_content(cluster.origin_dir, "plain", entry="index.m3u8")
    session = create(cluster.node("api-1"), "plain")
    answer = fetch(session["uri"])
    assert answer.status == 307 and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"].endswith("index.m3u8")
    fetch(base_of(session) + "index.m3u8")
    wait_holder([cluster.node("api-2")], "plain", session["node"])
    assert create(cluster.node("api-2"), "plain")["uri"].endswith("/index.m3u8")


def test_hit_miss_range_and_conditional(cluster):
    objects = make_content(cluster.origin_dir, "lv4")
    url = base_of(create(cluster.node("api-1"), "lv4")) + "v/seg-0.m4s"
    data = objects["v/seg-0.m4s"]
    miss = fetch(url)
    assert "fwd" in miss.headers["Cache-Status"] and miss.headers["Access-Control-Allow-Origin"] == "*"
    # Who comes before the unit is in its place joins the fill that the first one began.
    until("it is served from the cache", 10, lambda: "hit" in fetch(url).headers["Cache-Status"])
    hit = fetch(url)
    assert "hit" in hit.headers["Cache-Status"] and hit.body == data
    part = fetch(url, Range="bytes=100-199")
    assert part.status == 206 and part.body == data[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
    assert fetch(url, Range="bytes=-5").body == data[-5:]
    beyond = fetch(url, Range=f"bytes={len(data)}-")
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{len(data)}"
    assert fetch(url, If_None_Match=hit.headers["ETag"]).status == 304
    assert fetch(url, Range="bytes=0-9", If_Range='"other"').status == 200
    head = fetch(url, method="HEAD")
    assert head.status == 200 and int(head.headers["Content-Length"]) == len(data) and head.body == b""


def test_operators_see_nodes_contents_and_metrics(cluster):
    objects = make_content(cluster.origin_dir, "lv5")
    session = create(cluster.node("api-1"), "lv5")
    play(session, objects)
    delivery = cluster.node(session["node"])
    status, answer = delivery.admin_get("/v1/status")
    assert status == 200 and answer["state"] == "ready" and answer["cluster"] == "local"
    assert answer["sessions"]["active"] >= 1
    # A viewer may have the last byte before the unit is in its place.
    wait_holder(cluster.nodes, "lv5", session["node"], objects=len(objects))
    assert delivery.admin_get("/v1/status")[1]["cache"]["units"] >= len(objects)
    assert holders(cluster.node("api-1"), "lv5")[session["node"]]["bytes"] == sum(map(len, objects.values()))
    status, text = delivery.admin_get("/metrics")
    assert status == 200 and "warmcast_sessions_active" in text
    assert delivery.admin_get("/healthz")[0] == 200 and delivery.admin_get("/nothing")[0] == 404


def test_no_token_is_ever_logged(cluster):
    make_content(cluster.origin_dir, "lv6")
    session = create(cluster.node("api-1"), "lv6")
    token = session["uri"].split("/p/")[1].split("/")[0]
    fetch(session["uri"])
    fetch(session["uri"].replace("master.m3u8", "nothing.m4s"))
    for node in cluster.nodes:
        text = node.log_file.read_text()
        assert token not in text and session["session"] not in text
        assert not [e for e in node.log_events() if "unparsable" in e]
