"""Options of the SSH server, changed under commit-confirm: unless a new connection works, the host reverts them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.file import FileText
from runbook_lib.facts.service import NotReadYet, Service
from runbook_lib.facts.sshd import SshdSetting
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.operations.commit_confirm import (
    GuardedChange,
    GuardedFile,
    check_revert_after,
    pending,
    refuse_pending,
)
from runbook_lib.operations.configuration_text import physical_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["CONFIGURATION", "DROP_INS", "Option", "option"]

CONFIGURATION = "/etc/ssh/sshd_config"
"""The main configuration file of sshd."""
DROP_INS = "/etc/ssh/sshd_config.d"
"""Directory whose files `sshd_config` includes on current distributions."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NOT_OPTIONS = frozenset({"include", "match"})
# sshd adds up the lines of these; of all others the first line counts.
_CUMULATIVE = frozenset(
    {
        *("acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "hostcertificate", "hostkey"),
        *("listenaddress", "port", "setenv", "subsystem"),
    }
)
_UNITS = ("ssh.service", "sshd.service")
# Standard input may be a socket, which cannot be opened by name: cat makes a pipe of it.
_TEST = 'sshd=$(command -v sshd || echo /usr/sbin/sshd); cat - "$@" | "$sshd" -t -f /proc/self/fd/0'


@dataclass(frozen=True)
class Option(Operation):
    """An option of sshd has a value, outside of `Match` blocks. Make one with `option`.

    The whole configuration is tested by `sshd -t` before anything is changed. Then it is changed and loaded under a
    revert timer on the host: unless a new connection and the checks succeed, the host restores the former
    configuration. Checked is what sshd's configuration files and the running daemon's command line say (`sshd -T`), and
    that the daemon has read the files since they were changed last.

    Args:
        name: As `PasswordAuthentication`.
        values: One value; several for an option that may be given more than once, such as `AllowUsers`.
        in_place: Change the line in `sshd_config` itself; False: a file of its own in `sshd_config.d`, read first.
        revert_after: Seconds until the host reverts an unconfirmed change.

    Raises:
        ParameterError: The name or a value is not one that a line of `sshd_config` can hold.
    """

    name: str
    values: tuple[str, ...]
    in_place: bool = False
    revert_after: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a line of the configuration."""
        where = f"sshd.option({self.name!r})"
        check_revert_after(self.revert_after, where)
        if not _NAME.fullmatch(self.name) or self.name.lower() in _NOT_OPTIONS:
            raise ParameterError(
                f"{self.name!r} is not an option of sshd", where=where, hint="as PermitRootLogin"
            )
        if not self.values or any(
            not value.strip() or not value.isprintable() or value != value.strip() for value in self.values
        ):
            raise ParameterError(
                f"each value must be one line, got {self.values!r}", where=where, hint='as "no"'
            )
        if len(self.values) > 1 and not self._is_cumulative:
            raise ParameterError(
                f"sshd uses the first value of {self.name} only, not {len(self.values)}",
                where=where,
                hint="give one value",
            )
        if self._is_cumulative and not self.in_place:
            raise ParameterError(
                f"sshd adds up all lines of {self.name}, so a file of its own cannot set it",
                where=where,
                hint="give in_place=True: the lines in sshd_config are replaced",
            )

    @property
    def settle(self) -> float:
        """A daemon that was just reloaded needs a moment."""
        return 2.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the option, the files that could hold it, and the state of the daemon."""
        texts = (
            (FileText(CONFIGURATION),) if self.in_place else (FileText(CONFIGURATION), FileText(self._path))
        )
        return (pending(), SshdSetting(self.name, self.values), *texts, *map(Service, _UNITS))

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]]:
        """Return whether the running daemon has read its files; one that is started per connection reads them then."""
        return tuple(map(self._unread, _daemon(facts)))

    def plan(self, facts: Facts) -> Plan:
        """Set the option, unless it is set."""
        refuse_pending(facts, self.revert_after)
        state = facts[SshdSetting(self.name, self.values)]
        if state.problem:
            raise PlanRefused(
                f"sshd on the host refuses `{self._lines.strip()}`: {state.problem}",
                hint="`man sshd_config` on the host has its options and their values",
            )
        if not state.wanted:
            raise PlanRefused(
                f"`sshd -T` on the host does not show {self.name}: a change could not be checked",
                hint="set it with files.content and check=, and look at the host yourself",
            )
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        if argument := state.argument_for(self.name):
            raise PlanRefused(
                f"the running sshd was started with {argument}, which wins over {self.name} in {CONFIGURATION}",
                hint="remove it from the service's settings (/etc/default/ssh, /etc/sysconfig/sshd, its unit) "
                "and restart the service from a session that stays open; then run this again",
            )
        for unit in _daemon(facts):
            if unread := facts[self._unread(unit)]:
                raise PlanRefused(
                    f"sshd has not read files that were changed: {unread}. Loading them now could lock everyone out, "
                    "and a revert would not undo what others have changed",
                    hint=f"reload it from a session that stays open: `systemctl reload {unit}`; then run this again",
                )
        main = facts[FileText(CONFIGURATION)]
        if main is None:
            raise PlanRefused(f"there is no {CONFIGURATION}", hint="install openssh-server first")
        before, after = (main, self._edited(main)) if self.in_place else self._drop_in(facts, main)
        test = Command(
            ("sh", "-c", _TEST, "sh", *(() if self.in_place else (CONFIGURATION,))),
            stdin=after,
            sudo=True,
            purpose="test the whole configuration before anything is changed",
        )
        load = self._load(facts)
        return GuardedChange(
            files=(GuardedFile(self._path, before, after),),
            start_new=load,
            start_old=load,
            preflight=(test,),
            timeout=self.revert_after,
        ).plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check what the configuration of sshd says."""
        state = facts[SshdSetting(self.name, self.values)]
        wanted = ", ".join(state.wanted or self.values)
        observed = ", ".join(state.in_force) or "not set"
        holds = not state.problem and sorted(state.in_force) == sorted(state.wanted) and bool(state.wanted)
        if not holds and observed == wanted:
            observed = state.problem or "not shown by sshd -T"
        checks = [Check(f"{self.name} of sshd", wanted, observed, holds, "sshd.option")]
        for unit in _daemon(facts):
            name = f"files that {unit} has not read since they were changed"
            checks.append(Check.equal(name, "none", facts[self._unread(unit)] or "none", "sshd.unread"))
        return checks

    def _drop_in(self, facts: Facts, main: str) -> tuple[str | None, str]:
        """Return the text of the option's own file before and after."""
        included = any(
            _key(line) == "include" and f"{DROP_INS}/*.conf" in line.split() for line in _global_lines(main)
        )
        if not included:
            raise PlanRefused(
                f"{CONFIGURATION} does not include {DROP_INS}/*.conf",
                hint="give in_place=True: then the line in sshd_config itself is changed",
            )
        return facts[FileText(self._path)], f"# Set by runbook_lib, operation sshd.option\n{self._lines}"

    def _edited(self, text: str) -> str:
        """Return `sshd_config` with the option set; all other bytes as they are."""
        lines = physical_lines(text)
        until = len(_global_lines(text))
        own = [at for at, line in enumerate(lines[:until]) if _key(line) == self.name.lower()]
        first = own[0] if own else until
        obsolete = set(own if self._is_cumulative else own[:1])
        above = [line for at, line in enumerate(lines[:first]) if at not in obsolete]
        below = [line for at, line in enumerate(lines[first:], first) if at not in obsolete]
        if above and not above[-1].endswith("\n"):
            above[-1] += "\n"
        return "".join([*above, self._lines, *below])

    def _load(self, facts: Facts) -> str:
        """Return the line that has the running daemon read its configuration; empty if each connection starts one."""
        return "".join(shlex.join(("systemctl", "reload-or-restart", unit)) for unit in _daemon(facts))

    def _unread(self, unit: str) -> NotReadYet:
        # A file that is put into the directory, or replaced there, changes the directory's time as well.
        return NotReadYet(unit, tuple(dict.fromkeys((CONFIGURATION, DROP_INS, self._path))), "reload")

    @property
    def _path(self) -> str:
        return CONFIGURATION if self.in_place else f"{DROP_INS}/00-runbook-{self.name.lower()}.conf"

    @property
    def _lines(self) -> str:
        return "".join(f"{self.name} {value}\n" for value in self.values)

    @property
    def _is_cumulative(self) -> bool:
        return self.name.lower() in _CUMULATIVE


def _daemon(facts: Facts) -> tuple[str, ...]:
    """Return the unit of the running daemon; none if each connection starts one. Both names may be the same unit."""
    return tuple(name for name in _UNITS if facts[Service(name)].active in {"active", "reloading"})[:1]


def _global_lines(text: str) -> list[str]:
    """Return the lines before the first `Match`, which is where options for all connections end."""
    lines = physical_lines(text)
    match = next((at for at, line in enumerate(lines) if _key(line) == "match"), len(lines))
    return lines[:match]


def _key(line: str) -> str:
    """Return the option that a line sets, in lower case; empty for a comment or a blank line."""
    words = re.split(r"[ \t\r=]+", line.strip(" \t\r\n\f"), maxsplit=1)
    return "" if words[0].startswith("#") else words[0].strip('"').lower()


def option(
    name: str, value: str | Sequence[str], *, in_place: bool = False, revert_after: float = 60.0
) -> Option:
    """Return the operation that sets an option of sshd.

    Args:
        name: As `PasswordAuthentication`.
        value: As `no`; several for an option that may be given more than once, such as `AllowUsers`.
        in_place: Change the line in `sshd_config` itself; default: a file of its own in `sshd_config.d`.
        revert_after: Seconds until the host reverts an unconfirmed change.

    Raises:
        ParameterError: The name or a value is not one that a line of `sshd_config` can hold.
    """
    values = (value,) if isinstance(value, str) else tuple(value)
    return Option(name, values, in_place=in_place, revert_after=revert_after)
