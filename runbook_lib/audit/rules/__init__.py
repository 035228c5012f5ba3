"""Audit rules: each a class over an archive's tables, selected by its name in a policy."""
