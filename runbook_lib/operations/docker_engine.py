"""The Docker engine: installed, and configured (book S4, S11, S12)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.apparmor import AppArmorReady
from runbook_lib.facts.docker_engine import ClientVersion, EngineArguments, EngineInfo, EngineVersion
from runbook_lib.facts.docker_network import Network
from runbook_lib.facts.file import FileState
from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.facts.release import Release
from runbook_lib.facts.service import UnreadFiles
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan, in_words
from runbook_lib.operations import docker_engine_packages, file_commands, packages, undo
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.docker_network import NetworkState
    from runbook_lib.facts.file import FileInfo

__all__ = ["DAEMON_FILE", "DAEMON_SECRET", "Configured", "Installed", "configured", "installed"]

DAEMON_FILE = "/etc/docker/daemon.json"
"""The engine's own configuration file."""
DAEMON_SECRET = "secret of the Docker engine"  # noqa: S105 - its name
"""What masks secrets in that file: a proxy's password, a logging service's token."""

_VALIDATES_SINCE = 23  # `dockerd --validate` came with this major version
_SHOWN = {"registry-mirrors", "bridge", "fixed-cidr"}  # options that the running engine shows
# The others show nowhere but in the file. An engine that was started after the file was changed has read it.
_UNREAD = UnreadFiles("docker.service", (DAEMON_FILE,))
_FILE = FileState(DAEMON_FILE, contents=True, secret_values=DAEMON_SECRET)
_VALIDATE = ("dockerd", "--validate", "--config-file")
_FORGET_FAILURES = undo.forget_failures("docker.service")
_RESTART = ("systemctl", "restart", "docker.service")
_RESTART_TIMEOUT = 120.0
# Options whose command-line form differs from the name in the file.
_FLAGS = {
    "bridge": ("-b", "--bridge"),
    "data-root": ("-g", "--data-root", "--graph"),
    "debug": ("-D", "--debug"),
    "group": ("-G", "--group"),
    "hosts": ("-H", "--host"),
    "insecure-registries": ("--insecure-registry",),
    "log-level": ("-l", "--log-level"),
    "pidfile": ("-p", "--pidfile"),
    "runtimes": ("--add-runtime",),
    "storage-driver": ("-s", "--storage-driver"),
}


@dataclass(frozen=True)
class Installed(Operation):
    """Engine and client are installed, from the distribution; on EL: EPEL (6), extras (7), Docker's own (8 on)."""

    def facts(self) -> Sequence[Fact[Any]]:
        """Return release, versions of engine and client, unfinished packages, and whether AppArmor is ready."""
        return (Release(), EngineVersion(), ClientVersion(), UnfinishedPackages(), AppArmorReady())

    def plan(self, facts: Facts) -> Plan:
        """Install the engine if there is none; an engine from elsewhere is left alone."""
        release, ready = facts[Release()], facts[AppArmorReady()]
        if facts[EngineVersion()] is None:
            return Plan(commands=docker_engine_packages.install_engine(release, apparmor=not ready))
        missing = docker_engine_packages.missing(client=facts[ClientVersion()] is None, apparmor=not ready)
        if missing:
            return Plan(commands=packages.install(release, missing))
        return Plan(commands=packages.finish() if facts[UnfinishedPackages()] else ())

    def verify(self, facts: Facts) -> list[Check]:
        """Check that dockerd is installed, no package is unfinished, and AppArmor is ready."""
        version = facts[EngineVersion()]
        return [
            Check(
                "Docker engine is installed",
                "a version",
                version or "none",
                holds=version is not None,
                id="docker_engine.version",
            ),
            Check(
                "Docker client is installed",
                "a version",
                facts[ClientVersion()] or "none",
                holds=facts[ClientVersion()] is not None,
                id="docker_client.version",
            ),
            packages.none_unfinished(facts),
            Check.equal(
                "AppArmor is off or has its parser",
                expected=True,
                observed=facts[AppArmorReady()],
                id="docker_engine.apparmor",
            ),
        ]


@dataclass(frozen=True)
class Configured(Operation):
    """The engine runs with these options in `daemon.json`; options not named are left as they are.

    That holds inside mappings too: `{"log-opts": {"max-file": "3"}}` leaves `max-size` alone. Lists are replaced.

    Args:
        options: As in the file: `{"bridge": "br0", "fixed-cidr": "192.168.8.0/24"}`.
    """

    options: dict[str, Any] = field(hash=False)

    @property
    def settle(self) -> float:
        """A restarted engine needs some seconds to answer."""
        return 30.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the file, whether it was read, and the engine's command line, information and default network."""
        engine = (EngineVersion(), EngineArguments(), EngineInfo(), Network("bridge"))
        return (_FILE, *((_UNREAD,) if self._hidden else ()), *engine)

    def plan(self, facts: Facts) -> Plan:
        """Merge the options into the file, validate it if the engine can, restart; roll back on failure."""
        before = facts[_FILE]
        current = _parse(_text(before))
        self._refuse_conflicts(facts[EngineArguments()])
        merged = _merge(current, self.options)
        validates = _VALIDATE if _major(facts[EngineVersion()]) >= _VALIDATES_SINCE else ()
        restart = Command(_RESTART, sudo=True, timeout=_RESTART_TIMEOUT, purpose="activate the options")
        if not _is_same(merged, current):
            return _replaced(before, json.dumps(merged, indent=2) + "\n", validates, restart)
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        purpose = "check that the engine accepts the options that are already in the file"
        validate = Command((*validates, DAEMON_FILE), sudo=True, purpose=purpose)
        return Plan(
            commands=(*((validate,) if validates and before.exists else ()), _FORGET_FAILURES, restart)
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the file, that the running engine has read it, and its mirrors, bridge and address range."""
        current = _parse(_text(facts[_FILE]))
        checks = [
            Check(
                f"{DAEMON_FILE}: {key}",
                in_words(value),
                in_words(current.get(key, "missing")),
                holds=key in current and _is_same(_merge(current[key], value), current[key]),
                id=f"docker_engine.option.{key}",
            )
            for key, value in self.options.items()
        ]
        info = facts[EngineInfo()]
        checks.append(
            Check(
                "the Docker engine answers",
                "a version",
                info.version if info else "nothing",
                holds=bool(info),
                id="docker_engine.answers",
            )
        )
        if self._hidden:
            unread = facts[_UNREAD].summary
            name = f"the engine has read {DAEMON_FILE}"
            checks.append(
                Check.equal(name, "yes", f"no: {unread}" if unread else "yes", "docker_engine.file_read")
            )
        if "registry-mirrors" in self.options:
            active = [mirror.rstrip("/") for mirror in info.mirrors] if info else []
            wanted = [mirror.rstrip("/") for mirror in self.options["registry-mirrors"]]
            checks.append(Check.equal("active registry mirrors", wanted, active, "docker_engine.mirrors"))
        return checks + _bridge_checks(self.options, facts[Network("bridge")])

    @property
    def _hidden(self) -> bool:
        """Whether some option is one that the running engine does not show."""
        return not _SHOWN.issuperset(self.options)

    def _refuse_conflicts(self, arguments: tuple[str, ...]) -> None:
        for key in self.options:
            flags = _FLAGS.get(key, (f"--{key}", f"--{key.removesuffix('s')}"))
            given = [word for word in arguments if word.split("=")[0] in flags or word[:2] in flags]
            if given:
                raise PlanRefused(
                    f"option {key!r} is also given on the engine's command line ({given[0]}): the engine would "
                    "not start with both",
                    hint="remove it from DOCKER_OPTS in /etc/default/docker or from the systemd unit, "
                    "restart docker, then run this again",
                )


def _replaced(before: FileInfo, after: str, validates: tuple[str, ...], restart: Command) -> Plan:
    """Return the plan that replaces the file and restarts the engine; its rollback restarts it only if it must."""
    changed = hashlib.sha256(after.encode()).hexdigest()
    owner, mode = file_commands.owner_and_mode(before) if before.exists else ("root:root", "0644")
    new = not before.in_directory
    restore = dataclasses.replace(
        file_commands.restore(DAEMON_FILE, before, changed, then=_RESTART),
        timeout=_RESTART_TIMEOUT,
        purpose="restore the former file, and restart the engine if the file had been replaced",
    )
    return Plan(
        commands=(
            *((file_commands.make_directory(DAEMON_FILE),) if new else ()),
            *((file_commands.keep(DAEMON_FILE, before.sha256),) if before.exists else ()),
            file_commands.replace(
                DAEMON_FILE, after, changed, owner=owner, mode=mode, absent=not before.exists, check=validates
            ),
            _FORGET_FAILURES,
            restart,
        ),
        changes=(Change(DAEMON_FILE, before.text, after),),
        rollback=(
            _FORGET_FAILURES,
            restore,
            *((file_commands.unmake_directory(DAEMON_FILE),) if new else ()),
        ),
    )


def _merge(current: Any, wanted: Any) -> Any:  # noqa: ANN401 - JSON
    """Return `current` with everything that `wanted` names; what it does not name stays, at every depth."""
    if not (isinstance(current, dict) and isinstance(wanted, dict)):
        return wanted
    return {**current, **{key: _merge(current.get(key), value) for key, value in wanted.items()}}


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether two values are the same JSON; to Python `1` equals `true`, which the engine refuses."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _bridge_checks(options: dict[str, Any], network: NetworkState | None) -> list[Check]:
    checks = []
    if "bridge" in options:
        checks.append(
            Check.equal(
                "bridge of the default network",
                options["bridge"],
                network.bridge if network else "none",
                "docker_engine.bridge",
            )
        )
    if "fixed-cidr" in options:
        checks.append(
            Check.equal(
                "address range of containers",
                options["fixed-cidr"],
                network.address_range if network else "none",
                "docker_engine.address_range",
            )
        )
    return checks


def _text(state: FileInfo) -> str | None:
    """Return the file's text; None if there is no file."""
    if state.target:
        raise PlanRefused(
            f"{DAEMON_FILE} is a symbolic link to {state.target}",
            hint="replace the link by a regular file with the same contents, then run this again",
        )
    if state.exists and state.text is None:
        raise PlanRefused(
            f"{DAEMON_FILE} is not a text file in UTF-8 of at most 64 KiB", hint="fix the file by hand"
        )
    return state.text


def _parse(text: str | None) -> dict[str, Any]:
    if text is None or not text.strip():
        return {}
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise PlanRefused(
            f"{DAEMON_FILE} is not JSON: {problem}",
            hint="fix the file by hand: a runbook cannot know what was meant",
        ) from problem
    if not isinstance(options, dict):
        raise PlanRefused(f"{DAEMON_FILE} is not a JSON object", hint="fix the file by hand")
    return options


def _major(version: str | None) -> int:
    return int(version.split(".")[0]) if version else 0


installed = Installed
configured = Configured
