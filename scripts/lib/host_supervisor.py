#!/usr/bin/python3 -B
"""One host of scripts/hosts: host_supervisor.py CGROUP COMMAND... keeps systemd-nspawn running in a cgroup of its own.

Starts it again while the host only rebooted (133). SIGTERM is passed on and shuts the host down in order."""

import pathlib
import signal
import subprocess
import sys

REBOOTED = 133


def main(cgroup, command):
    pathlib.Path(cgroup, "cgroup.procs").write_text("0\n")
    stopping = False
    child = None

    def stop(*_):
        nonlocal stopping
        stopping = True
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while True:
        if stopping:
            return 0
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        if stopping:
            stop()
        status = child.wait()
        if status != REBOOTED:
            return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
