#!/usr/bin/python3 -B
"""What viewers notice of an upgrade, and of a node that is killed.

rollout: 2 api and 4 delivery nodes on hosts of their own (scripts/hosts), with the package of the last release, are upgraded to
the present one by rolling_upgrade.yml and taken back by rollback.yml, while --creations sessions a second are created,
--players play at real pace and --screens browsers play by hls.js with six seconds of buffer.
broken: packages that are broken on purpose (it crashes after its start, answers 505 on 5 % of requests, never meets the others)
are rolled out over the last release in the same way: each has to be stopped in its first batch, and what it touched to be healed.
kill: the node that hls.js, Shaka, dash.js or ffmpeg plays from is killed, --kills times each, on loopback.

Failed is what has no complete answer after it was asked again once, where HTTP allows that.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import bench_pairs
from bench_pairs import Failed
from warmcluster import REPOSITORY, ClusterError

PARTS = ("rollout", "broken", "kill")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench upgrade", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="(default all)")
    parser.add_argument("--creations", type=int, default=1000, help="a second (default 1000)")
    parser.add_argument("--players", type=int, default=100, help="(default 100)")
    parser.add_argument("--screens", type=int, default=2, help="(default 2)")
    parser.add_argument("--kills", type=int, default=3, help="of each player's node (default 3)")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for packages and what Ansible said")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    arguments = parser.parse_args()
    if min(arguments.creations, arguments.players, arguments.screens, arguments.kills) < 1:
        parser.error("numbers must be at least 1")
    arguments.warmcastd = pathlib.Path(os.environ.get("WARMCASTD") or REPOSITORY / "build/warmcastd")
    arguments.load = arguments.warmcastd.parent / "warmcast-load"
    return arguments


def measure(arguments, folder):
    rows = []
    if arguments.only in (None, "rollout", "broken"):
        import upgrade_rollout
        rows += upgrade_rollout.rows(arguments, folder)
    if arguments.only in (None, "kill"):
        import upgrade_kill
        rows += upgrade_kill.rows(arguments.warmcastd, folder, arguments.kills)
    return rows


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="warmcast-bench-") as own:
        folder = arguments.keep or pathlib.Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        rows = measure(arguments, folder)
    result = {"bench": "upgrade", "machine": bench_pairs.machine(), "creations_s": arguments.creations,
              "players": arguments.players, "rows": rows, "holds": bench_pairs.all_hold(rows)}
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        print(f"{result['machine']}; {arguments.creations} creations a second, {arguments.players} players")
        bench_pairs.print_rows(rows, 64)
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, ClusterError) as error:
        print(f"scripts/bench upgrade: {error}", file=sys.stderr)
        sys.exit(1)
