"""Write executed notebooks atomically, readable by their owner only, from the first byte.

papermill has one registry of handlers per process and no way to take a handler out of it again. What is registered
here is in it for one notebook and one execution, so that papermill itself is afterwards as it was before.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from papermill.iorw import LocalHandler, PapermillIO, papermill_io
from papermill.utils import chdir

from runbook_lib.atomic import replace_file_by_pieces
from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["AtomicHandler", "saved_atomically"]

_MOST_LINKS = 40  # as Linux follows


@contextlib.contextmanager
def saved_atomically(path: str | None) -> Iterator[AtomicHandler | None]:
    """Have papermill write the notebook at `path` atomically while the block runs, and once after it.

    Yields what does it; None if papermill's own handler writes.

    After its engine has returned, papermill writes the notebook a last time; if the block raises, it does not.

    Args:
        path: The output path that papermill was given, in the directory that papermill was started in. Other
            schemes, devices, pipes and open files of a process keep papermill's handlers; None: nothing is written.
    """
    local = papermill_io.get_handler("local")
    if not path or type(papermill_io.get_handler(path)) is not type(local):
        yield None
        return
    base = _base_of(local)
    with chdir(base):
        replaceable = not _is_open_file(Path(path))
    if not replaceable:
        yield None
        return
    handler = AtomicHandler(local, base, path)
    papermill_io.register(path, handler)
    try:
        yield handler
        # Without a base the engine was not called by papermill: nothing is written after it.
        handler.is_last = base is not None
    finally:
        if not handler.is_last:
            handler.unregister()


class AtomicHandler(LocalHandler):  # type: ignore[misc]
    """papermill's handler of local files, for one notebook.

    Args:
        local: papermill's own.
        base: The directory that relative paths are relative to.
        path: The notebook.
    """

    def __init__(self, local: LocalHandler, base: str | None, path: str) -> None:
        super().__init__()
        self._local = local
        self._path = path
        self.cwd(base)
        self.is_last = False
        self.is_complete = (
            False  # set once nothing is left to be written: then papermill's last write is none
        )
        with chdir(base):
            self._folder = _identity(Path(path).parent)
            self._is_link = Path(path).is_symlink()

    def unregister(self) -> None:
        """Take this handler out of papermill's registry."""
        _handlers()[:] = [entry for entry in _handlers() if entry[1] is not self]

    def write(self, buf: str, path: str) -> None:
        """Write a new file next to the old one, then replace the old one."""
        over = self.is_last and _base_of(self._local) != self._cwd  # papermill never made its last write
        if over or path != self._path:
            self._next_handler(path).write(buf, path)
            if over:
                self.unregister()
            return
        if self.is_last:
            self.unregister()
        if self.is_complete:
            return
        with chdir(self._cwd):
            target = Path(path)
            if target.exists() and not target.is_file():
                super().write(buf, path)  # a device or a pipe cannot be replaced
                return
        self.write_pieces([utf8_bytes(buf)])

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """Write the notebook, which need not be in memory as a whole, in place of the old one.

        Raises:
            OSError: It cannot be written, or its folder was replaced.
        """
        with chdir(self._cwd):
            target = Path(self._path)
            if not target.parent.is_dir():
                raise FileNotFoundError(f"output folder {target.parent} doesn't exist.")
            if _identity(target.parent) != self._folder:
                raise OSError(f"output folder {target.parent} was replaced: nothing is written there")
            # A link that a cell has put there could lead to the notebook of another run: it is replaced, not followed.
            replace_file_by_pieces(target.resolve() if self._is_link else target, pieces)

    def _next_handler(self, path: str) -> LocalHandler:
        """Return the handler that papermill would choose without this one: it compares beginnings of paths."""
        others = PapermillIO()
        for scheme, handler in reversed(_handlers()):  # the last one to be registered comes first
            if handler is not self:
                others.register(scheme, handler)
        return others.get_handler(path)


def _handlers() -> list[tuple[str, LocalHandler]]:
    """Return papermill's registry, which has no method to take a handler out of it."""
    handlers: list[tuple[str, LocalHandler]] = papermill_io._handlers  # noqa: SLF001 - see above
    return handlers


def _base_of(local: LocalHandler) -> str | None:
    """Return what papermill's relative paths are relative to; None outside of an execution by papermill."""
    base: str | None = local.cwd(None)
    local.cwd(base)
    return base


def _is_open_file(path: Path) -> bool:
    """Return whether a path leads to an open file of a process, as /dev/stdout does.

    Such a file must be written, not replaced: the program that opened it would not see the new one.
    """
    for _ in range(_MOST_LINKS):
        try:
            folder = path.parent.resolve()
        except OSError:
            return False  # the folder does not exist, or is a loop of links: papermill reports that
        if folder.is_relative_to("/proc"):
            return True
        if not path.is_symlink():
            return False
        path = folder / path.readlink()
    return False


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what stays the same as long as a folder is not replaced, by a link to another one for instance."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
