"""Parameters of the Docker book's runbooks: one model per notebook.

Values that differ by host are variables in the inventory: `bridge_address`, `fixed_cidr`.
"""

from __future__ import annotations

import ipaddress
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from runbook_lib.books.docker.overlay_parameters import OverlayNames
from runbook_lib.books.docker.parameter_types import (
    Address,
    HostAddress,
    Image,
    InterfaceName,
    Name,
    Network,
    VlanId,
)
from runbook_lib.books.docker.redis_parameters import (
    AmbassadorRedis,
    PublishedPorts,
    PublishedRedis,
    RedisAndClient,
)
from runbook_lib.books.docker.registry_parameters import RegistryInUse, RegistryS3
from runbook_lib.books.docker.vlan_parameters import Vlan, refuse_contradictions
from runbook_lib.model.batches import BatchSize
from runbook_lib.parameters import OneHost, Parameters

__all__ = [
    "AmbassadorRedis",
    "BridgeBr0",
    "DockerInstall",
    "Drill",
    "KernelUpgrade",
    "OverlayNames",
    "PathLoad",
    "Preflight",
    "PublishedPorts",
    "PublishedRedis",
    "RedisAndClient",
    "RegistryInUse",
    "RegistryS3",
    "TwoVlans",
    "ValidateChapter",
]


class Preflight(Parameters):
    """Inspect hosts before anything is changed on them (S2, S9)."""

    runbook: ClassVar[str] = "00_preflight"
    title: ClassVar[str] = "Current state: release, kernel, network, Docker"

    most_clock_skew: float = Field(
        default=60.0, gt=0, description="Largest acceptable clock skew, in seconds."
    )
    least_disk: int = Field(
        default=2048, ge=0, description="MiB that must be free for Docker and its images."
    )


class KernelUpgrade(Parameters):
    """Upgrade the kernel and boot it, on trial first (S9, S10)."""

    runbook: ClassVar[str] = "10_kernel_upgrade"
    title: ClassVar[str] = "Upgrade the kernel, with a trial boot"

    package: Name = Field(description="Kernel package, as linux-image-amd64 or kernel-lt.")
    source: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Debian: a suite to prefer; EL: a repository to enable, as elrepo-kernel.",
    )
    release_package: str | None = Field(
        default=None, description="EL: URL of the repository's release package."
    )
    release_name: Name = Field(default="elrepo-release", description="EL: name of the release package.")
    key: str | None = Field(default=None, description="EL: URL of the key that signs the packages.")
    fingerprint: str | None = Field(
        default=None, description="EL: fingerprint of that key, 40 hexadecimal digits."
    )
    least: str = Field(
        default="3.10", pattern=r"^\d+(\.\d+)*$", description="Oldest kernel that Docker runs on."
    )
    boot_space: int = Field(default=150, ge=0, description="MiB that a kernel needs in /boot.")
    lock_wait: float = Field(default=120.0, ge=0, description="Seconds to wait for another installation.")
    reboot_deadline: float = Field(default=600.0, ge=10, description="Seconds until the host must be back.")
    settles: float = Field(default=120.0, ge=0, description="Seconds that services may then take to start.")
    batch: BatchSize = Field(
        default=1,
        description='Hosts that are booted at the same time, as a number or as a percentage such as "25%".',
    )
    panic_after: int = Field(
        default=10, ge=1, le=600, description="Seconds from a panic to the reset, during the trial."
    )


class DockerInstall(Parameters):
    """Install and configure the Docker engine (S11, S12)."""

    runbook: ClassVar[str] = "20_docker_install"
    title: ClassVar[str] = "Install the Docker engine"

    engine_options: dict[str, Any] = Field(default_factory=dict, description="Merged into daemon.json.")
    registry_mirrors: list[str] = Field(
        default_factory=list, description="Registry mirrors near the hosts (S12)."
    )
    proof_image: Image = Field(description="Image that is run once to prove that containers run.")

    @property
    def options(self) -> dict[str, Any]:
        """All options for `daemon.json`."""
        mirrors = {"registry-mirrors": self.registry_mirrors} if self.registry_mirrors else {}
        return {**self.engine_options, **mirrors}


class BridgeBr0(Parameters):
    """Connect the containers of several hosts through a bridge on each host (S4)."""

    runbook: ClassVar[str] = "30_bridge_br0"
    title: ClassVar[str] = "Containers on the physical network through br0"

    bridge: InterfaceName = "br0"
    card: InterfaceName = Field(description="Network interface that becomes the bridge's port.")
    gateway: Address | None = Field(default=None, description="Default gateway; null leaves routes alone.")
    nameservers: list[str] = Field(default_factory=list)
    subnet: Network = Field(description="The physical network, as 192.168.0.0/20.")
    revert_after: float = Field(default=60.0, ge=10, le=900, description="Seconds in which to confirm.")
    probe_image: Image = Field(description="Image with ping and socat; one container per host runs it.")


class TwoVlans(BridgeBr0):
    """Connect the containers of two hosts in one VLAN, and keep those of a second VLAN apart (S5)."""

    runbook: ClassVar[str] = "35_two_vlans"
    title: ClassVar[str] = "Two VLANs: who reaches whom, and who must not"

    vlan: VlanId = Field(default=101, description="VLAN of `card` on every host, and of `subnet`.")
    both_vlans: OneHost = Field(default="server", description="The host that is in both VLANs.")
    second_vlan: VlanId = Field(default=102, description="The VLAN that is kept apart.")
    second_interface: InterfaceName = Field(
        default="em2", description="Network interface in that VLAN, or a VLAN's own, as em1.102."
    )
    second_bridge: InterfaceName = Field(
        default="br102", description="The bridge with second_interface as its port."
    )
    second_address: HostAddress = Field(
        default="10.102.0.31/24", description="The host's address in that VLAN, with its prefix length."
    )
    second_range: Network = Field(
        default="10.102.0.128/25", description="The addresses of the containers in that VLAN."
    )

    @model_validator(mode="after")
    def _two_of_each(self) -> Self:
        if self.has_two_vlans:
            first = Vlan(self.vlan, self.card, self.bridge, self.subnet)
            second = Vlan(self.second_vlan, self.second_interface, self.second_bridge, self.second_subnet)
            refuse_contradictions(first, second, self.second_range)
        return self

    @property
    def has_two_vlans(self) -> bool:
        """Whether this runbook is about the second VLAN at all."""
        return True

    @property
    def second_subnet(self) -> str:
        """The network of the second VLAN."""
        return str(ipaddress.ip_interface(self.second_address).network)

    def subnet_of_vlan(self, vlan: int) -> str:
        """Return the network of a VLAN.

        Args:
            vlan: One of the two VLANs.
        """
        return {self.vlan: self.subnet, self.second_vlan: self.second_subnet}[vlan]


class PathLoad(AmbassadorRedis):
    """Measure what each path to the redis costs (S3, S4, S6, S8)."""

    runbook: ClassVar[str] = "70_path_load"
    title: ClassVar[str] = "What each path costs"

    requests: int = Field(
        default=5000, ge=0, le=10_000_000, description="PINGs by each path in each round; 0 measures nothing."
    )
    clients: int = Field(default=10, ge=1, le=1000, description="Connections at the same time.")
    rounds: int = Field(
        default=3, ge=1, le=100, description="How often each path is measured; the median counts."
    )
    bridge: InterfaceName = "br0"
    tenant: Name = Field(default="red", description="A tenant of 60, whose overlay network is a path too.")

    outage: int = Field(
        default=0,
        ge=0,
        le=60,
        description="Seconds for which each part of the path is stopped in turn; 0: nothing is stopped.",
    )
    card: InterfaceName = Field(
        default="em1", description="Physical interface of the server's host, for an outage of the host."
    )

    @property
    def interrupts(self) -> bool:
        """Whether parts of the path are stopped."""
        return self.outage > 0 and self.mode == "apply"

    @property
    def measures(self) -> bool:
        """Whether anything is measured: a load is not what a plan is for."""
        return self.requests > 0 and self.mode != "plan"


class ValidateChapter(TwoVlans, AmbassadorRedis, OverlayNames, RegistryInUse):
    """Check the whole chapter, read-only."""

    runbook: ClassVar[str] = "90_validate"
    title: ClassVar[str] = "Validate the whole chapter"

    mode: Literal["validate"] = "validate"
    on_failure: Literal["stop", "continue"] = "continue"
    also_validate: list[
        Literal["25_published_ports", "35_two_vlans", "50_registry_s3", "60_overlay_names"]
    ] = Field(
        default_factory=list,
        description="Optional runbooks that were applied here, and are validated too.",
    )
    registry_mirrors: list[str] = Field(default_factory=list)
    proof_image: Image

    @property
    def has_two_vlans(self) -> bool:
        """Whether they are validated."""
        return TwoVlans.runbook in self.also_validate

    @property
    def single_hosts(self) -> list[tuple[str, str]]:
        """As for all runbooks; the host in both VLANs only if they are validated."""
        return [
            (name, value)
            for name, value in super().single_hosts
            if self.has_two_vlans or name != "both_vlans"
        ]


class Drill(ValidateChapter):
    """Find what is broken, from the symptom to its cause, read-only."""

    runbook: ClassVar[str] = "91_drill"
    title: ClassVar[str] = "Find what is broken"
