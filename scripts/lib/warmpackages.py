"""Packages to try upgrades with: good ones of any tree, and bad builds made of a good one. The product has no faults to
switch on: they are in a library that is preloaded (tests/hosts/faulty.c), or in how the daemon is started.

    good = build("/tmp/debs", "0.2.0~2.try")                         # scripts/package of this tree; seconds when built before
    old = build("/tmp/debs", "0.2.0~1.try", tree=BASELINE, work="/var/tmp/baseline-build")
    crashing("/tmp/debs", good, "0.2.0~3.crash")                     # ends three seconds after its start
    refusing("/tmp/debs", good, "0.2.0~4.refuse", percent=5)         # 500 on so many of viewers' requests
    lonely("/tmp/debs", good, "0.2.0~5.lonely")                      # never meets the other nodes

Each returns the .deb's path. The version of a bad one is the package's only: its daemon says that of the good one."""

import pathlib
import re
import shutil
import subprocess
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FAULTY = REPOSITORY / "tests" / "hosts" / "faulty.c"
FOLDER = "usr/lib/warmcast-faulty"
ADDITION = "lib/systemd/system/warmcastd.service.d/faulty.conf"
# The daemon with another key than the cluster's: it starts, gets ready, and meets nobody.
LONELY = """#!/bin/sh
umask 077
echo "c9:$(head -c 32 /dev/urandom | base64 -w 0)" >/tmp/lonely.key
sed 's|^\\( *cluster_key_file:\\).*|\\1 /tmp/lonely.key|' /etc/warmcast/warmcast.yaml >/tmp/lonely.yaml
exec /usr/sbin/warmcastd --config /tmp/lonely.yaml
"""


def run(*command, timeout_s=60):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def build(folder, version, tree=REPOSITORY, work=None, timeout_s=1200):
    """The package of a source tree, which has scripts/package; `work` keeps what is compiled."""
    tree = pathlib.Path(tree)
    command = [tree / "scripts/package", "--build", work or tree / "build-package", "--output", folder, "--version", version]
    return pathlib.Path(run(*command, timeout_s=timeout_s).strip().splitlines()[-1])


def repack(folder, good, version, change):
    """The same package but for its version and what change(TREE) does to its files."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        tree = pathlib.Path(place) / "tree"
        run("dpkg-deb", "-R", good, tree)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
        (tree / "DEBIAN/md5sums").unlink(missing_ok=True)
        change(tree)
        made = pathlib.Path(folder) / re.sub(r"^warmcast_[^_]+_", f"warmcast_{version}_", pathlib.Path(good).name)
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, made)
        return made


def _write(tree, name, text, mode=0o644):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _preloaded(folder, good, version, fault):
    def change(tree):
        library = tree / FOLDER / "faulty.so"
        library.parent.mkdir(parents=True, exist_ok=True)
        run(shutil.which("cc") or "gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", library, FAULTY)
        library.chmod(0o644)
        _write(tree, ADDITION, f"[Service]\nEnvironment=LD_PRELOAD=/{FOLDER}/faulty.so FAULTY={fault}\n")
    return repack(folder, good, version, change)


def crashing(folder, good, version, after_s=3):
    return _preloaded(folder, good, version, f"crash:{after_s}")


def refusing(folder, good, version, percent=5):
    return _preloaded(folder, good, version, f"refuse:{percent}")


def lonely(folder, good, version):
    def change(tree):
        _write(tree, f"{FOLDER}/start", LONELY, 0o755)
        _write(tree, ADDITION, f"[Service]\nExecStart=\nExecStart=/{FOLDER}/start\n")
    return repack(folder, good, version, change)


def dying(folder, good, version):
    """A daemon that likes its configuration and ends at once."""
    def change(tree):
        _write(tree, "usr/sbin/warmcastd", '#!/bin/sh\ncase "$*" in *--check-config*) exit 0 ;; esac\nexit 1\n', 0o755)
    return repack(folder, good, version, change)
