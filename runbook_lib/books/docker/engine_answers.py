"""What `docker` commands prove: that an object does not exist is known only if the engine itself says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check

if TYPE_CHECKING:
    from runbook_lib.facts.answer import Answered

__all__ = ["is_known", "undecided"]

_ABSENT = "no such "
_REPAIR = "repair: the one of the first check that failed"


def is_known(answer: Answered) -> bool:
    """Return whether the engine has answered: with the object's state, or that there is no such object.

    Args:
        answer: What a `docker` command about one object printed.
    """
    return answer.exit_code == 0 or _ABSENT in answer.text.lower()


def undecided(id_: str, name: str, expected: str, answer: Answered) -> Check:
    """Return the check of a state that is not known, since the engine has not answered.

    No repair of the state itself is named: it may be the expected one, and such repairs remove containers.

    Args:
        id_: The check's id.
        name: The check's name.
        expected: The state that is expected.
        answer: What the command printed instead.
    """
    said = (answer.failure.splitlines() or ["no answer"])[-1]
    return Check(name, expected, f"unknown: {excerpt(said, 200)}; {_REPAIR}", holds=False, id=id_)
