"""Viewers of hot objects beside slow readers, a slow disk and a store that does not answer: does their p99 stay?"""

import contextlib
import os
import pathlib
import random
import statistics
import subprocess
import time

import bench_delivery_warm
import bench_pairs
import bench_viewers
import warmcluster
from bench_delivery_sides import CONTENT, Nginx, Ours, Store, get
from bench_pairs import Failed, say

HOT, HOT_CONNECTIONS = "64k", 100
COLD_BYTES, COLD_COUNT, COLD_VIEWERS = 1 << 20, 128, 8
SLOW_READERS, SLOW_BYTES_S = 100, 50_000 // 8
STALLED_VIEWERS, STALLED_PAUSE_MS = 50, 1000
# A disk on which each read of at most 128 KiB takes 20 ms.
DISK_MIB, DISK_READS_S = 1024, 50
BOUND = 1.5
NICE = 10
CALM_S, CALM_SHARE = 0.3, 0.05
BLKIO = pathlib.Path("/sys/fs/cgroup/blkio")
DISTURBED = {"slow": f"{SLOW_READERS} readers of 50 kbit/s", "disk": "cold reads of a slow disk",
             "stalled": "a store that does not answer"}


class SlowDisk:
    """A file system on a loop device; what is in its control group reads no more than DISK_READS_S times a second from it."""

    def __init__(self, folder):
        self.folder = folder / "disk"
        self.image = folder / "disk.img"
        self.group = BLKIO / f"warmcast-bench-{os.getpid()}"
        self.ending = contextlib.ExitStack()
        self.device = None

    def start(self):
        def command(*words):
            return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True, timeout=60).stdout

        self.folder.mkdir(parents=True)
        with open(self.image, "wb") as file:
            file.truncate(DISK_MIB << 20)
        command("mkfs.ext4", "-q", "-F", "-O", "^has_journal", self.image)
        self.device = command("losetup", "--find", "--show", self.image).strip()
        self.ending.callback(command, "losetup", "--detach", self.device)
        command("mount", "-o", "noatime", self.device, self.folder)
        self.ending.callback(command, "umount", self.folder)
        self.group.mkdir()
        self.ending.callback(self.group.rmdir)
        self.ending.callback(self._release)

    def _release(self):
        for pid in (self.group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (BLKIO / "cgroup.procs").write_text(pid)

    def take(self, pids):
        for pid in pids:
            (self.group / "cgroup.procs").write_text(str(pid))

    def slow(self, reads_s):
        """Reads a second; 0: no bound."""
        number = os.stat(self.device).st_rdev
        (self.group / "blkio.throttle.read_iops_device").write_text(f"{os.major(number)}:{os.minor(number)} {reads_s}")

    def forget(self):
        """What was read of cold objects is in no memory any more."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.stat().st_size == COLD_BYTES:
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)

    def stop(self):
        self.ending.close()


def cold_names():
    return [f"cold-{i}.m4s" for i in range(COLD_COUNT)]


def calm(side):
    """Returns once the server does little: sockets have taken what they take of what is not read yet."""
    def is_calm():
        before = bench_pairs.run_ns(side.pids)
        time.sleep(CALM_S)
        return bench_pairs.run_ns(side.pids) - before < CALM_SHARE * CALM_S * 1e9

    warmcluster.until(f"{side.name} is calm", 60, is_calm)


@contextlib.contextmanager
def disturbing(side, arguments, all_there, *options):
    """Viewers who disturb, for as long as the context lasts; when all of them are there, or at once."""
    command = ["nice", "-n", str(NICE), "taskset", "-c", str(side.cores[-1]), str(arguments.viewers), "hold",
               *map(str, options)]
    viewers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    before = side.others
    side.others = [*before, viewers.pid]
    try:
        if all_there:
            bench_viewers.wait_held(viewers)
            calm(side)
        yield
    finally:
        side.others = before
        bench_viewers.end(viewers)


def disturbance(kind, side, arguments, disk):
    uri = f"http://{side.address}{side.path}"
    if kind == "slow":
        return disturbing(side, arguments, True, "--viewers", SLOW_READERS, "--rate-bytes-s", SLOW_BYTES_S, "--receive-bytes",
                          4096, uri + bench_delivery_warm.names("8m")[0])
    if kind == "disk":
        disk.forget()
        disk.slow(DISK_READS_S)
        return disturbing(side, arguments, False, "--viewers", COLD_VIEWERS, "--count", COLD_COUNT, uri + "cold-{}.m4s")
    if kind == "stalled":
        return disturbing(side, arguments, False, "--viewers", STALLED_VIEWERS, "--pause-ms", STALLED_PAUSE_MS, "--count",
                          1_000_000, f"http://{side.address}{side.stalled}1024-{{}}.m4s")
    return contextlib.nullcontext()


def run_of(side, arguments, disk):
    """p99 of hot objects alone, and beside each disturbance."""
    found = {"foreign": 0.0}
    for kind in ("alone", *side.disturbed):
        with disturbance(kind, side, arguments, disk):
            run = bench_delivery_warm.run_of(side, HOT, HOT_CONNECTIONS, arguments.seconds)
        # The next one begins when the server is free of this one.
        if kind == "disk":
            disk.slow(0)
        get(side.address, side.path + bench_delivery_warm.names(HOT)[0])
        if run["errors"] > 0:
            raise Failed(f"{side.name}: {run['errors']} hot requests failed ({kind})")
        found[kind] = run["p99_us"]
        found["foreign"] = max(found["foreign"], run["foreign"])
    for kind in side.disturbed:
        found[f"{kind}_ratio"] = found[kind] / found["alone"]
    return found


def text_of(one):
    return ", ".join(f"{name} p99 {run['alone'] / 1e3:.2f} ms alone, " + ", ".join(
        f"{kind} {run[kind] / 1e3:.2f}" for kind in DISTURBED if kind in run) for name, run in one.items())


def rows_of(rounds, kinds):
    rows = []
    for kind in kinds:
        mine, theirs = ([one[side][f"{kind}_ratio"] for one in rounds] for side in ("warmcastd", "nginx"))
        value, (low, high) = statistics.median(mine), bench_pairs.interval(mine)
        rows.append({"name": f"p99 beside {DISTURBED[kind]}, to alone", "unit": "x", "ours": value, "peer": "nginx",
                     "peers": statistics.median(theirs), "ratio": statistics.median(theirs) / value, "low": low, "high": high,
                     "bound": BOUND, "goal": f"<= {BOUND}", "holds": low <= BOUND})
    return rows


def disk_of(folder):
    """The slow disk, or None where there is no right to make one."""
    disk = SlowDisk(folder)
    try:
        disk.start()
    except (OSError, subprocess.SubprocessError) as error:
        disk.stop()
        say(f"no slow disk can be made here ({error}): that row is left out")
        return None
    return disk


def start_sides(arguments, folder, cores, store, place):
    """Both servers with all objects; their files lie in `place`."""
    origins = [{"name": "stalled", "match": "stalled", "type": "http", "url_template": f"http://{store.address}/{{object}}"},
               {"name": "main", "match": "", "type": "dir", "path": str(folder / "cluster" / "origin")}]
    ours = Ours(arguments, folder / "cluster", cores, overrides={"*": {"origins": origins}})
    for node in ours.nodes:
        node.cache_dir = place / node.name
    origin = ours.cluster.origin_dir
    bench_delivery_warm.write_objects(origin, [HOT, "8m"])
    for name in cold_names():
        (origin / CONTENT / name).write_bytes(random.Random(name).randbytes(COLD_BYTES))
    subprocess.run(["cp", "-r", str(origin / CONTENT), str(place / CONTENT)], check=True)
    return [ours, Nginx(folder / "nginx", cores, root=place, store=store.address)]


def measure(arguments, folder, cores, ending):
    """(rows, rounds, void ones)."""
    folder.mkdir(parents=True)
    store = Store(cores, 0, 1000)
    ending.callback(store.stop)
    store.start()
    disk = disk_of(folder)
    if disk is not None:
        ending.callback(disk.stop)
    kinds = [kind for kind in DISTURBED if kind != "disk" or disk is not None]
    sides = start_sides(arguments, folder, cores, store, disk.folder if disk is not None else folder)
    for side in sides:
        ending.callback(side.stop)
        side.start()
        if disk is not None:
            disk.take(side.pids)
        side.path, side.disturbed = side.prefix(), kinds
        side.warm(side.path, [*bench_delivery_warm.names(HOT), *bench_delivery_warm.names("8m"), *cold_names()])
        side.heads = 0
        side.stalled = f"{side.token('stalled')}/stalled/" if side is sides[0] else "/stalled/"
    everybody = [pid for side in sides for pid in (*side.pids, *side.others)] + store.pids
    for side in sides:
        side.others = sorted(set(everybody) - set(side.pids))
    os.sync()
    rounds, void = bench_pairs.measure(sides, max(1, arguments.rounds // 2), lambda side: run_of(side, arguments, disk), text_of,
                                       arguments.any_load)
    return rows_of(rounds, kinds), len(rounds), void
