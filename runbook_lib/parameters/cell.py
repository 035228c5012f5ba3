"""Read a parameters cell without executing it: names, annotations, literal defaults, and comments as descriptions.

    port: Annotated[int, Gt(0)] = 443  # where TLS is served

The comment after a value describes the parameter, as in papermill's `--help-notebook`; `# type: int  text` gives the
type too.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Declaration", "Import", "declarations", "imports", "literals", "parse_annotation"]

_OTHER_LINE_ENDS = re.compile("[\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]")
"""What `str.splitlines` takes for the end of a line, and Python's parser does not."""
_TYPE_COMMENT = re.compile(r"type:\s*(?P<type>\S+)\s*(?P<text>.*)")


@dataclass(frozen=True)
class Declaration:
    """One parameter of a cell.

    Args:
        name: The parameter.
        annotation: The type, as written; None: as its default.
        has_default: Whether the cell gives it a value; if not, the parameter must be given.
        default: That value.
        description: The comment after it.
        line: Where in the cell, from 1.
    """

    name: str
    annotation: ast.expr | None
    has_default: bool
    default: Any
    description: str
    line: int


@dataclass(frozen=True)
class Import:
    """A name that a cell imports.

    Args:
        name: As the cell uses it.
        module: Where it comes from.
        attribute: What it is called there; empty: the module itself.
        line: Where in the cell, from 1.
    """

    name: str
    module: str
    attribute: str
    line: int


def declarations(source: str, where: str) -> list[Declaration]:
    """Return what a parameters cell declares, in its order.

    Args:
        source: The cell's source.
        where: The file to name in error messages.

    Raises:
        InputError: The cell contains anything but imports and declarations with literal defaults, or a name twice.
    """
    tree = _parse(source, where)
    comments = _comments(source)
    found: dict[str, Declaration] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        declared = _declaration(statement, comments, where)
        if declared.name in found:
            raise InputError(
                f"parameters cell, line {declared.line}: {declared.name!r} is declared twice, "
                f"first in line {found[declared.name].line}",
                where=where,
                hint="remove one of the two lines",
            )
        found[declared.name] = declared
    return [*found.values()]


def imports(source: str, where: str) -> list[Import]:
    """Return the names that a cell imports, in its order; see `declarations`."""
    found = []
    for statement in _parse(source, where).body:
        if isinstance(statement, ast.Import):
            found += [
                Import(item.asname or item.name, item.name, "", statement.lineno) for item in statement.names
            ]
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            found += [
                Import(item.asname or item.name, module, item.name, statement.lineno)
                for item in statement.names
            ]
    return found


def literals(source: str, where: str) -> dict[str, Any]:
    """Return the assignments of a cell that contains nothing else, as a cell that papermill injects does.

    Args:
        source: The cell's source.
        where: The file to name in error messages.

    Raises:
        InputError: The cell contains anything but assignments of literals, without annotations: Python evaluates an
            annotation, and papermill writes none.
    """
    # IPython splits a cell at these too, before Python sees it: a magic in a comment can end a string there, and what
    # is a string here is code there. papermill writes them escaped.
    if _OTHER_LINE_ENDS.search(source.replace("\r\n", "\n")):
        raise InputError("parameters cell: contains a line separator other than a newline", where=where)
    values: dict[str, Any] = {}
    for statement in _parse(source, where).body:
        name, annotation, value = _assignment(statement, where)
        if value is None or annotation is not None:
            raise InputError(
                f"parameters cell: {ast.unparse(statement)!r} is not a plain assignment", where=where
            )
        values[name] = _literal(value, where)
    return values


def _parse(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as problem:
        raise InputError(f"parameters cell: not Python: {problem}", where=where) from problem


def _declaration(statement: ast.stmt, comments: dict[int, str], where: str) -> Declaration:
    name, annotation, value = _assignment(statement, where)
    last = statement.end_lineno or statement.lineno
    comment = comments.get(last) or comments.get(statement.lineno, "")
    typed = _TYPE_COMMENT.fullmatch(comment)
    if typed and annotation is None:
        annotation = parse_annotation(typed["type"], statement.lineno, where)
    return Declaration(
        name,
        annotation,
        value is not None,
        None if value is None else _literal(value, where),
        typed["text"] if typed else comment,
        statement.lineno,
    )


def parse_annotation(text: str, line: int, where: str) -> ast.expr:
    """Return an annotation that is written as text: a type comment, or a string.

    Raises:
        InputError: It is not an expression.
    """
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as problem:
        raise InputError(
            f"parameters cell, line {line}: the annotation {text!r} is not a type", where=where
        ) from problem


def _assignment(statement: ast.stmt, where: str) -> tuple[str, ast.expr | None, ast.expr | None]:
    """Return name, annotation and value of an assignment."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, None, value
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return name, annotation, value
        case _:
            raise InputError(
                f"parameters cell, line {statement.lineno}: {ast.unparse(statement)!r} is not an assignment "
                "of a literal value to a name",
                where=where,
                hint="move everything else into a later cell",
            )


def _literal(value: ast.expr, where: str) -> Any:  # noqa: ANN401 - any literal
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"parameters cell, line {value.lineno}: only literal values are allowed: {ast.unparse(value)!r}",
            where=where,
            hint="write the value itself; compute in a later cell",
        ) from problem


def _comments(source: str) -> dict[int, str]:
    """Return the comments at the end of a line of code, by line."""
    return {line: text.lstrip("#").strip() for line, text in _trailing_comments(source)}


def _trailing_comments(source: str) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):  # the parser has accepted it: only its comments are lost
        return
