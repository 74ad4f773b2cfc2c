#!/usr/bin/python3 -B
"""Delivery beside nginx and Varnish: what cached objects cost, how cold ones come, who disturbs whom, and memory.

All servers run on one core with one worker each, what drives them on another, in a network namespace of the benchmark's
own (root, or a user namespace). They take turns within one run, ABC CBA ..., and ratios say how many times better ours
is (below 1: worse), round by round; a row gives their median and its 95 % interval, and holds when that reaches the goal,
or the median is within 0.03 of it. A round is void when other programs took more than 3 % of the machine, and is taken
again.

warm    Objects of 1 KiB to 8 MiB, 64 and 1,000 connections, keep-alive, driven by wrk. Ours: a delivery node with a
        full cache, a session's token in each path. nginx: the same files, sendfile, open_file_cache. Varnish: the same in
        memory. Files are read anew before, so that ours and nginx's lie alike in the page cache. Judged is the server's
        CPU a request (1 KiB) or a GiB; rate and p99 only where the peer's core is at least 95 % busy, for else wrk is what
        is measured.
cold    500 viewers ask for one object of 4 MiB within 100 ms that no cache has, of a store that takes 50 ms to answer and
        carries 200 Mbit/s. Ours: an api node and three delivery nodes, the viewers spread over them. nginx: proxy_cache
        and proxy_cache_lock. Judged are the requests to the store, and the p99 of the first byte: half of nginx's.
noise   100 connections read hot objects of 64 KiB alone, and then while 100 readers take 50 kbit/s each, while others read
        cold objects from a disk that does 50 reads a second (a loop device under a bound of the kernel's; root only), and
        while 50 viewers want what a store does not give. Judged is p99 to p99 alone: at most 1.5. nginx beside it.
memory  What 10,000 idle connections, and 10,000 viewers in the midst of an object, add to a server's memory (PSS; what the
        kernel has for their sockets is not in it). nginx sets its connections' records aside at its start.
count   Instructions of user space a warm request by callgrind, for which no other program matters. Only when asked for.

The default run takes about 15 minutes.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

import bench_delivery_cold
import bench_delivery_count
import bench_delivery_memory
import bench_delivery_noise
import bench_delivery_warm
import bench_net
import bench_pairs
from bench_pairs import Failed
from warmcluster import REPOSITORY, ClusterError

PARTS = {"warm": bench_delivery_warm, "cold": bench_delivery_cold, "noise": bench_delivery_noise,
         "memory": bench_delivery_memory, "count": bench_delivery_count}
DEFAULT_PARTS = [part for part in PARTS if part != "count"]
# Where it counts how much a socket takes in, it takes what one on Ethernet takes: the loopback's own segments of 64 KiB
# make the kernel set aside megabytes for the slowest reader.
LOOPBACK_MTU_BYTES, MTU_BYTES = 65536, {"cold": 1500, "noise": 1500, "memory": 1500}
QUICK_SIZES = ["1k", "512k", "8m"]
PEERS = ("nginx", "varnish")
PROGRAMS = {"wrk": "wrk", "nginx": "nginx", "varnish": "varnishd", "taskset": "taskset"}


def build(arguments):
    folder = pathlib.Path(arguments.build_dir)
    subprocess.run(["cmake", "-S", REPOSITORY, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "warmcastd", "bench_viewers"], check=True, stdout=subprocess.DEVNULL)
    arguments.viewers = folder / "tests/bench/delivery/bench_viewers"
    arguments.warmcastd = os.environ.get("WARMCASTD") or folder / "warmcastd"


def words_of(known):
    def parse(text):
        words = text.split(",")
        unknown = [word for word in words if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return words
    return parse


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench delivery", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=words_of(PARTS), default=DEFAULT_PARTS, metavar="PART,...",
                        help=f"of {', '.join(PARTS)} (default: all but count)")
    parser.add_argument("--sizes", type=words_of(bench_delivery_warm.SIZES), metavar="SIZE,...",
                        help=f"of warm objects: {', '.join(bench_delivery_warm.SIZES)} (default: all)")
    parser.add_argument("--connections", type=numbers, default=list(bench_delivery_warm.CONNECTIONS), metavar="N,...",
                        help="of wrk (default 64,1000)")
    parser.add_argument("--peers", type=words_of(PEERS), default=list(PEERS), metavar="PEER,...",
                        help="nginx, varnish (default: both)")
    parser.add_argument("--rounds", type=int, default=11, help="of runs, one a server (default 11)")
    parser.add_argument("--seconds", type=int, default=2, help="of each run (default 2)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s; 64 connections, three sizes")
    parser.add_argument("--any-load", action="store_true", help="take rounds whatever else runs; nothing holds then")
    parser.add_argument("--build-dir", default=str(REPOSITORY / "build"), help="CMake's folder (default: build)")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.connections = 3, 1, [64]
    arguments.sizes = arguments.sizes or (QUICK_SIZES if arguments.quick else list(bench_delivery_warm.SIZES))
    if min(arguments.rounds, arguments.seconds, *arguments.connections) < 1:
        parser.error("numbers must be at least 1")
    return arguments


def run(arguments, folder):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed("two cores are needed: one for the servers, one for what drives them")
    for name, program in PROGRAMS.items():
        wanted = name not in PEERS or name in arguments.peers
        if wanted and shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            raise Failed(f"there is no {program}: scripts/setup bench")
    rows, rounds, void = [], {}, {}
    for part in arguments.only:
        with contextlib.ExitStack() as ending:
            bench_net.set_mtu(MTU_BYTES.get(part, LOOPBACK_MTU_BYTES))
            found, rounds[part], void[part] = PARTS[part].measure(arguments, folder / part, cores, ending)
            rows += [{"part": part, **row} for row in found]
    result = {"bench": "delivery", "machine": bench_pairs.machine(), "rounds": rounds, "void": void, "rows": rows}
    if arguments.any_load:
        result["orientation_only"] = True
    result["holds"] = not arguments.any_load and bench_pairs.all_hold(rows)
    return result


def print_table(result):
    print(f"{result['machine']}; " + "; ".join(
        f"{part}: {n} rounds, {result['void'][part]} void" for part, n in result["rounds"].items()))
    if result.get("orientation_only"):
        print("to look at only: rounds were taken whatever else ran")
    for part in result["rounds"]:
        rows = [row for row in result["rows"] if row["part"] == part]
        for peer in dict.fromkeys(row["peer"] for row in rows):
            title = f"{part}, beside {peer}" if peer else part
            print(f"\n{title:64}{'ours':>12}{peer or '':>12}{'ratio':>8}{'95 %':>16}  goal")
            bench_pairs.print_rows([row for row in rows if row["peer"] == peer], 64)


def main():
    arguments = parse()
    bench_net.enter()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    build(arguments)
    with tempfile.TemporaryDirectory(prefix="warmcast-bench-") as folder:
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
        print(f"scripts/bench delivery: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
