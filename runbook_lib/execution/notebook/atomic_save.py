"""Write executed notebooks atomically, readable by their owner only, from the first byte."""

from __future__ import annotations

from pathlib import Path

from papermill.iorw import LocalHandler, papermill_io
from papermill.utils import chdir

from runbook_lib.atomic import replace_file

__all__ = ["save_atomically"]


class _AtomicHandler(LocalHandler):  # type: ignore[misc]
    """papermill's handler of local files, for one notebook.

    Args:
        base: The directory that relative paths are relative to.
    """

    def __init__(self, base: str | None, path: str) -> None:
        super().__init__()
        self._base = base
        with chdir(base):
            self._folder = _identity(Path(path).parent)

    def write(self, buf: str, path: str) -> None:
        """Write a new file next to the old one, then replace the old one."""
        with chdir(self._base):
            target = Path(path)
            if target.exists() and not target.is_file():
                super().write(buf, path)  # a device or a pipe cannot be replaced
                return
            if not target.parent.is_dir():
                raise FileNotFoundError(f"output folder {target.parent} doesn't exist.")
            if _identity(target.parent) != self._folder:
                raise OSError(f"output folder {target.parent} was replaced: nothing is written there")
            replace_file(target.resolve(), buf.encode())


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what stays the same as long as a folder is not replaced, by a link to another one for instance."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def save_atomically(path: str) -> None:
    """Have papermill write the notebook at `path` atomically; other paths and schemes keep papermill's handlers."""
    local = papermill_io.get_handler("local")
    if type(papermill_io.get_handler(path)) is not type(local):
        return
    # papermill changes the directory while cells run, and keeps the base of relative paths in its own handler.
    base = local.cwd(None)
    local.cwd(base)
    papermill_io.register(path, _AtomicHandler(base, path))
