"""Real processes on loopback. Each test module says which cluster it needs; nothing here sleeps: it polls."""

import pathlib
import random
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))
sys.path.insert(0, str(REPOSITORY / "tests" / "cluster"))

import warmcluster  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "players: plays in a headless browser")
    config.addinivalue_line("markers", "mixed: runs the baseline's build beside this one")
    config.addinivalue_line("markers", "measures: looks at time or memory, so nothing runs beside it")


def make_content(origin, content, segments=4, size=200_000, entry="master.m3u8"):
    """A programme of random bytes under playlists that name them; returns {path: bytes}."""
    rng = random.Random(content)
    objects = {entry: b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nv/index.m3u8\n"}
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    for i in range(segments):
        objects[f"v/seg-{i}.m4s"] = rng.randbytes(size + i)
        playlist += f"#EXTINF:4,\nseg-{i}.m4s\n"
    objects["v/index.m3u8"] = (playlist + "#EXT-X-ENDLIST\n").encode()
    for path, data in objects.items():
        file = origin / content / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return objects


def create(node, content, status=201, **more):
    """A session, or the problem when another status is expected."""
    got, answer = node.post_json("/v1/sessions", {"content": content, **more})
    assert got == status, answer
    return answer


def base_of(session):
    """The URI that an object's path is appended to."""
    content = session["content"]
    return session["uri"].partition(f"/{content}/")[0] + f"/{content}/"


def fetch(url, method="GET", **headers):
    """As a viewer; what came with the session's pathways is given as the origin store holds it."""
    answer = warmcluster.request(method, url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return answer._replace(body=warmcluster.without_pathways(answer.body))


def play(session, objects):
    """Fetches every object through the session and compares it with what the origin store holds."""
    for path, data in objects.items():
        answer = fetch(base_of(session) + path)
        assert answer.status == 200, (path, answer.body[:300])
        assert answer.body == data, path


def holders(node, content):
    status, answer = node.admin_get(f"/v1/contents/{content}")
    assert status == 200, answer
    return {h["node"]: h for h in answer["holders"]}


def wait_holder(nodes, content, holder, objects=1, deadline_s=10):
    """Until each of `nodes` knows that `holder` holds at least that many objects of it."""
    for node in nodes:
        warmcluster.until(f"{node.name} knows that {holder} holds {content}", deadline_s,
                          lambda node=node: holders(node, content).get(holder, {}).get("objects", 0) >= objects)


def wait_event(node, event, deadline_s=10, **fields):
    def found():
        return [e for e in node.log_events()
                if e.get("event") == event and all(e.get(k) == v for k, v in fields.items())]
    return warmcluster.until(f"{node.name} logs {event} {fields}", deadline_s, found)[0]


def end(cluster):
    """Ends it, and fails when a node panicked or a sanitizer it was built with had something to say."""
    cluster.down(now=True)
    for node in cluster.nodes:
        text = node.err_file.read_text(errors="replace") if node.err_file.exists() else ""
        assert "PANIC" not in text and "Sanitizer" not in text and "runtime error" not in text, text[-8000:]


@pytest.fixture
def make_cluster(tmp_path):
    """make_cluster(api=.., delivery=.., overrides=..): up and all seeing each other; ended after the test."""
    made = []

    def make(start=True, **kwargs):
        cluster = warmcluster.Cluster(tmp_path / f"cluster-{len(made)}", ports="free", **kwargs)
        made.append(cluster)
        cluster.prepare()
        if start:
            cluster.up()
            cluster.wait_met()
        return cluster

    yield make
    for cluster in made:
        end(cluster)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two api and three delivery nodes, shared by a module's tests."""
    c = warmcluster.Cluster(tmp_path_factory.mktemp("cluster"), api=2, delivery=3, ports="free")
    c.up()
    c.wait_met()
    yield c
    end(c)
