"""Hosts by systemd-nspawn for scripts/hosts: systemd as process 1, a network namespace, an address, sshd and an overlay on
one root file system each. Everything is found again by names and by lab.json, so that `down` needs no memory of `up`."""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from warmcluster import to_yaml

LAB = "lab"  # the namespace with the bridge, where Ansible runs
NETWORK = "10.77.0"
FIRST_HOST = 11
PACKAGES = """systemd systemd-sysv dbus openssh-server python3-minimal python3 python3-apt iproute2 iputils-ping nftables curl
    ca-certificates procps netcat-openbsd""".split()
# What the .deb depends on: the hosts reach no Debian mirror.
LIBRARIES = """libcurl4 libev4 libhttp-parser2.9 libjansson4 liblmdb0 libmbedcrypto7 libmbedx509-1 libmbedtls14 libnng1
    libprotobuf-c1 libsodium23 libsystemd0 libyaml-0-2 zlib1g""".split()
MASKED = """getty@tty1.service console-getty.service systemd-networkd.service systemd-timesyncd.service
    systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
    e2scrub_reap.service""".split()
SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
COMMANDS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "ip": "iproute2", "ssh": "openssh-client",
            "ssh-keygen": "openssh-client", "mount": "mount"}
UP_DEADLINE_S, DOWN_DEADLINE_S, MAKE_DEADLINE_S = 60, 30, 900
SUPERVISOR = pathlib.Path(__file__).resolve().parent / "host_supervisor.py"


class HostsError(Exception):
    """Said to the user in one line."""


def run(*command, text=None, timeout_s=60):
    try:
        done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostsError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise HostsError(f"{' '.join(str(word) for word in command[:4])} failed: {said[-1]}")
    return done.stdout


def cgroups_root():
    """Where cgroup v2 is mounted, or None."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return pathlib.Path(where)
    return None


def started_at(pid):
    """When a living process started, by the kernel's ticks: with the pid it names one process for good. None: it is gone."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    return None


def wait_until(deadline_s, probe):
    ends_at = time.monotonic() + deadline_s
    while not probe():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.05)
    return True


class Lab:
    def __init__(self, say):
        self.say = say
        self.dir = pathlib.Path(os.environ.get("WARMCAST_HOSTS_DIR") or "/var/cache/warmcast-hosts")
        made_of = json.dumps([PACKAGES, LIBRARIES, MASKED])
        self.base = self.dir / f"root-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
        self.key, self.inventory, self.origin = self.dir / "key", self.dir / "inventory.yml", self.dir / "origin"
        self.state_file = self.dir / "lab.json"

    # -- what the machine has --

    def check(self):
        if os.geteuid() != 0:
            raise HostsError("only root can start hosts")
        missing = sorted({package for command, package in COMMANDS.items() if shutil.which(command) is None})
        if missing:
            raise HostsError(f"not installed: {' '.join(missing)} (scripts/setup hosts)")
        self.cgroups = cgroups_root()
        if self.cgroups is None or not os.access(self.cgroups / "cgroup.procs", os.W_OK):
            raise HostsError("no writable cgroup v2 is mounted here (a container without the right to?)")
        if "overlay" not in pathlib.Path("/proc/filesystems").read_text() and \
                subprocess.run(["modprobe", "overlay"], capture_output=True, check=False).returncode != 0:
            raise HostsError("this kernel has no overlay file system")

    @contextlib.contextmanager
    def locked(self):
        if os.geteuid() != 0:
            raise HostsError("only root can do that")
        self.dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.dir / "lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HostsError(f"another scripts/hosts works in {self.dir}") from None
            yield

    # -- the root file system --

    def make_base(self):
        if self.base.exists():
            return
        self.say(f"making the root file system in {self.base} (once; a minute)")
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        unfinished = self.base.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        sources = [s for s in SOURCES if pathlib.Path(s).exists() and pathlib.Path(s).stat().st_size > 0][:1]
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES + LIBRARIES)}", "bookworm",
            unfinished, *sources, timeout_s=MAKE_DEADLINE_S)
        self._adapt(unfinished)
        unfinished.rename(self.base)

    def _adapt(self, root):
        ssh = root / "root/.ssh"
        ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), ssh / "authorized_keys")
        (root / "etc/machine-id").write_text("")
        (root / "etc/hostname").unlink(missing_ok=True)
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        (root / "etc/resolv.conf").write_text("")  # without it each look-up stalls
        (root / "etc/nsswitch.conf").write_text("hosts: files\npasswd: files systemd\ngroup: files systemd\nshadow: files\n")
        (root / "etc/ssh/sshd_config.d/lab.conf").write_text("UseDNS no\n")
        run("chroot", root, "systemctl", "set-default", "multi-user.target")
        run("chroot", root, "systemctl", "mask", *MASKED)

    # -- hosts --

    def state(self):
        try:
            return json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return []

    def save(self, hosts):
        self.state_file.with_suffix(".new").write_text(json.dumps(hosts, indent=1))
        self.state_file.with_suffix(".new").rename(self.state_file)

    def find(self, name):
        for host in self.state():
            if host["host"] == name:
                return host
        raise HostsError(f"there is no host '{name}' (scripts/hosts status)")

    def folder(self, host):
        return self.dir / "hosts" / host["host"]

    def cgroup(self, host):
        return cgroups_root() / f"lab-{host['host']}"

    def namespaces(self):
        return {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line}

    def up(self, api, delivery):
        self.check()
        with self.locked():
            if self.state():
                raise HostsError("hosts are up already (scripts/hosts status; scripts/hosts down)")
            names = [f"api-{i}" for i in range(1, api + 1)] + [f"delivery-{i}" for i in range(1, delivery + 1)]
            if not names:
                raise HostsError("no host was asked for")
            taken = self.namespaces() & {LAB, *(f"{LAB}-{name}" for name in names)}
            if taken:
                raise HostsError(f"a network namespace '{sorted(taken)[0]}' exists that is not of scripts/hosts")
            self.make_base()
            began = time.monotonic()
            hosts = [{"host": name, "address": f"{NETWORK}.{FIRST_HOST + i}", "link": f"v{i}", "pid": None, "started": None}
                     for i, name in enumerate(names)]
            self.save(hosts)
            try:
                self._start_all(hosts)
            except BaseException:
                self._stop_all(hosts)
                raise
            self.say(f"{len(hosts)} hosts are up after {time.monotonic() - began:.1f} s")
            return self.inventory

    def _start_all(self, hosts):
        self.origin.mkdir(exist_ok=True)
        run("ip", "netns", "add", LAB)
        run("ip", "-n", LAB, "-batch", "-", text="\n".join([
            "link set lo up", "link add br0 type bridge", f"addr add {NETWORK}.1/24 dev br0", "link set br0 up", ""]))
        known = "127.0.0.1 localhost\n" + "".join(f"{h['address']} {h['host']}\n" for h in hosts)
        for host in hosts:
            self._lay_out(host, known)
            self._start(host)
            self.save(hosts)
        self._write_inventory(hosts)
        self._wait_ssh(hosts)

    def _lay_out(self, host, known):
        name, link, folder, space = host["host"], host["link"], self.folder(host), f"{LAB}-{host['host']}"
        run("ip", "netns", "add", space)
        run("ip", "-n", LAB, "-batch", "-", text="\n".join([
            f"link add {link} type veth peer name host0 netns {space}", f"link set {link} master br0 up", ""]))
        run("ip", "-n", space, "-batch", "-", text="\n".join([
            "link set lo up", f"addr add {host['address']}/24 dev host0", "link set host0 up",
            f"route add default via {NETWORK}.1", ""]))
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("up", "work", "root", "lib", "cache"):
            (folder / part).mkdir(parents=True)
        run("mount", "-t", "overlay", f"lab-{name}", "-o",
            f"lowerdir={self.base},upperdir={folder}/up,workdir={folder}/work", folder / "root")
        (folder / "root/etc/hosts").write_text(known)

    def _start(self, host):
        folder, cgroup = self.folder(host), self.cgroup(host)
        cgroup.mkdir(exist_ok=True)
        # Replica and cache on the machine's file system: an overlay has not all that they use. Without --register=no and
        # --keep-unit nspawn wants a system bus; nft, tc and sysctls inside need CAP_NET_ADMIN.
        command = [
            "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--capability=CAP_NET_ADMIN",
            f"--machine={host['host']}", f"--hostname={host['host']}", "-D", str(folder / "root"),
            f"--network-namespace-path=/run/netns/{LAB}-{host['host']}", "--resolv-conf=off", "--timezone=off",
            "--link-journal=no", "--console=read-only", f"--bind={folder}/lib:/var/lib/warmcast",
            f"--bind={folder}/cache:/var/cache/warmcast", f"--bind-ro={self.origin}:/srv/origin"]
        environment = dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1", SYSTEMD_NSPAWN_API_VFS_WRITABLE="network")
        with open(folder / "console.log", "ab") as log:
            child = subprocess.Popen([sys.executable, "-B", str(SUPERVISOR), str(cgroup), *command], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, env=environment, start_new_session=True, cwd="/")
        host.update(pid=child.pid, started=started_at(child.pid))

    def _wait_ssh(self, hosts):
        def answers(host):
            return wait_until(UP_DEADLINE_S, lambda: self.ssh_answers(host) or not self.lives(host)) and self.ssh_answers(host)
        with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
            for host, good in zip(hosts, pool.map(answers, hosts)):
                if not good:
                    said = (self.folder(host) / "console.log").read_text(errors="replace").strip().splitlines() or ["nothing"]
                    raise HostsError(f"{host['host']} did not come up; its console said last: {said[-1]}")

    @staticmethod
    def lives(host):
        return host["pid"] is not None and host["started"] is not None and started_at(host["pid"]) == host["started"]

    def ssh_words(self):
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                   "ConnectTimeout=5")
        return ["-i", str(self.key), *(word for option in options for word in ("-o", option))]

    def ssh(self, host):
        host = self.find(host) if isinstance(host, str) else host
        return ["ip", "netns", "exec", LAB, "ssh", *self.ssh_words(), f"root@{host['address']}"]

    def ssh_answers(self, host):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run([*self.ssh(host), "true"], capture_output=True, timeout=10, check=False,
                                  stdin=subprocess.DEVNULL).returncode == 0
        return False

    def _write_inventory(self, hosts):
        def group(role):
            return {"hosts": {h["host"]: {"ansible_host": h["address"]} for h in hosts if h["host"].startswith(role)}}
        self.inventory.write_text("# Made by scripts/hosts up.\n" + to_yaml({"all": {
            "vars": {
                "ansible_user": "root", "ansible_ssh_private_key_file": str(self.key), "ansible_pipelining": True,
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                                           "-o ControlMaster=auto -o ControlPersist=60s",
                "warmcast_cluster": LAB, "warmcast_secrets_dir": str(self.dir / "secrets"),
                "warmcast_origins": [{"name": "main", "match": "", "type": "dir", "path": "/srv/origin"}],
                "warmcast_cache_disks": [{"path": "/var/cache/warmcast", "size": "1GiB"}],
            },
            "children": {"warmcast": {"children": {"api": group("api"), "delivery": group("delivery")}}}}}))

    def status(self):
        hosts = self.state()
        with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
            answers = list(pool.map(lambda h: self.lives(h) and self.ssh_answers(h), hosts))
        return [{"host": h["host"], "address": h["address"], "pid": h["pid"] if self.lives(h) else None, "ssh": good}
                for h, good in zip(hosts, answers)]

    def reset(self, name):
        self.check()
        with self.locked():
            hosts = self.state()
            for host in hosts:
                if host["host"] == name:
                    self._kill(host)
                    self._start(host)
                    self.save(hosts)
                    self._wait_ssh([host])
                    return
            raise HostsError(f"there is no host '{name}' (scripts/hosts status)")

    # -- and away with them --

    def _kill(self, host):
        """At once, whatever runs in it: killing nspawn alone would leave the host alive."""
        cgroup = self.cgroup(host)
        if not cgroup.exists():
            return
        (cgroup / "cgroup.kill").write_text("1")
        if not wait_until(DOWN_DEADLINE_S, lambda: "populated 0" in (cgroup / "cgroup.events").read_text()):
            raise HostsError(f"processes of {host['host']} do not end")
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)

    def _stop_all(self, hosts):
        for host in hosts:
            if self.lives(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(host["pid"], signal.SIGTERM)
        wait_until(DOWN_DEADLINE_S, lambda: not any(self.lives(host) for host in hosts))
        for host in hosts:
            self._kill(host)
        mounted = {line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()}
        for host in hosts:
            root = self.folder(host) / "root"
            if str(root) in mounted:
                run("umount", root)
        spaces = self.namespaces()
        for space in [f"{LAB}-{host['host']}" for host in hosts] + [LAB]:
            if space in spaces:
                run("ip", "netns", "del", space)
        for host in hosts:
            shutil.rmtree(self.folder(host), ignore_errors=True)
        self.state_file.unlink(missing_ok=True)

    def down(self, clean):
        with self.locked():
            hosts = self.state()
            if hosts:
                self._stop_all(hosts)
            self.say(f"{len(hosts)} hosts stopped" if hosts else "no host was up")
            if clean:
                for root in self.dir.glob("root-*"):
                    shutil.rmtree(root)
