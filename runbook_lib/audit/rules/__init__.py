"""Audit rules: each a class over an archive's tables, selected by its name in a policy.

A package that adds rules imports `AuditRule`, `Context` and `Violation` from `runbook_lib.audit.rules.base`.
"""
