"""Instructions a session, in user space, by callgrind: the same however busy the machine is."""

import json
import re
import subprocess

from bench_pairs import Failed
from bench_session_sides import Nginx

RATE, SECONDS = 200, 10
READY_S = 120


def _valgrind(out):
    return ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={out}"]


def _switch(pid, state):
    subprocess.run(["callgrind_control", "-i", state, str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=60)


def _most(out):
    """Of the threads' totals the largest: the one that served."""
    totals = [int(found[1]) for path in out.parent.glob(out.name + "*")
              if (found := re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE))]
    if not totals:
        raise Failed("callgrind has written no figures")
    return max(totals)


def _drive(arguments, address, pid):
    def open_sessions(seconds):
        done = subprocess.run([arguments.load, "--rate", str(RATE), "--duration", str(seconds), "--zipf", "0", "--pace", "0",
                               "--contents", str(arguments.contents), "--json", address],
                              check=True, capture_output=True, text=True, timeout=seconds + 60)
        return json.loads(done.stdout)["created"]

    open_sessions(1)  # what only the first ones cost
    _switch(pid, "on")
    created = open_sessions(SECONDS)
    _switch(pid, "off")
    return created


def count_ours(arguments, ours, folder):
    api, out = ours.api, folder / "ours.callgrind"
    api.term()
    ours.cluster.wrapper = _valgrind(out)
    try:
        api.start(wait=False)
        api.wait_ready(READY_S)
        ours.wait_locations()
        created = _drive(arguments, api.http, api.pid())
        api.term()
    finally:
        ours.cluster.wrapper = []
    return _most(out) / created


def count_nginx(arguments, body, folder, cores):
    out = folder / "nginx.callgrind"
    nginx = Nginx(folder / "nginx-counted", cores, wrapper=_valgrind(out), options=["-g", "master_process off;"])
    try:
        nginx.start(body)
        created = _drive(arguments, nginx.address, nginx.process.pid)
    finally:
        nginx.stop()
    return _most(out) / created
