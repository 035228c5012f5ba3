"""pyinfra's global arguments: which ones a runbook's step understands, and what stands in for the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pyinfra.api.arguments import all_argument_meta

from runbook_lib.errors import ParameterError
from runbook_lib.integrations.pyinfra.commands import shell_words

__all__ = ["ALLOWED", "GLOBAL", "VERIFIABLE", "global_arguments", "with_checked_values"]

ALLOWED: dict[str, Any] = {
    "_sudo": True,  # as for all operations of this library: as root unless said otherwise
    "_sudo_user": None,
    "_use_sudo_login": False,
    "_su_user": None,
    "_use_su_login": False,
    "_preserve_su_env": False,
    "_su_shell": None,
    "_shell_executable": "sh",
    "_chdir": None,
    "_env": {},
    "_success_exit_codes": (0,),
    "_timeout": None,
    "_stdin": None,
    "_temp_dir": None,
    "name": None,
}
"""The global arguments that steps understand, with their defaults."""

_TEXTS = ("_sudo_user", "_su_user", "_su_shell", "_shell_executable", "_chdir", "_temp_dir", "name")

VERIFIABLE = "_verifiable"
"""An argument of this library's own: False says that the operation does something each time, whatever the facts are."""

_REFUSED = {
    "_sudo_password": "give the host a `sudo_password` in the inventory",
    "_su_password": "use `_sudo_user`, which needs no password of that user",
    "_preserve_sudo_env": "give the variables with `_env`",
    "_doas": "hosts are reached as root through sudo only",
    "_doas_user": "hosts are reached as root through sudo only",
    "_dzdo": "hosts are reached as root through sudo only",
    "_dzdo_user": "hosts are reached as root through sudo only",
    "_get_pty": "commands have no terminal, so that their output is recorded as it is",
    "_retries": "run the runbook again: steps already in the desired state report ok",
    "_retry_delay": "run the runbook again: steps already in the desired state report ok",
    "_retry_until": "run the runbook again: steps already in the desired state report ok",
    "_ignore_errors": "a failed command always fails its step; `on_failure: continue` keeps other hosts going",
    "_continue_on_error": "a failed command always fails its step",
    "_if": "write `if` around the step in the notebook",
    "_parallel": "use the runbook's parameter `at_once`",
    "_run_once": "give the step one host: `hosts=...`",
    "_serial": "use the runbook's parameter `at_once`",
}

GLOBAL = frozenset(all_argument_meta) | frozenset(ALLOWED) | frozenset(_REFUSED)
"""The names of all global arguments."""


def global_arguments(given: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Return the complete global arguments of an operation.

    Args:
        given: Those that the runbook gives.
        operation: The operation's name, for messages.

    Raises:
        ParameterError: One of them is not supported, or has a value of the wrong type.
    """
    for name, value in given.items():
        if name not in ALLOWED and value:
            raise ParameterError(
                f"the global argument `{name}` of pyinfra is not supported in a runbook",
                where=f"pyinfra.{operation}",
                hint=_REFUSED.get(name, "leave it out"),
            )
    values = {name: given.get(name, default) for name, default in ALLOWED.items()}
    return with_checked_values(values, operation)


def with_checked_values(values: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Return global arguments in the form in which commands take them: `_stdin` is text, exit codes are a tuple.

    Args:
        values: The global arguments, complete.
        operation: The operation's name, for messages.

    Raises:
        ParameterError: A value has the wrong type.
    """
    where = f"pyinfra.{operation}"
    for name in _TEXTS:
        if not isinstance(values[name], str | None):
            raise ParameterError(f"`{name}` must be text, not {values[name]!r}", where=where)
    _check_shell(values["_shell_executable"], where)
    _check_environment(values["_env"], where)
    _check_timeout(values["_timeout"], where)
    return {
        **values,
        "_success_exit_codes": _exit_codes(values["_success_exit_codes"], where),
        "_stdin": _input(values["_stdin"], where),
    }


def _check_shell(given: str | None, where: str) -> None:
    try:
        shell_words(given)
    except ValueError as problem:
        raise ParameterError(
            f"`_shell_executable` is not a command line: {given!r}: {problem}", where=where
        ) from problem


def _check_environment(given: object, where: str) -> None:
    """Refuse what is not a mapping; the message does not show it, since it may hold a password."""
    if given and not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
        raise ParameterError(
            f"`_env` must be variables by name, not {type(given).__name__}",
            where=where,
            hint='as {"LANG": "C"}',
        )


def _check_timeout(given: object, where: str) -> None:
    if given is None:
        return
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not math.isfinite(given) or given < 0:  # type: ignore[arg-type, operator]
        raise ParameterError(f"`_timeout` must be a number of seconds, not {given!r}", where=where)


def _exit_codes(given: object, where: str) -> tuple[int, ...]:
    codes = tuple(given) if isinstance(given, Iterable) else ()
    if not isinstance(given, Iterable) or not all(isinstance(code, int) for code in codes):
        raise ParameterError(
            f"`_success_exit_codes` must be numbers, not {given!r}", where=where, hint="as [0, 3]"
        )
    return codes


def _input(given: Any, where: str) -> str | None:  # noqa: ANN401 - whatever the runbook gives
    """Return text for a command's standard input as pyinfra sends it: each item ends with one newline.

    An open file, or what else can be read only once, is read here: an operation is planned several times.
    """
    if given is None:
        return None
    lines = given.readlines() if hasattr(given, "readlines") else given
    lines = [lines] if isinstance(lines, str) else lines
    items = list(lines) if isinstance(lines, Iterable) else [lines]
    wrong = next((item for item in items if not isinstance(item, str)), None)
    if wrong is not None or isinstance(given, bytes | bytearray):
        raise ParameterError(
            f"`_stdin` must be text, lines of text or an open text file, not {type(given).__name__}"
            + ("" if wrong is None or wrong is given else f" of {type(wrong).__name__}"),
            where=where,
        )
    if given == "":
        return ""
    return "".join(item if item.endswith("\n") else f"{item}\n" for item in items)
