"""How the hosts of a run were reached, by its evidence, compared with how an inventory says that they are reached."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.registry import installed_class
from runbook_lib.errors import EvidenceError, RunbookError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords
from runbook_lib.host_settings import ENDPOINT
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.archive.location import Location
    from runbook_lib.host_settings import Host

__all__ = ["Reached", "differences", "read_reached"]

_EVENTS = (b'"run_started"', b'"connected"')
_PORT = 22
_LONGEST = 300  # characters of a message about evidence


@dataclass(frozen=True)
class Reached:
    """How the hosts of a run were reached.

    Args:
        endpoints: By host: what the run's inventory said; empty for runs from before that was recorded.
        connected: By host: the entries of its connections in the journal; None if there is no journal to have them.
    """

    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    connected: dict[str, list[dict[str, Any]]] | None = None


def read_reached(location: Location, run: str, path: str, kind: str) -> Reached:
    """Return what the evidence of a run says.

    Args:
        location: The archive's.
        run: The run's id: a notebook that was opened again shows older runs, too.
        path: The run's path in the archive.
        kind: `run`, or `notebook` for a standalone one.

    Raises:
        EvidenceError: The evidence cannot be read, or not interpreted.
    """
    try:
        if kind == "run":
            return _from_journal(location.read(f"{path}/{JOURNAL}"))
        starts = EmbeddedRecords.of(Notebook.parse(location.read(path), path)).of_run(run).starts
        return Reached(_mapping(starts[-1].get("endpoints")) if starts else {})
    except EvidenceError:
        raise
    except OSError as problem:
        raise EvidenceError(f"cannot be read: {problem.strerror or problem}", where=path) from problem
    except (RunbookError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as problem:
        message = f"contains something that cannot be interpreted: {type(problem).__name__}: {problem}"
        raise EvidenceError(message[:_LONGEST], where=path) from problem


def _from_journal(data: bytes) -> Reached:
    endpoints: dict[str, Any] = {}
    connected: dict[str, list[dict[str, Any]]] = {}
    for line in data.splitlines():
        # Most lines are about commands: only those that may be wanted are parsed.
        if not any(event in line for event in _EVENTS):
            continue
        entry = _mapping(orjson.loads(line))
        if entry.get("event") == "run_started" and not endpoints:
            endpoints = _mapping(entry.get("endpoints"))
        elif entry.get("event") == "connected":
            connected.setdefault(str(entry.get("host")), []).append(entry)
    return Reached({name: _mapping(endpoint) for name, endpoint in endpoints.items()}, connected)


def differences(host: Host, reached: Reached, inventory: str, *, answered: bool) -> Iterator[tuple[str, str]]:
    """Yield what differs, as the name of the field and a sentence.

    Args:
        host: The host, from the inventory.
        reached: How the hosts of the run were reached.
        inventory: The inventory's file, for the sentences.
        answered: Whether commands were sent to the host.
    """
    endpoint = reached.endpoints.get(host.name)
    if endpoint is None:
        if reached.endpoints:
            yield "endpoint", f"the run does not say how {host.name} was reached"
        return
    for name in ENDPOINT:
        given, expected = endpoint.get(name), getattr(host, name)
        if name == "address":
            given, expected = given or host.name, host.target
        if given == expected:
            continue
        if name == "address":
            yield name, f"{host.name} was reached at {given}; its address in {inventory} is {expected}"
        else:
            what = name.replace("_", " ")
            yield name, f"{host.name} was reached with {what} {given}; in {inventory} it is {expected}"
    yield from _connections(host, endpoint, reached, inventory, answered=answered)


def _connections(
    host: Host, endpoint: dict[str, Any], reached: Reached, inventory: str, *, answered: bool
) -> Iterator[tuple[str, str]]:
    if reached.connected is None:
        return
    entries = reached.connected.get(host.name, [])
    kind = installed_class(endpoint.get("connection"))
    if answered and not entries and kind:
        if kind.always_established:
            yield "connected", f"commands for {host.name} have results, but no connection to it was recorded"
        elif kind.on_this_machine and endpoint.get("address"):
            address = endpoint["address"]
            yield (
                "connected",
                f"{address} was not contacted: commands for {host.name} ran on the runner's machine",
            )
    if host.known_hosts is None or not entries:
        return
    try:
        file = expanded(host.known_hosts)
        known = known_host([file], host.target, host.port or _PORT, host.name).keys
    except RunbookError as problem:
        yield "key", f"the key of {host.name} cannot be compared: {problem.message}"
        return
    fingerprints = {_fingerprint(key) for key in known}
    for key in sorted({str(entry.get("key")) for entry in entries}):
        if key.rpartition(" ")[2] not in fingerprints:
            yield (
                "key",
                f"{host.name} had the host key {key}, which known_hosts in {inventory} does not have for it",
            )


def _fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
