"""Keys and options of sshd that are given wrongly are refused before any host is touched."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import ParameterError
from runbook_lib.operations import ssh_keys, sshd
from runbook_lib.operations.public_keys import parse_line

if TYPE_CHECKING:
    from pathlib import Path


def public(number: int, kind: str = "ssh-ed25519") -> str:
    """A line with a public key; no private key belongs to it."""
    parts = (kind.encode(), bytes([number]) * 32)
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind} {base64.b64encode(blob).decode()} anna"


ONE, TWO = public(1), public(2)
ONE_PRINT = "SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "no keys are given"),
        ({"only": []}, "no keys are given"),
        ({"only": [ONE], "add": [TWO]}, "only= together with add= or remove="),
        ({"add": [ONE], "remove": [ONE]}, f"{ONE_PRINT} is to be added and removed"),
        ({"add": ONE}, "keys are given as one text"),
        ({"remove": ONE_PRINT}, "keys are given as one text"),
        ({"add": ["missing.pub"]}, "cannot read missing.pub"),
        ({"add": ["ssh-ed25519 AAAA anna"]}, "is not a public key: there is no key on it"),
        ({"add": ["ssh-ed25519 A*A anna"]}, "is not a public key: its key is not base64"),
        ({"add": [public(1).replace("ssh-ed25519", "ssh-rsa", 1)]}, "there is no key on it"),
        ({"add": [f"{ONE}\u202e"]}, "is not a public key"),
        ({"add": [ONE], "login_with": "missing"}, "cannot read missing"),
        ({"add": [ONE], "revert_after": 1.0}, "revert_after is 1 s"),
    ],
)
def test_keys_that_are_given_wrongly_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError) as refused:
        ssh_keys.authorized("anna", **arguments)
    assert why in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("account", ["", "-x", "anna; id", "../root", "anna\n", "a b"])
def test_what_is_not_the_name_of_an_account_is_refused(account: str) -> None:
    with pytest.raises(ParameterError, match="is not the name of an account"):
        ssh_keys.authorized(account, add=[ONE])


def test_a_private_key_is_never_taken_for_a_public_one(tmp_path: Path) -> None:
    private = tmp_path / "key"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", encoding="ascii")
    with pytest.raises(ParameterError, match="is a private key"):
        ssh_keys.authorized("anna", add=[private])


def test_a_public_key_cannot_log_in(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{ONE}\n", encoding="ascii")
    with pytest.raises(ParameterError, match="is not a private key"):
        ssh_keys.authorized("anna", add=[ONE], login_with=tmp_path / "key.pub")


def test_a_file_may_hold_several_keys_and_comments(tmp_path: Path) -> None:
    (tmp_path / "my keys").write_text(f"# team\n\n{ONE}\n{TWO}\n", encoding="ascii")
    assert ssh_keys.authorized("anna", only=[tmp_path / "my keys"]).keys == (ONE, TWO)
    (tmp_path / "empty").write_text("# nobody\n", encoding="ascii")
    with pytest.raises(ParameterError, match="holds no key"):
        ssh_keys.authorized("anna", only=[tmp_path / "empty"])


def test_a_key_is_removed_by_line_file_or_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "one.pub").write_text(ONE, encoding="ascii")
    for given in (ONE, tmp_path / "one.pub", ONE_PRINT):
        assert ssh_keys.authorized("anna", remove=[given]).absent == (ONE_PRINT,)


@pytest.mark.parametrize(
    ("line", "options", "comment"),
    [
        (ONE, "", "anna"),
        (f'  from="a b,c",no-pty {ONE} at home ', 'from="a b,c",no-pty', "anna at home"),
        (f'command="echo \\"ssh-rsa\\" x" {ONE}', 'command="echo \\"ssh-rsa\\" x"', "anna"),
        (public(3, "sk-ssh-ed25519@openssh.com"), "", "anna"),
        (ONE.removesuffix(" anna"), "", ""),
    ],
)
def test_a_line_of_authorized_keys_is_read_as_sshd_reads_it(line: str, options: str, comment: str) -> None:
    key = parse_line(line)
    assert key
    assert (key.options, key.comment) == (options, comment)
    assert parse_line(key.line) == key


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("Match", "all"), "is not an option of sshd"),
        (("Include", "x"), "is not an option of sshd"),
        (("Permit Root", "x"), "is not an option of sshd"),
        (("PermitRootLogin", ""), "each value must be one line"),
        (("PermitRootLogin", "no\nPermitEmptyPasswords yes"), "each value must be one line"),
        (("PermitRootLogin", []), "each value must be one line"),
        (("PermitRootLogin", ["no", "yes"]), "uses the first value of PermitRootLogin only"),
        (("AllowUsers", ["anna", "ben"]), "adds up all lines of AllowUsers"),
    ],
)
def test_options_that_no_line_can_hold_are_refused(arguments: tuple[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=r"sshd\.option") as refused:
        sshd.option(*arguments)
    assert why in refused.value.message
    assert refused.value.hint
