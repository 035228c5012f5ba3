"""What a file on a host shall hold: a text, a file of this machine, a template or a secret; all read before a step."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from runbook_lib.errors import ParameterError
from runbook_lib.project import find_upwards
from runbook_lib.secrets import Secrets, is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Contents", "LocalPath", "read_contents", "read_local", "render"]

LocalPath = str | Path
"""A file of this machine; a relative one is looked for in the current directory and in those above it."""

_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")


@dataclass(frozen=True)
class Contents:
    """What a file shall hold.

    Args:
        data: The bytes.
        secret: Whether records may show only their hash and size.
        references: The secret references whose values are in it.
    """

    data: bytes
    secret: bool = False
    references: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """The text; None if the bytes are not UTF-8, or hold a NUL."""
        try:
            return None if b"\0" in self.data else self.data.decode()
        except UnicodeDecodeError:
            return None

    @property
    def base64(self) -> str:
        """The bytes in base64, for standard input."""
        return base64.encodebytes(self.data).decode()


def read_local(path: LocalPath, what: str) -> bytes:
    """Return the bytes of a file of this machine.

    Args:
        path: Absolute, or relative to the current directory or the nearest directory above that has it: the same
            file in JupyterLab, headless and in pytest.
        what: The argument that names it, for messages.

    Raises:
        ParameterError: The file cannot be read.
    """
    try:
        return find_upwards(path).read_bytes()
    except OSError as problem:
        raise ParameterError(
            f"{what}: cannot read {path}: {problem.strerror}",
            hint="a relative path is looked for in the current directory and in those above it",
        ) from problem


def render(template: LocalPath, variables: Mapping[str, Any]) -> str:
    """Return a Jinja template of this machine with its variables filled in.

    Args:
        template: Its path, as for `read_local`. It may include templates of its folder.
        variables: By name. A name without a value is an error, never an empty text.

    Raises:
        ParameterError: The template cannot be read, is malformed, or uses an undefined name.
    """
    path = find_upwards(template)
    read_local(path, "template")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - makes configuration files, not markup
    )
    try:
        return environment.get_template(path.name).render(variables)
    except jinja2.UndefinedError as problem:
        raise ParameterError(
            f"template: {problem.message}",
            where=f"{template}:{_line(problem, path)}",
            hint="give a value for the name in variables={...}, or correct the name in the template",
        ) from problem
    except jinja2.TemplateSyntaxError as problem:
        raise ParameterError(
            f"template: {problem.message}",
            where=f"{template}:{problem.lineno}",
            hint="correct the template",
        ) from problem
    except jinja2.TemplateNotFound as problem:
        raise ParameterError(
            f"template: includes {problem.name}, which is not in the same folder", where=str(template)
        ) from problem
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as problem:
        raise ParameterError(
            f"template: {type(problem).__name__}: {problem}",
            where=f"{template}:{_line(problem, path)}",
            hint="correct the template or its variables",
        ) from problem


def _line(problem: BaseException, path: Path) -> int:
    """Return the line of the template that an error comes from; the last one that is on the way."""
    line, frame = 0, problem.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def read_contents(
    *,
    text: str | None = None,
    source: LocalPath | None = None,
    template: LocalPath | None = None,
    variables: Mapping[str, Any] | None = None,
    secret: str | None = None,
) -> Contents:
    """Return what a file shall hold; exactly one of `text`, `source`, `template` and `secret` is given.

    Args:
        text: The contents.
        source: A file of this machine.
        template: A Jinja template of this machine.
        variables: For the template. A value that is a secret reference is resolved, and makes the contents secret.
        secret: A secret reference. A value of several lines, such as a key, gets its last line feed back.

    Raises:
        ParameterError: None or several are given, or a file cannot be read.
        SecretError: A reference has no value.
    """
    given = {"text": text, "source": source, "template": template, "secret": secret}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise ParameterError(
            f"contents of a file: {' and '.join(names) or 'nothing'} given",
            hint="give exactly one of text=, source=, template= and secret=",
        )
    if variables is not None and template is None:
        raise ParameterError("contents of a file: variables given", hint="they need template=")
    if secret is not None:
        value = Secrets().resolve(secret)
        return Contents((value + "\n" * ("\n" in value)).encode(), secret=True, references=(secret,))
    if template is not None:
        given_values = variables or {}
        references = {name: value for name, value in given_values.items() if is_reference(value)}
        values = {name: Secrets().resolve(value) for name, value in references.items()}
        data = render(template, {**given_values, **values}).encode()
        secret_here = bool(references) or bool(_PRIVATE_KEY.search(data))
        return Contents(data, secret=secret_here, references=tuple(references.values()))
    data = read_local(source, "source") if source is not None else (text or "").encode()
    return Contents(data, secret=bool(_PRIVATE_KEY.search(data)))
