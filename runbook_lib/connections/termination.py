"""Terminate on the host what the run no longer waits for: the command's session and every process it started.

Each command over SSH runs in a session of its own under the connection's sshd process, so a second channel of the
same connection can find it among its siblings; the text of the command itself is sent unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.grace_periods import COMMAND_AFTER_KILL, COMMAND_AFTER_TERM, TERMINATION_COMMAND
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.model.commands import Output

__all__ = ["SessionLeader", "find_session", "list_sessions", "summarize", "terminate"]


# Read /proc/$1/stat. The process name may contain spaces and parentheses: it ends at the last parenthesis.
_STAT = """\
stat() {
  { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  state=$1 parent=$2 session=$4 began=${20}
}
"""

# No program is started for the processes of others: a host may have thousands of them.
_LIST_SESSIONS = (
    _STAT
    + """\
stat $$; mine=$session
stat "$mine"; server=$parent
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  stat "$pid" && [ "$parent" = "$server" ] && [ "$pid" != "$mine" ] && [ "$session" = "$pid" ] &&
    [ "$state" != Z ] || continue
  grep -qs -e runbook-lock -e runbook-probe "/proc/$pid/cmdline" || echo "$pid $began"
done
exit 0
"""
)

_TERMINATE = (
    _STAT
    + """\
leader=$1 after_term=$3 after_kill=$4
stat "$leader" && [ "$began" != "$2" ] && exit 0
known=" "
gather() {
  found=yes
  while [ "$found" ]; do
    found=
    # The leader first: the shell sorts the others as text, 10000 before 9999.
    for entry in "/proc/$leader" /proc/[0-9]*; do
      pid=${entry#/proc/}
      stat "$pid" && [ "$state" != Z ] || continue
      case $known in *" $pid:"*) continue;; esac
      case $known in *" $parent:"*) ;; *) [ "$session" = "$leader" ] || [ "$pid" = "$leader" ] || continue;; esac
      read -r name < "/proc/$pid/comm" || name=?
      known="$known$pid:$began:$(printf %s "$name" | tr -c 'A-Za-z0-9._\\n-' _) " found=yes
    done
  done
}
alive() { stat "${1%%:*}" && rest=${1#*:} && [ "$began" = "${rest%%:*}" ] && [ "$state" != Z ]; }
send() { for one in $known; do alive "$one" && kill -s "$1" "${one%%:*}" 2>/dev/null; done; }
gone() {
  gather
  for one in $known; do alive "$one" && return 1; done
  return 0
}
wait_gone() {
  read -r up _ < /proc/uptime; since=${up%%.*}
  until gone; do
    read -r up _ < /proc/uptime
    [ $((${up%%.*} - since)) -le "$1" ] || return 1
    sleep 0.2
  done
}
gather
send TERM; with=TERM
wait_gone "$after_term" || { with=KILL; send KILL; wait_gone "$after_kill"; }
code=0
for one in $known; do
  if alive "$one"; then word=running code=1; else word=$with; fi
  echo "$word ${one%%:*} ${one##*:}"
done
exit $code
"""
)


@dataclass(frozen=True)
class SessionLeader:
    """The session leader of a command.

    Args:
        began: Start time in clock ticks since the host's boot, because a PID alone may be reused.
    """

    pid: int
    began: int


def list_sessions() -> Command:
    """Return a command that lists the other sessions of the connection over which it is sent."""
    return Command(
        ("sh", "-s"),
        stdin=_LIST_SESSIONS,
        timeout=TERMINATION_COMMAND,
        purpose="find the processes of the command that the run no longer waits for",
    )


def find_session(
    output: Output, besides: Collection[SessionLeader], *, earliest: bool = False
) -> SessionLeader | None:
    """Return the latest session that `list_sessions` found; None if there is no other than those to leave out.

    Args:
        output: Output of `list_sessions`.
        besides: Sessions to leave out.
        earliest: Return the earliest one: of commands that were sent together, the first one still to be waited for.
    """
    found = []
    for line in output.stdout.splitlines():
        pid, _, began = line.partition(" ")
        if pid.isdigit() and began.isdigit():
            found.append(SessionLeader(int(pid), int(began)))
    pick = min if earliest else max
    return pick(set(found) - set(besides), key=lambda leader: (leader.began, leader.pid), default=None)


def terminate(leader: SessionLeader, *, sudo: bool) -> Command:
    """Return a command that terminates a session and every process it started: TERM, then KILL.

    The command exits with 0 only if all of them are gone; it prints one line per process.
    """
    return Command(
        (
            "sh",
            "-s",
            "--",
            str(leader.pid),
            str(leader.began),
            str(COMMAND_AFTER_TERM),
            str(COMMAND_AFTER_KILL),
        ),
        stdin=_TERMINATE,
        sudo=sudo,
        timeout=TERMINATION_COMMAND,
        purpose="terminate the command that the run no longer waits for",
    )


def summarize(output: Output) -> str:
    """Return a message about what the command of `terminate` did."""
    lines = [line.split() for line in output.stdout.splitlines()]
    lines = [line for line in lines if len(line) == 3]  # noqa: PLR2004 - how, number, name
    running = [f"{name} ({pid})" for how, pid, name in lines if how == "running"]
    ended = [f"{name} ({pid})" for how, pid, name in lines if how != "running"]
    how = "KILL" if any(line[0] == "KILL" for line in lines) else "TERM"
    if output.exit_code is None or (output.exit_code and not running):
        reason = output.problem or output.stderr.strip().partition("\n")[0] or f"exit code {output.exit_code}"
        return f"could not confirm termination on the host: {reason}"
    if running:
        return f"still running on the host: {', '.join(running)}"
    if not ended:
        return "the command had already exited"
    return f"terminated on the host with {how}: {', '.join(ended)}"
