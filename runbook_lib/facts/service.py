"""systemd services and timers: their state, and whether they have read the files that they were configured with."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from typing import Literal

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = [
    "NeedsDaemonReload",
    "NotReadYet",
    "Service",
    "ServiceState",
    "UnreadFiles",
    "UnreadState",
    "full_name",
]

# All times are in UTC, in a form whose order is that of time. systemctl shows microseconds from version 247 on; before
# that, only the bus has them. A link has two times: its own, and that of the file that it leads to.
_UNREAD = """unit=$1 object=$2; shift 2
export TZ=UTC0
bus=org.freedesktop.systemd1
show() { systemctl show --property=ActiveState,ReloadResult,InactiveExitTimestamp,StateChangeTimestamp,\
ExecMainStartTimestamp "$@" -- "$unit"; }
show --timestamp=us+utc 2>/dev/null || {
  systemctl show --property=ActiveState,ReloadResult -- "$unit" || exit
  for name in Unit.InactiveExitTimestamp Unit.StateChangeTimestamp Service.ExecMainStartTimestamp; do
    value=$(busctl get-property $bus "$object" "$bus.${name%.*}" "${name#*.}") || exit
    seconds=${value#t }
    seconds=${seconds%??????}
    echo "${name#*.}=$(test -z "$seconds" || date --date="@$seconds.${value#"t $seconds"}" '+%F %T.%N')"
  done
}
date '+Now=%F %T.%N'
for path; do
  echo "File=$(stat --format=%z -- "$path" 2>/dev/null) $(stat --dereference --format=%z -- "$path" 2>/dev/null)"
done"""
# A unit without [Install], and one that is made from a script of System V, start with the host only if another unit has
# them start.
_BY_OTHERS = {"static", "generated"}
_PULLED_IN = "WantedBy,RequiredBy,TriggeredBy"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")


# fmt: off
_SUFFIXES = (
    ".service", ".socket", ".timer", ".target", ".mount", ".automount", ".path", ".slice", ".scope", ".swap", ".device",
)
# fmt: on


def full_name(unit: str) -> str:
    """Return a unit's name with its type, as systemctl completes it: `php8.2-fpm` is `php8.2-fpm.service`."""
    return unit if unit.endswith(_SUFFIXES) else f"{unit}.service"


@dataclass(frozen=True)
class ServiceState:
    """A unit's state as systemd reports it.

    Args:
        loaded: Whether the unit exists.
        active: `active`, `inactive`, `failed`, `activating`, …
        enabled: Whether it starts with the host: it is enabled, not only until the next boot; or another unit pulls in
            one that cannot be enabled.
        static: Whether it cannot be enabled, for want of a section [Install].
    """

    loaded: bool
    active: str
    enabled: bool
    static: bool = False


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
            (
                "systemctl",
                "show",
                f"--property=LoadState,ActiveState,UnitFileState,{_PULLED_IN}",
                "--",
                self.unit,
            )
        )

    def parse(self, output: Output) -> ServiceState:
        r"""Return the state.

        >>> shown = "LoadState=loaded\nActiveState=active\nUnitFileState=static\nWantedBy=sysinit.target\n"
        >>> Service("systemd-udevd.service").parse(Output(0, shown)).enabled
        True
        """
        values = dict(line.split("=", 1) for line in lines_of(output.stdout) if "=" in line)
        file_state = values.get("UnitFileState", "")
        pulled_in = any(values.get(name) for name in _PULLED_IN.split(","))
        try:
            return ServiceState(
                loaded=values["LoadState"] == "loaded",
                active=values["ActiveState"],
                enabled=file_state == "enabled" or (file_state in _BY_OTHERS and pulled_in),
                static=file_state == "static",
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

        >>> day = "2026-11-26"
        >>> shown = f"ActiveState=active\nExecMainStartTimestamp=Thu {day} 15:27:41.042989 UTC\n"
        >>> times = f"Now={day} 15:31:40.5000000\nFile={day} 15:29:00.00000000 +0000 {day} 15:30:00.00000000 +0000\n"
        >>> UnreadFiles("a.service", ("/etc/a",)).parse(Output(0, shown + times)).unread
        {'/etc/a': '2026-11-26 15:30:00.000000'}
        """
        pairs = [line.partition("=")[::2] for line in lines_of(output.stdout)]
        with parsing(f"times of {self.unit} and its files"):
            values = dict(pairs)
            now = _last(values["Now"])
            times = [_last(value) for name, value in pairs if name == "File"]
            changed = dict(zip(self.paths, times, strict=True))
            if values["ActiveState"] not in {"active", "reloading"}:
                return UnreadState(now=now)
            read = ["ExecMainStartTimestamp", "InactiveExitTimestamp"]
            if self.when == "reload" and values.get("ReloadResult", "success") == "success":
                read.append("StateChangeTimestamp")
            since = max(_last(values.get(name, "")) for name in read)
            if not (now and since):
                raise ValueError("a time is missing")
        # A start in the future was before the clock was set back: what happened first is not known.
        unread = {
            path: moment for path, moment in changed.items() if moment and (moment >= since or since > now)
        }
        return UnreadState(since, now, unread)

    @property
    def label(self) -> str:
        """Unit, paths and what makes the service read them."""
        return f"{self.id}({self.unit}, {', '.join(self.paths)}, {self.when})"


@dataclass(frozen=True)
class NotReadYet(Fact[str]):
    """Which files were changed after a service had read them last, in words (`UnreadFiles`); empty if none were.

    As long as there is none it is the same whenever it is read, so that a guarded change can compare it.

    Args:
        unit: As `ssh.service`.
        paths: The files.
        when: As for `UnreadFiles`.
    """

    unit: str
    paths: tuple[str, ...]
    when: Literal["reload", "restart"] = "restart"

    def request(self) -> Command:
        """Return the command."""
        return self._files.request()

    def parse(self, output: Output) -> str:
        """Return the files and times."""
        return self._files.parse(output).summary

    @property
    def label(self) -> str:
        """Unit, paths and what makes the service read them."""
        return f"{self.id}({self.unit}, {', '.join(self.paths)}, {self.when})"

    @property
    def _files(self) -> UnreadFiles:
        return UnreadFiles(self.unit, self.paths, self.when)


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
            raise FactError(f"systemctl show: unexpected output {excerpt(output.stdout, 80)!r}")
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


def _last(text: str) -> str:
    """Return the last of the times in a line, to the microsecond; empty if it has none."""
    return max(_INSTANT.findall(text), default="")
