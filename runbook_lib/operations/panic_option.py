"""The kernel option `panic=` of an entry of EL's boot menu: set for a trial boot, and restored after it (grubby(8))."""

from __future__ import annotations

from runbook_lib.facts.kernel_trial import MARK
from runbook_lib.model.commands import Command

__all__ = ["FORMER", "restore", "set_for_trial"]

FORMER = MARK.rpartition("/")[0] + "/panic-before-trial"
"""Beginning of a file's path on the host, one per kernel, from arming a trial until it is over: what the entry had
before (an empty line: nothing), then what trials have set."""

# Several entries may boot the same image. The options of entries that differ could not be restored by one command.
_OPTIONS = """set -e; former=$1 image=$2
options() {
  said=$(grubby --info="$image") && printf '%s\\n' "$said" | awk '
    /^args=/ { entries++; sub(/^args="?/, ""); sub(/"$/, ""); found = ""
      for (i = 1; i <= NF; i++) if ($i ~ /^panic(=|$)/) found = found (found == "" ? "" : " ") $i
      if (entries > 1 && found != first) differ = 1
      first = found }
    END { if (!entries || differ) exit 1; print first }'
}
now=$(options) || { echo "grubby does not say which panic option $image has" >&2; exit 1; }
set_by_a_trial() { [ -e "$former" ] && tail -n +2 -- "$former" | grep -qxF -e "$now"; }
"""
# What an earlier trial has left behind is not the former state: that trial knew it. The file must not be lost with the
# power while the option that it is about is already in the menu.
_SET = f"""{_OPTIONS}ours=$3 before=$now earlier=
if set_by_a_trial; then before=$(head -n 1 -- "$former") earlier=$(tail -n +2 -- "$former"); fi
mkdir -p -- "$(dirname -- "$former")"
printf '%s\\n' "$before" "$ours" $earlier > "$former.new"
mv -f -- "$former.new" "$former"; sync -- "$former"
grubby --update-kernel="$image" --args="$ours"
[ "$(options)" = "$ours" ] || {{ echo "grubby did not set $ours for $image" >&2; exit 1; }}"""
# Only the last of several panic options counts, and EL 7's grubby keeps one of each name.
_RESTORE = f"""[ -e "$1" ] || exit 0
{_OPTIONS}before=$(head -n 1 -- "$former")
if [ "$now" = "$before" ]; then :
elif ! set_by_a_trial; then echo "$image has ${{now:-no panic option}}, not set by a trial: left as it is"
else
  if [ -n "$before" ]; then grubby --update-kernel="$image" --args="$before"
  else grubby --update-kernel="$image" --remove-args=panic; fi
  now=$(options)
  [ "${{now##* }}" = "${{before##* }}" ] || {{
    echo "grubby did not restore ${{before:-the absence of a panic option}} of $image" >&2; exit 1; }}
fi
rm -f -- "$former\""""


def set_for_trial(release: str, seconds: int) -> Command:
    """Return the command that makes a panic of a kernel reset the host, and remembers the option that it replaces.

    Args:
        release: The kernel's release.
        seconds: From the panic to the reset.
    """
    return _command(
        _SET, release, f"panic={seconds}", purpose=f"a panic resets the host after {seconds} s, for the trial"
    )


def restore(release: str) -> Command:
    """Return the command that restores the option as it was before the trial; without a trial it changes nothing.

    An option that someone else has set since is left as it is.
    """
    return _command(_RESTORE, release, purpose=f"the panic option of {release} as before the trial")


def _command(script: str, release: str, *more: str, purpose: str) -> Command:
    return Command(
        ("sh", "-c", script, "sh", f"{FORMER}-{release}", f"/boot/vmlinuz-{release}", *more),
        sudo=True,
        safe_to_interrupt=False,
        purpose=purpose,
    )
