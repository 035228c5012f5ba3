"""The SSH server of a host: what its configuration says of an option."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["SshdSetting", "SshdSettingState"]

# sshd itself says how it understands the wanted values: `prohibit-password` is shown as `without-password`, 5m as 300.
# Options on the daemon's command line win over its files (sshd(8)); the listener shows them in its title, with blanks.
_SETTING = r"""name=$1; shift
sshd=$(command -v sshd || echo /usr/sbin/sshd)
for unit in ssh.service sshd.service; do
  pid=$(systemctl show --property=MainPID -- "$unit" 2>/dev/null); pid=${pid#MainPID=}
  [ "${pid:-0}" = 0 ] || break
done
if [ "${pid:-0}" = 0 ]; then
  pid=$(cat /run/sshd.pid 2>/dev/null)  # perhaps of a process that is gone, whose number another one has
  [ "$(cat "/proc/${pid:-0}/comm" 2>/dev/null)" = sshd ] || pid=
fi
arguments=$([ ! -r "/proc/${pid:-0}/cmdline" ] || tr '\0' '\n' <"/proc/$pid/cmdline" |
  sed '/ \[listener\]/s/ /\n/g' | awk '/^-[ofphc]$/ { flag = $0; next }
    flag != "" { print flag $0; flag = ""; next } /^-[ofphc46]/')
in_force=$(printf '%s\n' "$arguments" | {
  set --; while IFS= read -r word; do [ -z "$word" ] || set -- "$@" "$word"; done; "$sshd" -T "$@"; }) || exit
keys=$(case $name in [Hh][Oo][Ss][Tt][Kk][Ee][Yy]) ;; *) printf '%s\n' "$in_force" | grep '^hostkey ' ;; esac)
wanted=$({ printf "$name %s\n" "$@"; printf '%s\n' "$keys"; } | "$sshd" -T -f /proc/self/fd/0 2>&1) ||
  { echo "==> refused"; printf '%s\n' "$wanted" | grep -v '^$' | head -n 1; exit 0; }
echo "==> arguments"; printf '%s\n' "$arguments" | grep .
echo "==> in force"; printf '%s\n' "$in_force" | grep -i "^$name "
echo "==> wanted"; printf '%s\n' "$wanted" | grep -i "^$name "
true"""
_FLAGS = {
    "-p": ("port",),
    "-h": ("hostkey",),
    "-c": ("hostcertificate",),
    "-4": ("addressfamily",),
    "-6": ("addressfamily",),
}


@dataclass(frozen=True)
class SshdSettingState:
    """What sshd makes of an option, each value as `sshd -T` shows it.

    Args:
        in_force: By its command line and configuration; more than one for an option that may be given several times.
        wanted: If the wanted values were its configuration.
        problem: Why sshd refuses the wanted values; empty if it does not.
        arguments: What the running daemon's command line sets, as `-oCiphers=aes128-ctr`, `-f/etc/other_config`.
    """

    in_force: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    problem: str = ""
    arguments: tuple[str, ...] = ()

    def argument_for(self, name: str) -> str | None:
        """Return what on the daemon's command line makes an option in `sshd_config` have no effect; None if nothing."""
        return next((word for word in self.arguments if _overrides(word, name.lower())), None)


@dataclass(frozen=True)
class SshdSetting(Fact[SshdSettingState]):
    """What sshd's configuration says of an option outside of `Match` blocks, and what it would make of other values.

    Args:
        name: As `PermitRootLogin`.
        values: The wanted values.
    """

    name: str
    values: tuple[str, ...]

    def request(self) -> Command:
        """Return the command; only root may read the configuration and the host keys."""
        return Command(("sh", "-c", _SETTING, "sh", self.name, *self.values), sudo=True)

    def parse(self, output: Output) -> SshdSettingState:
        r"""Return what `sshd -T` prints.

        >>> shown = "==> in force\npermitrootlogin yes\n==> wanted\npermitrootlogin no\n"
        >>> SshdSetting("PermitRootLogin", ("no",)).parse(Output(0, shown)).in_force
        ('yes',)
        """
        parts: dict[str, list[str]] = {}
        for line in lines_of(output.stdout):
            if line.startswith("==> "):
                parts[line.removeprefix("==> ")] = []
            elif parts:
                parts[list(parts)[-1]].append(line)
        if "refused" in parts:
            reason = re.sub(r"^\S* line \d+: ", "", " ".join(parts["refused"]))
            return SshdSettingState(problem=excerpt(reason, 200) or "without a reason")
        arguments = tuple(parts.pop("arguments", ()))
        if set(parts) != {"in force", "wanted"}:
            raise FactError(f"sshd -T: unexpected output {excerpt(output.stdout, 80)!r}")
        in_force, wanted = (
            tuple(line.partition(" ")[2] for line in parts[name]) for name in ("in force", "wanted")
        )
        return SshdSettingState(in_force, wanted, arguments=arguments)


def _overrides(word: str, name: str) -> bool:
    flag, value = word[:2], word[2:]
    if flag == "-o":
        return re.split(r"[\s=]", value.strip(), maxsplit=1)[0].lower() == name
    return flag == "-f" or name in _FLAGS.get(flag, ())
