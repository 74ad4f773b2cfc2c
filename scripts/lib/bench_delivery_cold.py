"""One cold object and many viewers at once, in front of a slow origin store."""

import json

import bench_pairs
from bench_delivery_sides import CONTENT, Nginx, Ours, Store, Varnish
from bench_pairs import say

VIEWERS, WITHIN_MS, OBJECT_BYTES, NODES = 500, 100, 4 << 20, 3
LATENCY_MS, MBIT_S = 50, 200
FIRST_BYTE_GOAL = 2.0  # times as soon as nginx


def run_of(side, arguments, store, name):
    """One object that nobody has asked for yet."""
    uris = [f"http://{side.addresses[i % len(side.addresses)]}{path}{name}" for i, path in enumerate(side.paths)]
    command = ["taskset", "-c", str(side.cores[-1]), str(arguments.viewers), "crowd", "--viewers", str(VIEWERS), "--within-ms",
               str(WITHIN_MS), *uris]
    text, cost = bench_pairs.drive(side, command, side.cores[0])
    seen = json.loads(text.strip().splitlines()[-1])
    if seen["bytes"] != VIEWERS * OBJECT_BYTES:
        raise bench_pairs.Failed(f"{side.name} sent {seen['bytes']} bytes to {seen['served']} viewers")
    return {**seen, "asked": store.counts().get(f"/{CONTENT}/{name}", 0), "cpu_s": cost["cpu_s"], "foreign": cost["foreign"]}


def text_of(one):
    return ", ".join(f"{name} first byte {run['first_p50_ms']:.0f} ms, p99 {run['first_p99_ms']:.0f} ms, all in "
                     f"{run['elapsed_s']:.2f} s, {run['asked']} asked of the store" for name, run in one.items())


def rows_of(rounds, peers):
    rows = []
    for peer in peers:
        rows.append(bench_pairs.compare(rounds, peer, "requests to the store for one object", "", "asked", False, False))
        for title, figure in (("first byte, median", "first_p50_ms"), ("first byte, p99", "first_p99_ms"),
                              ("last byte, median", "last_p50_ms"), ("last byte, p99", "last_p99_ms")):
            judged = peer == "nginx" and figure == "first_p99_ms"
            rows.append(bench_pairs.compare(rounds, peer, title, "ms", figure, False, judged, FIRST_BYTE_GOAL))
    most = max(one["warmcastd"]["asked"] for one in rounds)
    rows.append(bench_pairs.absolute("requests to the store for one object, at most", "", most, 1, "<= 1", most <= 1))
    return rows


def measure(arguments, folder, cores, ending):
    """(rows, rounds, void ones)."""
    store = Store(cores, LATENCY_MS, MBIT_S)
    ending.callback(store.stop)
    store.start()
    origins = [{"name": "main", "match": "", "type": "http", "url_template": f"http://{store.address}/{{object}}"}]
    ours = Ours(arguments, folder / "cluster", cores, NODES, {"*": {"origins": origins}})
    sides = [ours, Nginx(folder / "nginx", cores, store=store.address)]
    if "varnish" in arguments.peers:
        sides.append(Varnish(folder / "varnish", cores, store=store.address))
    for side in sides:
        ending.callback(side.stop)
        side.start()
    say(f"{VIEWERS} sessions")
    for side in sides:
        side.paths = [side.prefix() for _ in range(VIEWERS)] if side is ours else [side.prefix()] * VIEWERS
    everybody = [pid for side in sides for pid in (*side.pids, *side.others)] + store.pids
    for side in sides:
        side.others = sorted(set(everybody) - set(side.pids))
    numbers = iter(range(1 << 30))

    def run(side):
        return run_of(side, arguments, store, f"{OBJECT_BYTES}-{next(numbers)}.m4s")

    for side in sides:
        run(side)
    rounds, void = bench_pairs.measure(sides, arguments.rounds, run, text_of, arguments.any_load)
    return rows_of(rounds, [side.name for side in sides[1:]]), len(rounds), void
