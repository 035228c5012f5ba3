"""Audit rules: each a function over an archive's tables, known by its name, chosen in a policy."""

from __future__ import annotations

from runbook_lib.audit.rules import commands, runs, secrets
from runbook_lib.audit.rules.base import RULES

__all__ = ["RULES", "commands", "runs", "secrets"]
