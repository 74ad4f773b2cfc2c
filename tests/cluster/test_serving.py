"""Serving from a viewer's side of real processes: memory, gzip, old clients, pipelining, and a node that is full."""

import gzip
import http.client
import re
import socket
import threading
import time
import urllib.parse

import pytest
import warmcluster
from conftest import base_of, create, fetch, make_content

SEGMENT_BYTES = 200_000


def metric(node, name):
    text = node.admin_get("/metrics")[1]
    return float(re.search(rf"^{name} ([0-9.e+]+)$", text, re.MULTILINE)[1])


def long_playlist(cluster, content, segments=1500):
    entries = "".join(f"#EXTINF:4,\nseg-{i}.m4s\n" for i in range(segments))
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{entries}#EXT-X-ENDLIST\n"
    file = cluster.origin_dir / content / "long.m3u8"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return text.encode()


def hit(url, **headers):
    """The answer once it comes out of the cache."""
    def probe():
        answer = fetch(url, **headers)
        return answer if answer.headers["Cache-Status"] == "Warmcast; hit" else None
    return warmcluster.until(f"{url} is a hit", 10, probe)


class Raw:
    """A plain socket, for what no HTTP library would send."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.path, self.host = parts.path, parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text.encode())

    def answer(self):
        status = int(self.file.readline().split()[1])
        headers = http.client.parse_headers(self.file)
        return status, headers, self.file.read(int(headers["Content-Length"]))

    def close(self):
        self.file.close()
        self.socket.close()


def test_playlists_go_out_as_gzip_and_are_the_same(cluster):
    text = long_playlist(cluster, "gz")
    make_content(cluster.origin_dir, "gz")
    url = base_of(create(cluster.node("api-1"), "gz")) + "long.m3u8"
    plain = hit(url)
    assert plain.body == text and plain.headers["Vary"] == "Accept-Encoding"
    def packed():
        answer = fetch(url, Accept_Encoding="gzip")
        return answer if answer.headers["Content-Encoding"] == "gzip" else None
    answer = warmcluster.until("gzip", 10, packed)
    assert gzip.decompress(answer.body) == text and len(answer.body) < len(text) / 3
    assert answer.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
    part = fetch(url, Accept_Encoding="gzip", Range="bytes=7-11")
    assert (part.status, part.body) == (206, text[7:12])


def test_hot_objects_are_served_from_memory_until_they_are_purged(cluster):
    objects = make_content(cluster.origin_dir, "hot", size=1000)
    session = create(cluster.node("api-1"), "hot")
    node = cluster.node(session["node"])
    url = base_of(session) + "v/seg-0.m4s"
    before = metric(node, "warmcast_media_hot_total")
    def served():
        assert fetch(url).body == objects["v/seg-0.m4s"]
        return metric(node, "warmcast_media_hot_total") > before
    warmcluster.until("out of memory", 10, served)
    (cluster.origin_dir / "hot" / "v" / "seg-0.m4s").write_bytes(b"another")
    assert cluster.node("api-2").admin_post("/v1/purge", {"content": "hot"})[0] in (200, 202)
    warmcluster.until("the new bytes", 15, lambda: fetch(url).body == b"another")
    for _ in range(20):
        assert fetch(url).body == b"another"


def test_old_clients_and_pipelines(cluster):
    objects = make_content(cluster.origin_dir, "old")
    url = base_of(create(cluster.node("api-1"), "old")) + "v/seg-1.m4s"
    data = objects["v/seg-1.m4s"]
    hit(url)
    old = Raw(url)
    old.send(f"GET {old.path} HTTP/1.0\r\n\r\n")
    status, headers, body = old.answer()
    assert (status, body) == (200, data) and headers["Connection"] == "close"
    assert old.file.read() == b""
    old.close()
    kept = Raw(url)
    for _ in range(2):
        kept.send(f"GET {kept.path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, headers, body = kept.answer()
        assert (status, body) == (200, data) and headers["Connection"] == "keep-alive"
    kept.close()
    pipe = Raw(url)
    pipe.send("".join(f"GET {pipe.path} HTTP/1.1\r\nHost: {pipe.host}\r\nRange: bytes={i}-{i + 9}\r\n\r\n" for i in range(50)))
    for i in range(50):
        assert pipe.answer()[2] == data[i:i + 10]
    pipe.close()


def test_many_resume_where_they_broke_off(cluster):
    objects = make_content(cluster.origin_dir, "resume", segments=1, size=3_000_000)
    url = base_of(create(cluster.node("api-1"), "resume")) + "v/seg-0.m4s"
    data = objects["v/seg-0.m4s"]
    etag = hit(url).headers["ETag"]
    wrong = []

    def viewer(at):
        answer = fetch(url, Range=f"bytes={at}-", If_Range=etag)
        if answer.status != 206 or answer.body != data[at:]:
            wrong.append((at, answer.status))

    viewers = [threading.Thread(target=viewer, args=(at,), daemon=True) for at in range(0, len(data), len(data) // 20)]
    for v in viewers:
        v.start()
    for v in viewers:
        v.join(30)
    assert not wrong
    whole = fetch(url, Range="bytes=5-", If_Range='"another"')
    assert whole.status == 200 and whole.body == data
    several = fetch(url, Range="bytes=0-1,5-6")  # no player asks for that: the whole
    assert several.status == 200 and several.body == data
    assert fetch(url, Range=f"bytes={len(data)}-").status == 416


def test_a_node_past_its_egress_sends_new_sessions_on(make_cluster):
    cluster = make_cluster(api=1, delivery=2, overrides={"delivery": {"capacity": {"egress_mbps": 4}}})
    objects = make_content(cluster.origin_dir, "busy")
    api = cluster.node("api-1")
    first = create(api, "busy")
    full = cluster.node(first["node"])
    segment = base_of(first) + "v/seg-0.m4s"
    others = [create(api, "busy") for _ in range(3)]  # created before it is over: on that node by lease, or by A2
    there = [s for s in others if s["node"] == first["node"]]
    def over():
        for _ in range(5):
            assert fetch(segment).body == objects["v/seg-0.m4s"]
        return metric(full, "warmcast_http_egress_bytes_per_second") > 4e6 / 8
    warmcluster.until("it sends more than it may", 20, over)
    for session in there:
        answer = fetch(base_of(session) + "v/seg-0.m4s")
        assert answer.status == 307 and not answer.headers["Location"].startswith(f"http://{full.http}"), answer
        assert fetch(answer.headers["Location"]).body == objects["v/seg-0.m4s"]
    assert fetch(segment).body == objects["v/seg-0.m4s"]  # who is served stays
    assert metric(full, "warmcast_media_shed_total") >= len(there) > 0
    warmcluster.until("it calms down", 20, lambda: metric(full, "warmcast_http_egress_bytes_per_second") < 4e6 / 8)


@pytest.mark.measures
def test_connections_past_the_limit_are_reset_and_present_ones_go_on(make_cluster):
    """300 descriptors leave room for 64 connections; more are told so at once, and nobody spins."""
    cluster = make_cluster(api=1, delivery=1, start=False)
    node = cluster.node("delivery-1")
    node.wrapper = ["prlimit", "--nofile=300:300"]
    cluster.up()
    cluster.wait_met()
    objects = make_content(cluster.origin_dir, "many")
    session = create(cluster.node("api-1"), "many")
    url = base_of(session) + "v/seg-0.m4s"
    present = Raw(url)
    ask = f"GET {present.path} HTTP/1.1\r\nHost: {present.host}\r\n\r\n"
    present.send(ask)
    assert present.answer()[2] == objects["v/seg-0.m4s"]
    assert metric(node, "warmcast_http_connections_max") == 64
    sockets, reset = [], 0
    for _ in range(120):
        try:
            sockets.append(socket.create_connection((node.ip, cluster.ports.http), timeout=10))
        except ConnectionResetError:
            reset += 1
    for s in sockets:
        try:
            s.settimeout(0.05)
            reset += s.recv(1) == b""
        except ConnectionResetError:
            reset += 1
        except TimeoutError:
            pass
    assert 120 - 64 <= reset <= 120
    before, started = cpu_s(node.pid()), time.monotonic()
    for _ in range(20):
        present.send(ask)
        assert present.answer()[2] == objects["v/seg-0.m4s"]
    assert cpu_s(node.pid()) - before < 0.5 * (time.monotonic() - started) + 0.5
    for s in sockets:
        s.close()
    warmcluster.until("there is room again", 10, lambda: metric(node, "warmcast_http_connections") < 64)
    warmcluster.until("new ones are served", 10, lambda: fetch(url).status == 200)
    present.close()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
