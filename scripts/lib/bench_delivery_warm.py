"""Warm objects: what a request and a GiB cost each server."""

import json
import os
import pathlib
import random

import bench_pairs
from bench_delivery_sides import CONTENT, Nginx, Ours, Varnish, head_bytes
from bench_pairs import say

HERE = pathlib.Path(__file__).resolve().parent
KIB = 1024
# Bytes, how many objects, and for how long connections are tried: (name, bytes, objects).
SIZES = {"1k": ("1 KiB", KIB, 64), "64k": ("64 KiB", 64 * KIB, 64), "512k": ("512 KiB", 512 * KIB, 32),
         "2m": ("2 MiB", 2048 * KIB, 16), "8m": ("8 MiB", 8192 * KIB, 8)}
CONNECTIONS = (64, 1000)
PER_REQUEST_BELOW = 64 * KIB


def write_objects(origin, sizes):
    folder = origin / CONTENT
    folder.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        _, length, count = SIZES[size]
        for i in range(count):
            (folder / f"{size}-{i}.m4s").write_bytes(random.Random(f"{size} {i}").randbytes(length))


def names(size):
    return [f"{size}-{i}.m4s" for i in range(SIZES[size][2])]


def sent_bytes():
    """All that was sent in this network namespace, which is the benchmark's own: IP packets with their headers."""
    lines = pathlib.Path("/proc/net/netstat").read_text().splitlines()
    for keys, values in zip(lines[::2], lines[1::2]):
        if keys.startswith("IpExt:"):
            return int(dict(zip(keys.split(), values.split()))["OutOctets"])
    raise bench_pairs.Failed("the kernel counts no octets (/proc/net/netstat)")


def run_of(side, size, connections, seconds):
    _, length, count = SIZES[size]
    command = ["taskset", "-c", str(side.cores[-1]), "wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
               "--timeout", "60s", "-s", str(HERE / "bench_delivery.lua"), f"http://{side.address}", "--",
               f"{side.path}{size}-", str(count), ".m4s"]
    before = sent_bytes()
    text, cost = bench_pairs.drive(side, command, side.cores[0])
    sent = sent_bytes() - before
    seen = json.loads(text.strip().splitlines()[-1])
    body = max(1, sent - seen["requests"] * side.heads)
    seconds = seen["us"] / 1e6
    return {
        "per_s": seen["requests"] / seconds,
        "gbit_s": seen["bytes"] * 8 / 1e9 / seconds,
        "cpu_us": cost["cpu_s"] * 1e6 / max(1, seen["requests"]),
        # Of all that it sent: what waits in sockets when time is up is paid for, too.
        "cpu_s_gib": cost["cpu_s"] / (body / 2**30),
        "p50_us": seen["p50_us"],
        "p99_us": seen["p99_us"],
        "requests": seen["requests"],
        "errors": seen["errors"],
        "core_busy": min(1.0, cost["core_s"] / seconds),
        "foreign": cost["foreign"],
    }


def lay_alike(folders, lengths):
    """Reads all files of these lengths from their disk anew.

    How the kernel lays a file out in memory depends on the size of the writes it came in, and makes up to a third of
    what sending it costs; a node that was started again has its files as they were read."""
    os.sync()
    for path in (path for folder in folders for path in folder.rglob("*")):
        if not path.is_file() or path.stat().st_size not in lengths:
            continue
        with open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.read(KIB * KIB):
                pass


def text_of(one):
    return ", ".join(f"{name} {run['per_s']:,.0f}/s {run['gbit_s']:.1f} Gbit/s {run['cpu_us']:.1f} us "
                     f"{run['cpu_s_gib']:.3f} s/GiB, core {run['core_busy']:.0%}" for name, run in one.items())


def rows_of(rounds, label, length, connections, peers):
    where = f"{label}, {connections} connections"
    rows = []
    for peer in peers:
        busy = bench_pairs.core_is_busy(rounds, peer)
        kinds = [("requests", "/s", "per_s", True, busy), ("throughput", "Gbit/s", "gbit_s", True, None),
                 ("CPU a request", "us", "cpu_us", False, True) if length < PER_REQUEST_BELOW else
                 ("CPU a GiB", "s", "cpu_s_gib", False, True), ("latency, p99", "us", "p99_us", False, busy)]
        rows += [bench_pairs.compare(rounds, peer, f"{where}: {title}", *rest) for title, *rest in kinds]
    errors = sum(run["errors"] for one in rounds for run in one.values())
    rows.append(bench_pairs.absolute(f"{where}: requests that failed, of all servers", "", errors, 0, "0", errors == 0))
    return rows


def sides_of(arguments, folder, cores, ending):
    """All servers, started, with the objects in their caches."""
    ours = Ours(arguments, folder / "cluster", cores)
    write_objects(ours.cluster.origin_dir, arguments.sizes)
    nginx = Nginx(folder / "nginx", cores, root=ours.cluster.origin_dir)
    sides = [ours, nginx]
    for side in sides:
        ending.callback(side.stop)
        side.start()
    if "varnish" in arguments.peers:
        sides.append(Varnish(folder / "varnish", cores, store=nginx.address))
        ending.callback(sides[-1].stop)
        sides[-1].start()
    if "nginx" not in arguments.peers:
        sides.remove(nginx)
    everybody = [pid for side in [*sides, nginx] for pid in (*side.pids, *side.others)]
    for side in sides:
        side.path = side.prefix()
        for size in arguments.sizes:
            say(f"{side.name}: {len(names(size))} objects of {SIZES[size][0]}")
            side.warm(side.path, names(size))
        side.heads = head_bytes(side.address, side.path + names(arguments.sizes[0])[0])
        side.others = sorted(set(everybody) - set(side.pids))
    lay_alike([ours.cluster.origin_dir, *(node.cache_dir for node in ours.nodes)],
              {SIZES[size][1] for size in arguments.sizes})
    return sides


def measure(arguments, folder, cores, ending):
    """(rows, rounds, void ones)."""
    sides = sides_of(arguments, folder, cores, ending)
    rows, rounds_n, void_n = [], 0, 0
    for size in arguments.sizes:
        label, length, _ = SIZES[size]
        for connections in arguments.connections:
            say(f"{label}, {connections} connections")
            for side in sides:
                run_of(side, size, connections, 1)
            rounds, void = bench_pairs.measure(
                sides, arguments.rounds, lambda side: run_of(side, size, connections, arguments.seconds), text_of,
                arguments.any_load)
            rows += rows_of(rounds, label, length, connections, [side.name for side in sides[1:]])
            rounds_n, void_n = rounds_n + len(rounds), void_n + void
    return rows, rounds_n, void_n
