"""Options on the command line of the running sshd: they win over its files, so they are part of what is in force."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.sshd import SshdSetting, SshdSettingState
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from pathlib import Path

# As sshd: of an option given twice the first counts, and the command line comes before the file.
SSHD = """case " $* " in *" -f /proc/self/fd/0 "*) found=$(sed -n 's/^Ciphers //p') ;; *)
  found=$(printf '%s\\n' "$@" | sed -n 's/^-oCiphers[= ]//p' | head -n 1) ;; esac
echo "hostkey /etc/ssh/key"; echo "ciphers ${found:-aes256-ctr}"
"""
TITLE = "sshd: /usr/sbin/sshd -D {} [listener] 0 of 10-100 startups"


def read(place: Path, *argv: str) -> SshdSettingState:
    """Return the fact of a host whose sshd has this command line."""
    (place / "wait.py").write_text("print(flush=True); input()\n", encoding="utf-8")
    fact = SshdSetting("Ciphers", ("aes256-ctr",))
    with subprocess.Popen(
        [argv[0], str(place / "wait.py"), *argv[1:]],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        programs = {
            "sshd": SSHD,
            "systemctl": f'[ "$4" = sshd.service ] && echo MainPID={daemon.pid} || echo MainPID=0',
        }
        for program, script in programs.items():
            (place / program).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (place / program).chmod(0o755)
        done = subprocess.run(
            fact.request().argv,
            env={"PATH": f"{place}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        daemon.kill()
    return fact.parse(Output(done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (("sshd", "-D", "-oCiphers=aes128-cbc", "-oMACs=hmac-sha1"), ("-oCiphers=aes128-cbc", "-oMACs=hmac-sha1")),
        (("/usr/sbin/sshd", "-D", "-o", "Ciphers aes128-cbc", "-p", "2222"), ("-oCiphers aes128-cbc", "-p2222")),
        ((TITLE.format("-p 2222 -o Ciphers=aes128-cbc"),), ("-p2222", "-oCiphers=aes128-cbc")),
    ],
)  # fmt: skip
def test_an_option_of_the_command_line_is_in_force(
    tmp_path: Path, argv: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    state = read(tmp_path, *argv)
    assert (state.in_force, state.wanted, state.arguments) == (("aes128-cbc",), ("aes256-ctr",), arguments)
    assert state.argument_for("ciphers") in {"-oCiphers=aes128-cbc", "-oCiphers aes128-cbc"}
    assert state.argument_for("PermitRootLogin") is None


@pytest.mark.parametrize("argv", [("/usr/sbin/sshd", "-D", "-e"), (TITLE.format("-e"),)])
def test_without_options_the_files_are_in_force(tmp_path: Path, argv: tuple[str, ...]) -> None:
    assert read(tmp_path, *argv) == SshdSettingState(("aes256-ctr",), ("aes256-ctr",))


@pytest.mark.parametrize(
    ("word", "name", "overrides"),
    [
        ("-p2222", "Port", True),
        ("-h/etc/ssh/key", "HostKey", True),
        ("-6", "AddressFamily", True),
        ("-f/etc/ssh/other", "PermitRootLogin", True),
        ("-operMITrootLOGIN=no", "PermitRootLogin", True),
        ("-p2222", "PermitRootLogin", False),
        ("-oPermitRootLoginX=no", "PermitRootLogin", False),
    ],
)
def test_what_makes_an_option_in_the_file_have_no_effect(word: str, name: str, overrides: bool) -> None:  # noqa: FBT001 - a case's value
    assert (SshdSettingState(arguments=(word,)).argument_for(name) == word) is overrides
