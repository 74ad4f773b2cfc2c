"""Bad input: one clear answer, and nothing lost."""

import json
import os
import socket
import subprocess

import pytest
from conftest import base_of, create, fetch, make_content, play, wait_event
from warmcluster import until


def raw(node, data, deadline_s=5):
    """Sends bytes as they are; returns what comes until the other side closes."""
    host, port = node.http.split(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=deadline_s) as s:
        s.sendall(data)
        while True:
            try:
                part = s.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            got += part
    return got


HOST = b"Host: x\r\n"
MALFORMED = {
    "both lengths": (b"POST /v1/sessions HTTP/1.1\r\n" + HOST +
                     b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST /v1/sessions HTTP/1.1\r\n" + HOST +
                    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
    "body on GET": (b"GET /v1/sessions/x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 400),
    "folded header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: one\r\n two\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n", 400),
    "long request line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "large headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 17000 + b"\r\n\r\n", 431),
    "large body": (b"POST /v1/sessions HTTP/1.1\r\n" + HOST + b"Content-Length: 70000\r\n\r\n" + b"a" * 70000, 413),
    "other version": (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_answered_once_and_closed(cluster, name):
    data, status = MALFORMED[name]
    for node in (cluster.node("api-1"), cluster.node("delivery-1")):
        answer = raw(node, data)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
        assert answer.count(b"\r\nDate: ") == 1 and b"Connection: close" in answer
        assert b"no-store" in answer and b"application/problem+json" in answer


BODIES = {
    "no JSON": (b"{", 400),
    "no object": (b"[]", 400),
    "no content": (b"{}", 400),
    "a number": (b'{"content": 5}', 400),
    "empty": (b'{"content": ""}', 400),
    "traversal": (b'{"content": "../secret"}', 400),
    "twice": (b'{"content": "a", "content": "b"}', 400),
    "too long": (json.dumps({"content": "a" * 256}).encode(), 400),
    "past": (b'{"content": "a", "not_after": "2020-01-01T00:00:00Z"}', 400),
    "bad prefix": (b'{"content": "a", "prefixes": ["/"]}', 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_bad_session_request_is_one_problem(cluster, name):
    body, status = BODIES[name]
    answer = cluster.node("api-1").request("POST", "/v1/sessions", body, {"Content-Type": "application/json"})
    problem = json.loads(answer.body)
    assert answer.status == status and problem["status"] == status and problem["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_other_media_type_and_method(cluster):
    api = cluster.node("api-1")
    assert api.request("POST", "/v1/sessions", b"a=b", {"Content-Type": "text/plain"}).status == 415
    assert api.request("GET", "/v1/sessions").status == 405
    assert api.request("GET", "/v1/sessions/forged").status == 404
    assert api.request("GET", "/v1/nothing").status == 404


def test_tokens_that_are_forged_truncated_or_out_of_scope(cluster):
    make_content(cluster.origin_dir, "mine")
    make_content(cluster.origin_dir, "other")
    session = create(cluster.node("api-1"), "mine")
    head, _, rest = session["uri"].partition("/p/")
    token = rest.split("/")[0]
    middle = len(token) // 2
    flipped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1:]
    for bad in (flipped, token[:-1], token[:20], "x", session["session"], token + "AAAA"):
        answer = fetch(f"{head}/p/{bad}/mine/master.m3u8")
        assert answer.status == 403, bad
        assert answer.headers["Cache-Control"] == "no-store"
    assert fetch(f"{head}/p/{token}/other/master.m3u8").status == 403
    assert fetch(f"{head}/p/{token}/mine2/master.m3u8").status == 403
    assert fetch(f"{head}/p/{token}/mine/master.m3u8").status == 200


def test_expired_token(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    objects = make_content(cluster.origin_dir, "lv1")
    from datetime import datetime, timedelta, timezone
    soon = (datetime.now(timezone.utc) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    session = create(cluster.node("api-1"), "lv1", not_after=soon)
    assert session["not_after"] == soon
    play(session, {"master.m3u8": objects["master.m3u8"]})
    until("the token has expired", 6, lambda: fetch(session["uri"]).status == 403)
    assert cluster.node("api-1").request("GET", f"/v1/sessions/{session['session']}").status == 404


@pytest.mark.parametrize("path", ["..%2f..%2fsecret", "../../secret", "%2e%2e/%2e%2e/secret", "v/..%2f..%2fsecret",
                                  "v%2fseg-0.m4s", "a%00b", "//secret", "%ff%fe", "v/%zz"])
def test_no_path_leaves_the_content(cluster, path):
    make_content(cluster.origin_dir, "jail")
    (cluster.origin_dir / "secret").write_bytes(b"secret")
    session = create(cluster.node("api-1"), "jail")
    node = cluster.node(session["node"])
    target = base_of(session).partition(node.http)[2] + path
    answer = raw(node, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"400", b"403", b"404"), answer[:200]
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_symlink_out_of_the_origin_is_not_followed(cluster, tmp_path):
    make_content(cluster.origin_dir, "linked")
    (tmp_path / "outside").write_bytes(b"outside")
    os.symlink(tmp_path / "outside", cluster.origin_dir / "linked" / "link.m4s")
    assert fetch(base_of(create(cluster.node("api-1"), "linked")) + "link.m4s").status == 404


def test_unknown_content_is_404_and_remembered_for_a_short_time(cluster):
    session = create(cluster.node("api-1"), "nobody")
    answer = fetch(session["uri"])
    assert answer.status == 404 and answer.headers["Cache-Control"] == "no-store"
    objects = make_content(cluster.origin_dir, "nobody")
    assert fetch(session["uri"]).status == 404
    until("the content has appeared", 10, lambda: fetch(session["uri"]).status == 200)
    play(session, objects)


def test_origin_missing_empty_and_back(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    objects = make_content(cluster.origin_dir, "lv1")
    (cluster.origin_dir / "lv1" / "empty.m4s").write_bytes(b"")
    session = create(cluster.node("api-1"), "lv1")
    play(session, objects)
    empty = fetch(base_of(session) + "empty.m4s")
    assert empty.status == 200 and empty.body == b"" and empty.headers["Content-Length"] == "0"
    away = cluster.origin_dir.with_name("away")
    cluster.origin_dir.rename(away)
    play(session, {k: v for k, v in objects.items() if k.endswith(".m4s")})  # hits are untouched (D6)
    gone = fetch(base_of(session) + "v/new.m4s")
    assert gone.status == 404 and gone.headers["Cache-Control"] == "no-store"
    away.rename(cluster.origin_dir)
    (cluster.origin_dir / "lv1" / "v" / "new.m4s").write_bytes(b"new")
    until("the origin store is asked again", 10, lambda: fetch(base_of(session) + "v/new.m4s").body == b"new")


def test_full_cache_disk_serves_through(make_cluster, tmp_path):
    if os.geteuid() != 0:
        pytest.fail("needs root to mount a small file system")
    cluster = make_cluster(start=False, api=1, delivery=1)
    cache = cluster.node("delivery-1").cache_dir
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", cache], check=True)
    try:
        cluster.up()
        cluster.wait_met()
        objects = make_content(cluster.origin_dir, "big", segments=6, size=1_500_000)
        session = create(cluster.node("api-1"), "big")
        for _ in range(2):
            play(session, objects)
        assert cluster.node("delivery-1").admin_get("/v1/status")[1]["state"] == "ready"
    finally:
        cluster.down()
        subprocess.run(["umount", cache], check=True)


# -- starting --

def run_once(cluster, node):
    """Starts a node's process in the foreground; it is expected to end by itself."""
    return subprocess.run([cluster.binary, "--config", node.config_file], capture_output=True, text=True, timeout=20)


def test_wrong_settings_are_one_line_with_status_78(make_cluster):
    cluster = make_cluster(start=False, api=1, delivery=1)
    node = cluster.node("delivery-1")
    good = node.config_file.read_text()
    for text, words in ((good + "workers: 4x\n", ("workers", "4x")), (good + "wrokers: 4\n", ("wrokers",)),
                        (good.replace("data_dir", "datadir"), ("datadir",)), ("a: [", ())):
        node.config_file.write_text(text)
        end = run_once(cluster, node)
        assert end.returncode == 78, end
        lines = end.stderr.strip().splitlines()
        assert len(lines) == 1 and str(node.config_file) in lines[0]
        assert all(word in lines[0] for word in words)
        for word in words[:1]:
            number = next(i for i, line in enumerate(text.splitlines(), 1) if line.startswith(word))
            assert f":{number}:" in lines[0]


def test_port_in_use(make_cluster):
    cluster = make_cluster(start=False, api=1, delivery=1)
    node = cluster.node("delivery-1")
    for address in (node.http, node.rpc, node.admin):
        host, port = address.split(":")
        with socket.socket() as s:
            s.bind((host, int(port)))
            s.listen()
            end = run_once(cluster, node)
        assert end.returncode == 69, end
        line = json.loads([x for x in end.stdout.splitlines() if "listen-failed" in x][0])
        assert line["address"] == address and "in use" in line["msg"]


def test_second_process_on_one_data_dir(make_cluster):
    cluster = make_cluster(api=1, delivery=1)
    node = cluster.node("delivery-1")
    end = run_once(cluster, node)
    assert end.returncode == 69
    assert any("in use by another process" in x for x in end.stdout.splitlines())
    assert node.admin_get("/readyz")[0] == 200


def test_secret_that_others_can_read(make_cluster):
    cluster = make_cluster(start=False, api=1, delivery=1)
    os.chmod(cluster.dir / "conf" / "token.keys", 0o644)
    end = run_once(cluster, cluster.node("api-1"))
    assert end.returncode == 78 and "token.keys" in end.stderr and len(end.stderr.strip().splitlines()) == 1


def test_node_of_another_cluster_is_refused_on_both_sides(make_cluster):
    cluster = make_cluster(api=1, delivery=1, overrides={"delivery-1": {"cluster": "others"}}, start=False)
    cluster.up()
    api, stranger = cluster.node("api-1"), cluster.node("delivery-1")
    for node in (api, stranger):
        line = wait_event(node, "peer-refused")
        assert "cluster" in line["reason"]
    assert [n["name"] for n in api.admin_get("/v1/nodes")[1]["nodes"]] == ["api-1"]
    refusals = [e for e in api.log_events() if e.get("event") == "peer-refused"]
    assert len(refusals) <= 3
