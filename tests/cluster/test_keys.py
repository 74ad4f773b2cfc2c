"""Keys of the cluster and of tokens: who does not know the first stays out, and both change under viewers."""

import base64
import itertools
import os
import secrets
import signal
import threading

from conftest import base_of, create, fetch, make_content, wait_event
from test_refusals import run_once
from warmcluster import until


def a_key(key_id):
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}\n"


def write_keys(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(lines))


def names_seen_by(node):
    return {n["name"] for n in node.admin_get("/v1/nodes")[1]["nodes"]}


def key_refusals(node):
    return [e for e in node.log_events() if e.get("event") == "peer-refused" and e.get("reason") == "key"]


def links_of(node):
    page = node.admin_get("/metrics")[1]
    return int(next(line for line in page.splitlines() if line.startswith("warmcast_rpc_links ")).split()[1])


def own_key_of(tmp_path, name):
    return {"secrets": {"cluster_key_file": tmp_path / "keys" / name}}


def assert_stays_out(cluster, stranger, words):
    """The others have met; the stranger and a seed have both said why not, and it learned of nobody."""
    for node in [cluster.node("api-1"), stranger]:
        line = wait_event(node, "peer-refused", reason="key")
        assert words in line["detail"], line
    for node in cluster.nodes:
        assert len(key_refusals(node)) <= 2 * len(cluster.nodes)
    assert names_seen_by(stranger) == {stranger.name}
    for node in cluster.nodes:
        if node is not stranger:
            assert stranger.name not in names_seen_by(node)


def test_a_node_with_another_key_stays_out(make_cluster, tmp_path):
    # The same id: only the secret tells them apart.
    write_keys(tmp_path / "keys" / "stranger", a_key("c1"))
    cluster = make_cluster(api=1, delivery=2, start=False, overrides={"delivery-2": own_key_of(tmp_path, "stranger")})
    cluster.up()
    wait_event(cluster.node("delivery-2"), "peer-refused", reason="key")
    assert_stays_out(cluster, cluster.node("delivery-2"), "does not know this cluster's key")


def test_a_node_without_a_key_stays_out(make_cluster):
    cluster = make_cluster(api=1, delivery=2, start=False,
                           overrides={"delivery-2": {"secrets": {"cluster_key_file": ""}}})
    cluster.up()
    assert_stays_out(cluster, cluster.node("delivery-2"), "cluster")


def test_the_key_rotates_under_a_running_cluster(make_cluster, tmp_path):
    names = ["api-1", "delivery-1", "delivery-2"]
    old, new = a_key("c1"), a_key("c2")
    for name in names:
        write_keys(tmp_path / "keys" / name, old)
    cluster = make_cluster(api=1, delivery=2, overrides={name: own_key_of(tmp_path, name) for name in names})
    for lines in ((old, new), (new, old), (new,)):
        for name in names:
            write_keys(tmp_path / "keys" / name, *lines)
            cluster.node(name).restart(hard=True)
            for node in cluster.nodes:
                until(f"{node.name} is linked with all others", 15, lambda node=node: links_of(node) == len(names) - 1)
            cluster.wait_met()
    for node in cluster.nodes:
        assert not key_refusals(node)


# -- docs/runbooks.md, "New keys": no restart, and nobody notices --


class Crowd:
    """Viewers that create sessions, play by new and old ones and send heartbeats, until it is closed."""

    PACE_S = 0.02
    KEPT = 40

    def __init__(self, cluster, contents, viewers=3):
        self.cluster, self.contents = cluster, contents
        self.failures, self.sessions, self.lock, self.over = [], [], threading.Lock(), threading.Event()
        self.rounds = [0] * viewers
        self.threads = [threading.Thread(target=self.watch, args=(i,), daemon=True) for i in range(viewers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def watch(self, i):
        apis = itertools.cycle(self.cluster.of_role("api"))
        while not self.over.wait(self.PACE_S):
            try:
                self.one_round(next(apis), self.rounds[i] % len(self.contents))
            except Exception as e:  # whatever a viewer meets is a failure
                self.failures.append(repr(e))
            self.rounds[i] += 1

    def one_round(self, api, number):
        content = sorted(self.contents)[number]
        session = create(api, content)
        with self.lock:
            self.sessions.append(session)
            watched = [self.sessions[0], self.sessions[len(self.sessions) // 2], session]
            if len(self.sessions) > self.KEPT:
                del self.sessions[1 + self.KEPT // 2]
        for s in watched:
            objects = self.contents[s["content"]]
            path = f"v/seg-{self.rounds[0] % 4}.m4s"
            answer = fetch(base_of(s) + path)
            if answer.status == 307:  # its place is elsewhere by now
                answer = fetch(answer.headers["Location"])
            if answer.status != 200 or answer.body != objects[path]:
                self.failures.append(f"{path}: {answer.status} {answer.body[:200]!r}")
            beat = api.request("POST", f"/v1/sessions/{s['session']}/heartbeat")
            if beat.status != 200:
                self.failures.append(f"heartbeat: {beat.status} {beat.body[:200]!r}")

    def wait_rounds(self, more=3):
        """Until each viewer has done so many rounds, whole ones."""
        at = list(self.rounds)
        until("all viewers go on", 60, lambda: all(n > was + more for n, was in zip(self.rounds, at)))
        assert not self.failures, self.failures[:5]

    def forget(self):
        """Nobody watches the sessions so far any more: they are returned."""
        with self.lock:
            former, self.sessions = self.sessions, []
        self.wait_rounds(1)
        return former


def reload_keys(node, event, keys, first):
    node.signal(signal.SIGHUP)
    wait_event(node, event, keys=keys, first=first)


def own_keys_of(tmp_path, name):
    return {"secrets": {"cluster_key_file": tmp_path / "keys" / f"{name}.cluster",
                        "token_keys_file": tmp_path / "keys" / f"{name}.token"}}


def rotate(cluster, tmp_path, crowd, kind, old, new):
    """The three steps, each on all nodes before the next; what was signed by the old key only comes back."""
    event = {"cluster": "cluster-keys", "token": "token-keys"}[kind]
    former = []
    for lines in ((old, new), (new, old), (new,)):
        if lines == (new,):
            former = crowd.forget()
        for node in cluster.nodes:
            write_keys(tmp_path / "keys" / f"{node.name}.{kind}", *lines)
            reload_keys(node, event, len(lines), lines[0].split(":")[0])
            crowd.wait_rounds(2)
    return former


def assert_refused_everywhere(cluster, session):
    """As what nobody here has signed, wherever it comes."""
    tail = base_of(session).split("/p/", 1)[1] + "v/seg-0.m4s"
    for node in cluster.of_role("delivery"):
        answer = fetch(f"http://{node.http}/p/{tail}")
        assert answer.status == 403 and b"token-invalid" in answer.body, answer
    for node in cluster.of_role("api"):
        assert node.request("POST", f"/v1/sessions/{session['session']}/heartbeat").status == 404
        assert node.request("GET", f"/v1/sessions/{session['session']}").status == 404


def test_all_keys_rotate_while_viewers_watch(make_cluster, tmp_path):
    names = ["api-1", "api-2", "delivery-1", "delivery-2"]
    old = {"token": a_key("k1"), "cluster": a_key("c1")}
    new = {"token": a_key("k2"), "cluster": a_key("c2")}
    for name, kind in itertools.product(names, old):
        write_keys(tmp_path / "keys" / f"{name}.{kind}", old[kind])
    cluster = make_cluster(api=2, delivery=2, overrides={name: own_keys_of(tmp_path, name) for name in names})
    contents = {c: make_content(cluster.origin_dir, c, size=20_000) for c in ("keys-1", "keys-2")}
    pids = [node.pid() for node in cluster.nodes]
    with Crowd(cluster, contents) as crowd:
        crowd.wait_rounds()
        before = dict(crowd.sessions[0])
        former = rotate(cluster, tmp_path, crowd, "token", old["token"], new["token"])
        assert before in former, "a session of the very beginning was watched up to the last step"
        assert_refused_everywhere(cluster, before)
        rotate(cluster, tmp_path, crowd, "cluster", old["cluster"], new["cluster"])
        assert not crowd.failures, crowd.failures[:5]
        assert [node.pid() for node in cluster.nodes] == pids
        for node in cluster.nodes:
            assert not key_refusals(node)
    # Links that stood were left alone; who comes with the old key only finds that nobody has it any more.
    stranger, other = cluster.node("delivery-2"), cluster.node("api-1")
    write_keys(tmp_path / "keys" / "delivery-2.cluster", old["cluster"])
    stranger.restart(hard=True)
    for node in (stranger, other):
        wait_event(node, "peer-refused", reason="key")
    until("it is down to the others", 20, lambda: "down" in [
        n["liveness"] for n in other.admin_get("/v1/nodes")[1]["nodes"] if n["name"] == stranger.name])
    write_keys(tmp_path / "keys" / "delivery-2.cluster", new["cluster"])
    stranger.signal(signal.SIGHUP)
    until("it is back with the new key", 20, lambda: links_of(stranger) == len(names) - 1)


def test_a_wrong_token_key_file_changes_nothing(make_cluster, tmp_path):
    path = tmp_path / "keys" / "all.token"
    good = a_key("k1")
    write_keys(path, good)
    cluster = make_cluster(api=1, delivery=1, overrides={"*": {"secrets": {"token_keys_file": path}}})
    objects = make_content(cluster.origin_dir, "kept", size=20_000)
    session = create(cluster.node("api-1"), "kept")
    api = cluster.node("api-1")
    for n, lines in enumerate(((good, "k2:AAAA\n"), ("# none\n",), (good, good)), 1):
        write_keys(path, *lines)
        for node in cluster.nodes:
            node.signal(signal.SIGHUP)
            errors = until(f"{node.name} refuses the file", 10, lambda node=node, n=n: [
                found for found in [[e for e in node.log_events() if e.get("event") == "token-keys-kept"]]
                if len(found) == n])[0]
            assert errors[-1]["level"] == "error" and str(path) in errors[-1]["error"]
            assert good.split(":")[1].strip() not in str(errors)
        for s in (session, create(api, "kept")):
            answer = fetch(base_of(s) + "v/seg-0.m4s")
            assert answer.status == 200 and answer.body == objects["v/seg-0.m4s"]


def test_a_wrong_key_file_is_one_line_with_status_78(make_cluster, tmp_path):
    cluster = make_cluster(api=1, delivery=1, start=False, overrides={"api-1": own_key_of(tmp_path, "bad")})
    path = tmp_path / "keys" / "bad"
    good = a_key("c1")
    for lines, where in (((good, "c2:AAAA\n"), ":2:"), ((good, "\n", a_key("c2"), a_key("c3")), ":4:"),
                         ((good, good), ":2:"), (("# none\n",), ":0:")):
        write_keys(path, *lines)
        end = run_once(cluster, cluster.node("api-1"))
        assert end.returncode == 78, end
        assert len(end.stderr.strip().splitlines()) == 1 and f"{path}{where}" in end.stderr
        assert good.split(":")[1].strip() not in end.stderr
    os.chmod(path, 0o644)
    end = run_once(cluster, cluster.node("api-1"))
    assert end.returncode == 78 and str(path) in end.stderr
