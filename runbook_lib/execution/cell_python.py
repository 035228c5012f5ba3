"""The Python of a notebook's cell, also where IPython's magics stand in it."""

from __future__ import annotations

import ast
import re

__all__ = ["cell_tree", "is_another_language", "with_magic_calls", "without_transparent_magics"]

_TRANSPARENT = {"%%time", "%%timeit", "%%capture", "%%prun"}
_TRANSPARENT_LINE = re.compile(
    r"^([ \t]*)%(?:timeit|time|prun)\b[ \t]*(?:-\w+(?:[ \t]*\d+)?[ \t]+)*", re.MULTILINE
)
_MAGIC_LINE = re.compile(
    r"^([ \t]*)(?:([\w., ]+=)[ \t]*)?[!%?].*$|^([ \t]*)[\w.]+\?{1,2}[ \t]*$", re.MULTILINE
)


def without_transparent_magics(source: str) -> str:
    """Return a cell's source without the magics that only time, profile or capture what they execute in the kernel.

    The lines keep their numbers.

    Args:
        source: The cell's source.
    """
    lines = source.split("\n")
    for number, line in enumerate(lines):
        first = (line.split() or [""])[0]
        if first in _TRANSPARENT:
            lines[number] = ""
        elif first:
            break
    return _TRANSPARENT_LINE.sub(r"\1", "\n".join(lines))


def cell_tree(source: str) -> ast.Module:
    """Return the Python of a cell; lines that are magics or shell commands of IPython do nothing in it.

    Args:
        source: The cell's source.

    Raises:
        SyntaxError: It is not Python: the whole cell is another language's (`%%bash`), or it has an error.
        ValueError: It has characters that Python's parser refuses.
        RecursionError: It is nested too deeply.
    """
    try:
        return ast.parse(source)
    except SyntaxError:
        if is_another_language(source):
            raise
        return ast.parse(_MAGIC_LINE.sub(_nothing, without_transparent_magics(source)))


def with_magic_calls(source: str) -> str:
    """Return a cell as IPython executes it: magics and shell commands are calls of `get_ipython()`.

    The lines keep their numbers, as long as no magic takes several lines.

    Args:
        source: The cell's source, without transparent magics.
    """
    # Few cells need it, and the others do not pay for loading IPython.
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415

    blank = source.count("\n", 0, len(source) - len(source.lstrip()))  # lines that IPython removes
    transformed: str = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
    return "\n" * blank + transformed


def is_another_language(source: str) -> bool:
    """Return whether a magic has the whole cell carried out by something else: a shell, or hosts (`%%on`).

    Args:
        source: The cell's source.
    """
    return without_transparent_magics(source).lstrip().startswith("%%")


def _nothing(line: re.Match[str]) -> str:
    """Return a statement in place of a magic's line: `None` for what it assigns, or nothing at all."""
    indent, target, asked = line.groups()
    return f"{indent}{target} None" if target else f"{indent if asked is None else asked}pass"
