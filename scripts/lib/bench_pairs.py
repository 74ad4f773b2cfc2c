"""What the benchmarks beside a peer share: runs in turns, what each cost, and what their figures say.

Sides are objects with a `name` and `pids`, the processes whose CPU is theirs; `others` are processes of the benchmark
that are no side. A run is a dict of figures; a round is one run a side, {side's name: run}.
"""

import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

FOREIGN_MAX = 0.03
BUSY_MIN = 0.95
TIE = 0.03
TRIES_A_ROUND = 3
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
BEGAN = time.monotonic()


class Failed(Exception):
    """What a person is told."""


def say(text):
    print(f"[{time.monotonic() - BEGAN:4.0f} s] {text}", file=sys.stderr, flush=True)


def pin(pid, cpus):
    """All threads of a process."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(task), cpus)
        except ProcessLookupError:
            pass  # it ended meanwhile


def run_ns(pids):
    """CPU time of these processes, of their ended threads too (sum_exec_runtime): their CPU clocks, clock_getcpuclockid(3)."""
    try:
        return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids)
    except OSError:
        raise Failed(f"one of the servers has ended: processes {', '.join(map(str, pids))}") from None


def machine_ticks():
    """Ticks since the start: "cpu": in processes of all cores, or taken by the host; "cpuN": in which a core was busy."""
    found = {}
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if not name.startswith("cpu"):
            continue
        user, nice, system, _, _, irq, softirq, steal = map(int, numbers[:8])
        found[name] = user + nice + system + steal + (irq + softirq if name != "cpu" else 0)
    return found


def children_of(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def stop(process):
    """Ends a process that the benchmark started; None is fine."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def drive(side, command, server_core):
    """Runs a driver to its end: (its output, what that cost: a dict). core_s: for how long the server's core was busy."""
    known = [*side.pids, *side.others, os.getpid()]
    before, cpu, all_cpu, began = machine_ticks(), run_ns(side.pids), run_ns(known), time.monotonic()
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    text, errors = driver.stdout.read(), driver.stderr.read()
    _, status, usage = os.wait4(driver.pid, 0)
    driver.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - began
    after, cpu, all_cpu = machine_ticks(), run_ns(side.pids) - cpu, run_ns(known) - all_cpu
    if driver.returncode != 0:
        raise Failed(f"the driver ended with {driver.returncode}: {text}{errors}")
    known_s = all_cpu / 1e9 + usage.ru_utime + usage.ru_stime
    core = f"cpu{server_core}"
    return text, {
        "cpu_s": cpu / 1e9,
        "core_s": (after[core] - before[core]) * TICK_S,
        "foreign": max(0.0, (after["cpu"] - before["cpu"]) * TICK_S - known_s) / (elapsed * os.cpu_count()),
    }


def foreign_of(one_round):
    return max(run["foreign"] for run in one_round.values())


def measure(sides, n, run_of, text_of, any_load):
    """Rounds in the order AB BA AB ... (of three: ABC CBA ...), and how many were void: other programs took too much."""
    rounds, void = [], 0
    while len(rounds) < n:
        order = sides if (len(rounds) + void) % 2 == 0 else sides[::-1]
        one = {side.name: run_of(side) for side in order}
        told = text_of({side.name: one[side.name] for side in sides})
        say(f"round {len(rounds) + 1}: {told}; others took {foreign_of(one):.1%}")
        if foreign_of(one) > FOREIGN_MAX and not any_load:
            void += 1
            if void > n * TRIES_A_ROUND:
                raise Failed(f"{void} rounds were void: too much else runs here (--any-load takes them all, to look at only)")
            continue
        rounds.append(one)
    return rounds, void


def interval(values):
    """The 95 % interval of the median by order statistics."""
    values, n = sorted(values), len(values)
    outside, k = 0.0, 0
    while outside + math.comb(n, k) / 2**n <= 0.025:
        outside += math.comb(n, k) / 2**n
        k += 1
    k = max(0, k - 1)
    return values[k], values[n - 1 - k]


def core_is_busy(rounds, name):
    """Whether that side's rate is its own, not the driver's."""
    return statistics.median(one[name]["core_busy"] for one in rounds) >= BUSY_MIN


def compare(rounds, peer, title, unit, figure, more_is_better, judged, goal=1.0, ours="warmcastd"):
    """A row of the result: round by round, how many times better ours is."""
    mine, theirs = ([one[side][figure] for one in rounds] for side in (ours, peer))
    ratios = [(a / b if more_is_better else b / a) for a, b in zip(mine, theirs) if a > 0 and b > 0]
    if not ratios:
        raise Failed(f"no figures of {title}")
    ratio, (low, high) = statistics.median(ratios), interval(ratios)
    return {"name": title, "unit": unit, "ours": statistics.median(mine), "peer": peer, "peers": statistics.median(theirs),
            "ratio": ratio, "low": low, "high": high, "bound": None, "goal": f"ratio >= {goal}" if judged else None,
            "holds": bool(high >= goal or abs(ratio - goal) <= TIE) if judged else None}


def absolute(title, unit, value, bound=None, goal=None, holds=None):
    """A row without a peer."""
    return {"name": title, "unit": unit, "ours": value, "peer": None, "peers": None, "ratio": None, "bound": bound,
            "goal": goal, "holds": holds}


def all_hold(rows):
    return all(row["holds"] for row in rows if row["holds"] is not None)


def machine():
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}"


def shown(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.2f}"


def print_rows(rows, width=38):
    """The rows as a table of ours, the peer's, the ratio and its interval."""
    for row in rows:
        span = f"{row['low']:.2f} - {row['high']:.2f}" if "low" in row else ""
        verdict = {None: "", True: "holds", False: "MISSED"}[row["holds"]]
        name = f"{row['name']} ({row['unit']})" if row["unit"] else row["name"]
        print(f"{name:{width}}{shown(row['ours']):>12}{shown(row['peers']):>12}{shown(row['ratio']):>8}{span:>16}  "
              f"{row['goal'] or '-'} {verdict}")
