"""Parameters of runbooks: the common ones, and those that a notebook declares in its parameters cell or in a model."""

from runbook_lib.parameters.common import Parameters

__all__ = ["Parameters"]
