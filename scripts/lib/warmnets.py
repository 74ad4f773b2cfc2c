"""Network namespaces for a test's nodes: one each, all on a bridge in one more, and firewall rules between them.

    with Network(12) as net:                # needs root; raises NetworkError with one plain line
        with net.entered():                 # this thread, and what it starts, is in the hub: it reaches every node
            Popen([*net.wrapper(1), "warmcastd", ...])
            net.cut({(1, 2)})               # packets from 1 to 2 are dropped, from 2 to 1 they pass; no other cut stands

Nothing outside of these namespaces is touched. Node i of 1 ... has 10.77.0.i; the hub, which no cut affects, 10.77.0.254.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess

HUB_IP = "10.77.0.254"
CLONE_NEWNET = 0x40000000
FILTER = """
table inet cuts {
	set senders { type ipv4_addr; }
	chain input { type filter hook input priority 0; ip saddr @senders drop; }
}
"""


class NetworkError(Exception):
    pass


def run(command, text=None):
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkError(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(command)}: {' '.join((done.stderr or done.stdout).split())}")


class Network:
    def __init__(self, nodes):
        self.count = nodes
        self.prefix = f"warm{os.getpid()}"
        self.hub = f"{self.prefix}-hub"
        self.cut_off = {}  # node -> those whose packets it drops
        self.made = []

    def name(self, i):
        return f"{self.prefix}-{i}"

    def ip(self, i):
        return f"10.77.0.{i}"

    def wrapper(self, i):
        """The command before another that is to run as node i."""
        return ["nsenter", f"--net=/run/netns/{self.name(i)}", "--"]

    def __enter__(self):
        if os.geteuid() != 0:
            raise NetworkError("network namespaces need root")
        for tool in ("ip", "nft", "nsenter"):
            if shutil.which(tool) is None:
                raise NetworkError(f"{tool} is missing: scripts/setup test installs it")
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self._remove()

    def _add(self, name):
        run(["ip", "netns", "add", name])
        self.made.append(name)

    def _make(self):
        self._add(self.hub)
        for i in range(1, self.count + 1):
            self._add(self.name(i))
        lines = ["link set lo up", "link add br0 type bridge", f"addr add {HUB_IP}/24 dev br0", "link set br0 up"]
        for i in range(1, self.count + 1):
            lines += [f"link add v{i} type veth peer name eth0 netns {self.name(i)}", f"link set v{i} master br0 up"]
        run(["ip", "-n", self.hub, "-batch", "-"], "\n".join(lines) + "\n")
        for i in range(1, self.count + 1):
            run(["ip", "-n", self.name(i), "-batch", "-"],
                f"link set lo up\naddr add {self.ip(i)}/24 dev eth0\nlink set eth0 up\n")
            run([*self.wrapper(i), "nft", "-f", "-"], FILTER)

    def _remove(self):
        while self.made:
            with contextlib.suppress(NetworkError):
                run(["ip", "netns", "del", self.made.pop()])

    def cut(self, pairs):
        """From here on exactly the packets from a to b are dropped, for each (a, b) of pairs."""
        wanted = {}
        for a, b in pairs:
            wanted.setdefault(b, set()).add(a)
        for i in range(1, self.count + 1):
            senders = wanted.get(i, set())
            if senders == self.cut_off.get(i, set()):
                continue
            lines = ["flush set inet cuts senders"]
            if senders:
                addresses = ", ".join(self.ip(a) for a in sorted(senders))
                lines.append(f"add element inet cuts senders {{ {addresses} }}")
            run([*self.wrapper(i), "nft", "-f", "-"], "\n".join(lines) + "\n")
            self.cut_off[i] = senders

    @contextlib.contextmanager
    def entered(self):
        """This thread, and threads and processes that it starts, in the hub."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._set(libc, os.open(f"/run/netns/{self.hub}", os.O_RDONLY | os.O_CLOEXEC), close=True)
            try:
                yield
            finally:
                self._set(libc, home)
        finally:
            os.close(home)

    @staticmethod
    def _set(libc, descriptor, close=False):
        failed = libc.setns(descriptor, CLONE_NEWNET) != 0
        errno = ctypes.get_errno()
        if close:
            os.close(descriptor)
        if failed:
            raise NetworkError(f"setns: {os.strerror(errno)}")
