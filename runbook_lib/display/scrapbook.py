"""Summaries of a notebook's records for scrapbook, each as a scrap in the same output as the record.

A scrap does not repeat the whole record, which the output contains already. See docs/tables.md.
"""

from __future__ import annotations

from typing import Any

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status, worst

__all__ = ["SCRAP_MIME", "scrap"]

SCRAP_MIME = "application/scrapbook.scrap.json+json"
"""MIME type of scrapbook's JSON scraps."""
_PAYLOAD_VERSION = 1  # of scrapbook's schema

Data = dict[str, Any]


def scrap(data: Data) -> Data:
    """Return the MIME bundle's entry for scrapbook, for a record as it is shown in a notebook.

    A step is `runbook.step.<number>`, the start of a run `runbook.run`, its end `runbook.end`: a notebook without
    `runbook.end` holds a run that was not finished.
    """
    if "number" in data:
        name, summary = f"runbook.step.{data['number']}", _step(data)
    elif data["event"] == "opened":
        kept = ("run", "runbook", "mode", "hosts", "operator", "machine", "started")
        name, summary = "runbook.run", {key: data[key] for key in kept}
    else:
        name, summary = "runbook.end", {key: data[key] for key in ("run", "status", "ended", "steps")}
    payload = {
        "name": name,
        "data": {"schema_version": SCHEMA_VERSION, **summary},
        "encoder": "json",
        "version": _PAYLOAD_VERSION,
    }
    return {SCRAP_MIME: payload}


def _step(data: Data) -> Data:
    hosts = data["hosts"]
    return {
        **{key: data[key] for key in ("run", "title", "kind", "started", "ended")},
        "status": worst([Status(host["status"]) for host in hosts]).value,
        "hosts": {host["host"]: _host(host) for host in hosts},
    }


def _host(host: Data) -> Data:
    return {
        "status": host["status"],
        "message": host["message"],
        "commands": len(host["commands"]),
        "checks": len(host["checks"]),
        "broken": [check["name"] for check in host["checks"] if not check["holds"]],
    }
