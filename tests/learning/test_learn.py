"""`runbook learn` as a learner types it: a real JupyterLab, and nothing of it is left at the end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from click.testing import CliRunner

from runbook_lib.cli.learn import _end, _Hosts
from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError, RunbookError
from runbook_lib.lab.lab import Lab
from runbook_lib.learning.jupyter_server import JupyterServer
from runbook_lib.learning.lessons import Lesson
from runbook_lib.learning.workspace import Workspace
from tests.deadlines import deadline, wait_until
from tests.execution.project import TOP

if TYPE_CHECKING:
    import subprocess

    from tests.programs import Programs

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+")


def start(
    place: Path, programs: Programs, browser: str = "--no-browser", **environment: str
) -> tuple[subprocess.Popen[str], str]:
    """Start it, and return the address that it prints."""
    process = programs.start(
        [sys.executable, "-m", "runbook_lib.cli.main", "learn", "--no-lab", "--port", "0", browser],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(TOP), **environment},
        bufsize=1,
    )
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        found = ADDRESS.search(line)
        if found:
            return process, found[0]
    raise AssertionError("".join(printed))


def ask(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=deadline(30)) as answer:  # noqa: S310 - of this machine
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def server_of(place: Path) -> int:
    (file,) = (place / "learn" / ".jupyter" / "runtime").glob("jpserver-*.json")
    return int(file.stem.removeprefix("jpserver-"))


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_lessons_open_for_who_has_the_token_and_ctrl_c_ends_all(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, address = start(tmp_path, programs)
    page, _, token = address.partition("?token=")
    base = page.partition("lab/tree/START.md")[0]
    assert ask(f"{base}api/contents/notebooks/01_first_steps.ipynb?token={token}") == 200
    assert ask(f"{base}api/contents/notebooks/01_first_steps.ipynb") == 403
    pid = server_of(tmp_path)
    assert token not in " ".join(Path("/proc", str(pid), "cmdline").read_text(encoding="utf-8").split("\0"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is running in this folder already"):
        CliRunner().invoke(cli, ["learn", "--no-lab"], catch_exceptions=False)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 0, output
    assert ended(pid)


@pytest.mark.parametrize("trait", ["IdentityProvider.token", "ServerApp.token"])
def test_no_configuration_of_a_user_turns_the_token_off(
    trait: str, tmp_path: Path, programs: Programs
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "jupyter_server_config.py").write_text(f"c = get_config()\nc.{trait} = ''\n")
    _, address = start(tmp_path, programs, JUPYTER_CONFIG_DIR=str(tmp_path / "own"))
    page, _, token = address.partition("?token=")
    base = page.partition("lab/tree/START.md")[0]
    assert ask(f"{base}api/contents") == 403
    assert ask(f"{base}api/contents?token={token}") == 200


def test_a_server_that_answers_without_the_token_is_refused() -> None:
    with HTTPServer(("127.0.0.1", 0), Kernels) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(RunbookError, match="answers without its token"):
            Known(f"http://127.0.0.1:{server.server_port}/")._check_token_is_needed()  # noqa: SLF001
        server.shutdown()


def test_the_browsers_command_line_does_not_have_the_token(tmp_path: Path, programs: Programs) -> None:
    """Every user of this machine can read it."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    _, address = start(tmp_path, programs, "--browser", BROWSER=f"{browser} %s")
    wait_until(opened.exists, "the browser")
    file, token = opened.read_text().strip(), address.partition("?token=")[2]
    assert token not in file
    page = Path(file.removeprefix("file://"))
    assert token in page.read_text(encoding="utf-8")
    assert page.is_relative_to(tmp_path / "learn" / ".jupyter")
    assert (tmp_path / "learn" / ".jupyter").stat().st_mode & 0o777 == 0o700


def test_a_server_that_was_killed_is_no_good_end(tmp_path: Path, programs: Programs) -> None:
    process, _ = start(tmp_path, programs)
    os.kill(server_of(tmp_path), signal.SIGKILL)
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 1, output
    assert f"{tmp_path}/learn/.jupyter/log" in output
    assert "JupyterLab has exited with -9" in output


class Known(JupyterServer):
    """A server that was started elsewhere."""

    def __init__(self, base: str) -> None:
        self._base, self._token = base, "token"


class Kernels(BaseHTTPRequestHandler):
    """A server of two kernels, of which the first one listed exits before it can be interrupted."""

    interrupted: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        busy = [] if self.interrupted else ["exits", "works"]
        listed = [{"id": name, "execution_state": "busy"} for name in busy]
        self.answer(200, json.dumps(listed).encode())

    def do_POST(self) -> None:
        name = self.path.split("/")[-2]
        if name == "works":
            self.interrupted.append(name)
        self.answer(204 if name == "works" else 404, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_a_notebook_is_interrupted_although_another_one_has_just_exited() -> None:
    printed: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Kernels) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Known(f"http://127.0.0.1:{server.server_port}/").stop_kernels(printed.append)
        server.shutdown()
    assert Kernels.interrupted == ["works"]
    assert len(printed) == 1
    assert "stopping 2 running notebook(s)" in printed[0]


def test_lessons_that_need_no_hosts_start_none(tmp_path: Path) -> None:
    own = [Lesson("mine", "Mine", tmp_path / "mine.ipynb")]
    hosts = _Hosts("NOT A LAB'S NAME", Workspace(tmp_path), own, fresh=False, keep=False)
    with contextlib.ExitStack() as ending:
        hosts.start(None, ending)
    assert hosts.running == []
    assert "No lesson needs hosts" in hosts.reason


def test_a_project_without_a_runbook_has_no_lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    problem = CliRunner().invoke(cli, ["learn", "--name", "NOT A LAB'S NAME"]).exception
    assert isinstance(problem, InputError)
    assert "there are no lessons" in str(problem)
    assert not (tmp_path / "learn").exists()


def test_ctrl_c_while_the_hosts_are_ended_does_not_leave_half_of_them() -> None:
    class Ending(Lab):
        ended = False

        def down(self) -> bool:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            self.ended = True
            return True

    lab = Ending("never-started")
    _end(lab)
    assert lab.ended


def test_a_killed_learn_leaves_no_server(tmp_path: Path, programs: Programs) -> None:
    process, _ = start(tmp_path, programs)
    pid = server_of(tmp_path)
    process.kill()
    process.wait(deadline(30))
    wait_until(lambda: ended(pid), "the end of the server")
