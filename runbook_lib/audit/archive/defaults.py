"""The values that a record has where evidence does not give them, as JSON, taken from the models."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from runbook_lib.model.plans import Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord

if TYPE_CHECKING:
    from pydantic import BaseModel

Payload = dict[str, Any]

__all__ = ["COMMAND", "HOST", "RUN", "complete_checks", "complete_host"]


def _defaults(model: type[BaseModel]) -> Payload:
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
        if not field.is_required()
    }


COMMAND = _defaults(CommandRecord)
_HOST = _defaults(HostRecord)
_HOST_FIELDS = HostRecord.model_fields.keys()
HOST = {**_HOST, "address": "", "kind": ""}
"""Of a step on a host whose end was not recorded."""
RUN = {**_defaults(RunRecord), "mode": "", "started": None, "on_failure": ""}
"""Of a file that is not a record of a run."""
_CHECK = {
    field.name: field.default
    for field in dataclasses.fields(Check)
    if field.default is not dataclasses.MISSING
}
_CHECK_FIELDS = len(dataclasses.fields(Check))


def complete_checks(checks: list[Payload]) -> list[Payload]:
    """Return checks with all fields; those from an earlier version have fewer."""
    if {len(check) for check in checks} <= {_CHECK_FIELDS}:
        return checks
    return [check if len(check) == _CHECK_FIELDS else _CHECK | check for check in checks]


def complete_host(host: Payload) -> Payload:
    """Return a host's record with all fields, and so its checks; one from an earlier version has fewer.

    Raises:
        KeyError: It has a field that no version has.
    """
    whole = host if host.keys() == _HOST_FIELDS else _HOST | host
    if len(whole) != len(_HOST_FIELDS):
        raise KeyError(*(whole.keys() - _HOST_FIELDS))
    checks = complete_checks(whole["checks"])
    return whole if checks is whole["checks"] else {**whole, "checks": checks}
