"""Parameters of runbooks: the common ones, and those that a notebook declares in its parameters cell or in a model."""

from runbook_lib.parameters.common import Parameters
from runbook_lib.parameters.one_host import OneHost

__all__ = ["OneHost", "Parameters"]
