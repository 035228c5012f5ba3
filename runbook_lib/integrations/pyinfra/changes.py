"""What has changed on a host, from pyinfra's facts before and after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.base import as_plain
from runbook_lib.integrations.pyinfra.facts import PyinfraFact
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.facts.base import Facts

__all__ = ["changed_facts"]

_MOST = 20  # changes of one step; a list of hundreds says nothing more
_LONGEST = 300  # characters of a value
_NOISE = frozenset({"atime", "ctime", "mtime", "lastlog", "login_time"})


def changed_facts(before: Facts, after: Facts) -> list[Change]:
    """Return the changes of all facts of pyinfra that are in both.

    Args:
        before: The facts before the commands were sent.
        after: The facts after them.
    """
    later = {fact: after[fact] for fact in after if isinstance(fact, PyinfraFact)}
    changes = [
        Change(what, _shown(old), _shown(new))
        for fact in before
        if fact in later
        for what, old, new in _differences(fact.label.removeprefix("pyinfra."), before[fact], later[fact])
    ]
    return changes[:_MOST]


def _differences(what: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any fact's value
    old, new = _quiet(as_plain(old)), _quiet(as_plain(new))
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        for key in dict.fromkeys((*old, *new)):
            if old.get(key) != new.get(key):
                yield f"{what}: {key}", old.get(key), new.get(key)
    else:
        yield what, old, new


def _quiet(value: Any) -> Any:  # noqa: ANN401 - as above
    """Return a value without times of access and the like, which change by being looked at."""
    if isinstance(value, dict):
        return {key: _quiet(item) for key, item in value.items() if key not in _NOISE}
    return value


def _shown(value: Any) -> str | None:  # noqa: ANN401 - as above
    if value is None or value in ({}, [], False, ""):
        return None if value is None or value is False else "nothing"
    return excerpt(value if isinstance(value, str) else json.dumps(value), _LONGEST)
