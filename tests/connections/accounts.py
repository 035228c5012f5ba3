"""Accounts of this machine that a test's sshd lets in, with sudo rules and a login shell of their own."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.connections import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ASKS", "NO_PASSWORD", "PASSWORD", "Account", "account", "require"]

_numbers = itertools.count(1)
PASSWORD = "right-9f2c"  # noqa: S105 - of an account that lives as long as its test
NO_PASSWORD = "ALL=(ALL) NOPASSWD: ALL"  # noqa: S105 - a sudo rule
ASKS = "ALL=(ALL) ALL"


@dataclass(frozen=True)
class Account:
    """A user and the server that lets the user in."""

    name: str
    home: Path
    server: sshd.Server


def require(*programs: str) -> None:
    """Skip the test without root or these programs; fail where RUNBOOK_REQUIRE names them."""
    wanted = os.environ.get("RUNBOOK_REQUIRE", "").replace(",", " ").split()
    missing = [name for name in programs if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    assert not set(missing) & set(wanted), f"this machine is meant to have {missing}"
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(programs)}; missing: {', '.join(missing) or 'root'}")


@contextlib.contextmanager
def account(
    *,
    rule: str = "",
    login_shell: str = "/bin/bash",
    config: str = "",
    hostname: str = "",
) -> Iterator[Account]:
    """Create an account and an sshd for it, and remove both.

    What sudoers says of the account is only in sshd's own mount namespace: the sudo of a test that runs at the same
    time would complain of a file in /etc/sudoers.d that is removed while sudo reads the directory.

    Args:
        rule: What sudoers says of the account, such as `ALL=(ALL) NOPASSWD: ALL`.
        login_shell: Its path.
        config: More lines for sshd_config; `{place}` is the server's directory.
        hostname: Run the server where the machine has this name.
    """
    require("sshd", "useradd", "chpasswd", "unshare")
    name = f"rb{os.getpid()}x{next(_numbers)}"
    place = Path(tempfile.mkdtemp(prefix="runbook-account-"))
    place.chmod(0o755)
    rules = place / "sudoers.d"
    home = place / "home"
    subprocess.run(
        ["useradd", "-m", "-d", str(home), "-s", login_shell, name], check=True, capture_output=True
    )
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{PASSWORD}\n", text=True, check=True)
        rules.mkdir(mode=0o755)
        if rule:
            (rules / name).write_text(f"{name} {rule}\n", encoding="ascii")
            (rules / name).chmod(0o440)
        more = config.format(place=place)
        with sshd.running(place / "sshd", more, hostname, rules, empty_home=False) as server:
            yield Account(name, home, server)
    finally:
        subprocess.run(["userdel", "-f", name], check=False, capture_output=True)
        shutil.rmtree(place)
