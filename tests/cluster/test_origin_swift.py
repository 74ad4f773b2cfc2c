"""A cluster over a real S3 service (Swift's s3api), where it is installed."""

import pytest

import swift_store
from conftest import create, fetch, make_content, play, wait_event
from test_origin_s3 import ODD_CONTENT, ODD_NAMES, folder_of, quoted, write_keys
from warmcluster import until

pytestmark = pytest.mark.skipif(bool(swift_store.missing()), reason=f"not installed: {', '.join(swift_store.missing())}")


@pytest.fixture(scope="module")
def swift(tmp_path_factory):
    with swift_store.Swift(tmp_path_factory.mktemp("swift")) as running:
        yield running


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "s3.keys"
    write_keys(path, swift_store.ACCESS, swift_store.SECRET)
    return path


def up(make_cluster, swift, keys_file):
    return make_cluster(api=1, delivery=1, overrides={"*": {"origins": [swift.origin(keys_file)]}})


def upload(swift, tmp_path, content, **kwargs):
    objects = make_content(tmp_path / "made", content, **kwargs)
    for path, data in objects.items():
        swift.put(f"{content}/{path}", data)
    return objects


def test_a_viewer_plays_from_a_real_service(make_cluster, swift, keys_file, tmp_path):
    cluster = up(make_cluster, swift, keys_file)
    objects = upload(swift, tmp_path, "lv1", segments=6)
    session = create(cluster.node("api-1"), "lv1")
    play(session, objects)
    part = fetch(folder_of(session) + "v/seg-0.m4s", Range="bytes=5-9")
    assert part.status == 206 and part.body == objects["v/seg-0.m4s"][5:10]
    assert fetch(folder_of(session) + "v/none.m4s").status == 404
    master = folder_of(session) + "master.m3u8"

    def confirmed():
        answer = fetch(master)
        assert answer.status == 200 and answer.body == objects["master.m3u8"]
        return answer.headers["Cache-Status"].endswith("fwd=stale")  # by HEAD: nothing was fetched
    until("a playlist is confirmed", 10, confirmed)
    assert not [e for e in cluster.node("delivery-1").log_events() if e.get("module") == "origin"]


def test_odd_names_of_a_real_service(make_cluster, swift, keys_file, tmp_path):
    cluster = up(make_cluster, swift, keys_file)
    objects = upload(swift, tmp_path, ODD_CONTENT, segments=1)
    for name in ODD_NAMES:
        objects[name] = name.encode() * 100
        swift.put(f"{ODD_CONTENT}/{name}", objects[name])
    session = create(cluster.node("api-1"), ODD_CONTENT)
    for name, data in objects.items():
        answer = fetch(folder_of(session) + quoted(name))
        assert answer.status == 200 and answer.body == data, (name, answer.status)


def test_a_real_service_refuses_wrong_keys(make_cluster, swift, keys_file, tmp_path):
    write_keys(keys_file, swift_store.ACCESS, "wrong")
    cluster = up(make_cluster, swift, keys_file)
    objects = upload(swift, tmp_path, "lv2", segments=1)
    session = create(cluster.node("api-1"), "lv2")
    url = folder_of(session) + "v/seg-0.m4s"
    assert fetch(url).status == 404
    assert "SignatureDoesNotMatch" in wait_event(cluster.node("delivery-1"), "origin-failed")["detail"]
    write_keys(keys_file, swift_store.ACCESS, swift_store.SECRET)
    until("the right keys are used", 8, lambda: fetch(url).status == 200)
    play(session, objects)


def test_a_real_service_is_killed_and_back(make_cluster, swift, keys_file, tmp_path):
    cluster = up(make_cluster, swift, keys_file)
    objects = upload(swift, tmp_path, "lv3", segments=4)
    session = create(cluster.node("api-1"), "lv3")
    held = {path: data for path, data in objects.items() if path != "v/seg-3.m4s"}
    play(session, held)
    swift.stop_proxy()
    try:
        assert fetch(folder_of(session) + "v/seg-3.m4s").status == 404
        play(session, held)
    finally:
        swift.start_proxy()
    until("it is asked again", 8, lambda: fetch(folder_of(session) + "v/seg-3.m4s").status == 200)
    play(session, objects)
