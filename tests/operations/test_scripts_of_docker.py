"""The scripts that change Docker on a host, run by this machine's shell with stand-ins for Docker's programs."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.facts.docker_engine import EngineArguments, EngineInfo, EngineVersion
from runbook_lib.facts.docker_network import Network
from runbook_lib.facts.file import FileState
from runbook_lib.facts.registry import Garbage, RegistryGarbage
from runbook_lib.facts.service import Service, ServiceState, UnreadFiles, UnreadState
from runbook_lib.model.commands import Command, Output
from runbook_lib.operations import docker_engine, file_commands, registry, undo

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.plans import Plan

FILE = FileState(docker_engine.DAEMON_FILE, contents=True, secret_values=docker_engine.DAEMON_SECRET)
FORMER = '{"log-driver": "journald"}'
# As the engine: it does not accept this option, and systemd does not start it with that one.
DOCKERD = """while [ $# -gt 1 ]; do shift; done
if grep -q unknown-option "$1"; then echo "unable to configure: unknown-option" >&2; exit 1; fi"""
SYSTEMCTL = """echo "$*" >> "$PLACE/log"
[ "$1" = reset-failed ] || ! grep -qs does-not-start "$PLACE/docker/daemon.json\""""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory that stands for the host's file system, with programs in `bin`."""
    (tmp_path / "bin").mkdir()
    program(tmp_path, "dockerd", DOCKERD)
    program(tmp_path, "systemctl", SYSTEMCTL)
    return tmp_path


def program(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def sent(place: Path, command: Command, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Carry out a command below the directory."""
    paths = {file_commands.KEPT: f"{place}/kept", "/etc/docker": f"{place}/docker"}
    argv = list(command.argv)
    for path, instead in paths.items():
        argv = [word.replace(path, instead) for word in argv]
    environment = {"PATH": f"{place}/bin:{os.environ['PATH']}", "PLACE": str(place)}
    given = command.stdin if stdin is None else stdin
    return subprocess.run(
        argv, input=given or "", capture_output=True, text=True, check=False, env=environment
    )


def with_file(place: Path, text: str = FORMER, mode: int = 0o600) -> Path:
    path = place / "docker/daemon.json"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def planned(place: Path, options: dict[str, Any]) -> Plan:
    """Plan from the file that is there."""
    operation = docker_engine.configured(options)
    request = FILE.request()
    done = sent(place, request)
    values: dict[Any, Any] = {
        FILE: FILE.parse(Output(done.returncode, done.stdout, done.stderr)),
        EngineVersion(): "27.3.1",
        EngineArguments(): (),
        EngineInfo(): None,
        Network("bridge"): None,
        UnreadFiles("docker.service", (docker_engine.DAEMON_FILE,)): UnreadState(),
    }
    return operation.plan(Facts(values))


def failing(place: Path, plan: Plan) -> str:
    """Carry out a plan up to the command that fails, and return what that one says."""
    for command in plan.commands:
        done = sent(place, command)
        if done.returncode:
            return done.stderr
    raise AssertionError("every command has succeeded")


def roll_back(place: Path, plan: Plan) -> list[str]:
    """Carry out a rollback, and return what went wrong."""
    return [done.stderr for command in plan.rollback if (done := sent(place, command)).returncode]


def restarts(place: Path) -> int:
    log = place / "log"
    return log.read_text(encoding="utf-8").count("restart docker.service") if log.exists() else 0


def state(path: Path) -> tuple[str, int]:
    return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o7777


def test_new_options_leave_others_and_the_permissions_as_they_are(place: Path) -> None:
    path = with_file(place)
    for command in planned(place, {"debug": True}).commands:
        assert sent(place, command).returncode == 0
    assert (json.loads(path.read_text(encoding="utf-8")), state(path)[1]) == (
        {"log-driver": "journald", "debug": True},
        0o600,
    )
    assert [item.name for item in path.parent.iterdir()] == ["daemon.json"]


def test_an_option_that_the_engine_rejects_restarts_nothing(place: Path) -> None:
    path = with_file(place)
    plan = planned(place, {"unknown-option": 1})
    assert "dockerd refuses the new file: unable to configure" in failing(place, plan)
    assert roll_back(place, plan) == []
    assert (state(path), restarts(place)) == ((FORMER, 0o600), 0)
    assert [item.name for item in path.parent.iterdir()] == ["daemon.json"]


def test_what_arrives_incomplete_replaces_nothing_and_restarts_nothing(place: Path) -> None:
    """As when the connection is lost, or the disk is full."""
    path = with_file(place)
    plan = planned(place, {"debug": True})
    (write,) = [command for command in plan.commands if command.stdin]
    assert sent(place, write, stdin=(write.stdin or "")[:20]).returncode != 0
    assert roll_back(place, plan) == []
    assert (state(path), restarts(place)) == ((FORMER, 0o600), 0)


def test_a_copy_that_an_earlier_run_has_left_is_never_restored(place: Path) -> None:
    path = with_file(place)
    path.with_name("daemon.json.runbook-before").write_text('{"bridge": "of last year"}', encoding="utf-8")
    plan = planned(place, {"unknown-option": 1})
    failing(place, plan)
    assert (roll_back(place, plan), state(path)) == ([], (FORMER, 0o600))


def test_an_engine_that_does_not_start_is_restarted_with_the_former_file(place: Path) -> None:
    path = with_file(place)
    plan = planned(place, {"does-not-start": 1})
    failing(place, plan)
    assert roll_back(place, plan) == []
    assert (state(path), restarts(place)) == ((FORMER, 0o600), 2)


def test_without_a_former_file_there_is_none_after_the_rollback(place: Path) -> None:
    plan = planned(place, {"does-not-start": 1})
    failing(place, plan)
    assert roll_back(place, plan) == []
    assert ((place / "docker/daemon.json").exists(), restarts(place)) == (False, 2)


def test_a_rollback_leaves_alone_what_somebody_has_written_since(place: Path) -> None:
    path = with_file(place)
    plan = planned(place, {"does-not-start": 1})
    failing(place, plan)
    path.write_text('{"by": "hand"}', encoding="utf-8")
    (problem,) = roll_back(place, plan)
    assert "was changed by someone else since" in problem
    assert (state(path)[0], restarts(place)) == ('{"by": "hand"}', 1)


ABSENT = {
    "service": (undo.remove_service("web"), "Error response from daemon: service web not found"),
    "service of an old client": (undo.remove_service("web"), "Error: No such service: web"),
    "network": (undo.remove_network("red"), "Error response from daemon: network red not found"),
    "network of an old client": (undo.remove_network("red"), "Error: No such network: red"),
    "container": (undo.remove_container("web"), "Error response from daemon: No such container: web"),
    "swarm": (
        undo.leave_swarm("leave"),
        "Error response from daemon: This node is not part of a swarm",
    ),
}
FAILED = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "Error response from daemon: network red has active endpoints",
    "Error response from daemon: You are attempting to leave the swarm on a node that is participating as a manager.",
    "Error response from daemon: This node is not a swarm manager.",
)


@pytest.mark.parametrize(("command", "said"), ABSENT.values(), ids=list(ABSENT))
def test_what_was_never_made_is_undone(place: Path, command: Command, said: str) -> None:
    program(place, "docker", f'echo "{said}" >&2; exit 1')
    assert sent(place, command).returncode == 0


@pytest.mark.parametrize("said", FAILED)
@pytest.mark.parametrize("command", [command for command, _ in ABSENT.values()], ids=list(ABSENT))
def test_what_could_not_be_removed_is_not_undone(place: Path, command: Command, said: str) -> None:
    program(place, "docker", f'echo "{said}" >&2; exit 1')
    done = sent(place, command)
    assert (done.returncode, done.stderr) == (1, f"{said}\n")


def test_what_was_made_is_removed(place: Path) -> None:
    program(place, "docker", 'echo "$*" >> "$PLACE/log"')
    assert sent(place, undo.leave_swarm("end it", force=True)).returncode == 0
    assert (place / "log").read_text(encoding="utf-8") == "swarm leave --force\n"


# As Docker: one service, whose label is in a file.
SERVICE = """echo "$*" >> "$PLACE/log"
case $2 in
inspect) if [ -e "$PLACE/fails" ]; then echo "This node is not a swarm manager" >&2; exit 1; fi
  cat "$PLACE/label" 2>/dev/null || { echo; echo "Error: no such service: web" >&2; exit 1; } ;;
rm) rm "$PLACE/label" ;;
create) echo former > "$PLACE/label" ;;
esac"""


def restored(place: Path, label: str | None) -> tuple[str, list[str]]:
    """Roll a service back that has this label; return what went wrong, and what was done."""
    program(place, "docker", SERVICE)
    if label:
        (place / "label").write_text(f"{label}\n", encoding="utf-8")
    create = Command(("docker", "service", "create", "web"))
    done = sent(place, undo.restore_service("web", "io.runbook.spec", "ours", "former", create))
    assert (done.returncode != 0) == bool(done.stderr)
    lines = (place / "log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == 'service inspect --format {{index .Spec.Labels "io.runbook.spec"}} web'
    return done.stderr, lines[1:]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ours", ["service rm web", "service create web"]),
        (None, ["service create web"]),
        ("former", []),
    ],
    ids=["replaced", "removed only", "not yet removed"],
)
def test_the_former_service_is_there_after_a_rollback(
    place: Path, label: str | None, expected: list[str]
) -> None:
    assert restored(place, label) == ("", expected)
    assert (place / "label").read_text(encoding="utf-8") == "former\n"


def test_a_service_that_someone_has_made_since_is_left_as_it_is(place: Path) -> None:
    problem = "service web was changed by someone else since: left as it is\n"
    assert restored(place, "theirs") == (problem, [])


def test_a_service_is_not_taken_for_absent_if_docker_does_not_say_so(place: Path) -> None:
    (place / "fails").touch()
    assert restored(place, "ours") == ("This node is not a swarm manager\n", [])


@pytest.mark.parametrize(("collecting", "starting", "expected"), [(0, 0, 0), (3, 0, 3), (0, 1, 1), (3, 1, 1)])
def test_a_registry_that_does_not_start_again_is_a_failure(
    place: Path, collecting: int, starting: int, expected: int
) -> None:
    program(place, "docker-registry", f"exit {collecting}")
    program(place, "systemctl", f'echo "$*" >> "$PLACE/log"; [ "$1" = stop ] || exit {starting}')
    (place / "keys.env").touch()
    environment = str(place / "keys.env")
    garbage = RegistryGarbage("config.yml", environment)
    facts: dict[Any, Any] = {
        garbage: Garbage(blobs=1, manifests=0),
        Service(registry.UNIT): ServiceState(loaded=True, active="active", enabled=True),
    }
    (command,) = registry.collected("config.yml", environment).plan(Facts(facts)).commands
    assert sent(place, command).returncode == expected
    assert (place / "log").read_text(encoding="utf-8").split() == [
        *("stop", "--", registry.UNIT),
        *("start", "--", registry.UNIT),
    ]
