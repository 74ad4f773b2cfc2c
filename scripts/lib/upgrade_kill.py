"""What players see of a delivery node that is killed: on loopback, with six seconds of buffer (scripts/bench upgrade)."""

import contextlib
import os
import shutil
import statistics
import subprocess
import threading
import time

import bench_pairs
from bench_pairs import Failed, say
from warmcluster import Cluster, until
from warmplayers import Screen, make_film

CONTENT = "film"
FILM_S, BUFFER_S, BEFORE_S, AFTER_S = 90, 6, 8, 20
PLAYERS = {"hls": "hls.js", "shaka": "Shaka", "dash": "dash.js"}


def session_of(cluster):
    status, session = cluster.node("api-1").post_json("/v1/sessions", {"content": CONTENT})
    if status != 201:
        raise Failed(f"no session: {status} {session}")
    return session


def in_browser(cluster, player):
    """(seconds until the first segment came from another node, the longest time that the picture stood still, stalls)"""
    session = session_of(cluster)
    node = cluster.node(session["node"])
    uri = session["uri"] if player != "dash" else session["uri"].replace("master.m3u8", "manifest.mpd")
    with contextlib.closing(Screen(player, uri, BUFFER_S)) as screen:
        until(f"{PLAYERS[player]} plays", 60, lambda: screen.time_s() >= BEFORE_S)
        requests, states, stalls = len(screen.requests), len(screen.states), screen.stalls()
        node.kill()
        killed = time.monotonic()
        until("a segment comes from another node", 60, lambda: set(screen.hosts(requests)) - {node.ip})
        took = time.monotonic() - killed
        until(f"{PLAYERS[player]} plays on", 60, lambda: screen.time_s() >= BEFORE_S + AFTER_S)
        found = took, screen.stood_still_ms(states) / 1000, screen.stalls() - stalls
    node.start()
    return found


class Ffmpeg:
    """Reads the video of both pathways in one program; when frames of the second one came."""

    def __init__(self, uri):
        self.process = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-loglevel", "quiet", "-nostdin", "-y", "-re", "-i", uri, "-map", "0:v:0", "-f",
             "framecrc", os.devnull, "-map", "0:v:2", "-f", "framecrc", "-flush_packets", "1", "pipe:1"],
            stdout=subprocess.PIPE, text=True)
        self.frames = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith("#"):
                self.frames.append(time.monotonic())

    def close(self):
        self.process.kill()
        self.process.wait()


def in_ffmpeg(cluster):
    """The longest time between two frames of the pathway that stayed, from the kill on."""
    session = session_of(cluster)
    node = cluster.node(session["node"])
    with contextlib.closing(Ffmpeg(session["uri"])) as program:
        until("ffmpeg plays", 60, lambda: len(program.frames) >= 25 * BEFORE_S)
        at = len(program.frames)
        node.kill()
        until("ffmpeg plays on", 60, lambda: len(program.frames) >= at + 25 * AFTER_S)
        seen = program.frames[at - 1:]
    node.start()
    return max(after - before for before, after in zip(seen, seen[1:]))


def rows(binary, folder, rounds):
    found = []
    make_film(folder / "film", FILM_S)
    with Cluster(folder / "kill", api=2, delivery=3, ports="free", binary=binary) as cluster:
        cluster.wait_met()
        shutil.copytree(folder / "film", cluster.origin_dir / CONTENT, copy_function=os.link)
        for player, name in PLAYERS.items():
            seen = []
            for i in range(rounds):
                cluster.wait_met()
                seen.append(in_browser(cluster, player))
                say(f"{name}, kill {i + 1}: a segment from elsewhere after {seen[-1][0]:.2f} s, the picture stood still for "
                    f"{seen[-1][1]:.2f} s, {seen[-1][2]} stalls")
            took, still, stalls = ([one[k] for one in seen] for k in range(3))
            found += [bench_pairs.absolute(f"{name}: segment of another node", "s, median", statistics.median(took), BUFFER_S),
                      bench_pairs.absolute(f"{name}: picture stood still", "s, longest", max(still), 0),
                      bench_pairs.absolute(f"{name}: stalls in {rounds} kills", "", sum(stalls), 0, "0", sum(stalls) == 0)]
        gaps = []
        for i in range(rounds):
            cluster.wait_met()
            gaps.append(in_ffmpeg(cluster))
            say(f"ffmpeg, kill {i + 1}: {gaps[-1]:.2f} s between two frames of the other pathway")
        found.append(bench_pairs.absolute("ffmpeg that reads both pathways: between two frames", "s, longest", max(gaps), 0,
                                          "< 1", max(gaps) < 1))
    return found
