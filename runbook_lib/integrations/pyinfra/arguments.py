"""pyinfra's global arguments: which ones a runbook's step understands, and what stands in for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyinfra.api.arguments import all_argument_meta

from runbook_lib.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALLOWED", "GLOBAL", "VERIFIABLE", "global_arguments"]

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
        ParameterError: One of them is not supported.
    """
    for name, value in given.items():
        if name not in ALLOWED and value:
            raise ParameterError(
                f"the global argument `{name}` of pyinfra is not supported in a runbook",
                where=f"pyinfra.{operation}",
                hint=_REFUSED.get(name, "leave it out"),
            )
    values = {name: given.get(name, default) for name, default in ALLOWED.items()}
    accept = values["_success_exit_codes"]
    if not all(isinstance(code, int) for code in accept):
        raise ParameterError(
            f"`_success_exit_codes` must be numbers, not {accept!r}", where=f"pyinfra.{operation}"
        )
    return values
