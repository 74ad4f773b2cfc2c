"""Who is there while a cluster is upgraded (scripts/bench upgrade): creations of sessions, players at real pace, and hls.js in a
browser. Failed is what has no complete answer after it was asked again once (RFC 9112, 9.3.1; Idempotency-Key)."""

import json
import pathlib
import shutil
import signal
import subprocess
import time

from bench_pairs import Failed, say
from warmcluster import until
from warmplayers import Screen, make_film

CREATIONS, SHOWS, SHOW_S, SEGMENT_S, FILM_S, BUFFER_S = 200, 10, 1800, 4, 1800, 6
SEGMENT_BYTES = 60_000  # 120 kbit/s
END_S = 60


def make_show(folder, segments, size):
    (folder / "v").mkdir(parents=True)
    (folder / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=120000\nv/index.m3u8\n")
    lines = "".join(f"#EXTINF:{SEGMENT_S},\nseg-{i}.m4s\n" for i in range(segments))
    (folder / "v/index.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n{lines}#EXT-X-ENDLIST\n")
    for i in range(segments):
        (folder / f"v/seg-{i}.m4s").write_bytes(f"{folder.name} {i} ".encode().ljust(size, b"."))


def make_contents(origin):
    """What is asked for: contents that are only assigned, shows, and a film."""
    for i in range(CREATIONS):
        make_show(origin / f"bench-{i}", 1, 10_000)
    for i in range(SHOWS):
        make_show(origin / f"show-{i}", SHOW_S // SEGMENT_S, SEGMENT_BYTES)
    make_film(origin / "film", FILM_S)


def remove_contents(origin):
    """Those and no others: the folder stays when hosts go, and may hold what an operator tries them with."""
    for name in ("film", *(f"bench-{i}" for i in range(CREATIONS)), *(f"show-{i}" for i in range(SHOWS))):
        shutil.rmtree(origin / name, ignore_errors=True)


class Load:
    """warmcast-load in the hosts' network until end()."""

    def __init__(self, prefix, program, apis, *options):
        self.process = subprocess.Popen([*prefix, program, "--json", *options, *apis], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def end(self):
        """Nobody comes any more, then nobody plays any more."""
        report = ""
        for _ in range(2):
            self.process.send_signal(signal.SIGINT)
            try:
                report, _ = self.process.communicate(timeout=END_S / 2)
                break
            except subprocess.TimeoutExpired:
                continue
        if not report:
            self.close()
            raise Failed("warmcast-load tells nothing")
        return json.loads(report)


def fill(prefix, program, apis, folder):
    """Each content that is only assigned is brought to a node: sessions go where it is then."""
    trace = pathlib.Path(folder) / "fill.trace"
    trace.write_text("".join(f"{i / 50} bench-{i}\n" for i in range(CREATIONS)))
    done = subprocess.run([*prefix, program, "--json", "--trace", trace, "--pace", "100", "--watch", "0", "--delete", *apis],
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0 or json.loads(done.stdout)["ended"] != CREATIONS:
        raise Failed(f"not all contents could be filled: {done.stdout[-800:]} {done.stderr[-300:]}")


class Audience:
    """All of them, from its making to end()."""

    def __init__(self, arguments, prefix, program, apis, create):
        self.screens = []
        # They fetch what they came for, so that what is led to another node is warm there for the next one.
        self.creations = Load(prefix, program, apis, "--rate", str(arguments.creations), "--duration", "100000", "--pace", "100",
                              "--watch", "0", "--heartbeats", "--delete", "--contents", str(CREATIONS), "--names", "bench-{}")
        self.players = Load(prefix, program, apis, "--rate", str(arguments.players / 5), "--duration", "5", "--contents",
                            str(SHOWS), "--names", "show-{}", "--watch", "0", "--heartbeats", "--linger", "100000")
        try:
            self.open_screens(arguments, prefix, apis, create)
        except BaseException:
            self.close()
            raise
        self.began = time.monotonic()

    def open_screens(self, arguments, prefix, apis, create):
        for i in range(arguments.screens):
            self.screens.append(Screen("hls", create(apis[i % len(apis)], "film")["uri"], BUFFER_S, prefix))
        for screen in self.screens:
            until("hls.js plays", 60, lambda screen=screen: screen.time_s() > 5)

    def close(self):
        for one in (self.creations, self.players, *self.screens):
            one.close()

    def end(self):
        seconds = time.monotonic() - self.began
        creations, players = self.creations.end(), self.players.end()
        for screen in self.screens:
            screen.close()
        return {"seconds": seconds, "creations": creations, "players": players,
                "stalls": sum(screen.stalls() for screen in self.screens),
                "still_ms": max((screen.stood_still_ms() for screen in self.screens), default=0),
                "errors": [screen.states[-1]["error"] for screen in self.screens if screen.states[-1]["error"]],
                "nodes": [len(set(screen.hosts())) for screen in self.screens]}


def media_failures(found):
    return sum(error["count"] for who in ("creations", "players") for error in found[who]["errors"]
               if error["during"] in ("playlist", "segment"))


def tell(name, found):
    creations, players = found["creations"], found["players"]
    say(f"{name}: {found['seconds']:.0f} s; {creations['created']} sessions created, {creations['failed']} failed, "
        f"{creations['asked_again']} asked again, warm {creations['warm_ratio']:.1%}; {players['most_at_once']} players fetched "
        f"{players['segments']} segments, {media_failures(found)} requests failed, {players['late_segments']} late, "
        f"{players['asked_again']} asked again, {players['gave_up']} gave up; hls.js on {found['nodes']} nodes, "
        f"{found['stalls']} stalls; errors {creations['errors']} {players['errors']} {found['errors']}")
