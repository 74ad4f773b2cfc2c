"""Instructions of user space by callgrind: the same however busy the machine is."""

import re
import subprocess

from bench_pairs import Failed


def command(out):
    """What stands before a server's command; its figures go to files of that name with something behind it."""
    return ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={out}"]


def switch(pid, on):
    subprocess.run(["callgrind_control", "-i", "on" if on else "off", str(pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)


def most(out):
    """Of the threads' totals the largest: the one that served. After the server's end."""
    totals = [int(found[1]) for path in out.parent.glob(out.name + "*")
              if (found := re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE))]
    if not totals:
        raise Failed("callgrind has written no figures")
    return max(totals)
