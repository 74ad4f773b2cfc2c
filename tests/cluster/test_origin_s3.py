"""Clusters whose origin store is a bucket: signatures verified by a store of the tests' own, odd names, keys that rotate."""

import os
import subprocess
import urllib.parse

import pytest

from conftest import create, fetch, make_content, play, wait_event
from stores import S3Store
from warmcluster import until

ODD_CONTENT = "lv (1)+=&日本"
ODD_NAMES = ["a b.m4s", "a+b.m4s", "a=b&c.m4s", "(x)!'*.m4s", "日本語.m4s", "a,b:c@d$.m4s", "50%.m4s", "~tilde_-.m4s",
             "q?x.m4s", "h#x.m4s", "s;t.m4s", "[b].m4s", "dir with space/x+y/é.m4s"]


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "bucket"
    folder.mkdir()
    with S3Store(folder) as made:
        yield made


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "s3.keys"
    write_keys(path, "lab:media", "se/cr+et=")
    return path


def write_keys(path, access, secret, token=None):
    """Renamed into place, as one should."""
    text = f"access_key_id: {access}\nsecret_access_key: {secret}\n"
    if token:
        text += f"session_token: {token}\n"
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def up(make_cluster, store, keys_file, **kwargs):
    return make_cluster(api=1, delivery=1, overrides={"*": {"origins": [store.origin(keys_file)]}}, **kwargs)


def folder_of(session):
    return session["uri"].rsplit("/", 1)[0] + "/"


def quoted(name):
    return urllib.parse.quote(name)


def test_a_viewer_plays_from_a_bucket(make_cluster, store, keys_file):
    cluster = up(make_cluster, store, keys_file)
    objects = make_content(store.folder, "lv1", segments=8)
    session = create(cluster.node("api-1"), "lv1")
    play(session, objects)
    assert store.refused == [] and store.verified == len(objects)
    # Playlists are confirmed by HEAD, which is signed too.
    playlist = folder_of(session) + "master.m3u8"
    until("a playlist is confirmed", 10, lambda: fetch(playlist).status == 200 and ("HEAD", "lv1/master.m3u8") in store.requests)
    assert store.refused == []
    assert store.connections <= 2


def test_odd_names_are_signed_right(make_cluster, store, keys_file):
    cluster = up(make_cluster, store, keys_file)
    objects = make_content(store.folder, ODD_CONTENT, segments=1)
    for name in ODD_NAMES:
        objects[name] = name.encode() * 1000
        file = store.folder / ODD_CONTENT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(objects[name])
    session = create(cluster.node("api-1"), ODD_CONTENT)
    for name, data in objects.items():
        answer = fetch(folder_of(session) + quoted(name))
        assert answer.status == 200 and answer.body == data, (name, answer.status, store.refused)
    assert store.refused == []


def test_keys_rotate_while_it_serves(make_cluster, store, keys_file):
    cluster = up(make_cluster, store, keys_file)
    objects = make_content(store.folder, "lv1", segments=6)
    session = create(cluster.node("api-1"), "lv1")
    base = folder_of(session)
    assert fetch(base + "v/seg-0.m4s").body == objects["v/seg-0.m4s"]
    store.keys = {"AKIA2": ("other", None)}
    write_keys(keys_file, "AKIA2", "other")
    assert fetch(base + "v/seg-1.m4s").body == objects["v/seg-1.m4s"]
    store.keys = {"ASIA3": ("temporary", "t0k/en+==")}
    write_keys(keys_file, "ASIA3", "temporary", "t0k/en+==")
    assert fetch(base + "v/seg-2.m4s").body == objects["v/seg-2.m4s"]
    assert store.refused == []


@pytest.mark.parametrize("wrong, code", [("key", "InvalidAccessKeyId"), ("secret", "SignatureDoesNotMatch"),
                                         ("token", "InvalidToken"), ("clock", "RequestTimeTooSkewed")])
def test_wrong_credentials_are_one_clear_line_and_no_storm(make_cluster, store, keys_file, wrong, code):
    cluster = up(make_cluster, store, keys_file)
    objects = make_content(store.folder, "lv1", segments=4)
    session = create(cluster.node("api-1"), "lv1")
    base = folder_of(session)
    assert fetch(base + "v/seg-0.m4s").status == 200
    if wrong == "key":
        write_keys(keys_file, "nobody", "se/cr+et=")
    elif wrong == "secret":
        write_keys(keys_file, "lab:media", "wrong")
    elif wrong == "token":
        write_keys(keys_file, "lab:media", "se/cr+et=", "unknown")
    else:
        store.clock_off_s = 3600
    for _ in range(100):
        assert fetch(base + "v/seg-1.m4s").status == 404
        assert fetch(base + "v/seg-0.m4s").body == objects["v/seg-0.m4s"]
    assert set(store.refused) == {code} and len(store.refused) < 15, store.refused
    event = wait_event(cluster.node("delivery-1"), "origin-failed")
    assert event["origin"] == "vod" and code in event["detail"], event
    # What is mended is used.
    write_keys(keys_file, "lab:media", "se/cr+et=")
    store.clock_off_s = 0
    until("it is served", 8, lambda: fetch(base + "v/seg-1.m4s").status == 200)


def test_who_may_not_list_is_told_that_it_is_missing(make_cluster, store, keys_file):
    store.may_list = False
    cluster = up(make_cluster, store, keys_file)
    objects = make_content(store.folder, "lv1", entry="index.m3u8")  # no master.m3u8: found by asking
    session = create(cluster.node("api-1"), "lv1")
    answer = fetch(session["uri"])
    assert answer.status in (302, 307) and answer.headers["Location"].endswith("index.m3u8"), answer
    play(session, objects)


@pytest.mark.parametrize("text, mode, says", [
    ("access_key_id: a\n", 0o600, "a key is missing"), ("nonsense\n", 0o600, ":1: malformed"),
    ("access_key_id: a\nsecret_access_key: b\n", 0o644, "chmod 600"), (None, 0, "No such file")])
def test_a_bad_file_of_keys_is_known_at_the_start(make_cluster, store, keys_file, text, mode, says):
    cluster = up(make_cluster, store, keys_file, start=False)
    node = cluster.node("delivery-1")
    keys_file.unlink()
    if text is not None:
        keys_file.write_text(text)
        keys_file.chmod(mode)
    for check in ([], ["--check-config"]):
        done = subprocess.run([cluster.binary, "--config", node.config_file, *check], capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 78 and says in done.stderr and str(keys_file) in done.stderr, done
        assert done.stderr.count("\n") == 1
