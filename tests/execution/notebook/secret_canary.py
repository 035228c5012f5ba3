"""A runbook that is given secrets, for the test that looks for them in all it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.parameters import Parameters
from runbook_lib.secrets import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Canary", "Echoes"]

_ECHO = r"""
v=$(cat)
printf 'plain %s\n' "$v"
for before in '' x xx; do printf '%s%s and more' "$before" "$v" | base64; done
for before in '' x xx; do printf '%050d%s%s and more' 0 "$before" "$v" | base64 -w 76; done
printf '%s' "$v" | python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read(), safe=""))'
printf '%s' "$v" | python3 -c 'import json, sys; print(json.dumps({"token": sys.stdin.read()}))'
printf 'to the error stream %s' "$v" >&2
"""
_FLOOD = """python3 -c 'import sys; v = sys.stdin.read(); [print(v) for _ in range(900_000)]'"""


class Canary(Parameters):
    runbook: ClassVar[str] = "10_practice"
    title: ClassVar[str] = "Canary"
    token: Reference


@dataclass(frozen=True)
class Echoes(Operation):
    """A host says a secret in all the ways it may."""

    secret: str
    flood: bool = False

    @property
    def verifiable(self) -> bool:
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        command = Command(
            ("sh", "-c", _FLOOD if self.flood else _ECHO), stdin=self.secret, purpose=self.secret
        )
        return Plan((command,), changes=(Change("token", None, self.secret),))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - another exit code failed before
        return [Check.equal("token", self.secret, self.secret)]
