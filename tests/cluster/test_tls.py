"""TLS between nodes: certificates of one CA on both sides, files that are wrong, and renewal while they run."""

import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest
from conftest import wait_event
from test_keys import a_key, key_refusals, links_of, names_seen_by, own_key_of, write_keys
from test_refusals import run_once
from warmcluster import until

NAMES = ["api-1", "delivery-1", "delivery-2"]


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


def make_ca(folder):
    folder.mkdir(parents=True, exist_ok=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", 30,
            "-subj", f"/CN=CA {folder.name}", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    return folder


def make_cert(ca, to, name, days=30, usage="serverAuth,clientAuth"):
    """to/cert.pem and to/key.pem, as a person with an openssl would make them; no host name in it."""
    to.mkdir(parents=True, exist_ok=True)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-subj", f"/CN={name}",
            "-keyout", to / "key.new", "-out", to / "csr")
    (to / "ext").write_text(f"extendedKeyUsage={usage}\n")
    if days > 0:
        openssl("x509", "-req", "-in", to / "csr", "-CA", ca / "ca.pem", "-CAkey", ca / "ca.key", "-extfile", to / "ext",
                "-days", days, "-out", to / "cert.new")
    else:
        (to / "index.txt").write_text("")
        (to / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={to}/index.txt\nrand_serial=yes\nnew_certs_dir={to}\n"
                                   "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        openssl("ca", "-batch", "-config", to / "ca.cnf", "-cert", ca / "ca.pem", "-keyfile", ca / "ca.key", "-startdate",
                "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", to / "ext", "-in", to / "csr",
                "-out", to / "cert.new")
    shutil.copy(ca / "ca.pem", to / "ca.pem")
    os.chmod(to / "key.new", 0o600)
    os.replace(to / "key.new", to / "key.pem")
    os.replace(to / "cert.new", to / "cert.pem")


def tls_of(folder):
    return {"tls": {"ca_file": folder / "ca.pem", "cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}}


def tls_refusals(node):
    return [e for e in node.log_events() if e.get("event") == "peer-refused" and e.get("reason") == "tls"]


@pytest.fixture
def secured(make_cluster, tmp_path):
    """secured(NAME=folder or None ...): three nodes with TLS; `tmp_path / tls / NAME` unless another folder is named."""
    def make(ca, start=True, **others):
        overrides = {}
        for name in NAMES:
            folder = others.get(name.replace("-", "_"), tmp_path / "tls" / name)
            if folder is not None:
                if not folder.exists():
                    make_cert(ca, folder, name)
                overrides[name] = tls_of(folder)
        return make_cluster(api=1, delivery=2, overrides=overrides, start=start)
    return make


def assert_alone(cluster, stranger):
    assert names_seen_by(stranger) == {stranger.name}
    for node in cluster.nodes:
        if node is not stranger:
            assert stranger.name not in names_seen_by(node)
            assert len(tls_refusals(node)) <= 2 * len(NAMES)


def test_nodes_of_one_ca_meet_and_say_nothing_in_the_clear(secured, tmp_path):
    ca = make_ca(tmp_path / "ca")
    cluster = secured(ca)
    for node in cluster.nodes:
        until(f"{node.name} is linked", 15, lambda node=node: links_of(node) == 2)
        assert not tls_refusals(node)
    host, port = cluster.node("api-1").rpc.split(":")
    # Whoever shows no certificate hears nothing.
    context = ssl.create_default_context(cafile=ca / "ca.pem")
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((host, int(port)), timeout=5) as plain, pytest.raises((ssl.SSLError, OSError)):
        with context.wrap_socket(plain) as stranger:
            assert stranger.recv(1) == b""
            raise ssl.SSLError("ended")
    # With one, a hello comes, in TLS 1.2.
    context.load_cert_chain(tmp_path / "tls" / "api-1" / "cert.pem", tmp_path / "tls" / "api-1" / "key.pem")
    with socket.create_connection((host, int(port)), timeout=5) as plain, context.wrap_socket(plain) as friend:
        assert len(friend.recv(4)) > 0 and friend.version() == "TLSv1.2"


def test_a_certificate_of_another_ca_stays_out(secured, tmp_path):
    other = tmp_path / "tls" / "stranger"
    make_cert(make_ca(tmp_path / "other"), other, "delivery-2")
    cluster = secured(make_ca(tmp_path / "ca"), start=False, delivery_2=other)
    cluster.up()
    stranger = cluster.node("delivery-2")
    for node in (cluster.node("api-1"), stranger):
        wait_event(node, "peer-refused", reason="tls")
    assert any("not of a CA in tls.ca_file" in e["detail"] for n in (cluster.node("api-1"), stranger) for e in tls_refusals(n))
    assert_alone(cluster, stranger)


def test_one_without_tls_stays_out(secured, tmp_path):
    cluster = secured(make_ca(tmp_path / "ca"), start=False, delivery_2=None)
    cluster.up()
    plain = cluster.node("delivery-2")
    line = wait_event(plain, "peer-refused", reason="tls")
    assert "this node has no tls:" in line["detail"]
    wait_event(cluster.node("api-1"), "peer-refused", reason="tls")
    assert_alone(cluster, plain)


def hang_up(node, event, **fields):
    before = len([e for e in node.log_events() if e.get("event") == event])
    node.signal(signal.SIGHUP)
    return until(f"{node.name} says {event}", 10, lambda: [e for e in node.log_events() if e.get("event") == event][before:])


def test_certificates_are_renewed_by_sighup(secured, tmp_path):
    """To another CA, while both are believed, without a restart; a wrong file changes nothing."""
    old, new = make_ca(tmp_path / "old"), make_ca(tmp_path / "new")
    cluster = secured(old)
    folders = {node.name: tmp_path / "tls" / node.name for node in cluster.nodes}
    both = (old / "ca.pem").read_text() + (new / "ca.pem").read_text()
    for node in cluster.nodes:
        (folders[node.name] / "ca.pem").write_text(both)
        hang_up(node, "certificate")
    for node in cluster.nodes:
        make_cert(new, folders[node.name], node.name)
        (folders[node.name] / "ca.pem").write_text(both)
        hang_up(node, "certificate")
    for node in cluster.nodes:
        (folders[node.name] / "ca.pem").write_text((new / "ca.pem").read_text())
        hang_up(node, "certificate")
    node = cluster.node("delivery-1")
    (folders[node.name] / "cert.pem").write_text("nonsense")
    line = hang_up(node, "certificate-kept")[-1]
    assert str(folders[node.name] / "cert.pem") in line["error"]
    # A new process has the new certificate only, and is let in by all; those that stayed have it too.
    fresh = cluster.node("delivery-2")
    fresh.restart(hard=True)
    for node in cluster.nodes:
        until(f"{node.name} is linked", 15, lambda node=node: links_of(node) == 2)
        assert not tls_refusals(node)


def test_wrong_files_are_one_line_with_status_78(make_cluster, tmp_path):
    ca, folder = make_ca(tmp_path / "ca"), tmp_path / "tls" / "api-1"
    make_cert(ca, folder, "api-1")
    cluster = make_cluster(api=1, delivery=1, start=False, overrides={"api-1": tls_of(folder)})
    good = {part: (folder / part).read_text() for part in ("ca.pem", "cert.pem", "key.pem")}

    def refused(part, words, content):
        if content is None:
            (folder / part).unlink()
        else:
            (folder / part).write_text(content)
        end = run_once(cluster, cluster.node("api-1"))
        assert end.returncode == 78, end
        assert len(end.stderr.strip().splitlines()) == 1 and f"{folder / part}: " in end.stderr and words in end.stderr, end
        (folder / part).write_text(good[part])
        os.chmod(folder / "key.pem", 0o600)

    for part in good:
        refused(part, "cannot open it", None)
        refused(part, "is empty", "")
    refused("ca.pem", "holds no certificate", "nonsense")
    refused("cert.pem", "holds no certificate", good["key.pem"])
    refused("key.pem", "holds no private key", good["cert.pem"])
    make_cert(ca, tmp_path / "another", "api-1")
    refused("key.pem", "does not belong to the certificate", (tmp_path / "another" / "key.pem").read_text())
    os.chmod(folder / "key.pem", 0o644)
    refused("key.pem", "chmod 600", good["key.pem"])
    make_ca(tmp_path / "other")

    def refused_cert(words, **how):
        make_cert(how.pop("ca", ca), folder, "api-1", **how)
        (folder / "ca.pem").write_text(good["ca.pem"])
        end = run_once(cluster, cluster.node("api-1"))
        assert end.returncode == 78 and f"{folder / 'cert.pem'}: " in end.stderr and words in end.stderr, end

    refused_cert("signed by no CA of tls.ca_file", ca=tmp_path / "other")
    refused_cert("expired at 2020-02-01T00:00:00Z", days=0)
    refused_cert("serverAuth and clientAuth", usage="serverAuth")


def test_the_cluster_key_rotates_by_sighup(make_cluster, tmp_path):
    old, new = a_key("c1"), a_key("c2")
    for name in NAMES:
        write_keys(tmp_path / "keys" / name, old)
    cluster = make_cluster(api=1, delivery=2, overrides={name: own_key_of(tmp_path, name) for name in NAMES})
    for lines in ((old, new), (new, old), (new,)):
        for node in cluster.nodes:
            write_keys(tmp_path / "keys" / node.name, *lines)
            hang_up(node, "cluster-keys")
    node = cluster.node("delivery-1")
    write_keys(tmp_path / "keys" / node.name, "c3:AAAA\n")
    assert ":1:" in hang_up(node, "cluster-keys-kept")[-1]["error"]
    # One that comes with the new key alone is let in by all; nobody was refused meanwhile.
    cluster.node("delivery-2").restart(hard=True)
    for node in cluster.nodes:
        until(f"{node.name} is linked", 15, lambda node=node: links_of(node) == 2)
        assert not key_refusals(node)
