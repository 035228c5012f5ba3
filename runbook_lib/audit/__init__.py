"""Read runs later: verify them, read many as tables, check them against rules, show them as pages, compare two.

`verify`, `archive`, `rules` and `site` are one part each; `run_diff` compares two runs. What is public of them is
declared in `runbook_lib`: `Archive`, `AuditRule`, `Policy`, `Violation` and `scan`.
"""
