"""The audit rules by name; other packages add rules through the entry-point group `runbook_lib.audit_rules`."""

from __future__ import annotations

from runbook_lib.audit.rules.base import AuditRule
from runbook_lib.errors import InputError
from runbook_lib.known_names import did_you_mean
from runbook_lib.plugins import find_plugins, load_class

__all__ = ["BUILT_IN", "GROUP", "rule_class", "rule_names"]

GROUP = "runbook_lib.audit_rules"
"""The entry-point group: the name is the one in a policy, the object a subclass of `AuditRule`."""
BUILT_IN = {
    "apply-without-plan": "runbook_lib.audit.rules.runs:ApplyWithoutPlan",
    "command-outside-step": "runbook_lib.audit.rules.commands:CommandOutsideStep",
    "forbidden-command": "runbook_lib.audit.rules.commands:ForbiddenCommand",
    "host-outside-inventory": "runbook_lib.audit.rules.runs:HostOutsideInventory",
    "secret-in-output": "runbook_lib.audit.rules.secrets:SecretInOutput",
    "uncommitted-source": "runbook_lib.audit.rules.runs:UncommittedSource",
    "unsigned-apply": "runbook_lib.audit.rules.runs:UnsignedApply",
    "validate-too-old": "runbook_lib.audit.rules.runs:ValidateTooOld",
}
"""The rules that this package provides, as `pyproject.toml` declares them."""


def rule_names() -> list[str]:
    """Return the names of all rules, sorted; none is imported.

    Raises:
        InputError: Two packages use one name for different rules.
    """
    return sorted(find_plugins(GROUP, BUILT_IN))


def rule_class(name: str) -> type[AuditRule]:
    """Return the class of a rule.

    Args:
        name: As in a policy, such as `unsigned-apply`.

    Raises:
        InputError: No installed package provides this rule, or its class cannot be loaded.
    """
    known = find_plugins(GROUP, BUILT_IN)
    if name not in known:
        raise InputError(
            f"unknown rule {name!r}",
            hint=f"{did_you_mean(name, known)}known rules: {', '.join(sorted(known))}; a package adds "
            f"one with an entry point in {GROUP}",
        )
    return load_class(known[name], AuditRule)  # type: ignore[type-abstract] # its subclasses are not
