"""The cluster's key: who does not know it stays out, and it changes under a running cluster."""

import base64
import os
import secrets

from conftest import wait_event
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
