"""A cluster on hosts of its own, from the package to an upgrade, by the playbooks that operators use (scripts/hosts).

One story, since hosts and playbooks take their time: each test goes on where the one before left the cluster."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
HOSTS = REPOSITORY / "scripts" / "hosts"
PLAYBOOKS = REPOSITORY / "deploy" / "ansible"
BUILD = pathlib.Path(os.environ.get("WARMCAST_PACKAGE_BUILD") or REPOSITORY / "build-package")
HOSTS_DIR = pathlib.Path(os.environ.get("WARMCAST_HOSTS_DIR") or "/var/cache/warmcast-hosts")
NAMES = ["api-1", "api-2", "delivery-1", "delivery-2"]
APIS = ["http://10.77.0.11:8080", "http://10.77.0.12:8080"]
OLD, NEW, BROKEN = "0.2.0~1.test", "0.2.0~2.test", "0.2.0~3.test"


def run(*command, timeout_s=120, good=True):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s, check=False,
                          stdin=subprocess.DEVNULL)
    assert not good or done.returncode == 0, (command, done.stdout[-6000:], done.stderr[-3000:])
    return done


def package(folder, version):
    return pathlib.Path(run(REPOSITORY / "scripts/package", "--build", BUILD, "--output", folder, "--version", version,
                            timeout_s=600).stdout.strip())


def broken_package(folder, good):
    """The same with a daemon that checks its configuration and dies."""
    tree = folder / "broken"
    run("dpkg-deb", "-R", good, tree)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {NEW}", f"Version: {BROKEN}"))
    (tree / "DEBIAN/md5sums").unlink()
    daemon = tree / "usr/sbin/warmcastd"
    daemon.write_text('#!/bin/sh\ncase "$*" in *--check-config*) exit 0 ;; esac\nexit 1\n')
    daemon.chmod(0o755)
    made = folder / f"warmcast_{BROKEN}_amd64.deb"
    run("dpkg-deb", "--root-owner-group", "-b", tree, made)
    shutil.rmtree(tree)
    return made


def outside(*command, **more):
    """From where the hosts are reached over the network."""
    return run("ip", "netns", "exec", "lab", *command, **more)


def play(playbook, variable, *more, good=True):
    return outside("ansible-playbook", "-i", HOSTS_DIR / "inventory.yml", PLAYBOOKS / playbook, "-e", variable, *more,
                   timeout_s=900, good=good)


def on_host(host, *command):
    return run(HOSTS, "run", host, *command).stdout


def nodes():
    listed = json.loads(on_host("api-1", "warmcastctl", "--json", "nodes"))["nodes"]
    return {n["name"]: (n["state"], n["liveness"]) for n in listed}


def versions():
    return {on_host(name, "dpkg-query", "-W", "-f", "'${Version}'", "warmcast") for name in NAMES}


def create(api, content):
    said = outside("curl", "-sS", "-m", "10", "--retry", "1", "--retry-connrefused", "-H", "Content-Type: application/json", "-d",
                   json.dumps({"content": content}), f"{api}/v1/sessions")
    return json.loads(said.stdout)


def fetch(url):
    done = subprocess.run(["ip", "netns", "exec", "lab", "curl", "-sSfL", "-m", "10", url], capture_output=True, timeout=30,
                          check=False)
    assert done.returncode == 0, (url, done.stderr)
    return done.stdout


def uri_of(session, path):
    content = session["content"]
    return session["uri"].partition(f"/{content}/")[0] + f"/{content}/{path}"


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debs")
    made = {version: package(folder, version) for version in (OLD, NEW)}
    made[BROKEN] = broken_package(folder, made[NEW])
    return made


@pytest.fixture(scope="module")
def hosts(debs):
    run(HOSTS, "up", "--api", "2", "--delivery", "2", timeout_s=900)
    try:
        yield debs
    finally:
        run(HOSTS, "down", timeout_s=180)


@pytest.fixture(scope="module")
def content(hosts):
    folder = HOSTS_DIR / "origin" / "lv1"
    segment = random.Random(1).randbytes(300_000)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nindex.m3u8\n")
    (folder / "index.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg-0.m4s\n#EXT-X-ENDLIST\n")
    (folder / "seg-0.m4s").write_bytes(segment)
    yield segment
    shutil.rmtree(folder)


def test_bare_hosts_become_a_cluster(hosts, content):
    play("site.yml", f"warmcast_deb={hosts[OLD]}")
    assert nodes() == {name: ("ready", "alive") for name in NAMES}
    session = create(APIS[0], "lv1")
    assert fetch(uri_of(session, "seg-0.m4s")) == content
    assert versions() == {OLD}


def test_a_second_run_changes_nothing(hosts):
    said = play("site.yml", f"warmcast_deb={hosts[OLD]}").stdout
    assert said.count("changed=0 ") == len(NAMES), said[-3000:]


class Viewers(threading.Thread):
    """Creates a session, fetches a segment through it and ends it, again and again; each failure is a line."""

    def __init__(self, segment):
        super().__init__(daemon=True)
        self.segment, self.failures, self.good, self.ending = segment, [], 0, threading.Event()

    def run(self):
        while not self.ending.wait(0.1):
            for api in APIS:
                try:
                    session = create(api, "lv1")
                    assert fetch(uri_of(session, "seg-0.m4s")) == self.segment
                    outside("curl", "-sSf", "-m", "10", "-X", "DELETE", f"{api}/v1/sessions/{session['session']}")
                    self.good += 1
                except (AssertionError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
                    self.failures.append(f"{time.strftime('%T')} {api}: {error!r}"[:600])

    def end(self):
        self.ending.set()
        self.join(60)
        return self.good, self.failures


def test_an_upgrade_is_noticed_by_nobody(hosts, content):
    viewers = Viewers(content)
    viewers.start()
    try:
        play("rolling_upgrade.yml", f"warmcast_deb={hosts[NEW]}")
    finally:
        good, failures = viewers.end()
    assert good > 20 and not failures, (good, failures)
    assert versions() == {NEW}
    assert nodes() == {name: ("ready", "alive") for name in NAMES}


def test_a_broken_package_stops_the_upgrade_and_is_taken_back(hosts):
    said = play("rolling_upgrade.yml", f"warmcast_deb={hosts[BROKEN]}", good=False)
    assert said.returncode != 0 and "delivery-1 did not get ready" in said.stdout, said.stdout[-3000:]
    assert versions() == {NEW}
    assert nodes() == {name: ("ready", "alive") for name in NAMES}


def test_a_rollback_brings_the_older_package_back(hosts):
    play("rollback.yml", f"warmcast_version={OLD}")
    assert versions() == {OLD}
    assert nodes() == {name: ("ready", "alive") for name in NAMES}


def test_a_power_cut_leaves_a_node_that_comes_back(hosts, content):
    run(HOSTS, "reset", "delivery-1", timeout_s=180)
    ready = "for i in $(seq 300); do curl -sf http://127.0.0.1:9000/readyz && exit 0; sleep 0.1; done; exit 1"
    assert "ready" in on_host("delivery-1", ready)
    assert fetch(uri_of(create(APIS[1], "lv1"), "seg-0.m4s")) == content
