"""What a connection costs a server in memory: one that idles between requests, and one in the midst of an object."""

import os
import resource
import subprocess

import bench_net
import bench_viewers
from bench_delivery_sides import Nginx, Ours
from bench_delivery_warm import names, write_objects
from bench_pairs import say

CONNECTIONS, QUICK_CONNECTIONS = 10_000, 1_000


def fitting(connections):
    """As many of them as a node lets in with the descriptors there are (docs/limits.md): two each, and some left."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    fit = (descriptors - descriptors // 4 - 256) // 2 * 9 // 10
    if fit < connections:
        say(f"memory: {fit:,} connections, not {connections:,}: this process may have no more than {descriptors:,} descriptors")
    return min(fit, connections)


def held_bytes(side, arguments, cores, connections, *options):
    """What the server's processes have more of while so many viewers are there, a viewer."""
    before = sum(map(bench_net.pss_bytes, side.pids))
    viewers = subprocess.Popen(["taskset", "-c", str(cores[-1]), str(arguments.viewers), "hold", "--viewers", str(connections),
                                *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        bench_viewers.wait_held(viewers)
        return max(0, sum(map(bench_net.pss_bytes, side.pids)) - before) / connections
    finally:
        bench_viewers.end(viewers)


def measure_side(side, arguments, connections):
    uri = f"http://{side.address}{side.path}"
    idle, active = uri + names("1k")[0], uri + names("2m")[0]
    # What only the first viewers cost is no part of it.
    held_bytes(side, arguments, side.cores, 64, "--once", idle)
    held_bytes(side, arguments, side.cores, 64, "--stop-bytes", 4096, "--receive-bytes", 4096, active)
    found = {"idle": held_bytes(side, arguments, side.cores, connections, "--once", idle)}
    # The former ones' memory is there to be used again: the active ones meet a fresh server.
    side.stop()
    side.start()
    side.path = side.prefix()
    active = f"http://{side.address}{side.path}{names('2m')[0]}"
    held_bytes(side, arguments, side.cores, 64, "--stop-bytes", 4096, "--receive-bytes", 4096, active)
    found["active"] = held_bytes(side, arguments, side.cores, connections, "--stop-bytes", 4096, "--receive-bytes", 4096, active)
    say(f"{side.name}: {found['idle']:,.0f} bytes an idle connection, {found['active']:,.0f} an active viewer")
    return found


def measure(arguments, folder, cores, ending):
    """(rows, rounds, void ones)."""
    connections = fitting(QUICK_CONNECTIONS if arguments.quick else CONNECTIONS)
    ours = Ours(arguments, folder / "cluster", cores)
    write_objects(ours.cluster.origin_dir, ["1k", "2m"])
    found = {}
    for side in (ours, Nginx(folder / "nginx", cores, root=ours.cluster.origin_dir)):
        ending.callback(side.stop)
        side.start()
        side.path = side.prefix()
        side.warm(side.path, [*names("1k"), *names("2m")])
        found[side.name] = measure_side(side, arguments, connections)
        side.stop()
    rows = []
    for kind, title in (("idle", "memory an idle connection"), ("active", "memory an active viewer")):
        mine, theirs = found["warmcastd"][kind], found["nginx"][kind]
        rows.append({"name": f"{title}, {connections:,} of them", "unit": "bytes", "ours": mine, "peer": "nginx", "peers": theirs,
                     "ratio": theirs / mine if mine else None, "bound": None, "goal": None, "holds": None})
    return rows, 1, 0
