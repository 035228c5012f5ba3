"""Command lines in messages name the lab: a copied one must not reach another lab."""

from __future__ import annotations

__all__ = ["DEFAULT_NAME", "name_option"]

DEFAULT_NAME = "default"
"""The lab of commands without `--name`."""


def name_option(lab: str) -> str:
    """Return what follows a command in a message, such as `runbook lab down`, to reach a lab.

    Args:
        lab: The lab's name.

    >>> name_option("default"), name_option("mine")
    ('', ' --name mine')
    """
    return "" if lab == DEFAULT_NAME else f" --name {lab}"
