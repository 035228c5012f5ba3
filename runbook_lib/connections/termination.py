"""End on the host what the run no longer waits for: the command's session and all that it started.

Each command over SSH is a session of its own under the connection's server process, so a second channel of
the same connection finds it beside itself; nothing is added to the text that the command was sent as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.model.commands import Output

__all__ = ["GRACE", "SessionLeader", "latest_session", "list_sessions", "summarize", "terminate"]

GRACE = 3
"""Seconds between TERM and KILL."""
_TIMEOUT = 20.0  # seconds for each of our own commands

# What /proc tells of process $1. The name in it may hold spaces and brackets: it ends at the last bracket.
_STAT = """\
stat() {
  { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  state=$1 parent=$2 session=$4 began=${20}
}
"""

_LOOK = (
    _STAT
    + """\
stat $$; mine=$session
stat "$mine"; server=$parent
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  grep -qs runbook-lock "/proc/$pid/cmdline" && continue
  stat "$pid" && [ "$parent" = "$server" ] && [ "$pid" != "$mine" ] && [ "$session" = "$pid" ] &&
    [ "$state" != Z ] && echo "$pid $began"
done
exit 0
"""
)

_END = (
    _STAT
    + """\
leader=$1 grace=$3
stat "$leader" && [ "$began" != "$2" ] && exit 0
known=" "
gather() {
  found=yes
  while [ "$found" ]; do
    found=
    for entry in /proc/[0-9]*; do
      pid=${entry#/proc/}
      stat "$pid" && [ "$state" != Z ] || continue
      case $known in *" $pid:"*) continue;; esac
      case $known in *" $parent:"*) ;; *) [ "$session" = "$leader" ] || [ "$pid" = "$leader" ] || continue;; esac
      read -r name < "/proc/$pid/comm" || name=?
      known="$known$pid:$began:$(printf %s "$name" | tr -c 'A-Za-z0-9._\\n-' _) " found=yes
    done
  done
}
there() { stat "${1%%:*}" && rest=${1#*:} && [ "$began" = "${rest%%:*}" ] && [ "$state" != Z ]; }
send() { for one in $known; do there "$one" && kill -s "$1" "${one%%:*}" 2>/dev/null; done; }
gone() {
  gather
  for one in $known; do there "$one" && return 1; done
  return 0
}
wait_gone() {
  turns=$(($1 * 5))
  until gone; do
    [ $turns -gt 0 ] || return 1
    turns=$((turns - 1)); sleep 0.2
  done
}
gather
send TERM; with=TERM
wait_gone "$grace" || { with=KILL; send KILL; wait_gone 2; }
code=0
for one in $known; do
  if there "$one"; then word=there code=1; else word=$with; fi
  echo "$word ${one%%:*} ${one##*:}"
done
exit $code
"""
)


@dataclass(frozen=True)
class SessionLeader:
    """The process that leads a command's session.

    Args:
        began: Its start in clock ticks since the host's boot: a process number alone may be used again.
    """

    pid: int
    began: int


def list_sessions() -> Command:
    """Return the command that lists the other sessions of the connection it is sent over."""
    return Command(
        ("sh", "-s"),
        stdin=_LOOK,
        timeout=_TIMEOUT,
        purpose="find on the host what is not waited for any more",
    )


def latest_session(output: Output, besides: Collection[SessionLeader]) -> SessionLeader | None:
    """Return the session that began last, of those that `look` listed; None where there is none."""
    found = []
    for line in output.stdout.splitlines():
        pid, _, began = line.partition(" ")
        if pid.isdigit() and began.isdigit():
            found.append(SessionLeader(int(pid), int(began)))
    return max(set(found) - set(besides), key=lambda leader: (leader.began, leader.pid), default=None)


def terminate(leader: SessionLeader, *, sudo: bool) -> Command:
    """Return the command that ends a session and all that it started: TERM, then KILL.

    Its exit code is 0 exactly when all of them are gone; it prints one line a process.
    """
    return Command(
        ("sh", "-s", "--", str(leader.pid), str(leader.began), str(GRACE)),
        stdin=_END,
        sudo=sudo,
        timeout=_TIMEOUT,
        purpose="end on the host what is not waited for any more",
    )


def summarize(output: Output) -> str:
    """Return in words what `end` did."""
    lines = [line.split() for line in output.stdout.splitlines()]
    lines = [line for line in lines if len(line) == 3]  # noqa: PLR2004 - how, number, name
    there = [f"{name} ({pid})" for how, pid, name in lines if how == "there"]
    ended = [f"{name} ({pid})" for how, pid, name in lines if how != "there"]
    how = "KILL" if any(line[0] == "KILL" for line in lines) else "TERM"
    if output.exit_code is None or (output.exit_code and not there):
        said = output.problem or output.stderr.strip().partition("\n")[0] or f"exit code {output.exit_code}"
        return f"WHETHER IT ENDED ON THE HOST IS NOT KNOWN: {said}"
    if there:
        return f"IT STILL RUNS ON THE HOST: {', '.join(there)}"
    if not ended:
        return "it had ended on the host by itself"
    return f"ended on the host with {how}: {', '.join(ended)}"
