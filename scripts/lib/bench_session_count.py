"""Instructions a session, in user space, by callgrind."""

import json
import subprocess

import bench_callgrind
from bench_session_sides import Nginx

RATE, SECONDS = 200, 10
READY_S = 120


def _drive(arguments, address, pid):
    def open_sessions(seconds):
        done = subprocess.run([arguments.load, "--rate", str(RATE), "--duration", str(seconds), "--zipf", "0", "--pace", "0",
                               "--contents", str(arguments.contents), "--json", address],
                              check=True, capture_output=True, text=True, timeout=seconds + 60)
        return json.loads(done.stdout)["created"]

    open_sessions(1)  # what only the first ones cost
    bench_callgrind.switch(pid, True)
    created = open_sessions(SECONDS)
    bench_callgrind.switch(pid, False)
    return created


def count_ours(arguments, ours, folder):
    api, out = ours.api, folder / "ours.callgrind"
    api.term()
    ours.cluster.wrapper = bench_callgrind.command(out)
    try:
        api.start(wait=False)
        api.wait_ready(READY_S)
        ours.wait_locations()
        created = _drive(arguments, api.http, api.pid())
        api.term()
    finally:
        ours.cluster.wrapper = []
    return bench_callgrind.most(out) / created


def count_nginx(arguments, body, folder, cores):
    out = folder / "nginx.callgrind"
    nginx = Nginx(folder / "nginx-counted", cores, wrapper=bench_callgrind.command(out), options=["-g", "master_process off;"])
    try:
        nginx.start(body)
        created = _drive(arguments, nginx.address, nginx.process.pid)
    finally:
        nginx.stop()
    return bench_callgrind.most(out) / created
