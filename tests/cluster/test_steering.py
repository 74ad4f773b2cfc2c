"""The steering list of a session follows its nodes; what it names plays."""

import json
import re
import urllib.parse

import pytest
from conftest import base_of, create, fetch, make_content
from test_drain import ctl
from warmcluster import request, until


@pytest.fixture
def session(make_cluster):
    cluster = make_cluster(api=2, delivery=3)
    objects = make_content(cluster.origin_dir, "lv1")
    return cluster, create(cluster.node("api-1"), "lv1"), objects


def playlist_of(session):
    answer = request("GET", session["uri"])
    assert answer.status == 200
    return answer.body.decode()


def steering_uri(playlist):
    return re.search(r'SERVER-URI="([^"]+)"', playlist)[1]


def steer(uri, **query):
    answer = request("GET", uri + "".join(f"&{key}={urllib.parse.quote(value)}" for key, value in query.items()))
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/vnd.apple.steering-list", answer
    return json.loads(answer.body)


def uri_at(session, path, host):
    """As a player makes it of a clone: another host, all else the same."""
    parts = urllib.parse.urlsplit(base_of(session) + path)
    return parts._replace(netloc=f"{host}:{parts.port}").geturl()


def test_the_list_follows_a_drain_and_a_death(session):
    cluster, session, objects = session
    playlist = playlist_of(session)
    uri, own = steering_uri(playlist), session["node"]
    other = urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["other"][0]
    assert playlist.count(f'PATHWAY-ID="{own}"') == 2 and playlist.count(f'PATHWAY-ID="{other}"') == 1
    said = steer(uri, _HLS_pathway=f'"{own}"')
    assert said["PATHWAY-PRIORITY"][0] == own and set(said["PATHWAY-PRIORITY"]) == {"delivery-1", "delivery-2", "delivery-3"}
    # All that the list names plays, under the same token.
    for clone in said["PATHWAY-CLONES"]:
        assert clone["BASE-ID"] == own and clone["ID"] not in (own, other)
        assert fetch(uri_at(session, "v/seg-0.m4s", clone["URI-REPLACEMENT"]["HOST"])).body == objects["v/seg-0.m4s"]
    second = re.search(r"^http://\S+", playlist, re.MULTILINE)[0]
    assert fetch(second).body == objects["v/index.m3u8"]
    # A drain, and its end.
    assert ctl(cluster, "drain", own).returncode == 0
    until("it is led away", 5, lambda: steer(uri, _HLS_pathway=f'"{own}"')["PATHWAY-PRIORITY"][0] != own)
    left_for = steer(uri, _HLS_pathway=f'"{own}"')["PATHWAY-PRIORITY"]
    assert len(left_for) >= 2
    assert ctl(cluster, "undrain", own).returncode == 0
    until("nobody is sent round", 5, lambda: steer(uri, _HLS_pathway=f'"{left_for[0]}"')["PATHWAY-PRIORITY"][0] == left_for[0])
    # A death.
    cluster.node(left_for[0]).kill()
    until("the dead one is left", 5, lambda: steer(uri, _HLS_pathway=f'"{left_for[0]}"')["PATHWAY-PRIORITY"][0] != left_for[0])


def test_an_ended_session_is_steered_no_more(session):
    cluster, session, _ = session
    uri = steering_uri(playlist_of(session))
    assert request("GET", uri.replace("/v1/steering/", "/v1/steering/A")).status == 404
    assert request("OPTIONS", uri).status == 204
    ended = request("DELETE", f"http://{cluster.node('api-1').http}/v1/sessions/{session['session']}?revoke=true")
    assert ended.status == 204
    until("it is told so", 5, lambda: request("GET", uri).status == 410)
