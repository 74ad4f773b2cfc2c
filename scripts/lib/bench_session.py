#!/usr/bin/python3 -B
"""Session creation beside nginx: how many a second one core gives.

One api node with one http worker, pinned to a core, whose replica knows three locations of each content, and one nginx
worker, pinned to the same core, that answers each POST with a constant body as long as ours (`return 201`). wrk drives
both from another core in turns, with bodies that differ from request to request. Ratios say how many times better ours
is (below 1: worse), pair by pair of neighbouring runs; a row gives their median and its 95 % interval, and holds when
that reaches the goal, or the median is within 0.03 of it. Judged is the server's CPU a request; the rate only where
nginx's core is at least 95 % busy, for else wrk is what is measured. A pair is void when other programs took more than
3 % of the machine, and is taken again.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench_session_sides import Failed, Nginx, Ours, drive
from warmcluster import REPOSITORY, ClusterError

FOREIGN_MAX = 0.03
BUSY_MIN = 0.95
TIE = 0.03
TRIES_A_PAIR = 3

# What is said, the unit, the figure, whether more is better, whether it is judged.
ROWS = [
    ("sessions created a second", "/s", "per_s", True, True),
    ("server's CPU a session", "us", "cpu_us", False, True),
    ("latency, median", "us", "p50_us", False, False),
    ("latency, p99", "us", "p99_us", False, True),
]
BEGAN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGAN:4.0f} s] {text}", file=sys.stderr, flush=True)


def interval(values):
    """The 95 % interval of the median by order statistics."""
    values, n = sorted(values), len(values)
    outside, k = 0.0, 0
    while outside + math.comb(n, k) / 2**n <= 0.025:
        outside += math.comb(n, k) / 2**n
        k += 1
    k = max(0, k - 1)
    return values[k], values[n - 1 - k]


def row_of(pairs, row):
    title, unit, figure, more_is_better, judged = row
    ours, peers = ([pair[side][figure] for pair in pairs] for side in ("warmcastd", "nginx"))
    ratios = [(a / b if more_is_better else b / a) for a, b in zip(ours, peers) if a > 0 and b > 0]
    if not ratios:
        raise Failed(f"no figures of {title}")
    ratio, (low, high) = statistics.median(ratios), interval(ratios)
    if figure == "per_s":
        judged = statistics.median(pair["nginx"]["core_busy"] for pair in pairs) >= BUSY_MIN
    return {"name": title, "unit": unit, "ours": statistics.median(ours), "peer": "nginx", "peers": statistics.median(peers),
            "ratio": ratio, "low": low, "high": high, "bound": None, "goal": "ratio >= 1.0" if judged else None,
            "holds": bool(high >= 1.0 or abs(ratio - 1.0) <= TIE) if judged else None}


def measure(arguments, sides, cores):
    """Pairs in the order AB BA AB ..., and how many were void."""
    pairs, void = [], 0
    for side in sides:
        drive(side, arguments, cores, 1)
    while len(pairs) < arguments.pairs:
        order = sides if (len(pairs) + void) % 2 == 0 else sides[::-1]
        pair = {side.name: drive(side, arguments, cores, arguments.seconds) for side in order}
        foreign = max(run["foreign"] for run in pair.values())
        say(f"pair {len(pairs) + 1}: " + ", ".join(
            f"{name} {run['per_s']:,.0f}/s {run['cpu_us']:.2f} us, core {run['core_busy']:.0%} busy"
            for name, run in pair.items()) + f"; others took {foreign:.1%}")
        if foreign > FOREIGN_MAX and not arguments.any_load:
            void += 1
            if void > arguments.pairs * TRIES_A_PAIR:
                raise Failed(f"{void} pairs were void: too much else runs here (--any-load takes them all, to look at only)")
            continue
        pairs.append(pair)
    return pairs, void


def result_of(arguments, pairs, void, sides):
    rows = [row_of(pairs, row) for row in ROWS]
    errors = sum(run["errors"] for pair in pairs for run in pair.values())
    ours = sides[0]
    created = {outcome: ours.created(outcome) for outcome in ("warm", "spill", "cold")}
    rows.append({"name": "answers that were no 201", "unit": "", "ours": errors, "peer": None, "peers": None, "ratio": None,
                 "bound": 0, "goal": "0", "holds": errors == 0})
    rows.append({"name": "sessions that were warm", "unit": "%", "ours": 100 * created["warm"] / max(1, sum(created.values())),
                 "peer": None, "peers": None, "ratio": None, "bound": 100, "goal": None, "holds": None})
    machine = f"{os.cpu_count()} x {cpu_model()}, Linux {platform.release()}"
    result = {"bench": "session", "machine": machine, "contents": arguments.contents, "pairs": len(pairs), "void": void,
              "foreign": statistics.median(max(run["foreign"] for run in pair.values()) for pair in pairs),
              "nginx_core_busy": statistics.median(pair["nginx"]["core_busy"] for pair in pairs),
              "answer_bytes": len(ours.body), "rows": rows}
    if arguments.any_load:
        result["orientation_only"] = True
    result["holds"] = not arguments.any_load and all(row["holds"] for row in rows if row["holds"] is not None)
    return result


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def shown(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.2f}"


def print_table(result):
    print(f"{result['machine']}; {result['contents']:,} contents, answers of {result['answer_bytes']} bytes, "
          f"{result['pairs']} pairs, {result['void']} void")
    if result.get("orientation_only"):
        print(f"to look at only: other programs took {result['foreign']:.0%} of the machine")
    print(f"{'':34}{'ours':>12}{'nginx':>12}{'ratio':>8}{'95 %':>16}  goal")
    for row in result["rows"]:
        span = f"{row['low']:.2f} - {row['high']:.2f}" if "low" in row else ""
        verdict = {None: "", True: "holds", False: "MISSED"}[row["holds"]]
        name = f"{row['name']} ({row['unit']})" if row["unit"] else row["name"]
        print(f"{name:34}{shown(row['ours']):>12}{shown(row['peers']):>12}{shown(row['ratio']):>8}{span:>16}  "
              f"{row['goal'] or '-'} {verdict}")


def build(arguments):
    folder = pathlib.Path(arguments.build_dir)
    subprocess.run(["cmake", "-S", REPOSITORY, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "warmcastd", "bench_warm_cache"], check=True, stdout=subprocess.DEVNULL)
    arguments.fill = folder / "tests/bench/load/bench_warm_cache"
    arguments.warmcastd = os.environ.get("WARMCASTD") or folder / "warmcastd"


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench session", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11, help="of runs, one each (default 11)")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default 3)")
    parser.add_argument("--contents", type=int, default=100_000, help="with 3 locations each (default 100000)")
    parser.add_argument("--connections", type=int, default=64, help="of wrk (default 64)")
    parser.add_argument("--quick", action="store_true", help="3 pairs of 1 s, 2000 contents")
    parser.add_argument("--any-load", action="store_true", help="take pairs whatever else runs; nothing holds then")
    parser.add_argument("--dir", help="keeps the cluster there: 100,000 contents take minutes to become known, once")
    parser.add_argument("--build-dir", default=str(REPOSITORY / "build"), help="CMake's folder (default: build)")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pairs, arguments.seconds, arguments.contents = 3, 1, 2000
    if min(arguments.pairs, arguments.seconds, arguments.contents, arguments.connections) < 1:
        parser.error("numbers must be at least 1")
    return arguments


def run(arguments, folder):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed("two cores are needed: one for the server, one for wrk")
    for program in ("wrk", "nginx", "taskset"):
        if shutil.which(program) is None:
            raise Failed(f"there is no {program}: scripts/setup bench")
    with contextlib.ExitStack() as ending:
        ours, nginx = Ours(arguments, folder / "cluster", cores), Nginx(folder / "nginx", cores)
        ending.callback(ours.stop)
        ours.start(say)
        ending.callback(nginx.stop)
        nginx.start(ours.body)
        pairs, void = measure(arguments, [ours, nginx], cores)
        return result_of(arguments, pairs, void, [ours, nginx])


def main():
    arguments = parse()
    build(arguments)
    with contextlib.ExitStack() as ending:
        folder = arguments.dir or ending.enter_context(tempfile.TemporaryDirectory(prefix="warmcast-bench-"))
        result = run(arguments, pathlib.Path(folder).resolve())
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(result)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, ClusterError, subprocess.SubprocessError) as error:
        print(f"scripts/bench session: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
