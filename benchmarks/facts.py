"""The library without a notebook: the facts of 00_preflight on all hosts. Arguments: inventory, runs directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.trivial import Trivial
from runbook_lib import Runbook
from runbook_lib.facts import docker_engine, interfaces, network_stack, release
from runbook_lib.facts.clock import ClockSkew
from runbook_lib.facts.host import Virtualization
from runbook_lib.facts.kernel import Kernel
from runbook_lib.facts.privilege import Sudo
from runbook_lib.facts.resources import DiskSpace, Memory, Processors
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from runbook_lib.facts.base import Fact

__all__ = ["preflight_commands"]

_FACTS: tuple[Fact[Any], ...] = (
    *(release.Release(), Kernel(), Processors(), Memory(), DiskSpace("/var"), ClockSkew(), Sudo()),
    *(interfaces.Interfaces(), interfaces.DefaultRoute(), network_stack.NetworkStack()),
    *(Virtualization(), docker_engine.EngineVersion()),
)


def preflight_commands() -> list[str]:
    """Return the commands of the facts for programs without facts: what they find missing is not an error."""
    requests = [fact.request() for fact in _FACTS]
    return [f"{request.text} || true" for request in requests if isinstance(request, Command)]


def main() -> None:
    """Read the facts."""
    book = Runbook.open(Trivial(inventory=sys.argv[1], hosts="all", runs=sys.argv[2]))
    book.facts("Current state", *_FACTS)
    book.close()


if __name__ == "__main__":
    main()
