"""Rules of a host's firewall, changed under commit-confirm: unless a new connection works, the host reverts them.

Which software filters the host's packets is decided for each host by its ruleset: nftables, or iptables on nf_tables.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.file import FileText
from runbook_lib.facts.firewall import IptablesFilter, NftRuleset
from runbook_lib.facts.nat import IptablesBackend, NatRules
from runbook_lib.facts.service import Service
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.operations.commit_confirm import (
    GuardedChange,
    GuardedFile,
    check_revert_after,
    pending,
    refuse_pending,
)
from runbook_lib.operations.firewalls.firewall_backend import DOCKER_USER, WantedRule
from runbook_lib.operations.firewalls.firewall_iptables import IptablesFirewall
from runbook_lib.operations.firewalls.firewall_nftables import NftablesFirewall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.firewalls.firewall_backend import FirewallBackend

__all__ = ["BACKENDS", "Rule", "rule"]

BACKENDS: tuple[type[FirewallBackend], ...] = (NftablesFirewall, IptablesFirewall)
"""The firewalls that can have a rule; a change is reverted at boot before their files are loaded."""

_ACTIONS, _PROTOCOLS, _CHAINS = (
    ("accept", "drop", "reject"),
    ("tcp", "udp"),
    ("INPUT", "FORWARD", DOCKER_USER),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_HIGHEST_PORT = 65535
_KEPT = tuple(dict.fromkeys(kept for backend in BACKENDS for kept in backend.files))
_MANAGED = {"ufw-user-input": "ufw", "firewalld": "firewalld"}


@dataclass(frozen=True)
class Rule(Operation):
    """A rule for IPv4 packets is in a chain, or is not. It is inserted before the rules that are there.

    The rule is applied under a revert timer on the host: one that cuts off SSH is removed again by the host itself. If
    a unit of the host loads rules from a file at boot, the rule is kept there too; otherwise a check says that it is
    not. Rules are found again by their name, which is in their comment.

    Args:
        name: The rule's name, as `redis-from-office`.
        action: `accept`, `drop` or `reject`.
        port: Port of the host; None: any.
        protocol: `tcp` or `udp`.
        source: IPv4 address or network that the packets come from; empty: any.
        interface: Interface that they arrive at; empty: any.
        chain: `INPUT` for the host itself, `FORWARD` on a host without Docker, or `DOCKER-USER` for published ports.
        present: False: the rule is removed.
        revert_after: Seconds until the host reverts an unconfirmed change.

    Raises:
        ParameterError: An argument is not of that form, the rule would match every packet, or the chain is
            Docker's own.
    """

    name: str
    action: str
    port: int | None = None
    protocol: str = "tcp"
    source: str = ""
    interface: str = ""
    chain: str = "INPUT"
    present: bool = True
    revert_after: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what no rule can have, before any host is touched."""
        where = f"firewall.rule({self.name!r})"
        check_revert_after(self.revert_after, where)
        for what, value, known in (
            ("action", self.action, _ACTIONS),
            ("protocol", self.protocol, _PROTOCOLS),
            ("chain", self.chain, _CHAINS),
        ):
            if value not in known:
                docker = what == "chain" and value.upper().startswith("DOCKER")
                message = (
                    f"{value} is a chain of Docker's own" if docker else f"{what} {value!r} is not known"
                )
                raise ParameterError(message, where=where, hint=f"one of {', '.join(known)}")
        if not _NAME.fullmatch(self.name):
            raise ParameterError(
                f"{self.name!r} cannot be a rule's name",
                where=where,
                hint="letters, digits, dots, dashes and underscores, at most 60",
            )
        if self.port is not None and not 1 <= self.port <= _HIGHEST_PORT:
            raise ParameterError(f"{self.port} is not a port", where=where, hint="1 to 65535")
        if self.interface and not _INTERFACE.fullmatch(self.interface):
            raise ParameterError(f"{self.interface!r} is not an interface", where=where, hint="as em1")
        if self.port is None and not self.source and not self.interface:
            raise ParameterError(
                "the rule would match every packet", where=where, hint="give port, source or interface"
            )
        self._check_source(where)

    def _check_source(self, where: str) -> None:
        try:
            network = ipaddress.IPv4Network(self.source) if self.source else None
        except ValueError as problem:
            raise ParameterError(
                f"source {self.source!r} is not an IPv4 network: {problem}", where=where, hint="as 10.0.0.0/8"
            ) from problem
        if network and not network.prefixlen:
            raise ParameterError(f"source {self.source} is every address", where=where, hint="leave it out")

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the rules, who wrote them, Docker's published ports, and what is loaded at boot."""
        units = dict.fromkeys(kept.unit for kept in _KEPT)
        return (
            pending(),
            *(IptablesBackend(), IptablesFilter(), NftRuleset(), NatRules()),
            *(Service(unit) for unit in units),
            *(FileText(kept.path) for kept in _KEPT),
        )

    def plan(self, facts: Facts) -> Plan:
        """Insert, replace or remove the rule, in the ruleset and in the file that is loaded at boot."""
        refuse_pending(facts, self.revert_after)
        backend, problem = self._backend(facts)
        if backend is None:
            raise PlanRefused(
                problem, hint="make the rule by hand, or let one firewall decide, then run this again"
            )
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        backend.refuse()
        if self.present:
            self._refuse_shadowing(facts)
        files, tests = [], []
        if backend.kept and (before := facts[FileText(backend.kept.path)]) is not None:
            after = backend.edited(before)
            if after != before:
                files, tests = [GuardedFile(backend.kept.path, before, after)], [backend.test(after)]
        return GuardedChange(
            files=tuple(files),
            start_new=backend.apply(),
            start_old="",
            stop_new=backend.revert(),
            preflight=tuple(tests),
            timeout=self.revert_after,
        ).plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check the ruleset, and whether the rule is kept across a reboot."""
        backend, problem = self._backend(facts)
        wanted = "present" if self.present else "absent"
        label = f"rule {self.name} in {self.chain}"
        if backend is None:
            return [Check(label, wanted, f"unknown: {problem}", holds=False, id="firewall.rule")]
        return [
            Check.equal(f"{label}, {backend.title}", wanted, backend.observed(), "firewall.rule"),
            self._check_kept(facts, backend),
        ]

    def _check_kept(self, facts: Facts, backend: FirewallBackend) -> Check:
        name = f"rule {self.name} after a reboot"
        if backend.kept is None:
            lost = "lost: no unit of the host loads rules at boot" if self.present else "absent"
            return Check(name, lost, lost, holds=True, id="firewall.kept")
        text = facts[FileText(backend.kept.path)] or ""
        wanted = f"{'present' if self.present else 'absent'}, by {backend.kept.path}"
        try:
            same = backend.edited(text) == text
        except PlanRefused as refused:
            return Check(name, wanted, refused.message, holds=False, id="firewall.kept")
        observed = wanted if same else f"{backend.kept.path} is different"
        return Check(name, wanted, observed, holds=same, id="firewall.kept")

    def _backend(self, facts: Facts) -> tuple[FirewallBackend | None, str]:
        """Return what filters the host's packets; or None, and why that cannot be decided."""
        wanted = WantedRule(
            *(self.name, self.action, self.port, self.protocol),
            *(str(ipaddress.IPv4Network(self.source)) if self.source else "", self.interface),
            *(self.chain, self.present),
        )
        table = facts[IptablesFilter()]
        names = {*(table.policies if table else ()), *(chain.table for chain in facts[NftRuleset()] or ())}
        if managed := next((software for name, software in _MANAGED.items() if name in names), ""):
            return None, f"{managed} manages the rules of this host and would remove others"
        deciding = [backend for backend in BACKENDS if backend.decides(self.chain, facts)]
        if len(deciding) > 1:
            titles = " and ".join(backend.title for backend in deciding)
            return None, f"both {titles} filter the packets of this host"
        backend = deciding[0] if deciding else IptablesFirewall
        problem = backend.obstacle(self.chain, facts)
        return (None, problem) if problem else (backend(wanted, facts), "")

    def _refuse_shadowing(self, facts: Facts) -> None:
        """Refuse a rule that does not see the packets it is about, or that comes before Docker's own rules."""
        table = facts[IptablesFilter()]
        if self.chain == "FORWARD" and table and any(name.startswith("DOCKER") for name in table.policies):
            raise PlanRefused(
                "a rule in FORWARD would come before Docker's own chains and shadow them",
                hint=f"give chain={DOCKER_USER!r}, which Docker keeps for such rules",
            )
        published = [
            item for item in facts[NatRules()] if (item.port, item.protocol) == (self.port, self.protocol)
        ]
        if self.chain == "INPUT" and published:
            raise PlanRefused(
                f"Docker publishes port {self.port} and forwards it to {published[0].target}: a rule in INPUT would "
                "not see its packets",
                hint=f"give chain={DOCKER_USER!r}",
            )


rule = Rule
