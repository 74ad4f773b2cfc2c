"""Instructions of user space a warm request, ours and nginx's."""

import bench_callgrind
import bench_delivery_warm
import bench_pairs
from bench_delivery_sides import Nginx, Ours
from bench_pairs import say

CONNECTIONS, SECONDS = 8, 3


def count(side, out, pid, size):
    bench_delivery_warm.run_of(side, size, CONNECTIONS, 1)  # what only the first ones cost
    bench_callgrind.switch(pid, True)
    asked = bench_delivery_warm.run_of(side, size, CONNECTIONS, SECONDS)["requests"]
    bench_callgrind.switch(pid, False)
    side.stop()
    return bench_callgrind.most(out) / max(1, asked)


def measure(arguments, folder, cores, ending):
    """(rows, rounds, void ones): a server at a time, since each is started anew for it."""
    rows = []
    for size in arguments.sizes:
        label, found = bench_delivery_warm.SIZES[size][0], {}
        place = folder / size
        place.mkdir(parents=True)
        ours = Ours(arguments, place / "cluster", cores, wrapper=bench_callgrind.command(place / "ours.callgrind"))
        bench_delivery_warm.write_objects(ours.cluster.origin_dir, [size])
        nginx = Nginx(place / "nginx", cores, root=ours.cluster.origin_dir,
                      wrapper=bench_callgrind.command(place / "nginx.callgrind"), options=["-g", "master_process off;"])
        for side, out in ((ours, place / "ours.callgrind"), (nginx, place / "nginx.callgrind")):
            say(f"{side.name} under callgrind, {label}")
            ending.callback(side.stop)
            side.start()
            side.path, side.heads = side.prefix(), 0
            side.warm(side.path, bench_delivery_warm.names(size))
            found[side.name] = count(side, out, side.pids[0], size)
        mine, theirs = found["warmcastd"], found["nginx"]
        rows.append({**bench_pairs.absolute(f"{label}: instructions of user space a request", "", mine), "peer": "nginx",
                     "peers": theirs, "ratio": theirs / mine})
    return rows, 1, 0
