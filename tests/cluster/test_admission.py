"""Who may create sessions, and how often: API keys, rates of keys and of addresses, on real processes."""

import os
import signal

import pytest
from conftest import wait_event
from test_keys import write_keys
from test_refusals import run_once
from warmcluster import until

SHOP, LIVE, NEXT = "shop-key-0123456789", "live-key-0123456789", "next-key-0123456789"
SHOP_LINE = f"shop:{SHOP} rate=60/m burst=5\n"
LIVE_LINE = f"live:{LIVE} prefixes=live/\n"


def post(node, content="live/1", key=None, headers=None, **more):
    headers = dict(headers or {})
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    status, answer = node.post_json("/v1/sessions", {"content": content, **more}, headers)
    return status, answer


def problem(answer):
    return answer["type"].removeprefix("urn:warmcast:problem:")


def refused(node, reason):
    """What /metrics counts for that reason."""
    sample = f'warmcast_session_requests_refused_total{{reason="{reason}"}} '
    lines = [x for x in node.admin_get("/metrics")[1].splitlines() if x.startswith(sample)]
    assert len(lines) == 1, reason
    return int(lines[0].split()[-1])


def all_text_of(cluster):
    return "".join(node.log_file.read_text() + node.err_file.read_text() for node in cluster.nodes)


@pytest.fixture
def keyed(make_cluster, tmp_path):
    """One api node with a keys file, and that file."""
    path = tmp_path / "keys" / "api.keys"
    write_keys(path, "# customers\n", SHOP_LINE, LIVE_LINE)
    cluster = make_cluster(api=1, delivery=1, overrides={"api-1": {"secrets": {"api_keys_file": path}}})
    return cluster, path


def test_sessions_need_a_key(keyed):
    cluster, _ = keyed
    api = cluster.node("api-1")
    answer = api.request("POST", "/v1/sessions", body=b'{"content": "live/1"}')
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] == 'Bearer realm="warmcast"'
    status, answer = post(api, key=SHOP + "x")
    assert status == 401 and problem(answer) == "key-unknown"
    status, answer = post(api, "vod/1", key=LIVE)
    assert status == 403 and problem(answer) == "key-scope"
    status, session = post(api, key=LIVE)
    assert status == 201, session
    # The session itself is proof enough from here on.
    path = f"/v1/sessions/{session['session']}"
    assert api.request("GET", path).status == 200
    assert api.request("POST", path + "/heartbeat").status == 200
    assert api.request("DELETE", path).status == 204
    assert (refused(api, "no-key"), refused(api, "unknown-key"), refused(api, "prefix")) == (1, 1, 1)
    for secret in (SHOP, LIVE):
        assert secret not in all_text_of(cluster)


def test_a_key_has_its_rate_over_all_connections(keyed):
    api = keyed[0].node("api-1")
    answers = [api.request("POST", "/v1/sessions", body=b'{"content": "live/1"}',
                           headers={"Authorization": f"Bearer {SHOP}"}) for _ in range(12)]
    created = [a for a in answers if a.status == 201]
    limited = [a for a in answers if a.status == 429]
    assert len(created) + len(limited) == 12 and 5 <= len(created) <= 7, [a.status for a in answers]
    assert all(a.headers["Retry-After"] == "1" and b"key-rate" in a.body for a in limited)
    assert refused(api, "key-rate") == len(limited)
    until("the key may create a session again", 5, lambda: post(api, key=SHOP)[0] == 201)
    assert post(api, key=LIVE)[0] == 201


def test_keys_change_on_sighup(keyed):
    cluster, path = keyed
    api = cluster.node("api-1")
    write_keys(path, f"next:{NEXT}\n")
    api.signal(signal.SIGHUP)
    wait_event(api, "api-keys", keys=1)
    assert post(api, key=NEXT)[0] == 201
    assert post(api, key=LIVE)[0] == 401
    # A wrong file changes nothing, and says where it is wrong but not what stood there.
    write_keys(path, f"next:{NEXT}\nshop:{SHOP} rate=lots\n")
    api.signal(signal.SIGHUP)
    event = wait_event(api, "api-keys-kept")
    assert f"{path}:2: the rate is not" in event["error"]
    assert post(api, key=NEXT)[0] == 201
    assert post(api, key=SHOP)[0] == 401
    for secret in (NEXT, SHOP, LIVE):
        assert secret not in all_text_of(cluster)


def test_a_wrong_keys_file_is_one_line_with_status_78(make_cluster, tmp_path):
    path = tmp_path / "keys" / "api.keys"
    cluster = make_cluster(api=1, delivery=1, start=False,
                           overrides={"api-1": {"secrets": {"api_keys_file": path}}})
    for lines, where in (((SHOP_LINE, "live:short\n"), ":2:"), ((SHOP_LINE, "\n", SHOP_LINE), ":3:"),
                         ((f"{SHOP}\n",), ":1:"), (("# nobody\n",), ":0:")):
        write_keys(path, *lines)
        end = run_once(cluster, cluster.node("api-1"))
        assert end.returncode == 78, end
        assert len(end.stderr.strip().splitlines()) == 1 and f"{path}{where}" in end.stderr
        assert "each line is NAME:KEY" in end.stderr and SHOP not in end.stderr
    write_keys(path, SHOP_LINE)
    os.chmod(path, 0o640)
    end = run_once(cluster, cluster.node("api-1"))
    assert end.returncode == 78 and f"{path}: a secret must not be readable" in end.stderr


def test_a_client_address_has_its_rate(make_cluster):
    api = make_cluster(api=1, delivery=1, overrides={"api-1": {
        "workers": 2, "trusted_proxies": ["127.0.0.0/8"],
        "session": {"rate_per_client": "1/m", "burst_per_client": 3}}}).node("api-1")

    def statuses(times, forwarded, **more):
        return [post(api, headers={"X-Forwarded-For": forwarded}, **more)[0] for _ in range(times)]

    assert statuses(5, "203.0.113.1") == [201] * 3 + [429] * 2
    assert statuses(2, "203.0.113.1, 127.0.0.9") == [429] * 2
    assert statuses(2, "6.6.6.6, 203.0.113.1") == [429] * 2
    assert statuses(4, "203.0.113.2") == [201] * 3 + [429]
    assert statuses(4, "203.0.113.2", client_address="203.0.113.3") == [201] * 3 + [429]
    assert [statuses(1, f"2001:db8::{i}")[0] for i in range(1, 5)] == [201] * 3 + [429]
    assert refused(api, "client-rate") == 9
    status, answer = post(api, headers={"X-Forwarded-For": "203.0.113.1"})
    assert status == 429 and problem(answer) == "client-rate"


def test_what_a_stranger_says_of_its_address_is_not_believed(make_cluster):
    api = make_cluster(api=1, delivery=1, overrides={"api-1": {
        "session": {"rate_per_client": "1/m", "burst_per_client": 3}}}).node("api-1")
    got = [post(api, headers={"X-Forwarded-For": f"203.0.113.{i}"}, client_address=f"203.0.113.{i}")[0] for i in range(5)]
    assert got == [201] * 3 + [429] * 2


def test_a_repeated_request_has_the_same_answer(make_cluster):
    cluster = make_cluster(api=2, delivery=1, overrides={f"api-{i}": {"workers": 2} for i in (1, 2)})
    api = cluster.node("api-1")

    def ask(node, key, body):
        return node.request("POST", "/v1/sessions", body=body, headers={"Idempotency-Key": key})

    body, other = b'{"content": "live/1"}', b'{"content": "live/2"}'
    first = ask(api, "a", body)
    assert first.status == 201
    for _ in range(10):  # on either worker
        again = ask(api, "a", body)
        assert again.status == 201 and again.body == first.body and again.headers["Location"] == first.headers["Location"]
    answer = ask(api, "a", other)
    assert answer.status == 422 and b"idempotency-key-reused" in answer.body
    assert ask(api, "b", body).body != first.body
    # Each api node knows what it answered itself.
    assert ask(cluster.node("api-2"), "a", body).body != first.body
    metrics = api.admin_get("/metrics")[1]
    assert "warmcast_session_requests_repeated_total 10\n" in metrics
    assert 'warmcast_sessions_created_total{outcome="cold"} 2\n' in metrics
    assert refused(api, "repeat-other") == 1
