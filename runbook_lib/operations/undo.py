"""Commands that undo what may not have been made: a rollback is sent too if the change failed before it began."""

from __future__ import annotations

from runbook_lib.model.commands import Command

__all__ = [
    "forget_failures",
    "leave_swarm",
    "remove_container",
    "remove_network",
    "remove_service",
    "restore_service",
]

# Docker exits with 1 for what does not exist as for any other failure: only its message says which it is.
_UNLESS_ABSENT = """absent=$1; shift
said=$("$@" 2>&1) && exit
code=$?
if printf '%s\\n' "$said" | grep --quiet --ignore-case --extended-regexp -e "$absent"; then exit 0; fi
printf '%s\\n' "$said" >&2; exit "$code\""""

_NO_SERVICE = "no such service|service .* not found"
# The former service may still be there, or someone may have made another one since.
_RESTORE_SERVICE = """name=$1 label=$2 ours=$3 former=$4 absent=$5; shift 5
if found=$(docker service inspect --format "{{index .Spec.Labels \\"$label\\"}}" "$name" 2>&1); then
  if [ "$found" = "$former" ]; then exit 0; fi
  [ "$found" = "$ours" ] || { echo "service $name was changed by someone else since: left as it is" >&2; exit 1; }
  docker service rm "$name" || exit
elif ! printf '%s\\n' "$found" | grep --quiet --ignore-case --extended-regexp -e "$absent"; then
  printf '%s\\n' "$found" >&2; exit 1
fi
"$@\""""


def remove_container(name: str, purpose: str = "") -> Command:
    """Return the command that removes a container, running or not; it fails if the container remains."""
    return _unless_absent("no such container", ("docker", "rm", "-f", name), purpose)


def remove_network(name: str, purpose: str = "") -> Command:
    """Return the command that removes a Docker network; it fails if the network remains."""
    return _unless_absent("no such network|network .* not found", ("docker", "network", "rm", name), purpose)


def remove_service(name: str, purpose: str = "") -> Command:
    """Return the command that removes a service of the swarm; it fails if the service remains."""
    return _unless_absent(_NO_SERVICE, ("docker", "service", "rm", name), purpose)


def restore_service(name: str, label: str, ours: str, former: str, create: Command) -> Command:
    """Return the command that replaces a service of the swarm by the former one; it leaves one that is neither.

    Args:
        name: The service's name.
        label: Name of the label with the hash of what a service was made from.
        ours: The label's value of the service that the step makes.
        former: That of the former one.
        create: Makes the former one.
    """
    return Command(
        ("sh", "-c", _RESTORE_SERVICE, "sh", name, label, ours, former, _NO_SERVICE, *create.argv),
        sudo=True,
        timeout=120,
        purpose=f"make the former service {name} again",
    )


def forget_failures(unit: str) -> Command:
    """Return the command that clears a unit's failures and its count of starts, so that systemd starts it again.

    systemd has no failures of a unit that it has not loaded, such as a stopped one that nothing wants, and says so.
    """
    return _unless_absent(
        "^Failed to reset .* not loaded", ("systemctl", "reset-failed", unit), "clear earlier failures"
    )


def leave_swarm(purpose: str, *, force: bool = False) -> Command:
    """Return the command by which an engine leaves its swarm; it fails if the engine is still in one.

    Args:
        purpose: Why, for the reader.
        force: A manager leaves as well.
    """
    forced = ("--force",) if force else ()
    return _unless_absent("not part of a swarm", ("docker", "swarm", "leave", *forced), purpose)


def _unless_absent(absent: str, argv: tuple[str, ...], purpose: str) -> Command:
    return Command(("sh", "-c", _UNLESS_ABSENT, "sh", absent, *argv), sudo=True, purpose=purpose)
