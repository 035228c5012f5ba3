"""Rows on hosts behind OpenSSH's server: on loopback, and behind a proxy that delays as a real network does."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.delayed import delayed
from benchmarks.facts import preflight_commands
from benchmarks.hosts import loopback
from benchmarks.row import LIBRARY, Limit, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.delayed import RoundTrips
    from benchmarks.hosts import Hosts
    from benchmarks.row import Prepare

__all__ = ["ssh_rows"]

_HERE = Path(__file__).parent
_MASTER = "openssh, ControlMaster, no evidence"
_GIVEN = '-p inventory "$WORK/inventory.yml" -p runs "$OUT"'
_ROUND_TRIP = 0.05  # seconds, of the rows on a wide area network
_ECHO = "echo done"


def ssh_rows() -> list[Row]:
    """Return the rows, those of one host last."""
    return [
        Row(
            "ssh-32",
            "32 SSH hosts x 10 commands, full evidence",
            _ssh(),
            (
                Limit("pyinfra", 0.85),
                Limit("ansible", 0.045),
                Limit("pyinfra", 0.85, ours=LIBRARY),
                Limit("ansible", 0.045, ours=LIBRARY),
            ),
            _remote(32),
        ),
        Row(
            "ssh-256",
            "256 SSH hosts x 10 commands, full evidence",
            _ssh(),
            (
                Limit("ssh-32/runbook", 8.0),
                Limit("pyinfra", 2.0, "memory"),
                Limit(f"ssh-32/{LIBRARY}", 8.0, ours=LIBRARY),
                Limit("pyinfra", 2.0, "memory", LIBRARY),
            ),
            _remote(256),
        ),
        *_network_rows(),
    ]


def _network_rows() -> list[Row]:
    per_command = "seconds per command"
    lan = (
        Limit("fabric in threads, no evidence", 0.12, per_command, LIBRARY),
        Limit("pyinfra", 0.12, per_command, LIBRARY),
        Limit(_MASTER, 1.0, per_command, LIBRARY),
    )
    wide = "8 SSH hosts at 50 ms round trip"
    return [
        Row("lan-1", "1 SSH host x 10 commands", _network(), (), _remote(1)),
        Row(
            "lan-1-100", "1 SSH host x 100 commands", _network(), lan, _remote(1, [_ECHO] * 100), "lan-1", 90
        ),
        Row("wan-8", f"{wide} x 10 commands", _network(), (Limit("pyinfra", 0.6),), _remote(8, wide=True)),
        Row(
            "wan-8-30",
            f"{wide} x 30 commands",
            _network(),
            (Limit("", 1.2, "round trips per command", LIBRARY),),
            _remote(8, [_ECHO] * 30, wide=True),
            "wan-8",
            8 * 20,
            8,
        ),
        Row(
            "wan-facts",
            "1 SSH host at 50 ms round trip, the facts of 00_preflight",
            _network(
                f'runbook run "$TOP/notebooks/00_preflight.ipynb" -p hosts all {_GIVEN}',
                'python -m benchmarks.facts "$WORK/inventory.yml" "$OUT"',
            ),
            (),
            _remote(1, None, wide=True),
        ),
    ]


def _network(notebook: str = "", library: str = "") -> dict[str, str]:
    """Return the scripts for hosts of which each gets some commands one after another."""
    scripts = _ssh()
    del scripts["openssh, one connection each, no evidence"]
    master = 'sh "$TOP/benchmarks/peers/openssh_master.sh" "$WORK"'
    notebook = notebook or f'runbook run "$WORK/trivial.ipynb" -p hosts all {_GIVEN}'
    library = library or scripts[LIBRARY]
    return {**scripts, "runbook": notebook, LIBRARY: library, _MASTER: master}


def _ssh() -> dict[str, str]:
    return {
        "pyinfra": '"$PEERS/pyinfra" -y "$WORK/pyinfra_hosts.py" "$TOP/benchmarks/peers/pyinfra_deploy.py"',
        "runbook": f'runbook run "$TOP/benchmarks/trivial.ipynb" -p hosts all {_GIVEN}',
        LIBRARY: 'python -m benchmarks.library "$WORK/inventory.yml" "$OUT" "$WORK/commands.json"',
        "ansible": 'ANSIBLE_CONFIG="$WORK/ansible.cfg" "$PEERS/ansible-playbook" "$WORK/playbook.yml"',
        "fabric in threads, no evidence": '"$PEERS/python" "$TOP/benchmarks/peers/fabric_threads.py" '
        '"$WORK/hosts.json"',
        "openssh, one connection each, no evidence": 'xargs -P32 -I{} ssh -F "$WORK/ssh_config" {} '
        '"$(for n in 1 2 3 4 5 6 7 8 9 10; do echo "echo done"; done)" < "$WORK/addresses"',
    }


def _remote(count: int, commands: Sequence[str] | None = (_ECHO,) * 10, *, wide: bool = False) -> Prepare:
    """Return what prepares hosts, and what the programs need to send them commands.

    Args:
        count: Number of hosts.
        commands: What each host gets; None: the commands of 00_preflight.
        wide: Whether the hosts are behind a delaying proxy.
    """

    @contextlib.contextmanager
    def prepare(work: Path) -> Iterator[RoundTrips | None]:
        hosts: Hosts
        trips: RoundTrips | None = None
        with contextlib.ExitStack() as stack:
            if wide:
                hosts, trips = stack.enter_context(delayed(count, _ROUND_TRIP, work))
            else:
                hosts = stack.enter_context(loopback(count))
            sent = preflight_commands() if commands is None else list(commands)
            (work / "commands.json").write_text(json.dumps(sent), encoding="utf-8")
            (work / "commands").mkdir()
            for n, command in enumerate(sent):
                (work / "commands" / f"{n:03}").write_text(command, encoding="utf-8")
            _write_notebook(work, len(sent))
            names = {f"host-{n}": address for n, address in enumerate(hosts.addresses, start=1)}
            login = {"port": hosts.port, "user": hosts.user, "identity_file": str(hosts.key)}
            known = {"known_hosts": str(hosts.known_hosts)}
            _write_inventory(work, {name: {"address": a, **login, **known} for name, a in names.items()})
            settings: dict[str, object] = {
                "addresses": hosts.addresses,
                "key": str(hosts.key),
                "user": hosts.user,
                "port": hosts.port,
                "commands": sent,
            }
            (work / "hosts.json").write_text(json.dumps({**settings, **known}), encoding="utf-8")
            (work / "addresses").write_text("\n".join(hosts.addresses), encoding="ascii")
            (work / "ssh_config").write_text(
                f"Host *\nPort {hosts.port}\nUser {hosts.user}\nIdentityFile {hosts.key}\nIdentitiesOnly yes\n"
                f"UserKnownHostsFile {hosts.known_hosts}\nStrictHostKeyChecking yes\n",
                encoding="utf-8",
            )
            _write_pyinfra(work, hosts.addresses, settings | known)
            _write_ansible(work, sent)
            yield trips

    return prepare


def _write_notebook(work: Path, steps: int) -> None:
    """Write the trivial notebook with another number of steps."""
    notebook = json.loads((_HERE / "trivial.ipynb").read_text(encoding="utf-8"))
    first, last = 4, -1  # the cells before are the heading, the parameters, the imports and `Runbook.open`
    step = notebook["cells"][first]
    notebook["cells"][first:last] = [
        {**step, "id": f"step-{n}", "source": [f'book.step("Step {n}", Script("{_ECHO}"))']}
        for n in range(1, steps + 1)
    ]
    (work / "trivial.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def _write_inventory(work: Path, hosts: dict[str, dict[str, object]]) -> None:
    (work / "inventory.yml").write_text(json.dumps({"hosts": hosts}), encoding="utf-8")


def _write_pyinfra(work: Path, addresses: Sequence[str], settings: Mapping[str, object]) -> None:
    data = {
        "ssh_user": settings["user"],
        "ssh_port": settings["port"],
        "ssh_key": settings["key"],
        "ssh_known_hosts_file": settings["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
        "ssh_look_for_keys": False,
        "ssh_allow_agent": False,
    }
    (work / "pyinfra_hosts.py").write_text(f"hosts = ({list(addresses)!r}, {data!r})\n", encoding="utf-8")


def _write_ansible(work: Path, commands: Sequence[str]) -> None:
    (work / "ansible.cfg").write_text(
        f"[defaults]\ninventory = {work}/addresses\nforks = 32\ngathering = explicit\ninterpreter_python = "
        f"{_python()}\n[ssh_connection]\npipelining = True\nssh_args = -F {work}/ssh_config -o ControlMaster=auto "
        f"-o ControlPersist=60s\ncontrol_path_dir = {work}/ansible-sockets\n",
        encoding="utf-8",
    )
    module = "command" if set(commands) == {_ECHO} else "shell"
    tasks = [
        {"name": f"Command {n}", f"ansible.builtin.{module}": command}
        for n, command in enumerate(commands, 1)
    ]
    (work / "playbook.yml").write_text(json.dumps([{"hosts": "all", "tasks": tasks}]), encoding="utf-8")


def _python() -> str:
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else "auto_silent"
