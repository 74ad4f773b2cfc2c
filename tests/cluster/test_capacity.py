"""No node has more sessions than it has places (A3), and who finds none is sent on once, never told 503 (D1)."""

import concurrent.futures
import urllib.parse

import pytest
from conftest import base_of, create, fetch, make_content
from warmcluster import until

PLACES = 20


def sessions_of(node):
    return node.admin_get("/v1/status")[1]["sessions"]


def metric(node, line):
    found = [v for k, _, v in (s.rpartition(" ") for s in node.admin_get("/metrics")[1].splitlines()) if k == line]
    assert found, line
    return int(found[0])


def follow(url):
    """(status, hops) of a GET that goes after redirects as a player does."""
    for hops in range(4):
        answer = fetch(url)
        if answer.status != 307:
            return answer.status, hops
        url = urllib.parse.urljoin(url, answer.headers["Location"])
    raise AssertionError("sent round")


def start(api, content, status=201):
    """A session that took its place, or the status of what refused it."""
    got, session = api.post_json("/v1/sessions", {"content": content})
    if got != 201:
        return got, session, 0
    state, hops = follow(base_of(session) + "master.m3u8")
    return state, session, hops


def make_small(make_cluster, idle_timeout):
    limits = {"delivery": {"capacity": {"sessions": PLACES, "reserve": "10%"}},
              "*": {"session": {"idle_timeout": idle_timeout, "start_within": "2s"}}}
    c = make_cluster(api=2, delivery=3, overrides=limits)
    for i in range(6):
        make_content(c.origin_dir, f"c{i}", segments=1, size=1000)
    return c


@pytest.fixture
def full(make_cluster):
    return make_small(make_cluster, "60s")


def fill(cluster, viewers):
    apis = cluster.of_role("api")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda i: start(apis[i % 2], f"c{i % 6}"), range(viewers)))


def test_a_crowd_fills_all_places_and_no_more(full):
    results = fill(full, 4 * PLACES)
    held = {n.name: sessions_of(n)["active"] for n in full.of_role("delivery")}
    assert all(n <= PLACES for n in held.values()), held
    states = [state for state, _, _ in results]
    assert set(states) <= {200, 404, 503}, states
    assert states.count(200) == sum(held.values())
    assert all(hops <= 1 for _, _, hops in results)
    for state, answer, _ in results:
        assert state != 503 or answer["type"].endswith(":no-headroom"), answer
    # Everyone who comes while there is room anywhere finds it.
    assert sum(held.values()) == 3 * PLACES, (held, states)


def test_places_come_back_by_delete_and_by_silence(make_cluster):
    full = make_small(make_cluster, "3s")
    fill(full, 4 * PLACES)
    api = full.of_role("api")[0]
    until("nobody holds a place any more", 15, lambda: all(sessions_of(n)["active"] == 0 for n in full.of_role("delivery")))
    state, session, _ = start(api, "c0")
    node = full.node(session["node"])
    assert state == 200 and sessions_of(node)["active"] == 1
    assert api.request("DELETE", f"/v1/sessions/{session['session']}").status == 204
    until("DELETE gives the place back", 2, lambda: sessions_of(node)["active"] == 0)
    # The right outlives the place: a viewer who paused takes one again.
    assert follow(base_of(session) + "master.m3u8") == (200, 0)
    assert sessions_of(node)["active"] == 1


def test_a_session_that_moves_frees_its_former_place(full):
    api = full.of_role("api")[0]
    state, session, _ = start(api, "c1")
    assert state == 200
    former = full.node(session["node"])
    assert sessions_of(former)["active"] == 1
    assert follow(session["alternates"][0])[0] == 200
    until("the former node hears of the move", 2, lambda: sessions_of(former)["active"] == 0)
    assert sum(sessions_of(n)["active"] for n in full.of_role("delivery")) == 1


def test_all_full_and_one_killed(full):
    results = fill(full, 4 * PLACES)
    playing = [session for state, session, _ in results if state == 200]
    dead = full.of_role("delivery")[0]
    dead.kill()
    alive = [n for n in full.of_role("delivery") if n is not dead]
    for session in playing:
        uri = next(u for u in [session["uri"], *session["alternates"]] if urllib.parse.urlsplit(u).netloc != dead.http)
        state, hops = follow(uri)
        assert state in (200, 404) and hops <= 1
        assert all(sessions_of(n)["active"] <= PLACES for n in alive)
    assert sum(sessions_of(n)["active"] for n in alive) == 2 * PLACES


def test_a_place_that_was_lent_is_sure(full):
    """Leases are what most sessions start from, once the api nodes know the delivery nodes."""
    api = full.of_role("api")[0]
    until("each delivery node lent places", 5,
          lambda: all(sessions_of(n)["lent"] > 0 for n in full.of_role("delivery")))
    state, session, hops = start(api, "c2")
    assert (state, hops) == (200, 0)
    node = full.node(session["node"])
    assert metric(node, 'warmcast_sessions_arrived_total{place="kept"}') == 1
    assert metric(node, 'warmcast_sessions_arrived_total{place="none"}') == 0
    others = [n for n in full.of_role("delivery") if n is not node]
    until("what nobody took comes back by itself", 20, lambda: all(sessions_of(n)["lent"] == 0 for n in others))
