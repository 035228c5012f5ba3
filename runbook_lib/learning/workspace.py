"""The learner's folder: working copies of the notebooks, which are the learner's to change; nothing else is touched.

learn/
  START.md          the first page, written again at each start
  notebooks/        working copies
  params/           what the notebooks read; the inventory is a link to that of the practice hosts
  runs/             the evidence of the learner's runs
  .jupyter/         settings and layout of JupyterLab, its token and its log; empty at each start
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib import file_lock
from runbook_lib.errors import InputError
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY
from runbook_lib.project import NOTEBOOKS, bundled_top, project_top

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runbook_lib.learning.lessons import Lesson

__all__ = ["FOLDER", "START", "Workspace"]

FOLDER = "learn"
"""Name of the folder, in the project's directory."""
START = "START.md"

_JUPYTER = ".jupyter"
_LOCK = ".lock"
_INVENTORY = DEFAULT_TOPOLOGY.with_name("inventory.yml")
_PARAMS = "params"
_SETTINGS = {
    # Markdown is shown, not edited: the first page has links. No question about news: nothing leaves this machine.
    "docmanager-extension/plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Workspace:
    """The learner's folder.

    Args:
        top: The folder.
    """

    top: Path

    @classmethod
    def locate(cls) -> Workspace:
        """Return the folder of the current project, whether or not it exists; from inside of it, the same one."""
        top = project_top()
        if (top / _JUPYTER).is_dir() and top.name == FOLDER:
            return cls(top)
        return cls(top / FOLDER)

    @property
    def project(self) -> Path:
        """The directory of the project."""
        return self.top.parent

    @property
    def runs(self) -> Path:
        """The directory of the learner's runs."""
        return self.top / "runs"

    @property
    def jupyter(self) -> Path:
        """The directory of JupyterLab's own files."""
        return self.top / _JUPYTER

    def notebook(self, name: str) -> Path:
        """Return the working copy of a lesson.

        Args:
            name: The lesson's name.
        """
        return self.top / NOTEBOOKS / f"{name}.ipynb"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder for this process alone while the block runs.

        Raises:
            InputError: Another process uses it, it is a folder of something else, or it cannot be written.
        """
        self._refuse_another_folder()
        with self._writing():
            self.top.mkdir(parents=True, exist_ok=True)
            file = (self.top / _LOCK).open("ab")
        with file:
            if not file_lock.acquire(file, wait=False):
                raise InputError(
                    "`runbook learn` is running in this folder already",
                    where=str(self.top),
                    hint=f"open {self._running_address() or 'the address that it has printed'}",
                )
            yield

    def prepare(self, lessons: Sequence[Lesson], *, fresh: Sequence[str] = ()) -> list[Path]:
        """Copy what is missing; a working copy is never overwritten.

        Args:
            lessons: All lessons.
            fresh: Names of lessons to begin again: their working copies are kept under another name.

        Returns:
            The working copies that were kept under another name.

        Raises:
            InputError: The folder cannot be written.
        """
        with self._writing():
            (self.top / NOTEBOOKS).mkdir(parents=True, exist_ok=True)
            (self.top / ".gitignore").write_text("*\n", encoding="utf-8")
            kept = [path for name in fresh if (path := _set_aside(self.notebook(name)))]
            for lesson in lessons:
                if not self.notebook(lesson.name).exists():
                    shutil.copyfile(lesson.path, self.notebook(lesson.name))
            self._copy_parameters()
            self._write_settings()
        return kept

    def write_start_page(self, text: str) -> None:
        """Write the first page.

        Raises:
            InputError: It cannot be written.
        """
        with self._writing():
            (self.top / START).write_text(text, encoding="utf-8")

    def link_inventory(self, inventory: Path) -> Path | None:
        """Let the working copies find the practice hosts: their parameter names `params/lab/inventory.yml`.

        Args:
            inventory: The inventory that the lab has written.

        Returns:
            The learner's own inventory, kept under another name; None if there was none.

        Raises:
            InputError: The link cannot be made.
        """
        link = self.top / _INVENTORY
        with self._writing():
            link.parent.mkdir(parents=True, exist_ok=True)
            kept = None if link.is_symlink() else _set_aside(link)
            link.unlink(missing_ok=True)
            link.symlink_to(inventory.absolute())
        return kept

    def _refuse_another_folder(self) -> None:
        """Refuse a folder of this name that was not made here: its files would be overwritten."""
        with self._writing():
            ours = self.jupyter.exists() or (self.top / _LOCK).exists() or not self.top.exists()
            if ours or not any(self.top.iterdir()):
                return
        raise InputError(
            "this folder holds files that `runbook learn` did not make",
            where=str(self.top),
            hint="rename the folder, or run `runbook learn` in another directory",
        )

    def _running_address(self) -> str:
        """Return the address of the server that runs now, with its token; empty if it is not known."""
        for file in (self.jupyter / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                server = json.loads(file.read_text(encoding="utf-8"))
                return f"{server['url']}lab?token={server['token']}"
        return ""

    def _copy_parameters(self) -> None:
        source = self.project / _PARAMS
        source = source if source.is_dir() else bundled_top() / _PARAMS
        for file in sorted(source.rglob("*.yml")):
            relative = file.relative_to(source)
            target = self.top / _PARAMS / relative
            if _PARAMS / relative != _INVENTORY and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                # What only its owner may read stays so from the first byte on; the learner may edit the copy.
                target.touch(mode=file.stat().st_mode & 0o777 | 0o600)
                shutil.copyfile(file, target)

    def _write_settings(self) -> None:
        """Write JupyterLab's settings for this folder alone, and forget the layout of the last time."""
        shutil.rmtree(self.jupyter, ignore_errors=True)
        self.jupyter.mkdir(mode=0o700)
        for name, values in _SETTINGS.items():
            path = self.jupyter / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values, indent=1), encoding="utf-8")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise InputError(
                f"cannot be written: {problem.strerror or problem}",
                where=os.fspath(problem.filename or self.top),
                hint="run `runbook learn` in a directory that you may write to",
            ) from problem


def _set_aside(path: Path) -> Path | None:
    """Rename a learner's file, and return its new path; None if there is none."""
    if not path.exists():
        return None
    number = 1
    while (target := path.with_name(f"{path.stem}.before-{number}{path.suffix}")).exists():
        number += 1
    path.rename(target)
    return target
