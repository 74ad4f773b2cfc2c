#!/usr/bin/python3 -B
"""How often a viewer's content must be fetched: the decision that ships beside other ways to place viewers, over one trace.

  scripts/bench assign [--seed N] [--json] [--docs]

A simulation in virtual time (tests/bench/assign): 40 delivery nodes of 500 sessions, 20,000 contents by Zipf's law, five new
hits every ten minutes, caches of 2 % of the catalogue a node; two hours after one of warming up. Prints tables with the goals
beside; --docs also writes them into docs/assign.md, and the picture beside it. Takes some three minutes of one core; other
work does not change the figures, and a seed gives the same ones again."""

import argparse
import json
import math
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "docs" / "assign.md", ROOT / "docs" / "assign.svg"
BEGIN, END = "<!-- scripts/bench assign --docs writes from here -->\n", "<!-- to here -->\n"
TIMEOUT_S = 3600
EXPONENTS, UTILISATIONS = (0.8, 1.0), (0.7, 0.9, 0.97)
KNOWLEDGES = ((1, 0), (1, 200), (1, 2000), (8, 0), (8, 200), (8, 2000))
FRESH, OLDEST = KNOWLEDGES[0], KNOWLEDGES[-1]
PEERS = (("bounded", "bounded loads 1.25"), ("ring", "consistent hashing"), ("two", "two random choices"),
         ("least", "least loaded"))
VARIANTS = (("ours", "as it ships"), ("no_ages", "without the ages of what caches would evict"),
            ("no_unseen", "without the guess at what others assigned unseen"), ("no_leases", "without leased places"),
            ("spares", "and caches evict first what others hold too"))


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench assign", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--docs", action="store_true", help="write docs/assign.md and docs/assign.svg")
    parser.add_argument("--figures", type=pathlib.Path, metavar="FILE",
                        help="what bench_assign --json said earlier, not a new run")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder of the build")
    return parser.parse_args()


class Results:
    def __init__(self, data):
        self.decision_ns = data["decision_ns"]
        self.runs = data["runs"]

    def run(self, policy, zipf, utilisation, knowledge=FRESH, rush=False):
        for r in self.runs:
            if (r["policy"], r["zipf"], r["utilisation"], (r["apis"], r["age_ms"]), r["rush"]) == \
                    (policy, zipf, utilisation, knowledge, rush):
                return r
        sys.exit(f"scripts/bench assign: no run of {policy} at {zipf}, {utilisation}, {knowledge}")

    def ours(self, rush=False):
        return [r for r in self.runs if r["policy"] == "ours" and r["rush"] == rush]


def measure(args):
    if args.figures is not None:
        return Results(json.loads(args.figures.read_text()))
    program = args.build / "tests" / "bench" / "assign" / "bench_assign"
    print("some three minutes ...", file=sys.stderr, flush=True)
    done = subprocess.run([program, "--seed", str(args.seed), "--json"], stdout=subprocess.PIPE, text=True, check=False,
                          timeout=TIMEOUT_S)
    if done.returncode != 0:
        sys.exit(f"scripts/bench assign: {program} ended with status {done.returncode}")
    return Results(json.loads(done.stdout))


# -- goals --

def mean_ratio(results, policy, knowledge, peer, peer_knowledge, rush=False):
    """Fills of the one by those of the other at 0.9, geometric mean of the exponents."""
    ours = [results.run(policy, z, 0.9, knowledge, rush)["fills"] for z in EXPONENTS]
    theirs = [results.run(peer, z, 0.9, peer_knowledge, rush)["fills"] for z in EXPONENTS]
    return math.sqrt(math.prod(ours) / math.prod(theirs))


def row(name, unit, ours, goal, holds, peer=None, peers=None, ratio=None, bound=None):
    return {"name": name, "unit": unit, "ours": ours, "peer": peer, "peers": peers, "ratio": ratio, "bound": bound,
            "goal": goal, "holds": holds}


def goals(results):
    rows = []
    for z in EXPONENTS:
        ours, bounded, one = (results.run(p, z, 0.9)["fills"] for p in ("ours", "bounded", "one"))
        rows.append(row(f"fills, Zipf {z}, utilisation 0.9", "fills", ours, "", True, "bounded loads 1.25", bounded,
                        ours / bounded, one))
    worst = max(mean_ratio(results, "ours", k, "bounded", k) for k in KNOWLEDGES)
    rows.append(row("fills by those of bounded loads, worst age and number of api nodes", "ratio", worst, "ratio <= 0.50",
                    worst <= 0.5, "bounded loads 1.25", 1.0, worst))
    worst = max(mean_ratio(results, "ours", k, "one", FRESH) for k in KNOWLEDGES)
    rows.append(row("fills by those of one large LRU, worst age and number of api nodes", "ratio", worst, "ratio <= 1.15",
                    worst <= 1.15, "one large LRU", 1.0, worst, 1.0))
    refused = sum(r["refused_with_headroom"] for r in results.ours() + results.ours(rush=True))
    rows.append(row("refused while any node had headroom, all runs", "sessions", refused, "0", refused == 0))
    above = max(r["booked_max"] / r["capacity"] for r in results.ours() + results.ours(rush=True))
    rows.append(row("most that a node had, by its capacity, all runs", "ratio", above, "<= 1", above <= 1))
    hit = min(r["called_hit"] for r in results.ours())
    rows.append(row("byte hit ratio of warm sessions, worst run", "ratio", hit, ">= 0.9", hit >= 0.9))
    rows.append(row("a decision among 40 nodes, 3 holders", "ns", results.decision_ns["warm"], "<= 20000",
                    results.decision_ns["warm"] <= 20000))
    rows.append(row("a decision among 40 nodes, no holder", "ns", results.decision_ns["cold"], "<= 20000",
                    results.decision_ns["cold"] <= 20000))
    return rows


# -- tables --

def lines_of(head, rows):
    width = len(head)
    return "\n".join(["| " + " | ".join(head) + " |", "|---" + "|---:" * (width - 1) + "|",
                      *("| " + " | ".join(cells) + " |" for cells in rows)]) + "\n"


def shown(value, unit):
    return f"{value:,.3f}" if unit == "ratio" else f"{value:,.0f}"


def goal_table(rows):
    return lines_of(["at the goals", "Warmcast", "goal", "holds"],
                    [[r["name"], shown(r["ours"], r["unit"]), r["goal"] or "-",
                      "-" if not r["goal"] else "yes" if r["holds"] else "**no**"] for r in rows])


def fills_table(results):
    rows = []
    for z in EXPONENTS:
        for u in UTILISATIONS:
            runs = [results.run("one", z, u), results.run("ours", z, u), results.run("ours", z, u, OLDEST)]
            runs += [results.run(p, z, u) for p, _ in PEERS]
            rows.append([f"Zipf {z}, utilisation {u}", *(f"{r['fills']:,}" for r in runs)])
    titles = ["one large LRU", "Warmcast", "the same, 8 api nodes, 2 s old", *(title for _, title in PEERS)]
    return lines_of(["fills", *titles], rows)


def knowledge_cells(results, title, policy, utilisation, knowledge, rush=False):
    runs = [results.run(policy, z, utilisation, knowledge, rush) for z in EXPONENTS]
    one = [results.run("one", z, utilisation, FRESH, rush) for z in EXPONENTS]
    fills = math.sqrt(math.prod(r["fills"] for r in runs) / math.prod(r["fills"] for r in one))
    called = f"{min(r['called_hit'] for r in runs):.3f}" if policy == "ours" else "-"
    return [title, f"{fills:.3f}", f"{min(r['warm'] for r in runs):.3f}", called, f"{sum(r['redirects'] for r in runs):,}",
            f"{sum(r['refused'] for r in runs):,}", f"{max(r['load_max'] for r in runs)}"]


def knowledge_table(results):
    rows = []
    for u in (0.9, 0.97):
        for k in KNOWLEDGES:
            title = f"{u}: {k[0]} api node{'s' if k[0] > 1 else ''}, {k[1] / 1000:g} s old"
            rows.append(knowledge_cells(results, title, "ours", u, k))
        rows.append(knowledge_cells(results, "the last with bounded loads 1.25", "bounded", u, OLDEST))
    title = "0.9: 8 api nodes, 2 s old, 900 sessions a second"
    rows.append(knowledge_cells(results, title, "ours", 0.9, OLDEST, True))
    rows.append(knowledge_cells(results, "the last with bounded loads 1.25", "bounded", 0.9, OLDEST, True))
    return lines_of(["utilisation, knowledge", "fills by one LRU's", "warm", "byte hits of warm", "redirects", "refused",
                     "largest load"], rows)


def variant_table(results):
    rows = []
    for policy, title in VARIANTS:
        cells = [title]
        for rush in (False, True):
            runs = [results.run(policy, z, 0.9, OLDEST, rush) for z in EXPONENTS]
            cells += [f"{mean_ratio(results, policy, OLDEST, 'one', FRESH, rush):.3f}", f"{sum(r['redirects'] for r in runs):,}",
                      f"{sum(r['refused'] for r in runs):,}"]
        rows.append(cells)
    return lines_of(["at 0.9, 8 api nodes, 2 s old", "19 sessions a second: fills", "redirects", "refused",
                     "900 a second: fills", "redirects", "refused"], rows)


def text(results):
    sessions = {u: results.run("ours", 0.8, u)["sessions"] for u in UTILISATIONS}
    said = ", ".join(f"{n:,} at {u}" for u, n in sessions.items())
    ns = results.decision_ns
    return "\n".join([
        goal_table(goals(results)),
        f"Sessions counted: {said}. Peers know as much as one api node with fresh knowledge does.\n", fills_table(results),
        knowledge_table(results), variant_table(results),
        f"A decision among 40 nodes takes {ns['warm']:,} ns with three holders, {ns['one_holder']:,} ns with one, "
        f"{ns['cold']:,} ns with none, and {ns['explained']:,} ns with reasons for all (CPU time on {machine()}).\n"])


def machine():
    try:
        names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name")]
        return f"{names[0]}, {len(names)} cores"
    except (OSError, IndexError):
        return platform.machine()


# -- the picture: fills over the utilisation, and over what is known --

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 170, 50, 34, 60
COLORS = {"ours": "#2c6fbb", "bounded": "#c0392b", "ring": "#d98880", "one": "#2e8b57"}


def panel(at, title, unit, ticks, lines, low, high):
    """Lines of (name, color, values, dashed), one value a tick, from `low` to `high`."""
    x0 = LEFT + at * (WIDTH + GAP)
    xs = [x0 + 16 + i * (WIDTH - 32) / (len(ticks) - 1) for i in range(len(ticks))]
    out = [f'<text x="{x0}" y="{TOP - 14}" font-weight="bold">{title}</text>',
           f'<text x="{x0 - 6}" y="{TOP + 4}" text-anchor="end">{high:,g}</text>',
           f'<text x="{x0 - 6}" y="{TOP + HEIGHT}" text-anchor="end">{low:,g}</text>',
           f'<text x="{x0 - 6}" y="{TOP + 18}" text-anchor="end" fill="#777">{unit}</text>',
           f'<path d="M{x0} {TOP}V{TOP + HEIGHT}H{x0 + WIDTH}" fill="none" stroke="#999"/>']
    for x, tick in zip(xs, ticks):
        out.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{tick}</text>')
    for i, (name, color, values, dashed) in enumerate(lines):
        points = " ".join(f"{x:.1f},{TOP + HEIGHT * (1 - min(max((v - low) / (high - low), 0), 1)):.1f}"
                          for x, v in zip(xs, values))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{x0 + 8}" y="{TOP + 14 + 15 * i}" fill="{color}">{name}</text>')
    return out


def picture(results):
    width, height = LEFT + 3 * (WIDTH + GAP), TOP + HEIGHT + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for at, z in enumerate(EXPONENTS):
        out += panel(at, f"fills, Zipf {z}", "in 1,000", UTILISATIONS, [
            (name, COLORS[p], [results.run(p, z, u)["fills"] / 1000 for u in UTILISATIONS], p == "one")
            for p, name in (("ring", "consistent hashing"), ("bounded", "bounded loads, 1.25"), ("ours", "Warmcast"),
                            ("one", "one large LRU"))], 0, 40)
    out += panel(2, "fills by those of one large LRU, at 0.9", "", [f"{n} / {age / 1000:g}" for n, age in KNOWLEDGES], [
        ("bounded loads, 1.25", COLORS["bounded"], [mean_ratio(results, "bounded", k, "one", FRESH) for k in KNOWLEDGES], False),
        ("Warmcast", COLORS["ours"], [mean_ratio(results, "ours", k, "one", FRESH) for k in KNOWLEDGES], False),
        ("goal", "#999", [1.15] * len(KNOWLEDGES), True)], 0, 4)
    for at, label in ((0, "utilisation"), (1, "utilisation"), (2, "api nodes / age of what they know, s")):
        x = LEFT + at * (WIDTH + GAP) + WIDTH / 2
        out.append(f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle" fill="#555">{label}</text>')
    return "\n".join(out) + "\n</svg>\n"


def write_docs(results):
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n" + text(results) + "\n![](assign.svg)\n\n" + END + after)
    PICTURE.write_text(picture(results))


def main():
    args = arguments()
    results = measure(args)
    if args.docs:
        write_docs(results)
        print(f"written: {PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}", file=sys.stderr)
    if args.json:
        rows = goals(results)
        print(json.dumps({"bench": "assign", "machine": machine(), "rows": rows, "holds": all(r["holds"] for r in rows)}))
    else:
        print(text(results))


if __name__ == "__main__":
    main()
