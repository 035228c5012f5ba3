"""Executable runbooks: notebooks that carry out procedures on real hosts and leave evidence.

This module is the public API. Notebooks, docs and examples import from here, from `runbook_lib.facts`,
`runbook_lib.operations` and `runbook_lib.integrations`; a book's own notebooks also from their part of
`runbook_lib.books`. Everything else is internal and may change without notice.

PYTEST_DONT_REWRITE: the package contains a pytest plugin, and pytest warns about plugins imported before it starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from runbook_lib import errors
    from runbook_lib.audit.archive.archive import Archive
    from runbook_lib.audit.rules.base import AuditRule, Violation
    from runbook_lib.audit.rules.policy import Policy, scan
    from runbook_lib.connections.base import Connection
    from runbook_lib.evidence.lookup import read_run
    from runbook_lib.extras import named_extras
    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.lab import Lab
    from runbook_lib.learning.progress import progress
    from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output
    from runbook_lib.model.plans import Change, Check, NetworkGuard, Plan, Reboot
    from runbook_lib.model.records import RunRecord, StepRecord
    from runbook_lib.model.status import Mode, Status
    from runbook_lib.operations.base import Operation, Probe
    from runbook_lib.parameters import Parameters
    from runbook_lib.project import find_upwards
    from runbook_lib.report.data_frames import tables
    from runbook_lib.report.formats import ReportFormat
    from runbook_lib.runbook.runbook import Runbook

__all__ = [
    "Archive",
    "AuditRule",
    "Change",
    "Check",
    "Command",
    "Connection",
    "DockerQuery",
    "Fact",
    "Facts",
    "Lab",
    "LabHost",
    "Mode",
    "NetworkGuard",
    "NetworkQuery",
    "Operation",
    "Output",
    "Parameters",
    "Plan",
    "Policy",
    "Probe",
    "Reboot",
    "ReportFormat",
    "RunRecord",
    "Runbook",
    "Status",
    "StepRecord",
    "Violation",
    "__version__",
    "errors",
    "find_upwards",
    "named_extras",
    "progress",
    "read_run",
    "scan",
    "tables",
]

# Where each public name is defined. Names are loaded on first use: `runbook --help` needs none of them.
_DEFINED_IN = {
    "ReportFormat": "runbook_lib.report.formats",
    "LabHost": "runbook_lib.lab.hosts.host",
    "Connection": "runbook_lib.connections.base",
    "AuditRule": "runbook_lib.audit.rules.base",
    "Archive": "runbook_lib.audit.archive.archive",
    "Change": "runbook_lib.model.plans",
    "Check": "runbook_lib.model.plans",
    "Command": "runbook_lib.model.commands",
    "DockerQuery": "runbook_lib.model.commands",
    "NetworkQuery": "runbook_lib.model.commands",
    "Fact": "runbook_lib.facts.base",
    "Facts": "runbook_lib.facts.base",
    "Lab": "runbook_lib.lab.lab",
    "Mode": "runbook_lib.model.status",
    "NetworkGuard": "runbook_lib.model.plans",
    "Operation": "runbook_lib.operations.base",
    "Output": "runbook_lib.model.commands",
    "Parameters": "runbook_lib.parameters",
    "Plan": "runbook_lib.model.plans",
    "Policy": "runbook_lib.audit.rules.policy",
    "Probe": "runbook_lib.operations.base",
    "Reboot": "runbook_lib.model.plans",
    "RunRecord": "runbook_lib.model.records",
    "Runbook": "runbook_lib.runbook.runbook",
    "Status": "runbook_lib.model.status",
    "StepRecord": "runbook_lib.model.records",
    "Violation": "runbook_lib.audit.rules.base",
    "find_upwards": "runbook_lib.project",
    "named_extras": "runbook_lib.extras",
    "progress": "runbook_lib.learning.progress",
    "read_run": "runbook_lib.evidence.lookup",
    "scan": "runbook_lib.audit.rules.policy",
    "tables": "runbook_lib.report.data_frames",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute
    """Load a public name when it is first used."""
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415 - as below

        try:
            return metadata.version("runbook-lib")
        except metadata.PackageNotFoundError:  # a tree that nobody has installed
            return "0.0.0.dev0"
    if name == "errors":
        return importlib.import_module("runbook_lib.errors")
    place = _DEFINED_IN.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runbook_lib.extras import named_extras  # noqa: PLC0415 - importing this package alone loads nothing

    module, _, attribute = place.partition(":")
    with named_extras():
        return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    """List the public names, for completion in a notebook."""
    return sorted(__all__)
