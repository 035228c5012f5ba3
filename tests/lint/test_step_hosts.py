"""The rule `step-hosts` with inventories of every kind: none is executed, and what was not checked is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.lint.lint import lint
from tests.lint.author import PARAMETERS, Author

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lint.lint import LintResult

OWN = "hosts:\n  {}: {{connection: local}}\n"
INI = "[servers]\nweb\ndb[01:03]\n"
SSH = "Host *\n  User ops\nHost web db01\n  HostName 192.0.2.7\n"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def linted(author: Author, inventory: str, hosts: str) -> LintResult:
    author.cells[PARAMETERS]["source"] = f"inventory = {inventory!r}\nhosts = {hosts!r}"
    author.write()
    return lint([author.path])


@pytest.fixture
def kinds(author: Author) -> Author:
    """An author with inventories of all kinds, each with the hosts `web` and `db01`."""
    write(author.place / "a.yml", OWN.format("web"))
    write(author.place / "b.yml", OWN.format("db01"))
    write(author.place / "hosts.ini", INI)
    write(author.place / "ansible" / "hosts", INI)
    write(author.place / "ansible" / "group_vars" / "all.yml", "$ANSIBLE_VAULT;1.1;AES256\n3132\n")
    write(author.place / "ssh_hosts", SSH)
    write(author.place / "many" / "a.yml", OWN.format("web"))
    write(author.place / "many" / "b.yml", OWN.format("db01"))
    return author


@pytest.mark.parametrize(
    "inventory",
    [
        "a.yml,b.yml",
        "a.yml, hosts.ini",
        "hosts.ini",
        "ansible:hosts.ini",
        "ansible:ansible",
        "ssh_config:ssh_hosts",
        "ssh_hosts",
        "many",
    ],
)
def test_hosts_are_checked_with_inventories_of_every_kind(kinds: Author, inventory: str) -> None:
    if inventory == "a.yml, hosts.ini":
        write(kinds.place / "hosts.ini", "db01\n")
    right = linted(kinds, inventory, "web,db01")
    assert (list(right.findings), list(right.unchecked)) == ([], [])
    wrong = linted(kinds, inventory, "web,wob")
    (found,) = wrong.findings
    assert (found.rule, found.line) == ("step-hosts", 2)
    assert "unknown host or group 'wob'" in found.message
    assert not wrong.unchecked


def test_an_empty_part_of_a_list_is_found(kinds: Author) -> None:
    (found,) = linted(kinds, "a.yml,,b.yml", "web").findings
    assert "has an empty part" in found.message


@pytest.mark.parametrize(
    ("inventory", "why"),
    [
        ("hosts.sh", "hosts.sh is a program, which was not started"),
        ("a.yml,hosts.sh", "hosts.sh is a program, which was not started"),
        ("ansible:hosts.sh", "hosts.sh is a program, which was not started"),
        ("ansible:dynamic", "hosts.sh is a program, which was not started"),
        ("ansible:cloud.yml", "cloud.yml is for a plugin of Ansible's, which was not started"),
        ("ansible:malformed", "Completely failed to parse inventory source"),
        ("later.yml", "no such file"),
        ("a.yml,later.yml", "no such file"),
        ("ansible:later", "no such file"),
    ],
)
def test_no_program_is_started_and_what_was_not_checked_is_said(
    kinds: Author, inventory: str, why: str
) -> None:
    program = f"#!/bin/sh\ntouch {kinds.place}/started\necho '{{}}'\n"
    write(kinds.place / "hosts.sh", program, 0o755)
    write(kinds.place / "dynamic" / "hosts.sh", program, 0o755)
    write(kinds.place / "cloud.yml", "plugin: ansible.builtin.constructed\n")
    write(kinds.place / "malformed", "[web\n")
    write(kinds.place / "ansible.cfg", f"[defaults]\nvault_password_file = {kinds.place}/hosts.sh\n")
    result = linted(kinds, inventory, "web,wob")
    assert not result.findings
    (unchecked,) = result.unchecked
    assert (unchecked.rule, unchecked.what) == ("step-hosts", inventory)
    assert why in unchecked.why
    assert not (kinds.place / "started").exists()


def test_a_command_of_an_ssh_config_is_not_started(kinds: Author) -> None:
    write(kinds.place / "ssh_hosts", f'Match exec "touch {kinds.place}/started"\n  User ops\n{SSH}')
    result = linted(kinds, "ssh_config:ssh_hosts", "web,wob")
    assert [found.rule for found in result.findings] == ["step-hosts"]
    assert not (kinds.place / "started").exists()


def test_every_format_says_what_was_not_checked(kinds: Author) -> None:
    linted(kinds, "later.yml", "web")
    said = "step-hosts was not checked with later.yml: no such file"

    def shown(*options: str) -> tuple[str, str]:
        done = CliRunner().invoke(cli, ["lint", *options], standalone_mode=False)
        assert done.return_value == 0
        return done.stdout, done.stderr

    assert shown()[0] == f"0 findings in 1 notebook\n{said}\n"
    assert shown("--ignore", "step-hosts")[0] == "0 findings in 1 notebook\n"
    assert shown("--format", "json") == ("[]\n", f"{said}\n")
    (invocation,) = json.loads(shown("--format", "sarif")[0])["runs"][0]["invocations"]
    (note,) = invocation["toolExecutionNotifications"]
    assert (note["level"], note["message"]["text"]) == ("note", said)
