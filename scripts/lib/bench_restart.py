#!/usr/bin/python3 -B
"""A delivery node that is restarted while viewers ask it all the time: what they lose by it.

One api node, one delivery node, an object of a few KiB in its cache. wrk asks for it with --connections that are kept, and
with a tenth as many of which each asks once, 10 ms apart on each; meanwhile the node is restarted --restarts times. Its
listening socket is held by this program as systemd holds that of warmcastd.socket (--how activation), or the node is
told to replace itself by SIGUSR2 (--how replace). Refused are connections, reset is what ended before its answer was whole;
all must be 0. The longest wait is that of a request that came while no process ran.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import bench_pairs
from bench_pairs import Failed, say
from warmcluster import REPOSITORY, Cluster, ClusterError, request, until

OBJECT_BYTES = 4096
PAUSE_MS = 10
BETWEEN_S = 2.0

SCRIPT = """
wrk.headers["Connection"] = CONNECTION
function delay() return %d end
function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests": %%d, "refused": %%d, "reset": %%d, "wrong": %%d, "timeouts": %%d, "longest_us": %%d}',
    summary.requests, e.connect, e.read + e.write, e.status, e.timeout, latency.max))
end
""" % PAUSE_MS


def wrk(folder, url, connections, close):
    """A wrk that runs until it is ended by SIGINT, and then tells what it counted."""
    script = folder / ("close.lua" if close else "keep.lua")
    script.write_text(SCRIPT.replace("CONNECTION", '"close"' if close else "nil"))
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", "-d600", "--timeout", "30s", "-s", script, url],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end_wrk(process):
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed("wrk does not end") from None
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"wrk says nothing of what it did:\n{out}")
    return json.loads(lines[-1])


def started(node):
    return sum(event.get("event") == "started" for event in node.log_events())


def restart(node, how):
    """Returns how long it took, from the signal until the node is ready."""
    began = time.monotonic()
    if how == "activation":
        if not node.term():
            raise Failed("the node had to be killed")
        node.start()
    else:
        before = started(node)
        node.signal(signal.SIGUSR2)
        until("the program runs anew", 60, lambda: started(node) > before)
        node.wait_ready()
    return time.monotonic() - began


def object_url(cluster):
    file = cluster.origin_dir / "lv1" / "seg.m4s"
    file.parent.mkdir(parents=True)
    file.write_bytes(os.urandom(OBJECT_BYTES))
    status, session = cluster.node("api-1").post_json("/v1/sessions", {"content": "lv1"})
    if status != 201:
        raise Failed(f"no session: {status} {session}")
    url = session["uri"].partition("/lv1/")[0] + "/lv1/seg.m4s"
    answer = request("GET", url)
    if answer.status != 200 or len(answer.body) != OBJECT_BYTES:
        raise Failed(f"no object: {answer.status}")
    return url


def measure(arguments, folder):
    with contextlib.ExitStack() as ending:
        cluster = Cluster(folder / "cluster", api=1, delivery=1, ports="free", binary=arguments.warmcastd)
        node = cluster.node("delivery-1")
        cluster.prepare()
        if arguments.how == "activation":
            for held in node.hold_sockets():
                ending.callback(held.close)
        ending.enter_context(cluster)
        cluster.wait_met()
        url = object_url(cluster)
        began = time.monotonic()
        loads = [wrk(folder, url, arguments.connections, False), wrk(folder, url, max(1, arguments.connections // 10), True)]
        for load in loads:
            ending.callback(load.wait)
            ending.callback(load.kill)
        took = []
        for i in range(arguments.restarts):
            time.sleep(BETWEEN_S)  # under load, before the next
            took.append(restart(node, arguments.how))
            say(f"restart {i + 1}: {took[-1]:.2f} s")
        time.sleep(BETWEEN_S)
        seconds = time.monotonic() - began
        counted = [end_wrk(load) for load in loads]
        return counted, seconds, took


def result_of(arguments, counted, seconds, took):
    def total(figure):
        return sum(c[figure] for c in counted)
    per_s = total("requests") / seconds
    rows = [bench_pairs.absolute("requests a second, restarts included", "/s", per_s, 0),
            bench_pairs.absolute("requests answered", "", total("requests"), 0)]
    for title, figure in (("connections refused", "refused"), ("answers that broke off, or never came", "reset"),
                          ("answers that were no 200", "wrong"), ("requests without an answer in 30 s", "timeouts")):
        rows.append(bench_pairs.absolute(title, "", total(figure), 0, "0", total(figure) == 0))
    rows.append(bench_pairs.absolute("longest wait", "ms", max(c["longest_us"] for c in counted) / 1000, 0))
    rows.append(bench_pairs.absolute("a restart, from the signal to ready", "s", sum(took) / len(took), 2))
    return {"bench": "restart", "machine": bench_pairs.machine(), "how": arguments.how, "restarts": len(took),
            "connections": arguments.connections, "rows": rows, "holds": bench_pairs.all_hold(rows)}


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench restart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=10, help="(default 10)")
    parser.add_argument("--connections", type=int, default=240,
                        help="that are kept (default 240: above 10,000 requests a second)")
    parser.add_argument("--how", choices=("activation", "replace"), default="activation", help="(default activation)")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    arguments = parser.parse_args()
    if min(arguments.restarts, arguments.connections) < 1:
        parser.error("numbers must be at least 1")
    arguments.warmcastd = pathlib.Path(os.environ.get("WARMCASTD") or REPOSITORY / "build/warmcastd")
    return arguments


def main():
    arguments = parse()
    if shutil.which("wrk") is None:
        raise Failed("there is no wrk: scripts/setup bench")
    with tempfile.TemporaryDirectory(prefix="warmcast-bench-") as folder:
        result = result_of(arguments, *measure(arguments, pathlib.Path(folder)))
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        print(f"{result['machine']}; {result['restarts']} restarts by {result['how']}, {result['connections']} connections")
        bench_pairs.print_rows(result["rows"])
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, ClusterError) as error:
        print(f"scripts/bench restart: {error}", file=sys.stderr)
        sys.exit(1)
