"""A whole journey under valgrind: no leak, no invalid access, in any process."""

import shutil

import pytest
from conftest import base_of, create, fetch, make_content, play, wait_holder
from warmcluster import Cluster

pytestmark = pytest.mark.measures

VALGRIND = ("valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=99", "--num-callers=30",
            "--child-silent-after-fork=yes")


def test_journey_leaks_nothing(tmp_path):
    assert shutil.which("valgrind"), "valgrind is missing: scripts/setup installs it"
    cluster = Cluster(tmp_path, api=1, delivery=2, ports="free", wrapper=VALGRIND)
    with cluster:
        cluster.wait_met(deadline_s=60)
        api = cluster.node("api-1")
        objects = make_content(cluster.origin_dir, "lv1")
        session = create(api, "lv1")
        play(session, objects)
        wait_holder([api], "lv1", session["node"], objects=len(objects), deadline_s=60)
        assert create(api, "lv1")["outcome"] == "warm"
        for path in ("v/nothing.m4s", "../x"):
            fetch(base_of(session) + path)
        fetch(session["uri"].replace("/p/", "/p/x"))
        api.post_json("/v1/sessions", {"content": 1})
        api.request("POST", f"/v1/sessions/{session['session']}/heartbeat")
        api.request("DELETE", f"/v1/sessions/{session['session']}")
        for node in cluster.nodes:
            for path in ("/metrics", "/v1/status", "/v1/nodes", "/v1/contents/lv1"):
                assert node.admin_get(path, timeout_s=30)[0] == 200
        for node in cluster.nodes:
            assert node.term(deadline_s=90), f"{node.name} did not leave"
    for node in cluster.nodes:
        assert node.exit_status() == 0, node.err_file.read_text()[-4000:]
        assert "definitely lost" not in node.err_file.read_text()
