"""The host as a whole: boot id, virtualization, state of systemd."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["BootId", "SystemState", "SystemStateInfo", "Virtualization", "VirtualizationInfo"]

_BOOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Without systemd (EL6) a container is recognized by the file that its engine creates.
_DETECT_VIRTUALIZATION = """\
if command -v systemd-detect-virt >/dev/null; then
  echo "container $(systemd-detect-virt --container)"; echo "vm $(systemd-detect-virt --vm)"
elif [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then echo "container other"; echo "vm unknown"
else echo "container none"; echo "vm unknown"; fi
"""
_STATE = """\
if command -v systemctl >/dev/null; then
  systemctl is-system-running; systemctl list-units --failed --plain --no-legend --no-pager
else echo unmanaged; fi
"""
_STATES = frozenset(
    {"initializing", "starting", "running", "degraded", "maintenance", "stopping", "offline", "unknown"}
)


@dataclass(frozen=True)
class BootId(Fact[str]):
    """The running boot's identifier: random, and new after each boot (random(4))."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("cat", "/proc/sys/kernel/random/boot_id"), timeout=20.0)

    def parse(self, output: Output) -> str:
        """Return the identifier."""
        text = output.stdout.strip()
        if not _BOOT_ID.fullmatch(text):
            raise FactError(f"boot_id: unexpected output {excerpt(text, 80)!r}")
        return text


@dataclass(frozen=True)
class VirtualizationInfo:
    """What a host runs on.

    Args:
        container: As `systemd-nspawn` or `docker`; None if the host has its own kernel.
        machine: As `kvm`, `qemu`; None on bare metal; `unknown` if it cannot be detected.
    """

    container: str | None
    machine: str | None


@dataclass(frozen=True)
class Virtualization(Fact[VirtualizationInfo]):
    """What the host runs on (systemd-detect-virt(1))."""

    def request(self) -> Command:
        """Return the command; it exits with 1 if it prints `none`."""
        return Command(("sh", "-c", _DETECT_VIRTUALIZATION), accept=(0, 1))

    def parse(self, output: Output) -> VirtualizationInfo:
        """Return container and machine."""
        found = dict(line.split(" ", 1) for line in lines_of(output.stdout) if " " in line)
        if not {"container", "vm"} <= set(found):
            raise FactError(f"systemd-detect-virt: unexpected output {excerpt(output.stdout, 80)!r}")
        container, machine = (found[key].strip() for key in ("container", "vm"))
        if not container:
            raise FactError(f"systemd-detect-virt: {excerpt(output.stderr.strip(), 200) or 'no answer'}")
        return VirtualizationInfo(
            container=None if container == "none" else container,
            machine=None if machine == "none" else machine or "unknown",
        )


@dataclass(frozen=True)
class SystemStateInfo:
    """systemd's state of the whole host, and the failed units.

    Args:
        state: `starting`, `running`, `degraded`, …; `unmanaged` without systemd.
        failed: Names of failed units.
    """

    state: str
    failed: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether startup is finished; units may have failed."""
        return self.state in {"running", "degraded", "unmanaged"}


@dataclass(frozen=True)
class SystemState(Fact[SystemStateInfo]):
    """Whether the host has finished starting (`systemctl is-system-running`)."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _STATE), timeout=60.0)

    def parse(self, output: Output) -> SystemStateInfo:
        """Return the state."""
        state, *units = lines_of(output.stdout) or [""]
        if state not in _STATES | {"unmanaged"}:
            raise FactError(f"systemctl is-system-running: unexpected output {excerpt(state, 80)!r}")
        return SystemStateInfo(state, tuple(line.split()[0] for line in units if line.split()))
