"""A reader at a shell: the commands of one page, typed one after another in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.deadlines import deadline
from tests.docs.command_server import PROCESS_FUNCTION, SHELL_FUNCTION
from tests.entry_points import write_package
from tests.programs import Programs

if TYPE_CHECKING:
    from tests.docs.blocks import Block

__all__ = ["Server", "Session", "matches"]

TOP = Path(__file__).parents[2]
_END = 30.0  # seconds for a shell or the server to exit, once nothing more comes


class Server:
    """The process that carries out `runbook` for the sessions.

    Args:
        place: An empty directory.
    """

    def __init__(self, place: Path) -> None:
        self.requests, self.answers = place / "requests", place / "answers"
        for path in (self.requests, self.answers):
            os.mkfifo(path)
        module = [sys.executable, "-m", "tests.docs.command_server", str(self.requests), str(self.answers)]
        self._programs = Programs()
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        self._process = self._programs.start(module, cwd=TOP, env=environment, stdout=None, stderr=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.requests.write_bytes(b"")
            self._process.wait(deadline(_END))
        self._programs.end()


class Session:
    """A shell with a home directory of its own.

    Args:
        place: An empty directory.
        server: Carries out `runbook`; None: each command is a process of its own.
    """

    def __init__(self, place: Path, server: Server | None) -> None:
        self.folder = place / "work"
        self._words: dict[str, str] = {}
        self._packages = place / "packages"
        for directory in (self.folder, self._packages, place / "home"):
            directory.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_")}
        environment |= {
            "COLUMNS": "120",
            "HOME": str(place / "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHON": sys.executable,
            "PYTHONPATH": f"{self._packages}:{TOP}",
            **{
                f"GIT_{who}_{what}": "reader@localhost"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
            "TOP": str(TOP),
            "RUNBOOK_LOCK_FILE": str(place / "lock"),  # this machine is a host of other tests too
            "XDG_CACHE_HOME": str(place / "home" / ".cache"),
        }
        if server:
            environment |= {"ANSWERS": str(server.answers), "REQUESTS": str(server.requests)}
        self._programs = Programs()
        self._shell = self._programs.start(
            ["bash", "--noprofile", "--norc"], cwd=self.folder, env=environment, stdin=subprocess.PIPE
        )
        self.type(SHELL_FUNCTION if server else PROCESS_FUNCTION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._shell.stdin
        self._shell.stdin.close()
        self._shell.wait(deadline(_END))
        self._programs.end()

    def type(self, command: str) -> tuple[str, int]:
        """Type a command; return what it printed and its exit code."""
        assert self._shell.stdin
        assert self._shell.stdout
        for word, value in self._words.items():
            command = re.sub(rf"\b{word}\b", value, command)
        end = uuid.uuid4().hex
        self._shell.stdin.write(
            f"{{ {command}\n}} < /dev/null; set -- $?; printf '\\n%s %s\\n' {end} $1; (exit $1)\n"
        )
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(end):
                return "".join(lines).removesuffix("\n"), int(line.split()[1])
            lines.append(line)
        raise AssertionError(f"the shell has exited: {lines}")

    def prepare(self, block: Block) -> None:
        """Do what the comments in front of a block say."""
        for kind, text in block.marks:
            if kind == "prepare":
                output, code = self.type(text)
                assert code == 0, output
            elif kind == "where":
                name, _, value = text.partition("=")
                self._words[name] = self.type(f"echo {value}")[0].strip()
            elif kind == "file":
                path = self.folder / text
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{block.text}\n", encoding="utf-8")
            elif kind == "cell":
                self._insert(self.folder / text, block.text)
            elif kind == "package":
                name, entry, group = text.split()
                key, _, value = entry.partition("=")
                write_package(self._packages, name, block.text, {group: {key: value}})

    def _insert(self, notebook: Path, source: str) -> None:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cell: dict[str, Any] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        content["cells"].insert(-1, {"id": uuid.uuid4().hex[:8], **cell})
        notebook.write_text(json.dumps(content), encoding="utf-8")


def matches(expected: str, printed: str) -> bool:
    """Whether an output is as a page shows it: `…` stands for any text in a line, and alone for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?"
        if line.strip() == "…"
        else ".*".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n"
        for line in expected.splitlines()
    )
    return (
        re.fullmatch(pattern, f"{printed}\n" if printed and not printed.endswith("\n") else printed)
        is not None
    )
