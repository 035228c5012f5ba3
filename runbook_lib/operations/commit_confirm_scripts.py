"""The scripts of a guarded change on the host: what keeps the files, replaces them, restores them, and arms the timer.

Plain sh and coreutils. Whatever runs at boot needs neither D-Bus nor a network daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "APPLY_LOG",
    "APPLY_SCRIPT",
    "ARM",
    "BOOT_UNIT",
    "BOOT_UNIT_FILE",
    "BOOT_UNIT_LINK",
    "CLEAN_UP",
    "CONFIRM",
    "CONFIRMED",
    "DIRECTORY",
    "FUNCTIONS",
    "KEEP",
    "MARKER",
    "REVERTING",
    "REVERT_SCRIPT",
    "RUN",
    "UNIT_OPTIONS",
    "apply_script",
    "candidate",
    "revert_script",
]

DIRECTORY = "/var/lib/runbook/network"
"""Directory on the host, root's alone, with everything of the one guarded change that may be pending there."""
MARKER = f"{DIRECTORY}/unconfirmed"
"""File on the host that exists from arming to confirmation or revert."""
REVERTING = f"{DIRECTORY}/reverting"
"""The marker's new name while the host reverts; removed afterwards."""
CONFIRMED = f"{DIRECTORY}/confirmed"
"""The marker's new name once the change is confirmed; removed when the rest is cleaned up."""
APPLY_SCRIPT = f"{DIRECTORY}/apply.sh"
REVERT_SCRIPT = f"{DIRECTORY}/revert.sh"
APPLY_LOG = f"{DIRECTORY}/apply.log"
BOOT_UNIT_FILE = "/etc/systemd/system/runbook-network-boot.service"
BOOT_UNIT_LINK = "/etc/systemd/system/multi-user.target.wants/runbook-network-boot.service"
"""What `systemctl enable` makes."""

BOOT_UNIT = f"""\
[Unit]
Description=Restore the configuration before an unconfirmed change
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=network-pre.target networking.service systemd-networkd.service NetworkManager.service
Before=nftables.service netfilter-persistent.service iptables.service firewalld.service
Before=ssh.service sshd.service ssh.socket sshd.socket
Wants=network-pre.target
ConditionPathExists=|{MARKER}
ConditionPathExists=|{REVERTING}

[Service]
Type=oneshot
ExecStart=/bin/sh {REVERT_SCRIPT} at-boot

[Install]
WantedBy=multi-user.target
"""

UNIT_OPTIONS = ("--quiet", "--collect", "--property=KillMode=process")
"""Options of systemd-run. What a script has started, such as a DHCP client of ifup, outlives the script."""


def candidate(number: int) -> str:
    """Return the path on the host of the new contents of a change's file, by its number."""
    return f"{DIRECTORY}/{number}.new"


# Arguments: the directory; then for each file its number, path, account (empty: root), and the SHA-256 of what was
# read (`absent`: no file; `any`: whatever is there).
KEEP = """set -eu; umask 077; directory=$1; shift
if [ -e "$directory/unconfirmed" ] || [ -e "$directory/reverting" ]; then
  echo "another change of this host awaits its confirmation or revert" >&2; exit 1; fi
if [ -s "$directory/timer" ]; then systemctl stop "$(cat -- "$directory/timer").timer" 2>/dev/null || true; fi
rm -rf -- "$directory"; mkdir -p -- "$directory"; trap 'rm -rf -- "$directory"' EXIT
as() { if [ -n "$account" ]; then runuser -u "$account" -- "$@"; else "$@"; fi; }
while [ $# -gt 0 ]; do
  kept=$directory/$1 path=$2 account=$3 read=$4; shift 4
  if [ -L "$path" ]; then echo "$path is a symbolic link: a revert could not restore it" >&2; exit 1; fi
  if [ ! -e "$path" ]; then
    case $read in absent|any) : > "$kept.absent"; continue ;; esac
    echo "$path has been removed since it was read" >&2; exit 1
  fi
  if [ ! -f "$path" ]; then echo "$path is not a regular file" >&2; exit 1; fi
  if [ -n "$account" ]; then as cat -- "$path" > "$kept.old"; else cp -a -- "$path" "$kept.old"; fi
  stat --format=%a -- "$path" > "$kept.mode"
  sum=$(sha256sum < "$kept.old"); sum=${sum%% *}
  case $read in "$sum"|any) ;; *) echo "$path has changed since it was read, or is not UTF-8" >&2; exit 1 ;; esac
done
trap - EXIT"""

# An account writes its own files itself: root would follow a symbolic link that the account puts there meanwhile.
# A name that begins with a dot is not found by patterns such as interfaces.d/* or conf.d/*.
_PUT = (
    """umask 077; new=$(dirname -- "$1")/.$(basename -- "$1").runbook-new; rm -f -- "$new"; """
    """cat > "$new" && chmod -- "$2" "$new" && mv -f -- "$new" "$1\""""
)
FUNCTIONS = f"""directory={DIRECTORY} failed=
put() {{ # number, path, account, permissions; the contents are in the file `$5`
  if [ -n "$3" ]; then runuser -u "$3" -- /bin/sh -c '{_PUT}' sh "$2" "$4" < "$5"; return; fi
  new=$(dirname -- "$2")/.$(basename -- "$2").runbook-new; rm -f -- "$new"
  if [ -e "$directory/$1.old" ]; then cp -a -- "$directory/$1.old" "$new"; else : > "$new"; fi || return
  cat -- "$5" > "$new" && chmod -- "$4" "$new" && mv -f -- "$new" "$2"
}}
replace() {{ # number, path, account, permissions; empty: those of the former file, or 0644
  mode=$4; [ -n "$mode" ] || mode=$(cat -- "$directory/$1.mode" 2>/dev/null || echo 0644)
  put "$1" "$2" "$3" "$mode" "$directory/$1.new"
}}
restore() {{ # number, path, account
  if [ -e "$directory/$1.old" ]; then
    put "$1" "$2" "$3" "$(cat -- "$directory/$1.mode")" "$directory/$1.old" ||
      {{ [ -z "$3" ] && cp -a -- "$directory/$1.old" "$2"; }} || failed=yes
  elif [ -e "$directory/$1.absent" ]; then rm -f -- "$2" || failed=yes
  else failed=yes; fi
}}
"""

# Arguments: the directory, the revert script, seconds, the boot unit and its link, and the units' options. The boot
# unit is for the next boot only: the running systemd need not know it, and reloading it can take seconds. Writing
# everything to the disk can, too, so the timer is started last.
ARM = """set -eu; directory=$1 script=$2 seconds=$3 unit=$4 link=$5; shift 5
mkdir -p -- "$(dirname -- "$link")"; ln -sf -- "$unit" "$link"
timer=runbook-network-revert-$(date +%s)-$$; printf '%s\\n' "$timer" > "$directory/timer"
trap 'rm -f -- "$directory/unconfirmed"' EXIT HUP INT TERM
: > "$directory/unconfirmed"
sync -- "$directory"/* "$directory" "$unit" "$(dirname -- "$unit")" "$(dirname -- "$link")"
systemd-run "$@" --unit="$timer" --on-active="$seconds" --timer-property=AccuracySec=1s /bin/sh "$script"
trap - EXIT HUP INT TERM"""

# Sent again if the connection was lost before its answer arrived; it fails once the revert has started.
CONFIRM = """[ -e "$2" ] || mv -- "$1" "$2\""""

# Arguments: the directory, the boot unit and its link, and the changed files, which reach the disk first. Then that the
# change is confirmed: after a power cut the marker would be back, and the boot unit would revert.
CLEAN_UP = """directory=$1 unit=$2 link=$3; shift 3
[ ! -e "$directory/reverting" ] || exit 0
rm -f -- "$directory/unconfirmed"
timer=$(cat -- "$directory/timer" 2>/dev/null) && systemctl stop "$timer.timer" 2>/dev/null
for path in "$@"; do sync -- "$path" "$(dirname -- "$path")" 2>/dev/null; done
sync -- "$directory" 2>/dev/null
rm -rf -- "$directory" "$link" "$unit\""""

# The unit writes to a file, not to our session: a lost session must not kill it with SIGPIPE.
RUN = (
    'script=$1 log=$2; shift 2; systemd-run "$@" --wait /bin/sh "$script"; code=$?; '
    'cat -- "$log" >&2; exit $code'
)


def apply_script(stop_old: str, swaps: Sequence[str], start_new: str) -> str:
    """Return the script that makes a change; an error ends it.

    Args:
        stop_old: Lines before the files are replaced.
        swaps: Lines that replace or remove the files.
        start_new: Lines that make the new files effective.
    """
    armed = f"[ -e {MARKER} ]  # not reverted meanwhile"
    return _script(f"exec >{APPLY_LOG} 2>&1", FUNCTIONS, "set -e", stop_old, armed, *swaps, start_new)


def revert_script(*, stop_new: str, restores: Sequence[str], at_boot: str, start_old: str, paths: str) -> str:
    """Return the script that restores the former state; an error ends nothing.

    Args:
        stop_new: Lines before the files are restored, on the running host.
        restores: Lines that restore the files.
        at_boot: Lines after that, at boot.
        start_old: Lines after that, on the running host.
        paths: The files, quoted for sh.
    """
    return _script(
        # Only one of timer, command and boot unit may revert, and none after the confirmation. A revert that a
        # power cut has ended is begun again at boot.
        f"mv -- {MARKER} {REVERTING} 2>/dev/null ||",
        f'  {{ [ "$1" = at-boot ] && [ -e {REVERTING} ]; }} || exit 0',
        FUNCTIONS,
        'if [ "$1" != at-boot ]; then :',
        stop_new,
        "fi",
        *restores,
        'if [ "$1" = at-boot ]; then :',
        at_boot,
        "else :",
        start_old,
        "fi",
        # What could not be restored, such as a home directory that is not mounted yet, is tried at the next boot.
        '[ -z "$failed" ] || { echo "not everything could be restored" >&2; exit 1; }',
        f"sync -- {paths} 2>/dev/null",
        f"timer=$(cat {DIRECTORY}/timer)",
        f"rm -rf -- {DIRECTORY}",
        f"rm -f -- {BOOT_UNIT_LINK} {BOOT_UNIT_FILE}",
        '[ "$1" = at-boot ] || systemctl stop "$timer.timer"',
    )


def _script(*lines: str) -> str:
    return "".join(f"{line.rstrip(chr(10))}\n" for line in lines if line)
