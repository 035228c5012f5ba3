"""JupyterLab for one learner: on this machine's loopback address, with a token that changes with each start."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from runbook_lib import extras, grace_periods
from runbook_lib.errors import InputError, RunbookError
from runbook_lib.learning.server_process import PARENT, TOKEN_FILE
from runbook_lib.subprocess_termination import terminate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.learning.workspace import Workspace

__all__ = ["JupyterServer"]

_log = logging.getLogger(__name__)
_ADDRESS = "127.0.0.1"
_START = 120.0  # seconds until the server must answer
_REQUEST = 10.0  # seconds for a request to it
_POLL = 0.1  # seconds
_LOG_LINES = 5  # of the server's log in a message
_LAYOUT = {
    "metadata": {"id": "default"},
    "data": {
        "layout-restorer:data": {
            "main": {"dock": None},
            "left": {"collapsed": True, "visible": True, "widgets": ["filebrowser"]},
            "right": {"collapsed": True, "visible": True, "widgets": []},
            "relativeSizes": [0, 1, 0],
        }
    },
}
"""The layout at the start: without a saved one JupyterLab opens its list of files, which leaves a lesson 60 pixels of a
narrow screen. The first page links all lessons."""


def _save_layout(directory: Path) -> None:
    """Save the layout that JupyterLab restores when its page is opened, as `jupyter lab workspaces import` does it.

    Raises:
        RunbookError: It cannot be written.
    """
    from jupyterlab_server.workspaces_handler import WorkspacesManager  # noqa: PLC0415 - an extra

    try:
        WorkspacesManager(str(directory)).save("default", json.dumps(_LAYOUT))
    except OSError as problem:
        raise RunbookError(
            f"cannot be written: {problem.strerror or problem}", where=str(directory)
        ) from problem


class JupyterServer:
    """A server for the learner's folder, for a `with` block; leaving the block ends it and its kernels.

    Args:
        workspace: The folder.
        port: TCP port; 0: a free one.
        open_browser: Open the page in this user's browser.
        first: Path of the page that is opened first, in the folder.
    """

    def __init__(self, workspace: Workspace, *, port: int, open_browser: bool, first: str) -> None:
        self._workspace = workspace
        self._port = port
        self._open_browser = open_browser
        self._first = quote(first)
        self._token = secrets.token_urlsafe(32)
        self._base = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address to open in a browser, with the token."""
        return f"{self._base}lab/tree/{self._first}?token={self._token}"

    def __enter__(self) -> Self:
        extras.load("jupyterlab")
        own = self._workspace.jupyter
        (own / "runtime").mkdir(mode=0o700, exist_ok=True)
        _save_layout(own / "workspaces")
        token = own / "token"
        token.touch(mode=0o600)
        token.write_text(self._token, encoding="utf-8")
        with (own / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runbook_lib.learning.server_process", *self._options()],
                cwd=self._workspace.top,
                env=self._environment(token),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for this process, which ends the server in order
            )
        with contextlib.ExitStack() as failure:
            failure.callback(self.__exit__)
            self._base = self._wait_until_it_answers(self._process)
            failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            terminate(self._process, grace_periods.LESSON_SERVER)

    def wait(self) -> None:
        """Wait until the server has exited by itself, as by "Shut Down" in its menu.

        Raises:
            RunbookError: It has crashed, or was killed.
        """
        code = self._process.wait() if self._process else 0
        if code:
            raise RunbookError(
                f"JupyterLab has exited with {code}",
                where=str(self._workspace.jupyter / "log"),
                hint="the log has the reason; your notebooks and runs are in the same folder",
            )

    def stop_kernels(self, report: Callable[[str], None]) -> None:
        """Interrupt the notebooks that are running, so that their steps leave the hosts in order; wait for them.

        Args:
            report: Called with a line for the person who waits, if there is something to wait for.
        """
        until = time.monotonic() + grace_periods.KERNEL
        interrupted = False
        while busy := [kernel for kernel in self._kernels() if kernel["execution_state"] == "busy"]:
            if not interrupted:
                interrupted = True
                report(f"stopping {len(busy)} running notebook(s), so that no host is left halfway")
                for kernel in busy:
                    self._interrupt(str(kernel["id"]))
            if time.monotonic() > until:
                return
            time.sleep(_POLL)

    def _options(self) -> list[str]:
        own = self._workspace.jupyter
        values: dict[str, Any] = {
            "ServerApp.ip": _ADDRESS,
            "ServerApp.port": self._port,
            "ServerApp.root_dir": self._workspace.top,
            "ServerApp.open_browser": self._open_browser,
            "ServerApp.allow_root": os.geteuid() == 0,  # the practice hosts need root: there is no other user
            "ServerApp.allow_remote_access": False,
            "LabApp.extension_manager": "readonly",  # it would ask a package registry
            "LabApp.default_url": f"/lab/tree/{self._first}",
            "LabApp.user_settings_dir": own / "settings",
            "LabApp.workspaces_dir": own / "workspaces",
        }
        return [f"--{name}={value}" for name, value in values.items()]

    def _environment(self, token: Path) -> dict[str, str]:
        own = {
            # Not the token as an option: every user of this machine can read those.
            TOKEN_FILE: str(token),
            "JUPYTER_RUNTIME_DIR": str(self._workspace.jupyter / "runtime"),
            "JUPYTER_PREFER_ENV_PATH": "1",  # kernels run in this Python, which has this package
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
            PARENT: str(os.getpid()),
        }
        return {**{name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"}, **own}

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> str:
        """Return the server's address once it answers.

        Raises:
            InputError: The port is in use.
            RunbookError: The server exited, does not answer, or answers without the token.
        """
        file = self._workspace.jupyter / "runtime" / f"jpserver-{process.pid}.json"
        until = time.monotonic() + _START
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._base = str(json.loads(file.read_text(encoding="utf-8"))["url"])
                self._ask("GET", "status")
                self._check_token_is_needed()
                return self._base
            time.sleep(_POLL)
        log = self._workspace.jupyter / "log"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LOG_LINES:]
        if "already in use" in " ".join(lines):
            raise InputError(
                f"the port {self._port} is in use",
                where="--port",
                hint="leave the option out, to use a free port",
            )
        raise RunbookError(
            f"JupyterLab did not start: {' | '.join(lines)}", where=str(log), hint="the log has the reason"
        )

    def _check_token_is_needed(self) -> None:
        """Ask without the token, as every user of this machine can.

        Raises:
            OSError: The server does not answer.
            RunbookError: It answers with more than a refusal.
        """
        try:
            urllib.request.urlopen(f"{self._base}api/contents", timeout=_REQUEST).close()  # noqa: S310 - as below
        except urllib.error.HTTPError as refused:
            if refused.code in {401, 403}:
                return
            raise
        raise RunbookError(
            "JupyterLab answers without its token: every user of this machine could act as you",
            where=self._base,
            hint="look for `token` and `identity_provider_class` in its configuration, in the directories that "
            "`jupyter --paths` lists",
        )

    def _kernels(self) -> Sequence[dict[str, Any]]:
        """Return the server's kernels; none if it does not answer any more."""
        try:
            found: list[dict[str, Any]] = self._ask("GET", "kernels")
        except (OSError, ValueError) as problem:
            _log.info("the server does not list its kernels: %s", problem)
            return []
        return found

    def _interrupt(self, kernel: str) -> None:
        """Interrupt a kernel; one that has exited since it was listed must not keep the others from it."""
        try:
            self._ask("POST", f"kernels/{kernel}/interrupt")
        except (OSError, ValueError) as problem:
            _log.info("the server does not interrupt the kernel %s: %s", kernel, problem)

    def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(  # noqa: S310 - http to this machine
            f"{self._base}api/{path}", method=method, headers={"Authorization": f"token {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST) as answer:  # noqa: S310 - as above
                text = answer.read()
        except http.client.HTTPException as problem:
            raise OSError(str(problem)) from problem
        return json.loads(text) if text else None
