"""A cluster on hosts of its own, from the package to upgrades good and bad, by the playbooks that operators use (scripts/hosts).

One story, since hosts and playbooks take their time: each test goes on where the one before left the cluster."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))
import warmpackages  # noqa: E402

HOSTS = REPOSITORY / "scripts" / "hosts"
PLAYBOOKS = REPOSITORY / "deploy" / "ansible"
BUILD = pathlib.Path(os.environ.get("WARMCAST_PACKAGE_BUILD") or REPOSITORY / "build-package")
HOSTS_DIR = pathlib.Path(os.environ.get("WARMCAST_HOSTS_DIR") or "/var/cache/warmcast-hosts")
DELIVERIES = [f"delivery-{i}" for i in range(1, 5)]
NAMES = ["api-1", "api-2", *DELIVERIES]
APIS = ["http://10.77.0.11:8080", "http://10.77.0.12:8080"]
CONTENTS = [f"lv{i}" for i in range(1, 9)]
OLD, NEW = "0.2.0~1.test", "0.2.0~2.test"
BAD = {"crashing": "0.2.0~3.test", "refusing": "0.2.0~4.test", "lonely": "0.2.0~5.test", "dying": "0.2.0~6.test"}


def run(*command, timeout_s=120, good=True):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s, check=False,
                          stdin=subprocess.DEVNULL)
    assert not good or done.returncode == 0, (command, done.stdout[-6000:], done.stderr[-3000:])
    return done


def outside(*command, **more):
    """From where the hosts are reached over the network."""
    return run("ip", "netns", "exec", "lab", *command, **more)


def play(playbook, *more, good=True):
    return outside("env", f"ANSIBLE_CONFIG={PLAYBOOKS / 'ansible.cfg'}", "ansible-playbook", "-i", HOSTS_DIR / "inventory.yml",
                   PLAYBOOKS / playbook, *more, timeout_s=900, good=good)


QUICK = ["-e", "warmcast_judge_for=3s", "-e", "warmcast_watch=1"]  # where it is not the judging that is tested


def deb(path):
    return ["-e", f"warmcast_deb={path}"]


def on_host(host, *command):
    return run(HOSTS, "run", host, *command).stdout


def nodes(by="api-1"):
    listed = json.loads(on_host(by, "warmcastctl", "--json", "nodes"))["nodes"]
    return {n["name"]: (n["state"], n["liveness"], n["version"]) for n in listed if not n["expelled"]}


def all_run(version):
    return {name: ("ready", "alive", version) for name in NAMES}


def installed():
    return {name: on_host(name, "dpkg-query", "-W", "-f", "'${Version}'", "warmcast") for name in NAMES}


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


def told(said, what):
    """What a playbook's task of that name printed for one host."""
    return re.findall(r'"msg": (".*?[^\\]"|\[.*?\])', said.stdout.partition(f"TASK [warmcast : {what}]")[2], re.DOTALL)[:1]


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debs")
    made = {version: warmpackages.build(folder, version, work=BUILD) for version in (OLD, NEW)}
    for name, version in BAD.items():
        made[name] = getattr(warmpackages, name)(folder, made[NEW], version)
    return made


@pytest.fixture(scope="module")
def hosts(debs):
    run(HOSTS, "up", "--api", "2", "--delivery", "4", timeout_s=900)
    try:
        yield debs
    finally:
        run(HOSTS, "down", timeout_s=180)


@pytest.fixture(scope="module")
def content(hosts):
    segment = random.Random(1).randbytes(300_000)
    for name in CONTENTS:
        folder = HOSTS_DIR / "origin" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nindex.m3u8\n")
        (folder / "index.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg-0.m4s\n#EXTINF:4,\nseg-1.m4s\n"
                                           "#EXT-X-ENDLIST\n")
        for i in range(2):
            (folder / f"seg-{i}.m4s").write_bytes(segment)
    yield segment
    for name in CONTENTS:
        shutil.rmtree(HOSTS_DIR / "origin" / name)


class Viewers:
    """viewers.py while the block runs; then what came of it is in `said`."""

    def __enter__(self):
        program = REPOSITORY / "tests/hosts/viewers.py"
        command = ["ip", "netns", "exec", "lab", sys.executable, "-B", program, *APIS, "--", *CONTENTS]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = None
        return self

    def __exit__(self, *_):
        try:
            self.said = json.loads(self.process.communicate("", timeout=120)[0])
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def test_bare_hosts_become_a_cluster(hosts, content):
    play("site.yml", *deb(hosts[OLD]))
    assert nodes() == all_run(OLD)
    assert set(installed().values()) == {OLD}
    assert fetch(uri_of(create(APIS[0], "lv1"), "seg-0.m4s")) == content


def test_a_second_run_changes_nothing(hosts):
    said = play("site.yml", *deb(hosts[OLD])).stdout
    assert said.count("changed=0 ") == len(NAMES), said[-3000:]


def test_systemd_holds_the_viewers_sockets(hosts):
    for name in NAMES:
        assert on_host(name, "systemctl", "is-active", "warmcastd.socket").strip() == "active"
    address = APIS[0].removeprefix("http://")
    assert f"{address} (Stream)" in on_host("api-1", "systemctl", "show", "-P", "Listen", "warmcastd.socket")


def test_a_check_names_the_batches_and_changes_nothing(hosts):
    said = play("rolling_upgrade.yml", "--check", *deb(hosts[NEW]))
    assert "api-1, delivery-" in told(said, "Say who is next")[0], said.stdout[-3000:]
    assert set(installed().values()) == {OLD}


def test_an_upgrade_is_noticed_by_nobody(hosts, content):
    with Viewers() as viewers:
        said = play("rolling_upgrade.yml", *deb(hosts[NEW]))
    assert viewers.said["good"] > 100 and viewers.said["failed"] == 0, viewers.said
    print(told(said, "Say how long it took")[0], viewers.said)
    assert len(json.loads(told(said, "Say how long it took")[0])) == len(DELIVERIES)  # a quarter of them at once
    assert nodes() == all_run(NEW)
    assert set(installed().values()) == {NEW}


@pytest.mark.parametrize("fault, why", [
    ("dying", r"with 0\.1\.0~6\.test: 'Restart' failed"),
    ("crashing", r"It ended and was started again|was started anew while it was judged|'.*' failed"),
    ("refusing", r"(api|delivery)-\d: \d+ of \d+ requests failed \(\d+\.\d+ %\); the bound is 1\.00 %"),
    ("lonely", r"'Wait until another node sees this start of it' failed"),
])
def test_a_bad_build_stops_in_its_first_batch_which_is_taken_back(hosts, content, fault, why):
    with Viewers() as viewers:
        said = play("rolling_upgrade.yml", *deb(hosts[fault]), "-e", "warmcast_ready_timeout=20", good=False)
    assert said.returncode != 0
    stopped = re.search(r'"msg": "(Stopped in the batch of api-1, delivery-\d\. .*)"', said.stdout)
    assert stopped and re.search(why, stopped[1]), said.stdout[-6000:]
    assert f"api-1 is back at {NEW}" in stopped[1], stopped[1]
    assert nodes("api-2") == all_run(NEW)
    assert set(installed().values()) == {NEW}
    print(fault, stopped[1], viewers.said)
    assert viewers.said["good"] > 100
    if fault != "refusing":  # which is what its viewers get until it is judged
        assert viewers.said["failed"] == 0, viewers.said


def test_what_was_broken_off_is_taken_up_again(hosts):
    """As if the controller had died between draining and restarting."""
    on_host("delivery-2", "warmcastctl", "drain", "delivery-2")
    on_host("delivery-2", f"echo {NEW} >/var/cache/warmcast-packages/draining")
    assert nodes("delivery-2")["delivery-2"][0] == "draining"
    said = play("rolling_upgrade.yml", *deb(hosts[NEW]), *QUICK)
    assert "an upgrade of it was broken off" in said.stdout
    assert nodes() == all_run(NEW)


def test_another_configuration_is_rolled_out_too(hosts):
    wish = {"warmcast_config": {"capacity": {"sessions": 4321}}}
    said = play("rolling_upgrade.yml", *deb(hosts[NEW]), *QUICK, "-e", json.dumps(wish))
    assert "its configuration is another one" in said.stdout
    assert json.loads(on_host("delivery-3", "warmcastctl", "--json", "status"))["sessions"]["capacity"] == 4321


def test_a_rollback_brings_the_older_package_back(hosts, content):
    with Viewers() as viewers:
        play("rollback.yml", *QUICK)
    assert viewers.said["good"] > 100 and viewers.said["failed"] == 0, viewers.said
    assert nodes() == all_run(OLD)
    assert set(installed().values()) == {OLD}
    said = play("rollback.yml").stdout
    assert said.count("changed=0 ") == len(NAMES), said[-3000:]


def test_a_node_goes_and_another_one_comes(hosts):
    play("remove_node.yml", "-e", "node=delivery-4")
    assert "delivery-4" not in nodes()
    assert on_host("delivery-4", "ls /etc/warmcast/token.keys")
    on_host("delivery-4", "rm -rf /var/lib/warmcast/* /var/cache/warmcast/*")
    play("add_node.yml", "-e", "node=delivery-4", *deb(hosts[OLD]))
    assert nodes() == all_run(OLD)


def test_a_power_cut_leaves_a_node_that_comes_back(hosts, content):
    run(HOSTS, "reset", "delivery-1", timeout_s=180)
    ready = "for i in $(seq 300); do curl -sf http://127.0.0.1:9000/readyz && exit 0; sleep 0.1; done; exit 1"
    assert "ready" in on_host("delivery-1", ready)
    assert fetch(uri_of(create(APIS[1], "lv1"), "seg-0.m4s")) == content
