#!/usr/bin/python3 -B
"""Session creation beside nginx: how many a second one core gives.

One api node with one http worker, pinned to a core, whose replica knows three locations of each content, and one nginx
worker, pinned to the same core, that answers each POST with a constant body as long as ours (`return 201`). wrk drives
both from another core in turns, with bodies that differ from request to request. Ratios say how many times better ours
is (below 1: worse), pair by pair of neighbouring runs; a row gives their median and its 95 % interval, and holds when
that reaches the goal, or the median is within 0.03 of it. Judged is the server's CPU a request; the rate only where
nginx's core is at least 95 % busy, for else wrk is what is measured. A pair is void when other programs took more than
3 % of the machine, and is taken again. --instructions counts those of user space by callgrind, for which no other
program matters.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench_pairs
from bench_pairs import Failed, say
from bench_session_count import count_nginx, count_ours
from bench_session_sides import Nginx, Ours, drive
from warmcluster import REPOSITORY, ClusterError

# What is said, the unit, the figure, whether more is better, whether it is judged.
ROWS = [
    ("sessions created a second", "/s", "per_s", True, True),
    ("server's CPU a session", "us", "cpu_us", False, True),
    ("latency, median", "us", "p50_us", False, False),
    ("latency, p99", "us", "p99_us", False, True),
]


def row_of(pairs, row):
    title, unit, figure, more_is_better, judged = row
    if figure == "per_s":
        judged = bench_pairs.core_is_busy(pairs, "nginx")
    return bench_pairs.compare(pairs, "nginx", title, unit, figure, more_is_better, judged)


def measure(arguments, sides, cores):
    for side in sides:
        drive(side, arguments, cores, 1)
    return bench_pairs.measure(
        sides, arguments.pairs, lambda side: drive(side, arguments, cores, arguments.seconds),
        lambda pair: ", ".join(f"{name} {run['per_s']:,.0f}/s {run['cpu_us']:.2f} us, core {run['core_busy']:.0%} busy"
                               for name, run in pair.items()), arguments.any_load)


def result_of(arguments, pairs, void, sides, folder):
    rows = [row_of(pairs, row) for row in ROWS]
    errors = sum(run["errors"] for pair in pairs for run in pair.values())
    ours = sides[0]
    created = {outcome: ours.created(outcome) for outcome in ("warm", "spill", "cold")}
    rows.append(bench_pairs.absolute("answers that were no 201", "", errors, 0, "0", errors == 0))
    rows.append(bench_pairs.absolute("sessions that were warm", "%", 100 * created["warm"] / max(1, sum(created.values())), 100))
    if arguments.instructions:
        say("counting instructions")
        counted = [count_ours(arguments, ours, folder), count_nginx(arguments, ours.body, folder, ours.cores)]
        rows.append({"name": "instructions of user space a session", "unit": "", "ours": counted[0], "peer": "nginx",
                     "peers": counted[1], "ratio": counted[1] / counted[0], "bound": None, "goal": None, "holds": None})
    result = {"bench": "session", "machine": bench_pairs.machine(), "contents": arguments.contents, "pairs": len(pairs),
              "void": void, "foreign": statistics.median(map(bench_pairs.foreign_of, pairs)),
              "nginx_core_busy": statistics.median(pair["nginx"]["core_busy"] for pair in pairs),
              "answer_bytes": len(ours.body), "rows": rows}
    if arguments.any_load:
        result["orientation_only"] = True
    result["holds"] = not arguments.any_load and bench_pairs.all_hold(rows)
    return result


def print_table(result):
    print(f"{result['machine']}; {result['contents']:,} contents, answers of {result['answer_bytes']} bytes, "
          f"{result['pairs']} pairs, {result['void']} void")
    if result.get("orientation_only"):
        print(f"to look at only: other programs took {result['foreign']:.0%} of the machine")
    print(f"{'':38}{'ours':>12}{'nginx':>12}{'ratio':>8}{'95 %':>16}  goal")
    bench_pairs.print_rows(result["rows"])


def build(arguments):
    folder = pathlib.Path(arguments.build_dir)
    subprocess.run(["cmake", "-S", REPOSITORY, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "warmcastd", "bench_warm_cache", "warmcast-load"], check=True,
                   stdout=subprocess.DEVNULL)
    arguments.load = folder / "warmcast-load"
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
    parser.add_argument("--instructions", action="store_true", help="count them too, by callgrind; takes a minute")
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
    for program in ("wrk", "nginx", "taskset", *(("valgrind", "callgrind_control") if arguments.instructions else ())):
        if shutil.which(program) is None:
            raise Failed(f"there is no {program}: scripts/setup bench")
    with contextlib.ExitStack() as ending:
        ours, nginx = Ours(arguments, folder / "cluster", cores), Nginx(folder / "nginx", cores)
        ending.callback(ours.stop)
        ours.start(say)
        ending.callback(nginx.stop)
        nginx.start(ours.body)
        pairs, void = measure(arguments, [ours, nginx], cores)
        return result_of(arguments, pairs, void, [ours, nginx], folder)


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
