"""Rollouts on hosts of their own while an audience is there (scripts/bench upgrade): from the baseline's package to the present
one and back, and with packages that are broken on purpose."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

import bench_pairs
import upgrade_load
import warmpackages
from bench_pairs import Failed, say
from upgrade_load import Audience, media_failures, tell
from warmcluster import REPOSITORY

HOSTS = REPOSITORY / "scripts" / "hosts"
PLAYBOOKS = REPOSITORY / "deploy" / "ansible"
HOSTS_DIR = pathlib.Path(os.environ.get("WARMCAST_HOSTS_DIR") or "/var/cache/warmcast-hosts")
PREFIX = ["ip", "netns", "exec", "lab"]
APIS, DELIVERIES, BEFORE_S = 2, 4, 30
PLAYBOOK_S = 3000
BROKEN = {"crashes": warmpackages.crashing, "alone": warmpackages.lonely, "errors": warmpackages.refusing}


def command(*words, timeout_s=120, good=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout_s, check=False,
                          stdin=subprocess.DEVNULL)
    if good and done.returncode != 0:
        raise Failed(f"{' '.join(str(word) for word in words[:6])}: {done.stdout[-1500:]}{done.stderr[-800:]}")
    return done


class Lab:
    """The hosts, and the playbooks that operators use."""

    def __init__(self, folder):
        self.folder = folder
        self.names = [f"api-{i + 1}" for i in range(APIS)] + [f"delivery-{i + 1}" for i in range(DELIVERIES)]
        self.apis = [f"http://10.77.0.{11 + i}:8080" for i in range(APIS)]
        self.origin = HOSTS_DIR / "origin"

    def __enter__(self):
        command(HOSTS, "up", "--api", APIS, "--delivery", DELIVERIES, timeout_s=900)
        return self

    def __exit__(self, *_):
        command(HOSTS, "down", timeout_s=180, good=False)
        upgrade_load.remove_contents(self.origin)

    def play(self, playbook, *variables, good=True):
        """(seconds, whether it went well); what Ansible said is in a file beside."""
        began = time.monotonic()
        words = [word for variable in variables for word in ("-e", variable)]
        done = command(*PREFIX, "env", f"ANSIBLE_CONFIG={PLAYBOOKS / 'ansible.cfg'}", "ansible-playbook",
                       "-i", HOSTS_DIR / "inventory.yml", PLAYBOOKS / playbook, *words, timeout_s=PLAYBOOK_S, good=False)
        log = self.folder / f"{playbook}.{time.strftime('%H%M%S')}.log"
        log.write_text(done.stdout + done.stderr)
        if good and done.returncode != 0:
            raise Failed(f"{playbook} failed; {log} says:\n{done.stdout[-3000:]}")
        return time.monotonic() - began, done.returncode == 0

    def on_host(self, host, *words):
        return command(HOSTS, "run", host, *words).stdout

    def versions(self):
        """What each host has installed, or what its node is where that is not ready."""
        listed = json.loads(self.on_host("api-1", "warmcastctl", "--json", "nodes"))["nodes"]
        return {node["name"]: self.on_host(node["name"], "dpkg-query", "-W", "-f", "'${Version}'", "warmcast").strip()
                if node["state"] == "ready" else node["state"] for node in listed}

    def touched_by(self, version):
        """The hosts on which that package was ever installed."""
        return [name for name in self.names
                if f" {version} " in self.on_host(name, "sh", "-c", "'cat /var/log/dpkg.log || true'")]

    def create(self, api, content):
        said = command(*PREFIX, "curl", "-sS", "-m", "10", "-H", "Content-Type: application/json", "-d",
                       json.dumps({"content": content}), f"{api}/v1/sessions").stdout
        return json.loads(said)


def judged(title, unit, value, limit):
    return bench_pairs.absolute(title, unit, value, limit, f"<= {limit}" if limit else "0", value <= limit)


def rows_of(name, found, took, warm_before):
    creations = found["creations"]
    lost = (warm_before - creations["warm_ratio"]) * 100
    return [
        bench_pairs.absolute(f"{name}: how long", "s", took),
        bench_pairs.absolute(f"{name}: sessions created", "/s", creations["created"] / found["seconds"]),
        judged(f"{name}: creations failed", "", creations["failed"], 0),
        judged(f"{name}: media requests failed", "", media_failures(found), 0),
        judged(f"{name}: viewers that gave up", "", creations["gave_up"] + found["players"]["gave_up"], 0),
        bench_pairs.absolute(f"{name}: segments that were late", "", found["players"]["late_segments"]),
        bench_pairs.absolute(f"{name}: requests asked again", "", creations["asked_again"] + found["players"]["asked_again"]),
        judged(f"{name}: hls.js stalls", "", found["stalls"], 0),
        bench_pairs.absolute(f"{name}: hls.js picture stood still", "s, longest", found["still_ms"] / 1000),
        judged(f"{name}: warm ratio lost", "points", max(0, round(lost, 2)), 5),
    ]


class Rollouts:
    def __init__(self, arguments, lab, packages):
        self.arguments, self.lab, self.packages = arguments, lab, packages
        self.rows, self.warm_before = [], None

    def audience(self):
        return Audience(self.arguments, PREFIX, self.arguments.load, self.lab.apis, self.lab.create)

    def quiet(self):
        with contextlib.closing(self.audience()) as audience:
            time.sleep(BEFORE_S)
            found = audience.end()
        tell("before", found)
        self.warm_before = found["creations"]["warm_ratio"]

    def good(self, name, playbook, variable, version):
        with contextlib.closing(self.audience()) as audience:
            took, _ = self.lab.play(playbook, variable)
            found = audience.end()
        tell(name, found)
        self.rows += rows_of(name, found, took, self.warm_before)
        self.rows.append(judged(f"{name}: nodes that do not run {version}", "",
                                sum(v != version for v in self.lab.versions().values()), 0))

    def broken(self, kind, before):
        with contextlib.closing(self.audience()) as audience:
            took, good = self.lab.play("rolling_upgrade.yml", f"warmcast_deb={self.packages[kind][0]}", good=False)
            found = audience.end()
        tell(f"broken ({kind})", found)
        touched = self.lab.touched_by(self.packages[kind][1])
        self.rows += [
            judged(f"broken ({kind}): went through", "", int(good), 0),
            judged(f"broken ({kind}): nodes that had it, of each role", "",
                   max(sum(name.startswith(role) for name in touched) for role in ("api", "delivery")), 1),
            judged(f"broken ({kind}): nodes not back on {before}", "",
                   sum(v != before for v in self.lab.versions().values()), 0),
            bench_pairs.absolute(f"broken ({kind}): until healed", "s", took),
            bench_pairs.absolute(f"broken ({kind}): creations failed", "", found["creations"]["failed"]),
            bench_pairs.absolute(f"broken ({kind}): media requests failed", "", media_failures(found)),
            bench_pairs.absolute(f"broken ({kind}): hls.js stalls", "", found["stalls"]),
        ]


def make_packages(folder):
    """{name: (.deb, version)}: the last release's, built out of the history, the present one, and broken ones of that."""
    release = REPOSITORY / "scripts/lib/baseline.sh"
    version = command(release, "--version").stdout.strip()
    commit = (REPOSITORY / "tests/wire" / version / "commit").read_text().strip()
    folder.mkdir(exist_ok=True)
    tree = folder / f"tree-{version}"
    if not tree.exists():
        tree.mkdir()
        command("sh", "-c", f"git -C {REPOSITORY} archive {commit} | tar x -C {tree}")
    present = "0.999~bench"  # above any release
    made = {"baseline": (warmpackages.build(folder, version, tree=tree), version),
            "present": (warmpackages.build(folder, present), present)}
    for i, (kind, broken) in enumerate(BROKEN.items()):
        made[kind] = (broken(folder, made["present"][0], f"{present}.{i + 1}"), f"{present}.{i + 1}")
    return made


def rows(arguments, folder):
    packages = make_packages(folder / "packages")
    (baseline_deb, baseline), (present_deb, present) = packages["baseline"], packages["present"]
    say(f"packages: {', '.join(packages)}")
    with Lab(folder) as lab:
        upgrade_load.make_contents(lab.origin)
        took, _ = lab.play("site.yml", f"warmcast_deb={baseline_deb}")
        say(f"{len(lab.names)} hosts after {took:.0f} s: {lab.versions()}")
        upgrade_load.fill(PREFIX, arguments.load, lab.apis, folder)
        rollouts = Rollouts(arguments, lab, packages)
        rollouts.quiet()
        if arguments.only != "broken":
            rollouts.good("upgrade", "rolling_upgrade.yml", f"warmcast_deb={present_deb}", present)
            rollouts.good("rollback", "rollback.yml", f"warmcast_version={baseline}", baseline)
        for kind in BROKEN if arguments.only != "rollout" else ():
            rollouts.broken(kind, baseline)
    return rollouts.rows
