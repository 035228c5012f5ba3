"""Keys and known_hosts files are checked before the first host is contacted."""

from __future__ import annotations

import gc
import socket
import subprocess
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.connections.host_inputs import check_host_inputs, check_sudo_passwords
from runbook_lib.errors import InputError, InventoryError, SecretError
from runbook_lib.host_settings import Host
from runbook_lib.secrets import Secrets
from tests.connections.sshd import make_key
from tests.connections.test_ssh_config import configure, home
from tests.counted_calls import counted_calls
from tests.deadlines import wait_until

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["home"]


@pytest.fixture
def key(home: Path) -> Path:
    (home / ".ssh" / "known_hosts").touch()
    return make_key(home / "key")


def check(**given: Any) -> None:  # noqa: ANN401 - any field of a host
    check_host_inputs([Host.model_validate({"name": "web-1", **given})], None)


def refused(**given: Any) -> str:  # noqa: ANN401 - as above
    with pytest.raises(InventoryError) as caught:
        check(**given)
    assert caught.value.where == "web-1"
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return caught.value.message


def test_a_key_that_can_be_used_passes(key: Path, home: Path) -> None:
    check(identity_file=str(key))
    check(identity_file="~/key", known_hosts="~/.ssh/known_hosts")
    check(connection="local", identity_file="nowhere")
    for kind in ("rsa", "ecdsa"):
        path = home / kind
        options = ["-m", "PEM", "-b", "2048" if kind == "rsa" else "256"]
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-f", str(path)], check=True)
        check(identity_file=str(path))


def test_ssh_config_is_not_read_for_a_key_that_the_inventory_names(key: Path, home: Path) -> None:
    configure(home, "Host *\n  User ops\n")
    with counted_calls() as calls:
        for name in ("web-1", "web-2"):
            check(name=name, identity_file=str(key), known_hosts=str(home / ".ssh" / "known_hosts"))
    assert calls["runbook_lib.connections.identity.identity_in_file"] == 2
    assert calls["runbook_lib.connections.ssh_config.read_ssh_config"] == 0


def test_a_key_file_that_cannot_be_used_is_refused(key: Path, home: Path) -> None:
    assert "missing does not exist" in refused(identity_file=str(home / "missing"))
    assert f"{home} is a directory" in refused(identity_file=str(home))
    assert "key.pub is not a private key: it is the public key" in refused(identity_file=f"{key}.pub")
    for text, why in {
        "": "is not a private key: it is empty",
        "password: secret\n": "is not a private key",
        "PuTTY-User-Key-File-3: ssh-ed25519\n": "is not a private key: it is in PuTTY's format",
        "-----BEGIN CERTIFICATE-----\n": "is not a private key",
    }.items():
        (home / "odd").write_text(text, encoding="ascii")
        (home / "odd").chmod(0o600)
        assert why in refused(identity_file=str(home / "odd"))
    for mode in (0o644, 0o640, 0o604):
        key.chmod(mode)
        assert f"is readable by other users (mode {mode:04o})" in refused(identity_file=str(key))


@pytest.mark.parametrize(
    "line",
    ["b3BlbnNzaC1rZXktdjEA\u00e9", "AAAA=A"],
)
def test_a_damaged_key_file_is_no_internal_error(key: Path, home: Path, line: str) -> None:
    """That it is damaged is said at the login."""
    damaged = home / "damaged"
    lines = key.read_text(encoding="ascii").splitlines()
    damaged.write_text("\n".join([lines[0], line, lines[-1]]), encoding="utf-8")
    damaged.chmod(0o600)
    check(identity_file=str(damaged))


def test_a_home_directory_that_does_not_exist_is_refused(key: Path) -> None:
    with pytest.raises(InputError, match="'~no-such-user' has no home directory on this machine"):
        check(identity_file="~no-such-user/key")
    with pytest.raises(InputError, match="'~no-such-user' has no home directory on this machine"):
        check(identity_file=str(key), known_hosts="~no-such-user/known_hosts")


def test_an_encrypted_key_without_an_agent_is_refused(key: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "long passphrase", "-f", str(key)], check=True)
    assert "is encrypted, and there is no ssh-agent" in refused(identity_file=str(key))


def test_known_hosts_that_do_not_exist_are_refused(home: Path) -> None:
    assert "missing does not exist" in refused(known_hosts=str(home / "missing"))
    assert f"known_hosts {home} is a directory" in refused(known_hosts=str(home))
    assert f"no known_hosts file exists: {home}/.ssh/known_hosts, " in refused()
    configure(home, f"Host web-1\n  UserKnownHostsFile {home}/mine\n")
    assert f"no known_hosts file exists: {home}/mine, " in refused()
    (home / "mine").touch()
    check()


def test_an_agent_that_never_answers_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (home / ".ssh" / "known_hosts").touch()
    encrypted = home / "encrypted"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(encrypted)], check=True)
    monkeypatch.setattr("runbook_lib.connections.identity.LOGIN", 1.0)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert "ssh-agent does not answer" in refused(identity_file=str(encrypted))
    # The call that was left behind ends now. paramiko does not close its socket.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        wait_until(lambda: "connecting" not in {thread.name for thread in threading.enumerate()}, "its end")
        gc.collect()


def test_a_sudo_password_without_a_value_is_refused_with_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_PASSWORD", raising=False)
    hosts = [
        Host.model_validate({"name": "web-1"}),
        Host.model_validate({"name": "web-2", "sudo_password": "${env:NO_SUCH_PASSWORD}"}),
    ]
    with pytest.raises(SecretError) as refused:
        check_sudo_passwords(hosts, tmp_path / "inventory.yml", Secrets().resolve)
    assert (
        refused.value.where
        == f"{tmp_path}/inventory.yml, host 'web-2', sudo_password ${{env:NO_SUCH_PASSWORD}}"
    )
    assert refused.value.hint
    check_sudo_passwords(hosts[:1], None, Secrets().resolve)
