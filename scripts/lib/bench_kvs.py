#!/usr/bin/python3 -B
"""What the replica's store takes and gives, beside plain layouts in LMDB, in one run.

One node takes in all locations through the real core, the store thread and LMDB: contents with three holders each, names
of 41 bytes, 40 owners. Then others look up while it overwrites, it starts again, and a new node fetches all of it over
loopback. Every part is a process of its own (tests/bench/kvs). "By name" and "by hash" are LMDB tables with a record a
location under (name, owner) and (8 bytes of hash, owner), written in groups of 4,096: the latter keeps no names, so that
two contents of one hash would be one.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ADDRESS, NEW_ADDRESS = "127.0.0.1:17946", "127.0.0.1:17947"
MODE_TIMEOUT_S = 900
CATCHUP_MAX = 1_000_000  # larger sizes say nothing more of the links

# What is said, its unit, its goal, and where it stands: part and name of the figure, and what it is divided by.
FIGURES = [
    ("entries applied", "/s", "-", "fill", "applied_s", 1),
    ("entries overwritten, no reader", "/s", "-", "fill", "overwritten_s", 1),
    ("  beside 1 reader", "/s", "-", "fill", "overwritten_1_s", 1),
    ("  beside 2 readers", "/s", "-", "fill", "overwritten_2_s", 1),
    ("lookups of 3 holders, nobody writes", "/s", "-", "fill", "quiet_lookups_s", 1),
    ("  p50", "us", "1", "fill", "quiet_p50_ns", 1000),
    ("  p99", "us", "-", "fill", "quiet_p99_ns", 1000),
    ("lookups by 1 reader while it writes", "/s", "-", "fill", "one_lookups_s", 1),
    ("  p50", "us", "1", "fill", "one_p50_ns", 1000),
    ("  p99", "us", "-", "fill", "one_p99_ns", 1000),
    ("  longest", "us", "-", "fill", "one_max_us", 1),
    ("lookups by 2 readers while it writes", "/s", "-", "fill", "two_lookups_s", 1),
    ("  p50", "us", "1", "fill", "two_p50_ns", 1000),
    ("  p99", "us", "-", "fill", "two_p99_ns", 1000),
    ("  longest", "us", "-", "fill", "two_max_us", 1),
    ("LMDB, a location", "B", "80", "fill", "disk_b", 1),
    ("  holders say the same", "B", "80", "same", "disk_b", 1),
    ("  file with its free pages", "B", "-", "fill", "file_b", 1),
    ("memory a location, after filling", "B", "-", "fill", "memory_b", 1),
    ("  after a start", "B", "-", "restart", "memory_b", 1),
    ("start: check and open", "ms", "-", "restart", "open_ms", 1),
    ("  load", "ms", "-", "restart", "load_ms", 1),
    ("new node catches up", "s", "-", "catchup", "catchup_s", 1),
    ("  bytes of frames a location", "B", "-", "catchup", "bytes_in_b", 1),
    ("plain, by name: LMDB, a location", "B", "-", "plain", "name_disk_b", 1),
    ("  lookups, nobody writes: p50", "us", "-", "plain", "name_quiet_p50_ns", 1000),
    ("  while one writes: p99", "us", "-", "plain", "name_one_p99_ns", 1000),
    ("plain, by hash: LMDB, a location", "B", "-", "plain", "hash_disk_b", 1),
    ("  lookups, nobody writes: p50", "us", "-", "plain", "hash_quiet_p50_ns", 1000),
    ("  while one writes: p99", "us", "-", "plain", "hash_one_p99_ns", 1000),
]
# Ours over theirs.
RATIOS = [
    ("LMDB bytes, ours : by name", ("fill", "disk_b"), ("plain", "name_disk_b")),
    ("LMDB bytes, ours : by hash", ("fill", "disk_b"), ("plain", "hash_disk_b")),
    ("lookup p50, ours : by name", ("fill", "quiet_p50_ns"), ("plain", "name_quiet_p50_ns")),
    ("lookup p50, ours : by hash", ("fill", "quiet_p50_ns"), ("plain", "hash_quiet_p50_ns")),
    ("lookup p99 while writing, ours : by name", ("fill", "one_p99_ns"), ("plain", "name_one_p99_ns")),
]


def say(text):
    print(f"[{time.monotonic() - BEGAN:4.0f} s] {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    pass


def command(arguments, mode, folder, size, *more):
    return [arguments.binary, mode, "--dir", str(folder), "--locations", str(size), "--seconds", str(arguments.seconds), *more]


def figures_of(arguments, mode, folder, size, *more):
    done = subprocess.run(command(arguments, mode, folder, size, *more), capture_output=True, text=True, timeout=MODE_TIMEOUT_S)
    if done.returncode != 0:
        raise Failed(f"bench_kvs {mode} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def catch_up(arguments, folder, size):
    serving = subprocess.Popen(command(arguments, "serve", folder / "filled", size, "--address", ADDRESS),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not serving.stdout.readline():
            raise Failed("the node that serves did not start")
        (folder / "new").mkdir()
        return figures_of(arguments, "catchup", folder / "new", size, "--address", ADDRESS, "--listen", NEW_ADDRESS)
    finally:
        serving.stdin.close()
        try:
            serving.wait(timeout=30)
        except subprocess.TimeoutExpired:
            serving.kill()
            serving.wait()


def one_run(arguments, folder, size):
    got = {"fill": figures_of(arguments, "fill", folder / "filled", size),
           "restart": figures_of(arguments, "restart", folder / "filled", size)}
    if size <= CATCHUP_MAX and not arguments.no_catchup:
        got["catchup"] = catch_up(arguments, folder, size)
    shutil.rmtree(folder / "filled")
    got["same"] = figures_of(arguments, "fill", folder / "same", size, "--same-values", "--seconds", "0")
    shutil.rmtree(folder / "same")
    got["plain"] = figures_of(arguments, "plain", folder, size)
    return got


def median_of(runs, part, name):
    values = [run[part][name] for run in runs if part in run and name in run[part]]
    return statistics.median(values) if values else None


def shown(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(results):
    sizes = list(results)
    width = max(len(row[0]) for row in FIGURES) + 8
    print("".join(["locations".ljust(width), *(f"{size:>14,}" for size in sizes), "goal".rjust(8)]))
    for title, unit, goal, part, name, divisor in FIGURES:
        values = [median_of(results[size], part, name) for size in sizes]
        cells = [shown(value / divisor if value is not None else None).rjust(14) for value in values]
        print("".join([f"{title} ({unit})".ljust(width), *cells, goal.rjust(8)]))
    for title, ours, theirs in RATIOS:
        pairs = [(median_of(results[size], *ours), median_of(results[size], *theirs)) for size in sizes]
        cells = [(f"{a / b:.2f}" if a and b else "-").rjust(14) for a, b in pairs]
        print("".join([title.ljust(width), *cells, "<1".rjust(8)]))


def build(arguments):
    subprocess.run(["cmake", "-S", REPOSITORY, "-B", arguments.build_dir, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", arguments.build_dir, "bench_kvs"], check=True, stdout=subprocess.DEVNULL)
    return str(pathlib.Path(arguments.build_dir) / "tests/bench/kvs/bench_kvs")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench kvs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100000,1000000,10000000", help="locations, with commas between (default: all three)")
    parser.add_argument("--runs", type=int, default=3, help="medians of so many (default 3)")
    parser.add_argument("--seconds", type=int, default=2, help="of each phase with readers (default 2)")
    parser.add_argument("--quick", action="store_true", help="100000 locations, one run of one second a phase")
    parser.add_argument("--no-catchup", action="store_true", help="without the node that fetches all over loopback")
    parser.add_argument("--dir", help="where the stores are made (default: TMPDIR); wants 5 GB for 10 million")
    parser.add_argument("--build-dir", default=str(REPOSITORY / "build"), help="CMake's folder (default: build)")
    parser.add_argument("--json", action="store_true", help="every run's figures instead of the table")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.runs, arguments.seconds = "100000", 1, 1
    return arguments


def main():
    arguments = parse()
    arguments.binary = build(arguments)
    results = {int(size): [] for size in arguments.sizes.split(",")}
    for size, runs in results.items():
        for number in range(arguments.runs):
            say(f"{size:,} locations, run {number + 1} of {arguments.runs}")
            with tempfile.TemporaryDirectory(prefix="warmcast-bench-", dir=arguments.dir) as folder:
                runs.append(one_run(arguments, pathlib.Path(folder), size))
    if arguments.json:
        print(json.dumps(results))
    else:
        print_table(results)
    return 0


if __name__ == "__main__":
    BEGAN = time.monotonic()
    try:
        sys.exit(main())
    except (Failed, subprocess.SubprocessError) as error:
        print(f"scripts/bench kvs: {error}", file=sys.stderr)
        sys.exit(1)
