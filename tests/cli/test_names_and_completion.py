"""Commands and names by prefix, what was meant, and completion: in-process, and once in a real bash."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runbook_lib.cli.main import cli, main
from runbook_lib.errors import InputError
from runbook_lib.lab.fault_names import FAULTS
from tests.deadlines import deadline
from tests.execution.project import TOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNS = ("20261126T110000Z_20_docker_install_aaaaaa", "20261126T120000Z_30_bridge_br0_bbbbbb")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the book's notebooks, two runs and an inventory."""
    (tmp_path / "notebooks").symlink_to(TOP / "notebooks")
    for name in RUNS:
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "journal.jsonl").touch()
    hosts = "hosts:\n  web-1: {address: 192.0.2.1}\n  web-2: {address: 192.0.2.2}\ngroups: {front: [web-1]}\n"
    (tmp_path / "hosts.yml").write_text(hosts, encoding="utf-8")
    (tmp_path / "my.yml").write_text("inventory: hosts.yml\n", encoding="utf-8")
    program = tmp_path / "inventory.py"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what bash gets when Tab is pressed at the end of a line, whose words it splits at colons too."""
    words = re.findall(r":|[^\s:]+", line)
    number = len(words) if line.endswith(" ") else len(words) - 1
    for name, value in {
        "_RUNBOOK_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(number),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["runbook"])
    with contextlib.suppress(SystemExit):
        main()
    return capsys.readouterr().out.split()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("runbook aud", ["plain,audit"]),
        ("runbook audit ve", ["plain,verify"]),
        ("runbook lab br", ["plain,break"]),
        ("runbook run 20", ["plain,20_docker_install"]),
        ("runbook run 20_docker_install 4", ["plain,40_ambassador_redis"]),
        ("runbook show 30_b", ["plain,30_bridge_br0"]),
        ("runbook run ./x", ["file,./x"]),
        ("runbook run -f my", ["file,my"]),
        ("runbook run 90_validate -f my.yml --hosts w", ["plain,web-1", "plain,web-2"]),
        ("runbook run 90_validate -f my.yml --hosts web-1,f", ["plain,web-1,front"]),
        ("runbook run 90_validate -p inventory hosts.yml --hosts web-2", ["plain,web-2"]),
        ("runbook run 90_validate -p inventory inventory.py --hosts w", []),
        ("runbook run --mode va", ["plain,validate"]),
        ("runbook report l", ["plain,last"]),
        ("runbook report 2026", [f"plain,{RUNS[1]}", f"plain,{RUNS[0]}"]),
        ("runbook audit show 20261126T11", [f"plain,{RUNS[0]}"]),
        ("runbook run --resume 20261126T12", [f"plain,{RUNS[1]}"]),
        ("runbook report --format ju", ["plain,junit"]),
        ("runbook lab break dup", ["plain,duplicate-address"]),
        ("runbook lab break power:", ["plain,host-a", "plain,host-b", "plain,cloud"]),
        ("runbook lab break power:host-b", ["plain,host-b"]),
        ("runbook lab shell ho", ["plain,host-a", "plain,host-b"]),
        ("runbook lab up --hosts host-a,cl", ["plain,host-a,cloud"]),
        ("runbook learn 95", ["plain,95_audit"]),
        ("runbook nonsense 9", []),
    ],
)
def test_what_a_shell_offers(
    line: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offered(line, monkeypatch, capsys) == expected
    assert not Path("started").exists()


def test_every_fault_is_offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names = {f"plain,{name.removesuffix(':HOST')}" for name in FAULTS}
    assert {*offered("runbook lab break ", monkeypatch, capsys)} == {"plain,random", *names}


def test_bash_completes_after_the_line_that_the_guide_gives(project: Path) -> None:
    (line,) = re.findall(r'^    (eval "\$\(_RUNBOOK_COMPLETE.*)$', guide(), re.MULTILINE)
    with bash(project, line) as type_and_tab:
        assert type_and_tab("runbook lab rep") == "runbook lab repair "
        assert type_and_tab("runbook show 91") == "runbook show 91_drill "
        assert type_and_tab("runbook lab break power:cl") == "runbook lab break power:cloud "
        assert type_and_tab("runbook report ../" + project.name + "/hos").rstrip().endswith("/hosts.yml")


def guide() -> str:
    return (TOP / "docs" / "command-line.md").read_text(encoding="utf-8")


@contextlib.contextmanager
def bash(directory: Path, line: str) -> Iterator[Callable[[str], str]]:
    """Start an interactive bash that has carried out a line, and give a function that types a text and Tab."""
    main_end, terminal = pty.openpty()
    place = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{place}{os.pathsep}{os.environ['PATH']}",
        "PS1": "",
        "TERM": "dumb",
    }
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=directory,
        env={**environment, "PYTHONPATH": str(TOP)},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)

    def read_until(pattern: str) -> str:
        text, until = "", time.monotonic() + deadline(30)
        while not (found := re.search(pattern, text, re.MULTILINE)) and time.monotonic() < until:
            if select.select([main_end], [], [], 0.5)[0]:
                text += os.read(main_end, 4096).decode(errors="replace").replace("\r", "")
        assert found, text
        return found[1]

    def type_and_tab(text: str) -> str:
        begin, end = "\x01", "\x05"  # of the line, once it is completed: it becomes what printf prints
        os.write(main_end, f"{text}\t{begin}printf '[%s]\\n' '{end}'\n".encode())
        return read_until(r"^\[(.*)\]$")

    try:
        os.write(
            main_end, f"bind 'set enable-bracketed-paste off'; {line}; printf '[%s]\\n' ready\n".encode()
        )
        read_until(r"^\[(ready)\]$")
        yield type_and_tab
    finally:
        process.kill()
        process.wait()
        os.close(main_end)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["audit", "verfy"], "unknown command 'verfy': did you mean verify?"),
        (["sho"], "Missing argument"),  # `show`, which wants a name
        (["r"], "2 commands begin with 'r'"),
        (["lab", "brake"], "did you mean break?"),
        (["ls"], "did you mean list?"),
        (["lab", "break", "--hlep"], "--help"),
    ],
)
def test_a_command_by_prefix_or_what_was_meant(words: list[str], output: str) -> None:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    assert output in done.output


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["show", "30_brigde"], "unknown runbook '30_brigde'", "did you mean 30_bridge_br0?"),
        (["run", "9"], "3 runbooks begin with '9'", "90_validate, 91_drill, 95_audit"),
        (["run", "95"], "an analysis, not a runbook", "papermill"),
        (["report", "2026"], "2 runs begin with '2026'", RUNS[0]),
        (["report", "20261126T110000Z_20_dokcer"], "not a run directory", f"did you mean {RUNS[0]}?"),
        (
            ["run", "90", "-f", "my.yml", "--hosts", "wbe-1"],
            "unknown host or group 'wbe-1'",
            "did you mean web-1?",
        ),
        (["report", "last", "--format", "jnuit"], "unknown report format", "did you mean junit?"),
        (["lint", "--ignore", "x-y"], "unknown rule 'x-y'", "the rules: "),
        (["learn", "30_brigde", "--no-lab"], "unknown lesson '30_brigde'", "did you mean 30_bridge_br0?"),
        (["lab", "up", "--hosts", "clod"], "unknown host 'clod'", "did you mean cloud?"),
    ],
)
def test_a_name_by_prefix_or_what_was_meant(words: list[str], message: str, hint: str) -> None:
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, InputError), done.output
    assert message in str(done.exception)
    assert hint in str(done.exception)
    assert done.exception.exit_code == 2
