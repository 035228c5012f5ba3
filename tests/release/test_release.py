"""A release is one tagged commit, of packages whose licences are decided on, and verifies only as it was made."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runbook_lib.attestation import keys
from runbook_lib.attestation.trust import Trust
from runbook_lib.errors import EvidenceError, InputError
from tools.release import licenses, provenance
from tools.release.__main__ import cli
from tools.release.licenses import Licensed
from tools.release.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "0.2.0"
FILES = (f"runbook_lib-{VERSION}-py3-none-any.whl", f"runbook_lib-{VERSION}.tar.gz", "sbom.cdx.json")


def git(top: Path, *words: str) -> None:
    person = ("-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, "-C", str(top), *words], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    top.mkdir()
    (top / "CHANGELOG.md").write_text(
        f"# Changes\n\n## {VERSION}, 2026-11-26\n\n- First.\n", encoding="utf-8"
    )
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    return top


def test_a_tagged_commit_with_a_section_in_the_changelog_is_a_release(tree: Path) -> None:
    git(tree, "tag", f"v{VERSION}")
    git(tree, "tag", "another-mark")
    read = Tree.read(tree)
    read.require_release()
    assert (read.version, len(read.commit)) == (VERSION, 40)


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", "no tag of a version"),
        ("0.2.0", "no tag of a version"),
        ("v0.3.0", "no section for version 0.3.0"),
    ],
)
def test_what_is_not_a_release_is_refused(tree: Path, tag: str, message: str) -> None:
    if tag:
        git(tree, "tag", tag)
    with pytest.raises(InputError, match=message):
        Tree.read(tree).require_release()


def test_a_tree_with_changes_or_two_versions_is_refused(tree: Path) -> None:
    git(tree, "tag", "v0.2.0")
    git(tree, "tag", "v0.2.1")
    with pytest.raises(InputError, match=r"several versions: v0\.2\.0, v0\.2\.1"):
        Tree.read(tree)
    (tree / "new").touch()
    with pytest.raises(InputError, match="1 files are not committed, such as new"):
        Tree.read(tree)
    with pytest.raises(InputError, match="not a git repository"):
        Tree.read(tree.parent)


def policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "licenses.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("MIT", ""),
        ("MIT; BSD License", ""),
        ("(MIT AND ISC) OR Zlib", "Zlib"),
        ("ISC License (ISCL)", ""),
        ("GPL-3.0-only; MIT", "GPL-3.0-only"),
        ("UNKNOWN", "UNKNOWN"),
    ],
)
def test_every_licence_that_a_package_names_is_in_the_list(tmp_path: Path, said: str, refused: str) -> None:
    allowed = policy(tmp_path, 'allowed = ["MIT", "BSD License", "ISC", "ISC License (ISCL)"]\n[packages]\n')
    found = licenses.refused([Licensed("thing", "1.0", said)], allowed)
    assert found == ([f"thing 1.0: {refused}"] if refused else [])


def test_a_decision_covers_its_package_and_must_be_about_one(tmp_path: Path) -> None:
    decided = policy(tmp_path, 'allowed = []\n[packages]\nthing = "dual"\ngone = "no longer used"\n')
    found = licenses.refused([Licensed("thing", "1.0", "GPL"), Licensed("other", "2", "GPL")], decided)
    assert found == ["other 2: GPL", "gone: a decision about a package that is not needed"]
    with pytest.raises(InputError, match="cannot be read"):
        licenses.refused([], policy(tmp_path, "allowed = ["))


@pytest.fixture
def released(tree: Path, tmp_path: Path) -> Path:
    """The files of a release, signed by the key `release`."""
    git(tree, "tag", f"v{VERSION}")
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in FILES:
        (dist / name).write_text(name, encoding="utf-8")
    keys.generate(tmp_path / "release")
    keys.generate(tmp_path / "other")
    provenance.attest(Tree.read(tree), VERSION, dist, [keys.load(str(tmp_path / "release"))])
    return dist


def verify(dist: Path, *trusted: str) -> tuple[int, str]:
    words = [word for name in trusted for word in ("--trust", str(dist.parent / f"{name}.pub"))]
    ended = CliRunner().invoke(cli, ["verify", str(dist), *words])
    return ended.exit_code, ended.output


def test_a_release_verifies_with_the_key_that_signed_it(released: Path) -> None:
    code, said = verify(released, "release", "other")
    assert code == 0, said
    assert [line for line in said.splitlines() if line.startswith("✓")] == [
        f"✓ {name}" for name in sorted(FILES)
    ]
    assert f"verified: version {VERSION} from commit " in said
    assert said.rstrip().endswith("signed by release")


def test_the_statement_says_who_built_it_from_what(released: Path, tree: Path) -> None:
    envelope = json.loads((released / provenance.PROVENANCE).read_text(encoding="utf-8"))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"version": VERSION, "tag": f"v{VERSION}"}
    assert definition["resolvedDependencies"][0]["digest"]["gitCommit"] == Tree.read(tree).commit
    assert [set(signature) for signature in envelope["signatures"]] == [{"keyid", "sig"}]


def test_another_key_an_altered_a_missing_and_an_additional_file_do_not_verify(released: Path) -> None:
    assert verify(released, "other") == (
        1,
        "✓ {}\n✓ {}\n✓ {}\nnot signed by a key that you trust\n".format(*sorted(FILES)),
    )
    (released / FILES[0]).write_text("altered", encoding="utf-8")
    (released / FILES[1]).unlink()
    (released / "more.whl").touch()
    code, said = verify(released, "release")
    assert code == 1
    assert f"✗ {FILES[0]}\n" in said
    assert f"{FILES[0]}: content does not match the SHA-256 in the statement\n" in said
    assert f"{FILES[1]}: missing\n" in said
    assert "more.whl: not in the statement\n" in said
    assert "verified" not in said


def test_an_altered_statement_does_not_verify_and_a_seal_is_not_one(released: Path, tmp_path: Path) -> None:
    path = released / provenance.PROVENANCE
    envelope = json.loads(path.read_text(encoding="utf-8"))
    statement = base64.b64decode(envelope["payload"]).replace(VERSION.encode(), b"9.9.9")
    path.write_text(
        json.dumps({**envelope, "payload": base64.b64encode(statement).decode()}), encoding="utf-8"
    )
    code, said = verify(released, "release")
    assert code == 1
    assert "is invalid" in said
    for payload in (b"{}", b'{"predicateType": "x", "subject": [], "predicate": {"buildDefinition": {}}}'):
        path.write_text(
            json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}), encoding="utf-8"
        )
        with pytest.raises(EvidenceError, match="not a statement about a release"):
            provenance.verify(released, Trust.load(tmp_path / "release.pub"))
    path.unlink()
    with pytest.raises(EvidenceError, match="cannot be read"):
        provenance.verify(released, Trust.load(tmp_path / "release.pub"))
