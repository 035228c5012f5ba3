"""The row of the book's chapter on practice hosts, the second time, when nothing is left to change.

As root on Debian or Ubuntu only, as the lab. The hosts are those of a lab called `benchmark`, which ends with the row.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import paramiko
import yaml

from benchmarks.delayed import proxy
from benchmarks.row import Limit, Row
from runbook_lib.cli.demo import CHAPTER
from runbook_lib.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.delayed import RoundTrips

__all__ = ["chapter_row"]

_LAB = "benchmark"
_HOSTS = ("host-a", "host-b")
_ROUND_TRIP = 0.05  # seconds
_SSH_PORT = 22
_FIRST_PORT = 22001  # in the lab's own network namespace, where nothing else listens
_NEAR = "runbook, hosts without delay"


def chapter_row() -> Row:
    """Return the row."""
    return Row(
        "chapter",
        "the chapter of `make demo-quick`, second time, hosts at 50 ms",
        {"runbook": _script("far.yml"), _NEAR: _script("near.yml")},
        (Limit(_NEAR, 2.0),),
        _prepare,
        as_root=True,
    )


def _script(inventory: str) -> str:
    first, *others = CHAPTER
    given = f'-p inventory "$WORK/{inventory}" -p runs "$OUT"'
    # The first runbook checks all hosts of the inventory unless given their names.
    return (
        f"runbook run {first} {given} -p hosts {','.join(_HOSTS)} && runbook run {' '.join(others)} {given}"
    )


@contextlib.contextmanager
def _prepare(work: Path) -> Iterator[RoundTrips | None]:
    """Bring up the lab, run the chapter once, and put a delaying proxy in front of the hosts."""
    lab = Lab.open(_LAB, inventory=work / "near.yml")
    try:
        lab.up(_HOSTS)
        demo = ["demo", "--no-cloud", "--name", _LAB, "--runs", str(work / "runs")]
        subprocess.run(
            [sys.executable, "-m", "runbook_lib.cli.main", *demo], check=True, stdout=subprocess.DEVNULL
        )
        (work / "near.yml").write_text(lab.inventory.read_text(encoding="utf-8"), encoding="utf-8")
        with _delayed(work) as trips:
            yield trips
    finally:
        lab.down()


@contextlib.contextmanager
def _delayed(work: Path) -> Iterator[RoundTrips]:
    """Write the same inventory with the hosts behind a delaying proxy, and run the proxy during the block."""
    inventory: dict[str, Any] = yaml.safe_load((work / "near.yml").read_text(encoding="utf-8"))
    inventory["hosts"] = {name: inventory["hosts"][name] for name in _HOSTS}
    pairs, known, namespace = [], [], ""
    for port, host in enumerate(inventory["hosts"].values(), start=_FIRST_PORT):
        address, real_port = host["address"], host.get("port", _SSH_PORT)
        name = address if real_port == _SSH_PORT else f"[{address}]:{real_port}"
        keys: Mapping[str, paramiko.PKey] = paramiko.HostKeys(host["known_hosts"]).lookup(name) or {}
        known += [f"[127.0.0.1]:{port} {kind} {key.get_base64()}" for kind, key in keys.items()]
        pairs.append(f"127.0.0.1:{port}={address}:{real_port}")
        namespace = host["network_namespace"]
        host |= {"address": "127.0.0.1", "port": port, "known_hosts": str(work / "known_hosts")}
    inventory["groups"] = {
        name: [host for host in members if host in _HOSTS] for name, members in inventory["groups"].items()
    }
    (work / "known_hosts").write_text("\n".join(known) + "\n", encoding="ascii")
    (work / "far.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    with proxy(pairs, _ROUND_TRIP, work / "round-trips", namespace) as trips:
        yield trips
