#!/usr/bin/python3 -B
"""What a cluster of n replicas costs, in virtual time: the core and the codec that ship, links of 0.5-2 ms as TCP makes them.

  scripts/bench simulation [--nodes 10,40,200,1000,10000] [--seed N] [--docs]

Prints a table with the goals beside. Results are kept in simulation.json of the build's folder, so that sizes may be run
one by one; --docs writes all that are there into docs/gossip.md, and the picture beside it. Up to 200 nodes take a few
minutes, 1,000 half an hour and 5 GB of memory. Past 2,000 a cluster begins settled, its replicas being copies of
one that share what they do not change, and it is not cut in two: 10,000 take a quarter of an hour and 4 GB. Figures are of
virtual time and of bytes: other work does not change them, and a seed gives the same ones again."""

import argparse
import json
import math
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "docs" / "gossip.md", ROOT / "docs" / "gossip.svg"
BEGIN, END = "<!-- scripts/bench simulation --docs writes from here -->\n", "<!-- to here -->\n"
PAYLOAD = 52
# Past the first a cluster is cut in two only once, past the second it begins settled.
FEW_PARTITIONS, SETTLED = 200, 2000


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench simulation", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="10,40,200", help="sizes of the clusters (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", action="store_true", help="write docs/gossip.md and docs/gossip.svg")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder of the build")
    return parser.parse_args()


def run(args, nodes):
    program = args.build / "tests" / "sim" / "kvs_scale"
    print(f"{nodes} nodes ...", file=sys.stderr, flush=True)
    if nodes > SETTLED:
        how = ["--settled", "--idle-s", "10", "--write-s", "2", "--rate", "100", "--partitions", "0"]
    else:
        how = ["--write-s", "20", "--partitions", "3" if nodes <= FEW_PARTITIONS else "1"]
    result = subprocess.run([program, "--nodes", str(nodes), "--seed", str(args.seed), "--json", *how],
                            stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"scripts/bench simulation: {program} ended with status {result.returncode}")
    return json.loads(result.stdout)["sizes"][0]


def kept(args, ran):
    """What this build's folder has of each size with that seed, with what just ran."""
    path = args.build / "simulation.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    sizes = results.setdefault(str(args.seed), {})
    sizes.update({str(r["nodes"]): r for r in ran})
    path.write_text(json.dumps(results, indent=1) + "\n")
    return sorted(sizes.values(), key=lambda r: r["nodes"])


def mended(r, what, unit):
    return f"{r['halves'][what] / unit:,.1f}" if r["halves"]["rounds"] > 0 else "-"


ROWS = [
    ("copies an update and node, no loss", "<= 1.05", lambda r: f"{r['no_loss']['copies']:.3f}"),
    ("the same, 1 % of the frames lost", "<= 1.2", lambda r: f"{r['loss']['copies']:.3f}"),
    ("bytes an update and node, in payloads of 52 B", "<= 3", lambda r: f"{r['no_loss']['bytes_above_idle'] / PAYLOAD:.2f}"),
    ("last node knows, median, ms", "", lambda r: f"{r['no_loss']['p50_ms']:.1f}"),
    ("last node knows, 99 %, ms", "", lambda r: f"{r['no_loss']['p99_ms']:.1f}"),
    ("the same with 1 % lost, ms", "<= 250 at 1,000", lambda r: f"{r['loss']['p99_ms']:.0f}"),
    ("updates lost for good", "0", lambda r: f"{r['no_loss']['missing'] + r['loss']['missing']}"),
    ("frames of an idle node, B/s", "<= 1,000 at 40, 2,000 at 1,000", lambda r: f"{r['idle_bytes_per_s']:.0f}"),
    ("the same with TCP/IP headers, B/s", "", lambda r: f"{r['idle_tcp_bytes_per_s']:.0f}"),
    ("links a node", "", lambda r: f"{r['links']:.1f}"),
    ("killed: the last knows, ms", "<= 400", lambda r: f"{r['kill_ms']:.0f}"),
    ("silent: the last knows, ms", "<= 2,000", lambda r: f"{r['stop_ms']:.0f}"),
    ("halves that were apart for 30 s are equal after, median, s", "", lambda r: mended(r, "p50_ms", 1000)),
    ("the same, the longest of three (of one at 1,000), s", "", lambda r: mended(r, "max_ms", 1000)),
    ("kB a node until then", "", lambda r: mended(r, "bytes", 1000)),
    ("false alarms", "0", lambda r: f"{r['false_alarms']}"),
]


def table(sizes):
    lines = ["| nodes | goal | " + " | ".join(f"{r['nodes']:,}" for r in sizes) + " |",
             "|---|---|" + "---:|" * len(sizes)]
    for name, goal, value in ROWS:
        lines.append(f"| {name} | {goal} | " + " | ".join(value(r) for r in sizes) + " |")
    return "\n".join(lines) + "\n"


# -- the picture: three small panels over the size of the cluster --

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 170, 50, 34, 60


def scale_x(nodes, sizes):
    low, high = math.log10(sizes[0]["nodes"]), math.log10(sizes[-1]["nodes"])
    return 0 if high == low else (math.log10(nodes) - low) / (high - low) * WIDTH


def panel(at, title, unit, sizes, lines, top):
    """Lines of (name, color, value of a size, dashed) from 0 to `top`."""
    x0 = LEFT + at * (WIDTH + GAP)
    out = [f'<text x="{x0}" y="{TOP - 14}" font-weight="bold">{title}</text>',
           f'<text x="{x0 - 6}" y="{TOP + 4}" text-anchor="end">{top:,g}</text>',
           f'<text x="{x0 - 6}" y="{TOP + HEIGHT}" text-anchor="end">0</text>',
           f'<text x="{x0 - 6}" y="{TOP + 18}" text-anchor="end" fill="#777">{unit}</text>',
           f'<path d="M{x0} {TOP}V{TOP + HEIGHT}H{x0 + WIDTH}" fill="none" stroke="#999"/>']
    for r in sizes:
        x = x0 + scale_x(r["nodes"], sizes)
        out.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{r["nodes"]:,}</text>')
    for i, (name, color, value, dashed) in enumerate(lines):
        points = " ".join(f"{x0 + scale_x(r['nodes'], sizes):.1f},{TOP + HEIGHT * (1 - min(value(r) / top, 1)):.1f}"
                          for r in sizes)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{x0 + 8}" y="{TOP + 14 + 15 * i}" fill="{color}">{name}</text>')
    return out


def picture(sizes):
    def idle_goal(r):
        return 1000 if r["nodes"] <= 40 else 2000

    width, height = LEFT + 3 * (WIDTH + GAP), TOP + HEIGHT + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="#fff"/>']
    out += panel(0, "from a write to the last node", "ms", sizes, [
        ("1 % of the frames lost, 99 %", "#c0392b", lambda r: r["loss"]["p99_ms"], False),
        ("nothing lost, 99 %", "#2c6fbb", lambda r: r["no_loss"]["p99_ms"], False),
        ("nothing lost, median", "#7fb3e6", lambda r: r["no_loss"]["p50_ms"], False),
        ("goal with loss", "#999", lambda r: 250, True)], 300)
    out += panel(1, "an idle node sends", "B/s", sizes, [
        ("frames", "#2c6fbb", lambda r: r["idle_bytes_per_s"], False),
        ("goal", "#999", idle_goal, True)], 2500)
    out += panel(2, "bytes an update and node", "payloads", sizes, [
        ("sent", "#2c6fbb", lambda r: r["no_loss"]["bytes_above_idle"] / PAYLOAD, False),
        ("goal", "#999", lambda r: 3, True), ("bound", "#2e8b57", lambda r: 1, True)], 4)
    out.append(f'<text x="{width / 2:.0f}" y="{height - 8}" text-anchor="middle" fill="#555">nodes in the cluster</text></svg>')
    return "\n".join(out) + "\n"


def write_docs(sizes):
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n" + table(sizes) + "\n![](gossip.svg)\n\n" + END + after)
    PICTURE.write_text(picture(sizes))


def main():
    args = arguments()
    ran, sizes = [], []
    for n in args.nodes.split(","):
        ran.append(run(args, int(n)))
        sizes = kept(args, ran)
    print(table(ran))
    if args.docs:
        write_docs(sizes)
        print(f"written: {PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
