"""A rollout that is planned from what any node knows: who may go together, what stays up, and when there is no plan."""

import json
import subprocess

import pytest
from conftest import base_of, create, fetch, holders, make_content, wait_event, wait_holder
from warmcluster import request, until

NO_SUCH_VERSION = "9.9.9"


def ctl(cluster, *arguments, node="api-2"):
    return subprocess.run([cluster.binary.parent / "warmcastctl", "--admin", cluster.node(node).admin, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def plan(cluster, *arguments, status=0, node="api-2"):
    said = ctl(cluster, "--json", "rollout", "plan", *arguments, node=node)
    assert said.returncode == status, (said.stdout, said.stderr)
    return json.loads(said.stdout), said.stderr


def place(cluster, content, copies):
    """Copies of it; the names of those who hold it, known to every node."""
    make_content(cluster.origin_dir, content)
    said = ctl(cluster, "--json", "warm", content, "--copies", str(copies), "--wait")
    assert said.returncode == 0, said.stderr
    names = {n["node"] for n in json.loads(said.stdout)["nodes"]}
    for name in names:
        wait_holder(cluster.nodes, content, name, objects=6)
    return set(holders(cluster.node("api-1"), content))


def watch(cluster, content):
    """A viewer of it, who stays for the test."""
    session = create(cluster.node("api-1"), content)
    assert session["outcome"] == "warm" and fetch(base_of(session) + "v/seg-0.m4s").status == 200


def check(cluster, batches, held, zones):
    """Rule V5, by what the cluster is and not by what the plan says of itself."""
    assert sorted(n for b in batches for n in b["nodes"]) == sorted(n.name for n in cluster.nodes)
    for batch in batches:
        gone = set(batch["nodes"])
        assert len({zones.get(n, "default") for n in gone}) == 1
        for role in ("api", "delivery"):
            nodes = {n.name for n in cluster.of_role(role)}
            assert len(gone & nodes) <= max(1, len(nodes) // 4) and nodes - gone
            assert batch["up"][role] == len(nodes - gone)
        for names in held.values():
            assert len(names) < 2 or names - gone
        assert batch["last_copies"] == sum(len(names) == 1 and names <= gone for names in held.values())


def states(cluster, node="api-2"):
    return {n["name"]: (n["state"], n["liveness"]) for n in cluster.node(node).admin_get("/v1/nodes")[1]["nodes"]}


def test_a_small_cluster_keeps_one_of_each_role_and_a_holder(make_cluster):
    cluster = make_cluster(api=2, delivery=4, overrides={"delivery": {"capacity": {"sessions": 100}}})
    held = {f"lv{copies}{i}": place(cluster, f"lv{copies}{i}", copies) for copies in (1, 2) for i in range(3)}
    for content in held:
        watch(cluster, content)
    place(cluster, "nobody-watches", 1)
    until("all know of the viewers", 10,
          lambda: all(plan(cluster, node=n.name)[0]["sessions"] == len(held) for n in cluster.nodes))
    said, errors = plan(cluster, "--batch", "25%")
    assert errors == "" and said["refused"] is None and said["places"] == 400
    assert said["watched_known"] and said["untold"] == [] and sum(b["last_copies"] for b in said["batches"]) == 3
    check(cluster, said["batches"], held, {})
    assert len(said["batches"]) == 4 and all(b["places"] == 300 for b in said["batches"])
    # Any node knows as much.
    assert plan(cluster, node="delivery-3")[0] == said
    text = ctl(cluster, "rollout", "plan")
    assert text.returncode == 0 and "delivery-4" in text.stdout and "400 places" in text.stdout
    # The rest carries what is stated, or there is no plan.
    assert plan(cluster, "--peak", "300")[0]["batches"] == said["batches"]
    refused, errors = plan(cluster, "--peak", "301", status=1)
    assert refused["batches"] == [] and refused["refused"] in errors
    assert "300 places" in errors and "301" in errors and errors.count("\n") == 1
    # One that is away is as much as may be.
    cluster.node("delivery-2").kill()
    until("delivery-2 is missed", 30, lambda: states(cluster)["delivery-2"][1] == "down")
    refused, errors = plan(cluster, status=1)
    assert refused["away"] == ["delivery-2"] and "1 of 4 delivery nodes are away" in errors
    # Who is alone in its role stays.
    cluster.node("delivery-2").start()
    until("delivery-2 is back", 30, lambda: states(cluster)["delivery-2"] == ("ready", "alive"))
    cluster.node("api-1").term()
    until("api-1 has left", 30, lambda: states(cluster)["api-1"][0] == "left")
    assert "the only api node" in plan(cluster, status=1)[1]


def test_two_holders_and_two_zones_do_not_go_together(make_cluster):
    zones = {name: "a" if i % 2 else "b" for i, name in
             enumerate(["api-1", "api-2"] + [f"delivery-{i}" for i in range(1, 9)])}
    cluster = make_cluster(api=2, delivery=8, overrides={name: {"zone": zone} for name, zone in zones.items()})
    held = {}
    while len(held) < 3 or not any(len({zones[n] for n in names}) == 1 for names in held.values()):
        content = f"lv2{len(held)}"
        held[content] = place(cluster, content, 2)
        watch(cluster, content)
        assert len(held) < 50, "no two nodes of a zone hold anything together"
    said, _ = plan(cluster)
    check(cluster, said["batches"], held, zones)
    assert any(sum(n.startswith("delivery") for n in b["nodes"]) == 2 for b in said["batches"])


def test_what_is_done_is_in_no_batch(cluster):
    version = cluster.node("api-1").admin_get("/v1/status")[1]["version"]
    done, _ = plan(cluster, "--to", version)
    assert done["batches"] == [] and done["refused"] is None and len(done["done"]) == 5
    said = ctl(cluster, "--json", "rollout", "status", "--to", version)
    status = json.loads(said.stdout)
    assert said.returncode == 0 and status["versions"] == {version: 5} and all(n["done"] for n in status["nodes"])
    # While one is away the others' batches are shown as they will be.
    assert ctl(cluster, "drain", "delivery-1").returncode == 0
    try:
        until("it drains", 10, lambda: states(cluster)["delivery-1"][0] == "draining")
        assert plan(cluster, status=1)[0]["away"] == ["delivery-1"]
        status = json.loads(ctl(cluster, "--json", "rollout", "status", "--to", NO_SUCH_VERSION).stdout)
        assert status["refused"] is None and len(status["batches"]) == 3
        assert sorted({n["batch"] for n in status["nodes"]}) == [1, 2, 3]
        text = ctl(cluster, "rollout", "status", "--to", NO_SUCH_VERSION).stdout
        assert "draining" in text and "0 of 5 nodes done, 3 batches remain" in text, text
        assert [(o["order"], o["node"], o["asked"]) for o in status["orders"]] == [("drain", "delivery-1", "api-2")]
    finally:
        assert ctl(cluster, "undrain", "delivery-1", node="api-1").returncode == 0

    def orders():
        said = ctl(cluster, "--json", "rollout", "status", node="delivery-3")
        return [(o["order"], o["node"], o["asked"]) for o in json.loads(said.stdout)["orders"]]
    until("every node knows the last order", 10, lambda: orders()[0] == ("undrain", "delivery-1", "api-1"))


def test_it_is_known_who_ordered_what(cluster, monkeypatch):
    make_content(cluster.origin_dir, "who", size=1000)
    monkeypatch.setenv("WARMCAST_OPERATOR", "ann@ops 1")
    assert ctl(cluster, "drain", "delivery-2", node="api-1").returncode == 0
    assert wait_event(cluster.node("api-1"), "drain-order", subject="delivery-2")["by"] == "ann@ops_1"
    monkeypatch.setenv("WARMCAST_OPERATOR", "bob@ops-2")
    assert ctl(cluster, "undrain", "delivery-2", node="api-2").returncode == 0
    assert wait_event(cluster.node("api-2"), "undrain-order", subject="delivery-2")["by"] == "bob@ops-2"

    def last(node):
        return next((o for o in node.admin_get("/v1/drains")[1]["drains"] if o["node"] == "delivery-2"), {})
    for node in cluster.nodes:
        told = until(f"{node.name} knows who", 10, lambda node=node: last(node).get("by") == "bob@ops-2" and last(node))
        assert told["drained_by"] == "ann@ops_1" and told["drained_at"] <= told["at"]
    # Said again, it is the same story.
    assert ctl(cluster, "undrain", "delivery-2", node="delivery-1").returncode == 0
    story = ctl(cluster, "rollout", "status", node="delivery-1").stdout.partition("\n\n")[2].splitlines()
    assert story[0].split() == ["NODE", "DRAINED", "BY", "BACK", "BY", "VERSION"], story
    row = next(line.split() for line in story if line.startswith("delivery-2 "))
    assert (row[1], row[2], row[4]) == (told["drained_at"], "ann@ops_1", "bob@ops-2"), story

    assert ctl(cluster, "purge", "who").returncode == 0
    assert wait_event(cluster.node("api-2"), "purge", content="who")["by"] == "bob@ops-2"
    assert ctl(cluster, "warm", "who").returncode == 0
    order = wait_event(cluster.node("api-2"), "warm", content="who")
    assert order["by"] == "bob@ops-2"
    until("a delivery node says by whose order it fetched", 10, lambda: [
        e for node in cluster.of_role("delivery") for e in node.log_events()
        if e.get("event") == "warm-ended" and e["warm"] == order["warm"] and e["by"] == "bob@ops-2"])


def test_what_is_no_name_is_not_taken_for_one(cluster):
    node = cluster.node("delivery-1")
    for said in ("x" * 65, "two words", 'q"', "back\\slash"):
        answer = request("POST", f"http://{node.admin}/v1/purge", b'{"content": "who"}',
                         {"Content-Type": "application/json", "Warmcast-Operator": said})
        assert answer.status == 200
        order = json.loads(answer.body)["id"]
        assert wait_event(node, "purge", purge=order)["by"] == ""


@pytest.mark.parametrize("arguments", [["--batch", "26%"], ["--batch", "0"], ["--batch", "x"], ["--peak", "0"],
                                       ["--peak", "-1"], ["--peak", "1k"], ["--to", ""]])
def test_bad_terms_are_bad_usage(cluster, arguments):
    said = ctl(cluster, "rollout", "plan", *arguments)
    assert said.returncode == 2 and said.stdout == "" and said.stderr.count("\n") == 1 and arguments[1] in said.stderr


def test_a_walk_over_holders_is_asked_for_well(cluster):
    node = cluster.node("delivery-1")
    for query in ("", "?most=0", "?most=1025", "?most=2&from=12", "?most=2&from=" + "x" * 18):
        assert node.admin_get("/v1/holders" + query)[0] == 400
    assert node.admin_get("/v1/holders?most=2&from=" + "f" * 18)[1]["next"] is None
