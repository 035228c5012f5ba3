"""Runbook and step: the only place that ties facts, operations, connections and evidence together."""

from runbook_lib.runbook.session import Runbook

__all__ = ["Runbook"]
