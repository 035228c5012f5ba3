"""A secret that a host shows during a run: masked before it is recorded, and usable by its reference."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import SecretError, StepFailed
from runbook_lib.facts.file import FileState, FileText
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from runbook_lib.shown_secrets import secrets_in
from tests.runbook.practice import Does, Token, parameters

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "SWMTKN-1-5f2e9c/1a7'q"  # noqa: S105 - a made-up one


def test_a_token_is_nowhere_in_the_evidence_and_the_next_step_gets_it_by_its_reference(
    tmp_path: Path,
) -> None:
    shown, got = tmp_path / "token", tmp_path / "got"
    shown.write_text(f"{TOKEN}\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    step = book.facts("Read it", Token(str(shown)), hosts="host-a")
    reference = step.hosts[0].facts[Token(str(shown)).label]
    assert reference == "${shown:token}"
    assert book.secret(reference) == TOKEN
    book.step("Use it", Does(("sh", "-c", 'cat > "$1"', "sh", str(got)), stdin=book.secret(reference)))
    assert got.read_text(encoding="utf-8") == TOKEN
    with pytest.raises(StepFailed):  # as with every other secret
        book.step("Show it", Does(("echo", TOKEN)))
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert TOKEN.encode() not in everything
    assert b"5f2e9c" not in everything
    assert everything.count(b"${shown:token}") >= 3


def test_the_reference_means_nothing_in_another_run(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(SecretError, match="no host has shown this secret in this run"):
        book.secret("${shown:token}")
    book.facts("Something", Token("/dev/null"), hosts="host-a")  # nothing was shown, so nothing is masked
    with pytest.raises(SecretError, match="no host has shown"):
        book.secret("${shown:token}")


def test_each_value_has_a_reference_of_its_own_and_the_same_value_keeps_it() -> None:
    secrets = Secrets()
    assert secrets.protect("first-value", "token") == "${shown:token}"
    assert secrets.protect("second-value", "token") == "${shown:token 2}"
    assert secrets.protect("first-value", "token") == "${shown:token}"
    assert secrets.resolve("${shown:token 2}") == "second-value"
    assert secrets.mask("first-value second-value") == "${shown:token} ${shown:token 2}"
    assert secrets.protect("abc", "token") == ""  # too short to be masked


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ('{"proxies": {"https-proxy": "http://ops:Wint3r%21@proxy:3128"}}', ["Wint3r%21"]),
        (
            '{"log-opts": {"splunk-token" : "a\\"b\\u00e9c", "splunk-url": "https://logs:8088"}}',
            [r"a\"b\u00e9c", 'a"béc'],
        ),
        ('{"log-opts": {"logentries-token": "11-22-33", "max-size": "10m"}}', ["11-22-33"]),
        (r'{"log-opts": {"token": "ab\/cd", "key": "\ud800x"}}', [r"ab\/cd", "ab/cd", r"\ud800x"]),
        ('{oops "db_Password": "hunter22", "token": "ab\tcd"', ["hunter22", "ab\tcd"]),
        ('Environment="HTTP_PROXY=http://ops:s3cret!@proxy:1" API_KEY=abcd1234', ["abcd1234", "s3cret!"]),
        ("dockerd --log-opt splunk-token=feed-beef --debug", ["feed-beef"]),
        (
            "iface wlan0 inet dhcp\n\twpa-ssid home\n    wpa-psk  correct horse battery \n  wireless-key1 s:abcde",
            ["correct horse battery", "s:abcde"],
        ),
        ('  WPA-PSK "quoted one"\n  wpa-private-key /etc/key.pem\n#wpa-psk no\n', ["quoted one"]),
        (
            "[WireGuard]\nPrivateKey=c2VjcmV0\n[Network]\nIPv6StableSecretAddress=fd00::1\n",
            ["c2VjcmV0", "fd00::1"],
        ),
        # No secrets: paths, an address without a password, an account.
        ('{"tlskey": "/etc/docker/key.pem", "kv.keyfile": "/etc/k", "hosts": ["ssh://root@h"]}', []),
        ('{"registry-mirrors": ["https://mirror:5000"], "bridge": "br0"}', []),
        ("dockerd --tlskey=/etc/docker/key.pem -H unix:///run/docker.sock", []),
    ],
)
def test_secrets_among_settings(settings: str, values: list[str]) -> None:
    command = Command(("cat", "x"), secret_values="secret of x")  # noqa: S106 - its name
    assert [shown.value for shown in secrets_in(command, Output(0, settings))] == values
    assert secrets_in(Command(("cat", "x")), Output(0, settings)) == []


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Command) if field.name.startswith("secret_")]
)
def test_each_kind_of_secret_keeps_the_output_from_the_live_line_and_is_found(field: str) -> None:
    given: dict[str, Any] = {field: "secret of x"}
    command = Command(("cat", "x"), **given)
    assert (command.shows_secret, Command(("cat", "x")).shows_secret) == (True, False)
    (shown,) = secrets_in(command, Output(0, '{"token": "N0tForY0u"}'))
    assert shown.name == "secret of x"
    assert "N0tForY0u" in shown.value


def test_secrets_of_a_settings_file_are_nowhere_in_the_evidence_and_its_other_text_is(tmp_path: Path) -> None:
    settings = tmp_path / "daemon.json"
    text = '{"bridge": "br7", "log-opts": {"splunk-token": "N0tForY0u"}}'
    settings.write_text(text, encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    name = "secret of the engine"
    fact = FileState(str(settings), contents=True, sudo=False, secret_values=name)
    step = book.facts("Read it", fact, hosts="host-a")
    assert step.hosts[0].facts[fact.label]["text"] == text.replace("N0tForY0u", f"${{shown:{name}}}")
    written = text.replace("br7", "br8")
    book.step("Write it", Does(("sh", "-c", "cat > /dev/null"), stdin=written))
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert b"N0tForY0u" not in everything
    assert b"br8" in everything


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/etc/network/interfaces", True),
        ("/etc/network/interfaces.d/wlan0", True),
        ("/run/systemd/network/10-wg0.netdev", True),
        ("/usr/lib/systemd/network/80-wifi.network", True),
        ("/etc/ssh/sshd_config", False),  # AuthorizedKeysFile and HostKey are paths
        ("/etc/networks", False),
    ],
)
def test_which_text_files_are_searched_for_secrets(path: str, *, masked: bool) -> None:
    assert bool(FileText(path).request().secret_values) == masked
