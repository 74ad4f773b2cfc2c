#!/usr/bin/python3 -B
"""How soon a delivery node's cache serves after a start, and what it costs in memory.

  scripts/bench cache_start [--units N] [--dir DIR] [--json]

Fills a cache with a million empty objects (tests/bench/cache_start; files and LMDB index as always), which takes some minutes
the first time, and starts it in processes of their own: with the index in the page cache, and without. DIR is kept, and
saves the filling next time; it wants 2 GiB and a file system with that many free inodes. Without it a folder in /dev/shm
is used and removed, and the index is never out of memory. The goal is a start in under 5 s."""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 3600
STARTS = 5
GOAL_MS = 5000


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench cache_start", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--dir", type=pathlib.Path, help="where the cache lies")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder of the build")
    return parser.parse_args()


def start(args, folder, *options):
    program = args.build / "tests" / "bench" / "cache_start" / "bench_cache_start"
    done = subprocess.run([program, "--json", "--dir", folder, "--units", str(args.units), *options],
                          stdout=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode != 0:
        sys.exit(f"scripts/bench cache_start: {program} ended with status {done.returncode}")
    return json.loads(done.stdout)


def measure(args, folder):
    print("filling, some minutes ...", file=sys.stderr, flush=True)
    start(args, folder)
    runs = {"the index in the page cache": [start(args, folder) for _ in range(STARTS)]}
    if args.dir is not None:
        runs["the index on disk only"] = [start(args, folder, "--cold") for _ in range(STARTS)]
    rows = []
    for title, starts in runs.items():
        row = {name: statistics.median(s[name] for s in starts) for name in starts[0]}
        row |= {"name": title, "longest_ms": max(s["first_ms"] for s in starts)}
        row["holds"] = row["longest_ms"] < GOAL_MS
        rows.append(row)
    return rows


def text(rows):
    lines = ["| a start with | units | first unit served, ms | longest of five | CPU, ms | memory a unit, B | holds |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| {r['name']} | {r['units']:,} | {r['first_ms']:,.0f} | {r['longest_ms']:,.0f} | {r['open_cpu_ms']:,.0f} | "
              f"{r['unit_bytes']:,.0f} | {'yes' if r['holds'] else '**no**'} |" for r in rows]
    return "\n".join(lines)


def main():
    args = arguments()
    folder = args.dir
    if folder is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cache-start-", dir="/dev/shm"))
    else:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        rows = measure(args, folder)
    finally:
        if args.dir is None:
            shutil.rmtree(folder)
    if args.json:
        print(json.dumps({"bench": "cache_start", "rows": rows, "holds": all(r["holds"] for r in rows)}))
    else:
        print(text(rows))


if __name__ == "__main__":
    main()
