"""Real players in a headless browser: led away from a node that drains, and on their way again when one dies.

Each plays with six seconds of buffer; what they ask for and whether they stall is told by tests/browser/play.mjs.
"""

import os
import shutil
import time

import pytest
from conftest import create
from test_drain import ctl
from warmcluster import ClusterError, until
from warmplayers import Screen, make_film

CONTENT = "film"
DURATION_S, BUFFER_S = 50, 6
PLAYERS = ("hls", "shaka", "dash")
pytestmark = pytest.mark.players


def plays(screen, until_s, deadline_s=40):
    """Until it plays up to then."""
    try:
        until(f"it plays up to {until_s:.1f} s", deadline_s, lambda: screen.time_s() >= until_s)
    except ClusterError as error:
        raise AssertionError((str(error), screen.states[-1:], screen.problems, screen.requests[-10:])) from None


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film") / CONTENT
    make_film(folder, DURATION_S)
    return folder


@pytest.fixture
def screens():
    made = []

    def make(player, uri):
        made.append(Screen(player, uri, BUFFER_S))
        return made[-1]

    yield make
    for screen in made:
        screen.close()


@pytest.fixture
def cinema(make_cluster, film):
    """Two api and three delivery nodes whose origin store has the film."""
    cluster = make_cluster(api=2, delivery=3)
    shutil.copytree(film, cluster.origin_dir / CONTENT, copy_function=os.link)
    return cluster


def begin(cluster, screens, player):
    session = create(cluster.node("api-1"), CONTENT)
    uri = session["uri"] if player != "dash" else session["uri"].replace("master.m3u8", "manifest.mpd")
    screen = screens(player, uri)
    plays(screen, 5)
    return cluster.node(session["node"]), screen


def leave(screen, node, since):
    """Until three segments in a row came from elsewhere."""
    until(f"{node.name} is left", 30, lambda: len(screen.hosts(since)) >= 3 and node.ip not in screen.hosts(since)[-3:])


def assert_untroubled(screen, stalls=0):
    state = screen.states[-1]
    assert state["error"] is None and state["stalls"] <= stalls, (state, screen.requests[-20:], screen.problems)


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_is_led_away_from_a_node_that_drains(cinema, screens, player):
    node, screen = begin(cinema, screens, player)
    since, began = len(screen.requests), time.monotonic()
    assert ctl(cinema, "drain", node.name).returncode == 0
    leave(screen, node, since)
    print(f"{player}: left {node.name} {time.monotonic() - began:.1f} s after the order to drain")
    plays(screen, screen.time_s() + 5)
    assert_untroubled(screen)


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_goes_on_when_its_node_is_killed(cinema, screens, player):
    node, screen = begin(cinema, screens, player)
    since, began = len(screen.requests), time.monotonic()
    node.kill()
    leave(screen, node, since)
    print(f"{player}: three segments from elsewhere {time.monotonic() - began:.1f} s after the kill; "
          f"{screen.states[-1]['stalls']} stalls")
    plays(screen, screen.time_s() + 5)
    assert_untroubled(screen)
