"""Where each page of docs/ is in the site: a page that is in no section, or in two, fails the build."""

from __future__ import annotations

__all__ = ["REPOSITORY_PAGES", "SECTIONS"]

REPOSITORY_PAGES = ("CONTRIBUTING", "CHANGELOG", "README.zh")
"""Pages outside of docs/ that the site contains too; README is its first page."""

SECTIONS = {
    "Tutorials": (
        "docs/ten-minutes",
        "docs/learning",
        "docs/drills",
        "notebooks/index",
        "README.zh",
    ),
    "How-to guides": (
        "docs/own-hosts",
        "docs/jump-hosts",
        "docs/air-gapped",
        "docs/inventories",
        "docs/command-line",
        "docs/new-repository",
        "docs/own-runbook",
        "docs/own-facts",
        "docs/own-operations",
        "docs/audit-rules",
        "docs/rolling",
        "docs/chapters-and-fleets",
        "docs/several-operators",
        "docs/headless",
        "docs/ci",
        "docs/pytest",
        "docs/testinfra",
        "docs/pyinfra",
        "docs/lint",
        "docs/lab",
        "docs/lab-topologies",
        "docs/reports",
        "docs/audit",
        "docs/archive",
        "docs/upgrading",
        "docs/releases",
    ),
    "Reference": (
        "reference/commands",
        "docs/exit-codes",
        "reference/runbooks",
        "docs/parameters",
        "reference/api",
        "reference/operations",
        "reference/facts",
        "docs/tables",
        "docs/evidence-format",
        "docs/networks",
        "docs/registry",
        "docs/book",
        "docs/el",
    ),
    "Explanation": (
        "docs/trust",
        "docs/threat-model",
        "docs/architecture",
        "docs/papermill-metadata",
        "docs/warm-kernels",
        "docs/benchmarks",
        "docs/decisions/index",
    ),
    "Contributing": (
        "CONTRIBUTING",
        "docs/where-to-change",
        "CHANGELOG",
    ),
}
"""Title of each section -> its pages, as paths from the top of the repository without suffix, in order."""
