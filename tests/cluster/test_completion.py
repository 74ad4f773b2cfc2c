"""Tab in bash: what the program offers is all that it takes, and the names are those of the cluster."""

import re
import subprocess
import time

from conftest import REPOSITORY

COMPLETION = REPOSITORY / "deploy" / "completion" / "warmcastctl"


def offered(cluster, line, cursor=None):
    """What bash would show for the line with the cursor there, by the file that the package installs."""
    script = """
        source "$1"
        complete -p warmcastctl >/dev/null || exit 1
        COMP_LINE=$3 COMP_POINT=$4
        _warmcastctl "$2"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    said = subprocess.run(["bash", "-c", script, "bash", COMPLETION, cluster.binary.parent / "warmcastctl", line,
                           str(len(line) if cursor is None else cursor)],
                          capture_output=True, text=True, timeout=30, check=True)
    return [reply for reply in said.stdout.split("\n") if reply]


def test_names_of_nodes_are_completed(cluster, monkeypatch):
    monkeypatch.setenv("WARMCAST_ADMIN", cluster.node("delivery-2").admin)
    assert offered(cluster, "warmcastctl drain --wait d") == ["delivery-1", "delivery-2", "delivery-3"]
    assert set(offered(cluster, "warmcastctl kvs get ")) == {n.name for n in cluster.nodes}
    assert offered(cluster, "warmcastctl drain api-2 --wait", cursor=len("warmcastctl dr")) == ["drain"]
    # bash has taken the line apart at the colons, and puts the reply behind the last of them.
    host, port = cluster.node("api-2").rpc.rpartition(":")[0], cluster.node("delivery-2").admin.rpartition(":")[2]
    assert offered(cluster, f"warmcastctl kvs diff {host}:") == [port]
    assert f"{host}:{port}" in offered(cluster, "warmcastctl kvs diff 127")


def test_nobody_waits_long_for_a_node_that_is_gone(cluster, monkeypatch):
    monkeypatch.setenv("WARMCAST_ADMIN", "127.0.0.1:1")
    began = time.monotonic()
    assert offered(cluster, "warmcastctl drain ") == []
    assert offered(cluster, "warmcastctl und") == ["undrain"]
    assert time.monotonic() - began < 5


def test_every_option_is_offered(cluster):
    source = (REPOSITORY / "ctl" / "main.c").read_text()
    known = set(re.findall(r'\{ "([a-z]+)", (?:no|required)_argument', source))
    everywhere = set(offered(cluster, "warmcastctl --"))
    commands = [c for c in offered(cluster, "warmcastctl ") if c not in ("kvs", "rollout")]
    commands += [f"{first} {second}" for first in ("kvs", "rollout")
                 for second in offered(cluster, f"warmcastctl {first} ")]
    assert {"drain", "kvs probe", "rollout status"} <= set(commands)
    somewhere = set().union(*(offered(cluster, f"warmcastctl {command} --") for command in commands))
    assert everywhere == {"--admin", "--json", "--help", "--version"}
    assert somewhere == {f"--{name}" for name in known}
