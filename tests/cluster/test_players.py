"""Real players in a headless browser: led away from a node that drains, and on their way again when one dies.

Each plays with six seconds of buffer; what they ask for and whether they stall is told by tests/browser/play.mjs.
"""

import json
import os
import shutil
import subprocess
import threading
import time

import pytest
from conftest import REPOSITORY, create
from test_drain import ctl
from warmcluster import ClusterError, until

BROWSER = REPOSITORY / "tests" / "browser"
CONTENT = "film"
DURATION_S, SEGMENT_S, BUFFER_S = 50, 2, 6
PLAYERS = ("hls", "shaka", "dash")
pytestmark = pytest.mark.players


def make_film(folder):
    """Two renditions and sound as CMAF segments, by an HLS master playlist and a DASH manifest."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
         "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={DURATION_S}",
         "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={DURATION_S}",
         "-map", "0:v", "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline",
         "-pix_fmt", "yuv420p", "-g", str(25 * SEGMENT_S), "-keyint_min", str(25 * SEGMENT_S), "-sc_threshold", "0",
         "-b:v:0", "300k", "-b:v:1", "150k", "-c:a", "aac", "-b:a", "64k", "-ac", "2",
         "-f", "dash", "-seg_duration", str(SEGMENT_S), "-use_template", "1", "-use_timeline", "0",
         "-adaptation_sets", "id=0,streams=0,1 id=1,streams=2", "-init_seg_name", "init-$RepresentationID$.mp4",
         "-media_seg_name", "seg-$RepresentationID$-$Number%05d$.m4s", "-hls_playlist", "1", "-hls_master_name", "master.m3u8",
         str(folder / "manifest.mpd")], check=True, timeout=120)


class Screen:
    """A browser that plays; `requests` and `states` as play.mjs tells them, in their order."""

    def __init__(self, player, uri):
        self.requests, self.states, self.problems = [], [], []
        self.process = subprocess.Popen(["node", BROWSER / "play.mjs", player, uri, str(BUFFER_S)], cwd=BROWSER,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "request" in told:
                self.requests.append(told["request"])
            elif "state" in told:
                self.states.append(told["state"])
            else:
                self.problems.append(told)

    def time_s(self):
        return self.states[-1]["time_s"] if self.states else 0

    def plays(self, until_s, deadline_s=40):
        try:
            until(f"it plays up to {until_s:.1f} s", deadline_s, lambda: self.time_s() >= until_s)
        except ClusterError as error:
            raise AssertionError((str(error), self.states[-1:], self.problems, self.requests[-10:])) from None

    def hosts(self, since):
        """Of segments that came after so many requests."""
        return [r["host"] for r in self.requests[since:] if r["status"] == 200 and r["path"].endswith(".m4s")]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film") / CONTENT
    make_film(folder)
    return folder


@pytest.fixture
def screens():
    made = []

    def make(player, uri):
        made.append(Screen(player, uri))
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
    screen.plays(5)
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
    screen.plays(screen.time_s() + 5)
    assert_untroubled(screen)


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_goes_on_when_its_node_is_killed(cinema, screens, player):
    node, screen = begin(cinema, screens, player)
    since, began = len(screen.requests), time.monotonic()
    node.kill()
    leave(screen, node, since)
    print(f"{player}: three segments from elsewhere {time.monotonic() - began:.1f} s after the kill; "
          f"{screen.states[-1]['stalls']} stalls")
    screen.plays(screen.time_s() + 5)
    assert_untroubled(screen)
