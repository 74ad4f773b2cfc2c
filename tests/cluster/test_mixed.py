"""The present build beside that of the baseline release, in every state of an upgrade and of a rollback (V3, V4).

The baseline is built out of the repository's history (scripts/lib/baseline.sh), or is $WARMCAST_BASELINE. Listening sockets
are held by this process, as systemd holds them on an installed node.
"""

import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import urllib.parse
import uuid

import pytest
from conftest import REPOSITORY, base_of, create, fetch, holders, make_content, wait_event, wait_holder, warmcluster
from test_hello import NO_KEY, check_unknown_is_kept
from test_kvs import wait_equal
from warmcluster import Cluster, until

pytestmark = pytest.mark.mixed

FIRST_HALF = ("api-1", "delivery-1", "api-2", "delivery-2")
SECOND_HALF = ("api-3", "delivery-3", "api-4", "delivery-4")
LOST = ("self-set-aside", "view-set-aside", "view-dropped", "open-failed", "duplicate-id")
CRASHED = ("delivery-2", "delivery-4", "api-4")  # an orderly end may wait ten seconds for connections of other nodes
PAUSE_S = 0.02


@pytest.fixture(scope="session")
def old():
    """The baseline's program."""
    given = os.environ.get("WARMCAST_BASELINE")
    if given:
        return pathlib.Path(given).resolve()
    made = subprocess.run([REPOSITORY / "scripts/lib/baseline.sh"], capture_output=True, text=True, timeout=600, check=False)
    if made.returncode != 0:
        pytest.fail(made.stderr.strip(), pytrace=False)
    return pathlib.Path(made.stdout.strip())


@pytest.fixture
def make_old(tmp_path, old):
    """make_old(api=.., delivery=..): every node of it is the baseline's, under held sockets."""
    held, made = [], []

    def make(**kwargs):
        cluster = Cluster(tmp_path / "cluster", ports="free", **kwargs)
        made.append(cluster)
        cluster.prepare()
        for node in cluster.nodes:
            node.binary = old
            held.extend(node.hold_sockets())
        cluster.up()
        cluster.wait_met()
        return cluster

    yield make
    for cluster in made:
        cluster.down(now=True)
    for s in held:
        s.close()
    for node in (n for cluster in made for n in cluster.nodes):
        said = node.err_file.read_text(errors="replace")
        assert "PANIC" not in said and "Sanitizer" not in said and "runtime error" not in said, said[-8000:]


class Audience:
    """Viewers that come all the time, each with a session, a playlist and a segment, at all api nodes in turn.

    Failed means: no complete answer after one retry, that of a POST under the same Idempotency-Key.
    """

    def __init__(self, cluster, content, objects):
        self.apis = [n.http for n in cluster.of_role("api")]
        self.content, self.objects = content, objects
        self.created = self.fetched = self.retried = 0
        self.failures = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(4)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a viewer hangs"

    def ask(self, want, method, url, **kwargs):
        for retry in (False, True):
            try:
                answer = warmcluster.request(method, url, timeout_s=30, **kwargs)
            except (OSError, http.client.HTTPException) as error:
                answer = error
            if getattr(answer, "status", None) == want:
                return answer
            self.retried += not retry
        self.failures.append((method, url, repr(answer)[:300]))
        return None

    def come(self, api):
        body = json.dumps({"content": self.content}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        made = self.ask(201, "POST", f"http://{api}/v1/sessions", body=body, headers=headers)
        if made is None:
            return
        self.created += 1
        session = json.loads(made.body)
        for path in ("v/index.m3u8", "v/seg-1.m4s"):
            got = self.ask(200, "GET", base_of(session) + path)
            if got is not None:
                self.fetched += 1
                if got.body != self.objects[path]:
                    self.failures.append(("other bytes", path))
        self.ask(204, "DELETE", f"http://{api}/v1/sessions/{session['session']}")

    def run(self, i):
        for turn in itertools.count(i):
            if self.ending.wait(PAUSE_S) or len(self.failures) > 20:
                return
            self.come(self.apis[turn % len(self.apis)])

    def wait_served(self):
        before = self.created
        until("viewers come and are served", 30, lambda: self.created > before + 20 or self.failures)
        assert not self.failures, (self.failures[:5], self.created, self.fetched, self.retried)


def ctl(cluster, node, *arguments, status=0):
    """warmcastctl of the present build, asked of that node; its JSON."""
    said = subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node(node).admin, "--json", *arguments],
                          capture_output=True, text=True, timeout=90, check=False)
    assert said.returncode == status, (arguments, said.stdout, said.stderr)
    return json.loads(said.stdout.splitlines()[-1])


def nodes_of(node):
    return {n["name"]: n for n in node.admin_get("/v1/nodes")[1]["nodes"]}


def uri_at(session, node, path):
    rest = base_of(session).partition("://")[2].partition("/")[2]
    return f"http://{node.http}/{rest}{path}"


def fill(cluster, content, api):
    """(session, objects): every delivery node holds all of it, and every node knows."""
    objects = make_content(cluster.origin_dir, content, segments=2, size=20_000)
    session = create(cluster.node(api), content)
    for node in cluster.of_role("delivery"):
        for path, data in objects.items():
            assert fetch(uri_at(session, node, path)).body == data, (node.name, path)
        wait_holder(cluster.nodes, content, node.name, objects=len(objects))
    return session, objects


def units_of(node):
    """How many units its cache holds."""
    said = node.admin_get("/metrics")[1]
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("warmcast_cache_units "))


def is_hit(node, session):
    said = fetch(uri_at(session, node, "v/seg-0.m4s")).headers["Cache-Status"] or ""
    return "hit" in said and "fwd" not in said


def change(node, binary, session, crash=False):
    """Another build on the same data_dir, the same cache and the same sockets; after a crash, or an orderly end."""
    delivers = node.role == "delivery"
    before, units = nodes_of(node)[node.name]["id"], units_of(node) if delivers else 0
    if crash:
        node.kill()
    else:
        node.signal(signal.SIGTERM)
        node.wait_gone()
        assert node.exit_status() == 0, node.describe_end("did not leave in order")
    node.binary = binary
    node.start()
    assert nodes_of(node)[node.name]["id"] == before, "it is somebody else now"
    if delivers:
        assert units_of(node) >= units > 0, "it lost its cache"
        until(f"{node.name} serves out of its cache", 20, lambda: is_hit(node, session))


def check_orders(cluster, old_api, new_api, old_delivery, new_delivery, content):
    """What is ordered at a node of one build is obeyed by those of the other."""
    for api, other, content_of in ((old_api, new_delivery, f"{content}-o"), (new_api, old_delivery, f"{content}-n")):
        session, _ = fill(cluster, content_of, api)
        assert ctl(cluster, api, "drain", other)["recorded_by"]
        for node in cluster.nodes:
            until(f"{node.name} sees {other} draining", 10, lambda n=node: nodes_of(n)[other]["state"] == "draining")
        assert ctl(cluster, api, "undrain", other)["recorded_by"]
        for node in cluster.nodes:
            until(f"{node.name} sees {other} ready", 10, lambda n=node: nodes_of(n)[other]["state"] == "ready")
        # A session that is revoked at one ends at all.
        assert cluster.node(api).request("DELETE", f"/v1/sessions/{session['session']}?revoke=true").status == 204
        for node in cluster.of_role("delivery"):
            until(f"{node.name} knows that it was revoked", 10,
                  lambda n=node: fetch(uri_at(session, n, "v/seg-0.m4s")).status != 200)
        purged = ctl(cluster, api, "purge", content_of, "--wait")
        assert {n["node"] for n in purged["applied"]} == {n.name for n in cluster.of_role("delivery")}, purged
        assert purged["pending"] == []
        until("nobody holds it any more", 10, lambda: not holders(cluster.node(api), content_of))
        warmed = ctl(cluster, api, "warm", content_of, "--copies", str(len(cluster.of_role("delivery"))), "--wait")
        assert {n["node"] for n in warmed["nodes"]} == {n.name for n in cluster.of_role("delivery")}, warmed


def write_probes(cluster):
    """{owner: {slot: number}} of entries that each node wrote of its own."""
    written = {}
    for node in cluster.nodes:
        status, said = node.admin_post("/v1/kvs/probe", {"slots": 3, "bytes": 32})
        assert status == 200, said
        written[node.name] = {w["slot"]: w["number"] for w in said["writes"]}
    return written


def check_probes(cluster, written):
    for node in cluster.nodes:
        for owner, slots in written.items():
            until(f"{node.name} has what {owner} wrote", 10, lambda n=node, o=owner, s=slots: s == {
                w["slot"]: w["number"] for w in n.admin_get(f"/v1/kvs/probe?owner={o}")[1]["slots"]})


def check_whole(cluster, content, written):
    """All see each other, know who holds what, and have equal replicas."""
    cluster.wait_met()
    for node in cluster.of_role("delivery"):
        wait_holder(cluster.nodes, content, node.name)
    check_probes(cluster, written)
    wait_equal(cluster)


def test_an_upgrade_and_a_rollback_under_load(make_old, old):
    cluster = make_old(api=4, delivery=4)
    new = cluster.binary
    session, objects = fill(cluster, "lv1", "api-1")
    written = write_probes(cluster)
    with Audience(cluster, "lv1", objects) as audience:
        for step, (names, binary) in enumerate(((FIRST_HALF, new), (SECOND_HALF, new), (FIRST_HALF, old), (SECOND_HALF, old))):
            for name in names:
                change(cluster.node(name), binary, session, crash=name in CRASHED)
                audience.wait_served()
            check_whole(cluster, "lv1", written)
            if step == 0:
                check_orders(cluster, "api-3", "api-1", "delivery-3", "delivery-1", "vod/up")
            if step == 2:
                check_orders(cluster, "api-1", "api-3", "delivery-1", "delivery-3", "vod/back")
            audience.wait_served()
    print(f"{audience.created} sessions, {audience.fetched} objects, {audience.retried} retries")
    # What a crash may cut off is one request of each viewer.
    assert audience.retried <= 2 * len(CRASHED) * len(audience.threads) + 0.01 * audience.created, audience.retried
    for node in cluster.nodes:
        events = [e.get("event") for e in node.log_events()]
        assert events.count("first-start") == 1 and not set(events) & set(LOST), (node.name, set(events) & set(LOST))
        assert "peer-refused" not in events, node.name


def test_a_node_of_one_build_is_expelled_at_one_of_the_other(make_old):
    cluster = make_old(api=2, delivery=2)
    session, objects = fill(cluster, "lv1", "api-1")
    for name in ("api-2", "delivery-2"):
        change(cluster.node(name), None, session, crash=True)
    cluster.wait_met()
    for by, whom in (("api-2", "delivery-1"), ("api-1", "delivery-2")):
        assert ctl(cluster, by, "expel", whom)["recorded_by"]
        cluster.node(whom).wait_gone()
        assert cluster.node(whom).exit_status() == 77
        wait_event(cluster.node(whom), "expelled", level="error")
        for node in cluster.of_role("api"):
            until(f"{node.name} holds {whom} for expelled", 10, lambda n=node, w=whom: nodes_of(n)[w]["expelled"])


def rows_of_others(node):
    """Where each row stands that the node has of others, and what is in it."""
    return {(r["id"], r["stream"]): r for r in node.admin_get("/v1/kvs/owners")[1]["rows"] if r["owner"] != node.name}


def test_each_build_reads_all_that_the_other_keeps_on_disks(make_cluster, old, tmp_path):
    """Every kind of record, not only those that a short life brings: tests/wire/record.c writes them."""
    cluster = make_cluster(start=False, api=0, delivery=1)
    (node,) = cluster.nodes
    subprocess.run([cluster.binary.parent / "tests/wire/wire_record", tmp_path / "record"], check=True, timeout=60)
    for part, folder in (("replica", node.data_dir), ("cache", node.cache_dir)):
        shutil.copytree(tmp_path / "record" / part, folder, dirs_exist_ok=True)
    rows, ids = [], set()
    for program in (None, old, None, old):
        node.binary = program
        node.start()
        rows.append(rows_of_others(node))
        ids.add(nodes_of(node)[node.name]["id"])
        (opened,) = [e for e in node.log_events() if e.get("event") == "disk-open"][len(rows) - 1:]
        assert opened["units"] == 4 and opened["dropped"] == 0, opened
        node.kill()
    assert len(rows[0]) == 6 and all(r["entries"] + r["tombstones"] > 0 for r in rows[0].values()), rows[0]
    assert all(r == rows[0] for r in rows[1:]), rows
    assert len(ids) == 1 and not {e.get("event") for e in node.log_events()} & {"first-start", *LOST}


@pytest.mark.parametrize("old_one", [0, 1])
def test_what_a_version_to_come_says_passes_through_both_builds(make_cluster, old, old_one):
    cluster = make_cluster(start=False, api=2, delivery=0, overrides=NO_KEY)
    cluster.nodes[old_one].binary = old
    cluster.up()
    cluster.wait_met()
    check_unknown_is_kept(*cluster.nodes, runs=(old, None))
