"""The tree that Sphinx reads: pages as they are in the repository, so that their links hold, and generated ones."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from docs.site.api_pages import api_page, facts_page, operations_page
from docs.site.command_pages import commands_page
from docs.site.navigation import REPOSITORY_PAGES, SECTIONS
from docs.site.runbook_pages import runbooks_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["stage"]

_LINK = re.compile(r"(\]\()([^()\s]+)(\))")
_ANALYSIS = "95_audit"
_REFERENCE = {
    "runbook_lib/facts/": "reference/facts.md",
    "runbook_lib/operations/": "reference/operations.md",
    "runbook_lib/errors.py": "reference/api.md#errors",
}
"""What pages link to in the repository, and the page of the site that is made from it."""


def stage(top: Path, target: Path) -> None:
    """Write the tree; a file that did not change keeps its time, so that Sphinx reads only what did.

    Args:
        top: The repository.
        target: A directory for the tree; what is in it and is no longer wanted is removed.
    """
    wanted = dict(_files(top))
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if str(path.relative_to(target)) not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and path.read_bytes() == content):
            path.write_bytes(content)
    shutil.copytree(top / "docs" / "site" / "static", target / "static", dirs_exist_ok=True)


def _files(top: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file of the tree by its path, and what is in it."""
    yield "index.md", _first_page(top).encode()
    for page in REPOSITORY_PAGES:
        yield f"{page}.md", _adapted((top / f"{page}.md").read_text(encoding="utf-8")).encode()
    for path in sorted((top / "docs").rglob("*")):
        name = path.relative_to(top)
        if path.is_file() and "site" not in name.parts:
            text = path.read_bytes()
            yield str(name), _adapted(text.decode()).encode() if path.suffix == ".md" else text
    yield (
        "docs/decisions/index.md",
        _list_page("Decisions", (top / "docs" / "decisions").glob("*.md")).encode(),
    )
    yield "LICENSE", (top / "LICENSE").read_bytes()
    notebooks = sorted((top / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        yield f"notebooks/{path.name}", path.read_bytes()
    yield "notebooks/index.md", _list_page("The notebooks", notebooks).encode()
    yield "reference/commands.md", commands_page().encode()
    yield (
        "reference/runbooks.md",
        runbooks_page(path for path in notebooks if path.stem != _ANALYSIS).encode(),
    )
    yield "reference/api.md", api_page().encode()
    yield "reference/facts.md", facts_page().encode()
    yield "reference/operations.md", operations_page().encode()


def _first_page(top: Path) -> str:
    """Return README, with the contents of the site; the page itself does not repeat them."""
    text = _adapted((top / "README.md").read_text(encoding="utf-8"))
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{chr(10).join(pages)}\n```"
        for title, pages in SECTIONS.items()
    ]
    return "\n\n".join([text, *trees]) + "\n"


def _adapted(text: str) -> str:
    """Return a page whose links to README and to folders lead to pages of the site."""
    return _LINK.sub(lambda match: f"{match[1]}{_target(match[2])}{match[3]}", text)


def _target(link: str) -> str:
    if "://" in link:
        return link
    for source, page in _REFERENCE.items():
        if link.endswith(source):
            return link.removesuffix(source) + page
    return re.sub(r"(^|/)README\.md", r"\1index.md", re.sub(r"(?<!\.)/$", "/index.md", link))


def _list_page(title: str, paths: Iterator[Path] | list[Path]) -> str:
    names = "\n".join(sorted(path.stem for path in paths))
    return f"# {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n"
