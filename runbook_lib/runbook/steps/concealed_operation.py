"""Secrets that an operation holds: masked from the moment that its step begins, and recorded by hash only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.operations.base import Operation
    from runbook_lib.secrets import Secrets

__all__ = ["conceal_secrets"]


def conceal_secrets(operation: Operation, secrets: Secrets) -> Operation:
    """Mask the secrets that an operation holds, and return it with whatever else holds secrets of the run hidden.

    Args:
        operation: As the notebook has made it.
        secrets: The run's secrets.

    Raises:
        SecretError: A reference has no value.
    """
    for reference in operation.secret_references:
        secrets.resolve(reference)
    return operation.concealing(lambda text: secrets.mask(text) != text) if secrets.known else operation
