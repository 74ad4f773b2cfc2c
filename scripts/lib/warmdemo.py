"""What scripts/demo shows once all is built: a programme, a cluster, a viewer, and a second viewer who lands warm."""

import argparse
import collections
import hashlib
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

from warmcluster import DEFAULT_PORTS, REPOSITORY, Cluster, ClusterError, request, until, without_pathways

CONTENT = "demo-programme"
DURATION_S = 36
FRAME_RATE = 25
DEMO_DIR = REPOSITORY / "build" / "demo"
# How long an api node may take to learn who holds a content (a digest exchange runs every second).
KNOWN_DEADLINE_S = 20.0


class DemoError(Exception):
    """A step that did not come out right, in words for a person."""


class Talk:
    """Numbered steps with the time since the start."""

    def __init__(self, began_s):
        self.began = time.monotonic() - began_s
        self.number = 0

    def step(self, title):
        self.number += 1
        print(f"\n[{time.monotonic() - self.began:6.1f} s] {self.number}. {title}", flush=True)

    def line(self, text):
        for part in str(text).splitlines():
            print(f"           {part}", flush=True)

    def asked(self, text):
        self.line(f"> {text}")

    def answered(self, text):
        self.line(f"< {text}")


def expect(condition, complaint):
    if not condition:
        raise DemoError(complaint)


def run(command, what):
    """Runs a program to its end; returns its stdout; raises with its last words when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        words = "\n".join(done.stderr.splitlines()[-10:])
        raise DemoError(f"{what}: {command[0]} ended with status {done.returncode}\n{words}")
    return done.stdout


def make_programme(folder):
    """Two renditions and sound as CMAF segments, with an HLS master playlist and a DASH manifest over the same files."""
    started = time.monotonic()
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
         "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={FRAME_RATE}:duration={DURATION_S}",
         "-f", "lavfi", "-i", f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={DURATION_S}",
         "-map", "0:v", "-map", "0:v", "-map", "1:a",
         "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-pix_fmt", "yuv420p",
         "-g", str(2 * FRAME_RATE), "-keyint_min", str(2 * FRAME_RATE), "-sc_threshold", "0",
         "-b:v:0", "600k", "-b:v:1", "250k", "-filter:v:1", "scale=320:180", "-c:a", "aac", "-b:a", "96k", "-ac", "2",
         "-f", "dash", "-seg_duration", "4", "-use_template", "1", "-use_timeline", "0",
         "-adaptation_sets", "id=0,streams=0,1 id=1,streams=2",
         "-init_seg_name", "init-$RepresentationID$.mp4", "-media_seg_name", "seg-$RepresentationID$-$Number%05d$.m4s",
         "-hls_playlist", "1", "-hls_master_name", "master.m3u8", str(unfinished / "manifest.mpd")], "making the programme")
    unfinished.rename(folder)
    return time.monotonic() - started


def show_programme(talk, folder):
    talk.step("A programme for the origin store, the shared and slow place where all contents lie")
    if (folder / "master.m3u8").exists() and (folder / "manifest.mpd").exists():
        talk.line("made by an earlier run already")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        talk.line(f"ffmpeg makes {DURATION_S} s of test picture and tone ...")
        talk.line(f"made in {make_programme(folder):.1f} s")
    objects = sorted(path for path in folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in objects)
    talk.line(f"content \"{CONTENT}\": {len(objects)} objects, {size / 1e6:.1f} MB, in {folder}")
    talk.line("640x360 and 320x180 H.264 with AAC; master.m3u8 (HLS) and manifest.mpd (DASH) name the same segments")
    return objects


def choose_ports(talk):
    """The usual ports, or free ones when something else listens there."""
    try:
        for i in range(1, 6):
            for port in DEFAULT_PORTS:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((f"127.0.0.{i}", port))
        return DEFAULT_PORTS
    except OSError:
        talk.line(f"127.0.0.{i}:{port} is taken by another program, so this cluster gets other ports")
        return "free"


def start_cluster(talk):
    talk.step("A cluster: 2 api nodes, which tell viewers where to go, and 3 delivery nodes, which hold and serve media")
    former = Cluster.load(DEMO_DIR)
    running = [node.name for node in former.nodes if node.pid()] if former else []
    expect(not running, f"a demo is up already ({', '.join(running)}); end it with\n"
                        f"  scripts/cluster down --dir {DEMO_DIR}")
    for part in ("data", "cache", "log"):  # each demo starts with empty caches
        shutil.rmtree(DEMO_DIR / part, ignore_errors=True)
    cluster = Cluster(DEMO_DIR, api=2, delivery=3, name="demo", ports=choose_ports(talk), say=talk.line)
    cluster.up()
    started = time.monotonic()
    cluster.wait_met()
    talk.line(f"all have met after another {time.monotonic() - started:.1f} s: a full mesh of links, and gossip")
    talk.line(f"one process, one YAML file each, in {cluster.dir / 'conf'}")
    return cluster


def create_session(talk, node):
    question = {"content": CONTENT}
    talk.asked(f"POST http://{node.http}/v1/sessions {json.dumps(question)}")
    status, session = node.post_json("/v1/sessions", question)
    talk.answered(f"{status} {json.dumps(session, indent=1)}")
    expect(status == 201, f"{node.name} answered {status}, not 201")
    for field in ("session", "node", "outcome", "uri"):
        expect(session.get(field), f"the answer of {node.name} lacks \"{field}\"")
    return session


def play(talk, uri, what):
    """Plays it whole with ffmpeg, sound and picture decoded, and checks that nothing was missing."""
    talk.asked(f"ffmpeg -i {uri} -f null -")
    started = time.monotonic()
    done = subprocess.run(["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-progress", "pipe:1", "-i", uri,
                           "-f", "null", "-"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    expect(done.returncode == 0, f"the player failed on {what}:\n" + "\n".join(done.stderr.splitlines()[-10:]))
    progress = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    frames = int(progress.get("frame", "0"))
    seconds = int(progress.get("out_time_us", "0")) / 1e6
    talk.answered(f"played {seconds:.1f} s, {frames} frames, in {time.monotonic() - started:.1f} s")
    expect(frames == DURATION_S * FRAME_RATE, f"{what}: {frames} frames came, {DURATION_S * FRAME_RATE} were sent")
    expect(seconds >= DURATION_S - 0.1, f"{what}: {seconds} s came, {DURATION_S} were sent")


def probe(talk, uri):
    talk.asked(f"ffprobe {uri}")
    found = json.loads(run(["ffprobe", "-loglevel", "error", "-of", "json", "-show_entries",
                            "stream=codec_type,codec_name,width,height", uri], "looking at the programme"))
    seen = sorted({f"{s['codec_name']} {s['width']}x{s['height']}" if s["codec_type"] == "video" else s["codec_name"]
                   for s in found["streams"]})
    talk.answered(", ".join(seen))
    expect(seen == ["aac", "h264 320x180", "h264 640x360"], f"a player found {', '.join(seen) or 'nothing'}")


def compare_objects(talk, session, folder, objects):
    """Fetches each object through the session and compares it with the origin store; counts the caches' answers."""
    base = session["uri"].rpartition("/")[0]
    caches = collections.Counter()
    size = 0
    for path in objects:
        name = str(path.relative_to(folder))
        answer = request("GET", f"{base}/{urllib.parse.quote(name)}", timeout_s=30)
        expect(answer.status == 200, f"{name}: {session['node']} answered {answer.status}")
        expect(hashlib.sha256(without_pathways(answer.body)).digest() == hashlib.sha256(path.read_bytes()).digest(),
               f"{name}: the {len(answer.body)} bytes served differ from the {path.stat().st_size} in the origin store")
        size += len(answer.body)
        caches["hit" if "; hit" in (answer.headers.get("Cache-Status") or "") else "filled"] += 1
    counted = ", ".join(f"{n} {what}" for what, n in sorted(caches.items()))
    talk.answered(f"{len(objects)} objects, {size} bytes, all equal to the origin store's ({counted})")
    return caches


def holders_at(node):
    """{name of a delivery node: what it holds, in words} as this node knows it."""
    status, answer = node.admin_get(f"/v1/contents/{CONTENT}")
    if status != 200:
        return {}
    return {holder["node"]: f"{holder['objects']} objects, {holder['bytes'] / 1e6:.1f} MB" for holder in answer["holders"]}


def wait_known(talk, cluster, holder):
    talk.step("The delivery node says what its cache holds now, and gossip tells every api node")
    started = time.monotonic()
    for node in cluster.of_role("api"):
        talk.asked(f"GET http://{node.admin}/v1/contents/{CONTENT}")
        until(f"{node.name} knows that {holder} holds {CONTENT}", KNOWN_DEADLINE_S, lambda: holder in holders_at(node))
        known = "; ".join(f"{name} ({what})" for name, what in holders_at(node).items())
        talk.answered(f"holders: {known}; known within {time.monotonic() - started:.1f} s")
    for command in (["nodes"], ["holders", CONTENT]):
        call = ["build/warmcastctl", "--admin", cluster.node("api-2").admin, *command]
        talk.asked(" ".join(call))
        talk.answered(run([str(REPOSITORY / call[0]), *call[1:]], "the operators' command"))


def second_viewers(talk, cluster, first):
    for node in cluster.of_role("api"):
        talk.step(f"Another viewer asks {node.name} for the same content")
        session = create_session(talk, node)
        expect(session["outcome"] == "warm", f"the outcome at {node.name} is {session['outcome']}, not warm")
        expect(session["node"] == first["node"], f"{node.name} chose {session['node']}, but {first['node']} holds it")
        answer = request("GET", session["uri"])
        talk.line(f"warm: sent to {session['node']}, which holds it; its first answer: {answer.status}, "
                  f"Cache-Status: {answer.headers.get('Cache-Status')}")
        expect(answer.status == 200, f"{session['node']} answered {answer.status}")


def tell_journey(talk, cluster, objects):
    folder = cluster.origin_dir / CONTENT
    api = cluster.node("api-1")
    talk.step("A viewer asks any api node for a session on the content")
    first = create_session(talk, api)
    talk.line(f"{first['outcome']}: " + ("nobody holds it yet, so all api nodes agree by arithmetic on who shall be first: "
                                         if first["outcome"] == "cold" else "") + first["node"])
    talk.step(f"A real player plays it through, from {first['node']}, which fills its cache from the origin store as it goes")
    probe(talk, first["uri"])
    play(talk, first["uri"], "HLS")
    dash = first["uri"].rpartition("/")[0] + "/manifest.mpd"
    talk.line("the same segments once more, as DASH:")
    play(talk, dash, "DASH")
    talk.step("Is what the viewer gets what the origin store has? Every object is fetched and compared, twice")
    talk.asked(f"GET {first['uri'].rpartition('/')[0]}/...")
    compare_objects(talk, first, folder, objects)
    caches = compare_objects(talk, first, folder, objects)
    # Playlists may be asked of the origin store again at any time (D2); segments are immutable.
    segments = sum(path.suffix in (".m4s", ".mp4") for path in objects)
    expect(caches["hit"] >= segments, f"only {caches['hit']} answers came from the cache the second time, of {segments} segments")
    wait_known(talk, cluster, first["node"])
    second_viewers(talk, cluster, first)
    talk.step("The first viewer leaves and gives the place back")
    talk.asked(f"DELETE http://{api.http}/v1/sessions/{first['session']}")
    answer = api.request("DELETE", f"/v1/sessions/{first['session']}")
    talk.answered(answer.status)
    expect(answer.status == 204, f"{api.name} answered {answer.status}, not 204")


def tell_addresses(talk, cluster):
    talk.step("The cluster is yours")
    api = cluster.node("api-1")
    talk.line(f"a new session   curl -s -d '{{\"content\": \"{CONTENT}\"}}' -H 'Content-Type: application/json' "
              f"http://{api.http}/v1/sessions")
    talk.line("                play its \"uri\" with ffplay, mpv or VLC")
    talk.line(f"who is there    build/warmcastctl --admin {api.admin} nodes")
    talk.line(f"who holds it    build/warmcastctl --admin {api.admin} holders {CONTENT}")
    for node in cluster.nodes:
        talk.line(f"{node.name:<15} http://{node.admin}/v1/status   http://{node.admin}/metrics   log {node.log_file}")
    talk.line(f"your own media  put a folder with a master.m3u8 into {cluster.origin_dir}; its name is the content")
    print("\nCtrl-C ends it.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--began", type=float, default=0.0, help="seconds spent before this program")
    arguments = parser.parse_args()
    talk = Talk(arguments.began)

    def stop(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cluster = None
    try:
        objects = show_programme(talk, DEMO_DIR / "origin" / CONTENT)
        cluster = start_cluster(talk)
        tell_journey(talk, cluster, objects)
        if not arguments.check:
            # From here on the signals are waited for, so that none is lost between two lines.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            tell_addresses(talk, cluster)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        status = 0
    except (DemoError, ClusterError, OSError, ValueError, LookupError, http.client.HTTPException) as error:
        print(f"\ndemo: FAILED: {type(error).__name__ + ': ' if isinstance(error, LookupError) else ''}{error}", flush=True)
        if cluster is not None:
            print(f"demo: the nodes' logs: {cluster.dir / 'log'}", flush=True)
        status = 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", flush=True)
        status = 130
    if cluster is not None:
        for number in (signal.SIGINT, signal.SIGTERM):  # it takes 15 s at most, and leaves nothing running
            signal.signal(number, signal.SIG_IGN)
        talk.step("The nodes leave")
        cluster.down()
        unclean = [node.name for node in cluster.nodes if node.exit_status() != 0]
        if status == 0 and unclean:
            print(f"\ndemo: FAILED: {', '.join(unclean)} did not leave in order; see {cluster.dir / 'log'}", flush=True)
            status = 1
    if status == 0 and arguments.check:
        print(f"\ndemo: all right after {time.monotonic() - talk.began:.0f} s: the viewer got every byte, and the next "
              "viewers landed on the warm node", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
