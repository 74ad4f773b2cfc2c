"""Sessions at a rate, over many contents, by wrk."""

import json
import pathlib
import subprocess

import pytest
from conftest import base_of, create, fetch, make_content, wait_holder

pytestmark = pytest.mark.measures

CONTENTS = 50
SCRIPT = pathlib.Path(__file__).with_name("sessions.lua")


def test_five_thousand_sessions_at_a_thousand_a_second_are_all_warm(cluster):
    names = [f"load-{i}" for i in range(CONTENTS)]
    first = {}
    for name in names:
        make_content(cluster.origin_dir, name, segments=1, size=10_000)
        first[name] = create(cluster.node("api-1"), name)
        assert fetch(base_of(first[name]) + "v/seg-0.m4s").status == 200
    for name, session in first.items():
        wait_holder(cluster.of_role("api"), name, session["node"])
    total = 0
    for api in cluster.of_role("api"):
        # Each connection waits 25 ms after an answer: some thousand a second.
        run = subprocess.run(["wrk", "-t", "1", "-c", "27", "-d", "4s", "-s", SCRIPT, f"http://{api.http}", "--", str(CONTENTS)],
                             capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stdout + run.stderr
        result = json.loads(run.stdout.strip().splitlines()[-1])
        print(result)
        assert result["socket_errors"] == 0 and result["failed"] == 0
        assert result["warm"] == result["created"]
        total += result["created"]
    assert total >= 5000
