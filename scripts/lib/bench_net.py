"""A network of the benchmark's own, and what runs in it measured: bytes on its loopback, memory and CPU of processes."""

import json
import os
import pathlib
import subprocess
import sys

INSIDE = "WARMCAST_BENCH_NETWORK"


def enter():
    """Starts this program again in a new network namespace with only a loopback; returns once it runs there.

    It ends with its last process. Not root: in a user namespace of its own, where the kernel allows that."""
    if INSIDE in os.environ:
        for command in (["ip", "link", "set", "lo", "up"], ["nft", "add", "table", "inet", "bench"]):
            subprocess.run(command, check=True, timeout=10)
        return
    os.environ[INSIDE] = "1"
    flags = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", *flags, "--", sys.executable, "-B", *sys.argv])


def set_mtu(mtu_bytes):
    """Of the loopback, once inside."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", str(mtu_bytes)], check=True, timeout=10)


class Meter:
    """Counts the IP packets (headers and payload; no Ethernet header) from or to one port, TCP and UDP.

    Each packet is counted once, where it is sent. What TCP hands down in one piece of several segments (segmentation
    offload) counts with one header: some per cent at most, and the same for everybody."""

    def __init__(self, name, port):
        self.name = name
        rules = [f"add counter inet bench {name}",
                 f"add chain inet bench {name} {{ type filter hook output priority 0; }}",
                 f"add rule inet bench {name} meta l4proto {{ tcp, udp }} th dport {port} counter name {name} accept",
                 f"add rule inet bench {name} meta l4proto {{ tcp, udp }} th sport {port} counter name {name} accept"]
        subprocess.run(["nft", "-f", "-"], input="\n".join(rules) + "\n", text=True, check=True, timeout=10)

    def read(self):
        """(packets, bytes) so far."""
        said = subprocess.run(["nft", "-j", "list", "counter", "inet", "bench", self.name], capture_output=True, text=True,
                              check=True, timeout=10)
        counter = next(o["counter"] for o in json.loads(said.stdout)["nftables"] if "counter" in o)
        return counter["packets"], counter["bytes"]


def rss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _memory_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def private_bytes(pid):
    """Memory that is this process's alone: what one more of it costs."""
    fields = _memory_of(pid)
    return fields["Private_Clean"] + fields["Private_Dirty"]


def pss_bytes(pid):
    """Its memory, with its share of what it has in common with others."""
    return _memory_of(pid)["Pss"]


def cpu_s(pid):
    """Seconds of CPU that it has used, user and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
