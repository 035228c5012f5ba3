from __future__ import annotations

import base64
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import ParameterError, SecretError
from runbook_lib.facts.file import FileState
from runbook_lib.file_contents import read_contents
from runbook_lib.model.commands import Output
from runbook_lib.operations import files
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a template; the current directory is its notebooks folder, as in JupyterLab."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/site.j2").write_text("listen {{ port }};\nkey {{ key }};\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def test_a_path_means_the_same_in_the_project_and_in_its_notebooks_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"template": "templates/site.j2", "variables": {"port": 443, "key": "k"}}
    from_notebooks = read_contents(**given)
    monkeypatch.chdir(project)
    assert read_contents(**given) == from_notebooks
    assert from_notebooks.text == "listen 443;\nkey k;\n"
    assert not from_notebooks.secret


@pytest.mark.parametrize(
    ("body", "message", "where"),
    [
        ("a\n{{ prot }}\n", "'prot' is undefined", "site.j2:2"),
        ("{% if %}\n", "Expected an expression", "site.j2:1"),
        ("a\n\n{{ 1 / port }}\n", "ZeroDivisionError", "site.j2:3"),
        ("{% include 'other.j2' %}", "includes other.j2", "site.j2"),
        ("{{ port.name.first }}", "has no attribute 'name'", "site.j2:1"),
    ],
)
def test_a_template_that_is_wrong_is_one_message_with_its_line(
    project: Path, body: str, message: str, where: str
) -> None:
    (project / "templates/site.j2").write_text(body, encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        files.content("/etc/site.conf", template="templates/site.j2", variables={"port": 0})
    assert message in caught.value.message
    assert str(caught.value.where).endswith(where)


def test_a_secret_in_a_template_makes_the_contents_secret(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project
    monkeypatch.setenv("SITE_KEY", "correct-horse")
    made = files.content(
        "/etc/site.conf", template="templates/site.j2", variables={"port": 1, "key": "${env:SITE_KEY}"}
    )
    assert made.secret
    assert made.secret_references == ("${env:SITE_KEY}",)
    assert "correct-horse" in made.contents
    assert "correct-horse" not in made.describe()
    assert "mode='0600'" in made.describe()


def test_a_key_is_secret_wherever_it_comes_from_and_ends_with_a_line_feed(tmp_path: Path) -> None:
    Authority("Example").write(tmp_path, "site", "www.example.org")
    key = (tmp_path / "site.key").read_text(encoding="ascii")
    by_source = files.content("/etc/site.key", source=tmp_path / "site.key")
    by_reference = files.content("/etc/site.key", secret=f"${{file:{tmp_path}/site.key}}")
    assert by_source.contents == by_reference.contents == key
    assert by_source.secret
    assert by_reference.secret


def test_bytes_travel_in_base64(tmp_path: Path) -> None:
    (tmp_path / "logo").write_bytes(b"\0\xff")
    made = files.content("/srv/logo", source=tmp_path / "logo")
    assert made.binary
    assert base64.b64decode(made.contents) == b"\0\xff"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing given"),
        ({"text": "a", "source": "b"}, "text and source given"),
        ({"text": "a", "variables": {}}, "variables given"),
        ({"source": "no/such/file"}, "cannot read no/such/file"),
        ({"text": "a", "mode": "rw"}, "mode 'rw' is not octal"),
    ],
)
def test_arguments_that_are_wrong_are_one_message(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        files.content("/etc/site.conf", **arguments)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("path", ["etc/site.conf", "/etc/", "/etc/a\nb", ""])
def test_a_path_that_is_not_absolute_is_refused(path: str) -> None:
    with pytest.raises(ParameterError):
        files.content(path, text="a")


def test_a_reference_without_a_value_is_refused() -> None:
    with pytest.raises(SecretError):
        files.content("/etc/site.key", secret="${env:NO_SUCH_VARIABLE}")  # noqa: S106 - a reference


@pytest.mark.parametrize(
    "kind",
    ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK", "X25519 PRIVATE KEY"],
)
def test_every_kind_of_private_key_is_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(
        f"-----BEGIN {kind}-----\n\nlQVYBGc\n-----END {kind}-----\n", encoding="ascii"
    )
    assert read_contents(source=str(tmp_path / "key")).secret
    public = kind.replace("PRIVATE", "PUBLIC")
    (tmp_path / "key").write_text(
        f"-----BEGIN {public}-----\n\nlQVYBGc\n-----END {public}-----\n", encoding="ascii"
    )
    assert not read_contents(source=str(tmp_path / "key")).secret


def test_nor_is_one_read_back_from_a_host(tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    key.write_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYBGc\n", encoding="ascii")
    fact = FileState(str(key), contents=True)
    done = subprocess.run(fact.request().argv, capture_output=True, text=True, check=True)
    state = fact.parse(Output(0, done.stdout))
    assert (state.is_file, state.text) == (True, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to a user without a name")
def test_an_owner_without_a_name_is_a_number(tmp_path: Path) -> None:
    """So that a rollback can give the file back to it."""
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 31234, 31235)
    fact = FileState(str(tmp_path / "file"))
    done = subprocess.run(fact.request().argv, capture_output=True, text=True, check=True)
    state = fact.parse(Output(0, done.stdout))
    assert (state.owner, state.group) == ("31234", "31235")
