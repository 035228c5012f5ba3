"""systemd services and timers: their state, and whether they have read the files that they were configured with."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.model.commands import Command, Output

__all__ = ["NeedsDaemonReload", "Service", "ServiceState", "UnreadFiles", "UnreadState"]

# systemctl can show microseconds from version 247 on; before that, only the bus has them. The times of a file are those
# of the link, if it is one, and of the file that it leads to.
_UNREAD = """unit=$1 object=$2; shift 2
bus=org.freedesktop.systemd1
show() { systemctl show --property=ActiveState,ReloadResult,InactiveExitTimestamp,StateChangeTimestamp,\
ExecMainStartTimestamp "$@" -- "$unit"; }
show --timestamp=us+utc 2>/dev/null || {
  systemctl show --property=ActiveState,ReloadResult -- "$unit" || exit
  for name in Unit.InactiveExitTimestamp Unit.StateChangeTimestamp Service.ExecMainStartTimestamp; do
    value=$(busctl get-property $bus "$object" "$bus.${name%.*}" "${name#*.}") || exit
    echo "${name#*.}=$value"
  done
}
date +Now=%s.%N
for path; do
  echo "File=$(stat --format=%.9Z -- "$path" 2>/dev/null) $(stat --dereference --format=%.9Z -- "$path" 2>/dev/null)"
done"""
_MICROSECONDS = 1_000_000
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ServiceState:
    """A unit's state as systemd reports it.

    Args:
        loaded: Whether the unit exists.
        active: `active`, `inactive`, `failed`, `activating`, …
        enabled: Whether it starts with the host.
    """

    loaded: bool
    active: str
    enabled: bool


@dataclass(frozen=True)
class Service(Fact[ServiceState]):
    """A unit's state.

    Args:
        unit: As `docker.service`.
    """

    unit: str

    def request(self) -> Command:
        """Return the command; it exits with 0 for unknown units too."""
        return Command(
            ("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--", self.unit)
        )

    def parse(self, output: Output) -> ServiceState:
        """Return the state."""
        values = dict(line.split("=", 1) for line in lines_of(output.stdout) if "=" in line)
        try:
            return ServiceState(
                loaded=values["LoadState"] == "loaded",
                active=values["ActiveState"],
                enabled=values.get("UnitFileState") in {"enabled", "enabled-runtime", "static", "generated"},
            )
        except KeyError as missing:
            raise FactError(f"systemctl show: {missing} is missing in the output") from missing


@dataclass(frozen=True)
class UnreadState:
    """Whether a service has read its files as they are now.

    Args:
        since: When the service read them last, in UTC; empty if it is not active: it reads them when it starts.
        now: The host's clock.
        unread: Time of the change, by path, of each file that was changed after the service had read it.
    """

    since: str = ""
    now: str = ""
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The files and times, for the reader; empty if there is none."""
        if not self.unread:
            return ""
        files = ", ".join(f"{path} at {changed}" for path, changed in self.unread.items())
        ahead = any(moment > self.now for moment in (self.since, *self.unread.values()))
        clock = f"; the host's clock was set back: it is {self.now} there" if ahead else ""
        return f"{files}; the service has read its files at {self.since}{clock}"


@dataclass(frozen=True)
class UnreadFiles(Fact[UnreadState]):
    """Files that were changed after a service had read them last; both times are of the host's own clock.

    The time of a file is that of its last change of any kind (ctime): a file that was moved to its place counts too,
    whatever time of modification it has. A file that does not exist has no such time, and is not listed. At the very
    same instant counts as changed after.

    Args:
        unit: As `docker.service`.
        paths: The files.
        when: `restart`: the service reads its files when it starts; `reload`: also when it is reloaded.
    """

    unit: str
    paths: tuple[str, ...]
    when: Literal["reload", "restart"] = "restart"

    def request(self) -> Command:
        """Return the command; as root, because a directory of keys may be closed to others."""
        return Command(("sh", "-c", _UNREAD, "sh", self.unit, _object(self.unit), *self.paths), sudo=True)

    def parse(self, output: Output) -> UnreadState:
        r"""Return what was changed after the service read its files.

        >>> shown = "ActiveState=active\nExecMainStartTimestamp=t 5000000\nInactiveExitTimestamp=t 4000000\n"
        >>> times = "StateChangeTimestamp=t 6000000\nNow=9.000000000\nFile=5.000000000 7.500000000\n"
        >>> UnreadFiles("a.service", ("/etc/a",)).parse(Output(0, shown + times)).unread
        {'/etc/a': '1970-01-01 00:00:07.500000'}
        """
        pairs = [line.partition("=")[::2] for line in lines_of(output.stdout)]
        with parsing(f"times of {self.unit} and its files"):
            values = dict(pairs)
            files = [value for name, value in pairs if name == "File"]
            now = _instant(values["Now"])
            changed = {
                path: max(map(_instant, times.split()), default=0)
                for path, times in zip(self.paths, files, strict=True)
            }
            if values["ActiveState"] not in {"active", "reloading"}:
                return UnreadState(now=_shown(now))
            since = max(_instant(values["ExecMainStartTimestamp"]), _instant(values["InactiveExitTimestamp"]))
            if self.when == "reload" and values.get("ReloadResult", "success") == "success":
                since = max(since, _instant(values["StateChangeTimestamp"]))
        # A start in the future was before the clock was set back: what happened first is not known.
        unread = {
            path: _shown(moment)
            for path, moment in changed.items()
            if moment and (moment >= since or since > now)
        }
        return UnreadState(_shown(since), _shown(now), unread)

    @property
    def label(self) -> str:
        """Unit, paths and what makes the service read them."""
        return f"{self.id}({self.unit}, {', '.join(self.paths)}, {self.when})"


@dataclass(frozen=True)
class NeedsDaemonReload(Fact[bool]):
    """Whether files of a unit were changed after systemd had read them; False for a unit that does not exist.

    Args:
        unit: As `docker.service`.
    """

    unit: str

    def request(self) -> Command:
        """Return the command; it exits with 0 for unknown units too."""
        return Command(("systemctl", "show", "--property=NeedDaemonReload", "--", self.unit))

    def parse(self, output: Output) -> bool:
        """Return what systemd says."""
        name, _, value = output.stdout.strip().partition("=")
        if name != "NeedDaemonReload" or value not in {"yes", "no"}:
            raise FactError(f"systemctl show: unexpected output {output.stdout[:80]!r}")
        return value == "yes"


def _object(unit: str) -> str:
    """Return the unit's path on the bus: all but letters and digits, and a first digit, as `_` and two digits."""
    plain = string.ascii_letters + string.digits
    escaped = (
        letter
        if letter in plain and (at or letter not in string.digits)
        else "".join(map("_{:02x}".format, letter.encode()))
        for at, letter in enumerate(unit)
    )
    return f"/org/freedesktop/systemd1/unit/{''.join(escaped)}"


def _instant(text: str) -> int:
    """Return microseconds since 1970: of `stat`, of the bus, or of `systemctl show`; 0 for none."""
    if text in {"", "n/a"}:
        return 0
    if text.startswith("t "):
        return int(text.removeprefix("t "))
    if text.endswith(" UTC"):
        moment = datetime.strptime(text.split(" ", 1)[1], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
    seconds, _, fraction = text.partition(".")
    return int(seconds) * _MICROSECONDS + int(fraction[:6].ljust(6, "0"))


def _shown(moment: int) -> str:
    """Return an instant for the reader; text that is in the order of time."""
    seconds, micro = divmod(moment, _MICROSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{micro:06}"
