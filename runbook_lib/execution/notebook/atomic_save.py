"""Executed notebooks are replaced as a whole and are for their owner alone, from the first byte."""

from __future__ import annotations

from pathlib import Path

from papermill.iorw import LocalHandler, papermill_io
from papermill.utils import chdir

from runbook_lib.atomic import replace_file

__all__ = ["save_atomically"]


class _AtomicHandler(LocalHandler):  # type: ignore[misc]
    """papermill's handler of local files, for one notebook.

    Args:
        place: The directory that relative paths begin at.
    """

    def __init__(self, place: str | None) -> None:
        super().__init__()
        self._place = place

    def write(self, buf: str, path: str) -> None:
        """Write beside the file, then take its place."""
        with chdir(self._place):
            target = Path(path)
            if target.exists() and not target.is_file():
                super().write(buf, path)  # a device or a pipe cannot be replaced
                return
            if not target.parent.is_dir():
                raise FileNotFoundError(f"output folder {target.parent} doesn't exist.")
            replace_file(target.resolve(), buf.encode())


def save_atomically(path: str) -> None:
    """Have papermill write the notebook at `path` through us; other paths, and other schemes, stay its own."""
    local = papermill_io.get_handler("local")
    if type(papermill_io.get_handler(path)) is not type(local):
        return
    # papermill changes the directory while cells run, and keeps where paths begin in its own handler.
    place = local.cwd(None)
    local.cwd(place)
    papermill_io.register(path, _AtomicHandler(place))
