"""A package of another project, as far as entry points are concerned: a module and its installed metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_package"]


def write_package(directory: Path, name: str, source: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Write a module and a dist-info directory, as pip would install them; `directory` belongs on `sys.path`.

    Args:
        directory: Where to write.
        name: Name of the package and of its module.
        source: The module's text.
        entry_points: Group -> name -> `module:attribute`.
    """
    (directory / f"{name}.py").write_text(source, encoding="utf-8")
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8"
    )
    lines = [
        line
        for group, entries in entry_points.items()
        for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
