"""README and runbooks show what there is: commands, options, scripts, playbooks, settings, metrics, log events."""

import pathlib
import re
import subprocess

import pytest
from conftest import REPOSITORY, create, make_content, play

DOCUMENTS = ["README.md", "docs/runbooks.md"]
ROOMS = ["base", "rpc", "kvs", "assign", "node", "ctl"]
NODE_NAME = re.compile(r"(api|delivery|ingest)-\w+$")


def text_of(document):
    return (REPOSITORY / document).read_text()


def shown(document):
    """(number, text) of each line of code, and of each piece of code within a line."""
    found = []
    for number, line in enumerate(text_of(document).splitlines(), 1):
        if line.startswith("    "):
            found.append((number, line.strip()))
        found += [(number, piece) for piece in re.findall(r"`([^`]+)`", line)]
    return found


def uses(document, program):
    """The words behind each use of a program; what a shell makes of the rest of the line is left out."""
    found = []
    for number, piece in shown(document):
        for rest in re.findall(rf"(?:^|[\s/$;(]){re.escape(program)}((?:\s[^|;#>)]*)?)(?=$|[|;#>)])", piece):
            found.append((f"{document}:{number}", rest.split()))
    return found


def sources(folders, *endings):
    return "\n".join(path.read_text(errors="replace") for folder in folders
                     for path in sorted((REPOSITORY / folder).rglob("*"))
                     if path.is_file() and "node_modules" not in path.parts and (not endings or path.suffix in endings))


def ctl(cluster, *arguments):
    return subprocess.run([cluster.binary.parent / "warmcastctl", *arguments], capture_output=True, text=True,
                          timeout=30, check=False)


def offered(cluster, line):
    said = ctl(cluster, "--complete", line)
    assert said.returncode == 0
    return said.stdout.split()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_their_options_exist(cluster, document):
    every = uses(document, "warmcastctl")
    assert len(every) > 10, "the search has lost them"
    commands = set(offered(cluster, "warmcastctl "))
    pairs = {f"{first} {second}" for first in commands for second in offered(cluster, f"warmcastctl {first} ")
             if first in ("kvs", "rollout")}
    for where, words in every:
        words = [w for w in words if w != "--json"]
        if words[:1] == ["--admin"]:
            words = words[2:]
        if not words or words[0] in ("--help", "COMMAND"):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in pairs else words[0]
        assert name in commands | pairs, (where, words)
        known = offered(cluster, f"warmcastctl {name} --")
        for option in (w for w in words if w.startswith("--")):
            assert option in known, (where, words)
        said = ctl(cluster, *name.split(), "--help")
        assert said.returncode == 0 and said.stdout, (where, name)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_scripts_and_playbooks_exist(document):
    ansible, scripts = sources(["deploy/ansible"]), sources(["scripts", "tests/bench", "ctl"])
    seen = 0
    for number, piece in shown(document):
        for path in re.findall(r"(?<![\w/.-])((?:scripts|deploy|tests|docs)/[\w./-]*\w)", piece):
            seen += 1
            assert (REPOSITORY / path).exists(), (document, number, path)
        for script, rest in re.findall(r"(?<![\w/.-])(scripts/[a-z-]+)([^|;#]*)", piece):
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest):
                name = option[2:]
                assert option in scripts or f'"{name}"' in scripts, (document, number, script, option)
        for variable in re.findall(r"(?<!\S)-e (\w+)=", piece):
            assert variable in ansible, (document, number, variable)
        for playbook in re.findall(r"(?<![\w/])(\w+\.yml)\b", piece):
            assert playbook == "inventory.yml" or (REPOSITORY / "deploy" / "ansible" / playbook).exists(), (number, playbook)
    assert seen > 3, "the search has lost them"
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(document)):
        assert ((REPOSITORY / document).parent / link).exists(), (document, link)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_exist(document):
    table = (REPOSITORY / "node" / "config_table.c").read_text()
    groups = set(re.findall(r'^\t\{ "(\w+)\.', table, re.M))
    for number, piece in shown(document):
        for group, name in re.findall(r"(?<![\w./-])([a-z]+)\.([a-z_]+)\b(?!/)", piece):
            if group in groups:
                assert f'"{group}.{name}"' in table, (document, number, f"{group}.{name}")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_metrics_exist(cluster, document):
    make_content(cluster.origin_dir, "documented", size=1000)
    play(create(cluster.node("api-1"), "documented"), {})
    pages = "".join(node.admin_get("/metrics")[1] for node in cluster.nodes)
    families = set(re.findall(r"^# TYPE (\w+)", pages, re.M))
    assert families
    ansible = sources(["deploy/ansible"])
    for number, piece in shown(document):
        for name in re.findall(r"\bwarmcast_[a-z_]*[a-z](?![\w*.-])", piece):
            assert name in families or name in ansible, (document, number, name)
        for pattern in re.findall(r"/metrics \| grep -E '([^']+)'", piece):
            for part in pattern.split("|"):
                assert any(part in family for family in families), (document, number, part)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_logs_and_problems_are_called_exists(document):
    """Words with hyphens in code are events, reasons and types of problems, unless they are names of nodes."""
    code = sources(ROOMS, ".c", ".h")
    seen = 0
    for number, piece in shown(document):
        if not re.fullmatch(r"[a-z]+(-[a-z]+)+", piece) or NODE_NAME.match(piece):
            continue
        seen += 1
        assert f'"{piece}"' in code or f":{piece}" in code, (document, number, piece)
    assert seen > 3, "the search has lost them"


def test_the_search_finds_what_is_wrong(cluster, monkeypatch, tmp_path):
    """Each check above fails when the document shows what there is not."""
    wrong = {
        test_commands_and_their_options_exist: ["    warmcastctl nonsense", "see `warmcastctl drain NODE --now`",
                                                "    $ warmcastctl rollout plans --batch 5%"],
        test_scripts_and_playbooks_exist: ["    scripts/nonsense", "`scripts/package --nonsense`", "[x](nowhere.md)",
                                           "    ansible-playbook deploy/ansible/nonsense.yml"],
        test_settings_exist: ["set `session.nonsense`"],
        test_metrics_exist: ["`warmcast_nonsense_total` rises", "    curl -s x:9000/metrics | grep -E 'nonsense'"],
        test_what_logs_and_problems_are_called_exists: ["it says `node-nonsense`"],
    }
    runbooks = text_of("docs/runbooks.md")
    copy = tmp_path / "wrong.md"
    monkeypatch.setattr(pathlib.Path, "exists", exists_but_links_of(tmp_path))
    for check, lines in wrong.items():
        copy.write_text(runbooks)
        run(check, cluster, str(copy))
        for line in lines:
            copy.write_text(f"{runbooks}\n{line}\n")
            with pytest.raises(AssertionError):
                run(check, cluster, str(copy))


def exists_but_links_of(folder):
    """The copy lies elsewhere: its good links lead from docs/."""
    exists = pathlib.Path.exists

    def look(path):
        inside = path.is_relative_to(folder) and path.name != "wrong.md"
        return exists(REPOSITORY / "docs" / path.relative_to(folder)) if inside else exists(path)
    return look


def run(check, cluster, document):
    wants_cluster = check in (test_commands_and_their_options_exist, test_metrics_exist)
    return check(cluster, document) if wants_cluster else check(document)
