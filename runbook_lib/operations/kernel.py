"""The kernel: installed, set as default, new enough (book S9, S10); `kernel_trial` boots it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import NotApplicable, ParameterError, PlanRefused
from runbook_lib.facts.boot_loader import BootLoader
from runbook_lib.facts.host import Virtualization
from runbook_lib.facts.kernel import BootSpace, InstalledKernels, Kernel, SecureBoot
from runbook_lib.facts.kernel_package import Candidates
from runbook_lib.facts.kernel_trial import KernelTrial, KernelTrialInfo
from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.facts.release import Release
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import packages
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.operations.boot_loaders import backend_of, refuse_unknown
from runbook_lib.operations.package_versions import newer, upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.boot_loader import BootLoaderInfo

__all__ = [
    "DEFAULT_ID",
    "AtLeast",
    "DefaultEntry",
    "Installed",
    "at_least",
    "default_change",
    "default_check",
    "default_entry",
    "installed",
    "on_trial",
    "refuse_shared_kernel",
    "refuse_unsigned",
]

DEFAULT_ID = "kernel.default"
"""Id of the check of the default boot entry."""
_DEFAULT = "default boot entry"
_UNSIGNED = ("kernel-lt", "kernel-ml")  # ELRepo signs packages, not kernel images


@dataclass(frozen=True)
class DefaultEntry(Operation):
    """The host boots a kernel by default, also after other kernels are installed.

    Args:
        release: As `uname -r` prints it; None: the running kernel, which is known to boot. If the running kernel is
            still on trial, the default is kept.
    """

    release: str | None = None

    def facts(self) -> Sequence[Fact[Any]]:
        """Return virtualization, the running kernel, the boot loader, and a pending trial."""
        return (Virtualization(), Kernel(), BootLoader(), KernelTrial())

    def plan(self, facts: Facts) -> Plan:
        """Set the default if it differs."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        loader, wanted = facts[BootLoader()], self._wanted(facts)
        backend = backend_of(loader)
        if loader.entry(wanted) is None:
            raise PlanRefused(
                f"the boot menu has no entry for {wanted}",
                hint="check that /boot has its image; regenerate the menu (update-grub, grub2-mkconfig)",
            )
        kept = tuple(
            Change(f"a new kernel becomes the default, by {path}", "yes", "no") for path in loader.moved_by
        )
        return Plan(
            commands=(*backend.keep_default(loader), *backend.make_default(loader, wanted)),
            changes=(*kept, default_change(loader, wanted)),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the default, and that installing another kernel does not change it."""
        refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        return [
            default_check(loader, self._wanted(facts)),
            Check.equal(
                "default is kept when kernels are added",
                expected=True,
                observed=loader.pinned,
                id="kernel.default_pinned",
            ),
        ]

    def _wanted(self, facts: Facts) -> str:
        # A kernel on trial is not proven yet; the kernel that is still the default is.
        kept = facts[BootLoader()].default if on_trial(facts) else None
        return self.release or kept or facts[Kernel()].release


@dataclass(frozen=True)
class Installed(Operation):
    """The newest kernel of a package is installed. `DefaultEntry` keeps the default; if it moves, that is shown.

    Args:
        package: A kernel's package, or one that depends on the newest: `linux-image-amd64`, `kernel-lt`.
        source: Debian: a suite to prefer; EL: a repository to enable (`elrepo-kernel`).
        space: MiB that must be free in /boot for it.
    """

    package: str
    source: str = ""
    space: int = 150

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the running, installed and offered kernels, and everything that could prevent the installation."""
        return (
            Virtualization(),
            Release(),
            Kernel(),
            InstalledKernels(),
            self._offer,
            UnfinishedPackages(),
            BootLoader(),
            BootSpace(),
            SecureBoot(),
        )

    @property
    def _offer(self) -> Candidates:
        return Candidates(self.package, self.source)

    def plan(self, facts: Facts) -> Plan:
        """Install the package if it is missing, older than the offered version, or incomplete."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        offer, running = facts[self._offer], facts[Kernel()].release
        self._refuse(facts)
        loader = facts[BootLoader()]
        commands = packages.install(facts[Release()], {facts[Release()].family: (self.package,)}, self.source)
        commands += backend_of(loader).restore_default(loader, loader.default or running)
        return Plan(commands=commands, changes=(Change(self.package, offer.installed, offer.available),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the package's version, its image and initial RAM disk, and that no package is unfinished."""
        refuse_shared_kernel(facts)
        offer = facts[self._offer]
        found = next((item for item in facts[InstalledKernels()] if item.release == offer.release), None)
        newest = offer.available or offer.installed or "a version"
        files_found = (
            "image and initial RAM disk" if found and found.initrd else "image only" if found else "nothing"
        )
        return [
            Check.equal(f"{self.package} is installed", newest, offer.installed or "none", "kernel.version"),
            Check.equal(
                f"files of {offer.release or self.package} in /boot",
                "image and initial RAM disk",
                files_found,
                "kernel.files",
            ),
            packages.none_unfinished(facts),
        ]

    def observed_changes(self, before: Facts, after: Facts) -> Sequence[Change]:
        """Return that the installation has moved the default, where nothing keeps it (`kernel.default_entry` does)."""
        former, now = before[BootLoader()].default, after[BootLoader()].default
        return () if now == former else (Change(_DEFAULT, former, now),)

    def _refuse(self, facts: Facts) -> None:
        offer, family = facts[self._offer], facts[Release()].family
        running = facts[Kernel()].release
        refuse_unknown(facts[BootLoader()])
        refuse_unsigned(facts[SecureBoot()], self.package)
        if offer.available is None and offer.installed is None:
            raise PlanRefused(
                f"no package source offers {self.package}",
                hint="check the package's name and source, and that the package lists are up to date",
            )
        version = next((item.version for item in facts[InstalledKernels()] if item.release == running), None)
        if (
            offer.installed is None
            and offer.available
            and not _is_newer(family, offer.available, version, running)
        ):
            raise PlanRefused(
                f"no newer kernel: {running} is running ({version or 'not from a package'}), "
                f"{self.package} is {offer.available}",
                hint="nothing to do; or choose a package or source with a newer kernel",
            )
        if facts[BootSpace()] < self.space:
            raise PlanRefused(
                f"too little space in /boot: {facts[BootSpace()]} MiB free, {self.space} MiB needed",
                hint="remove kernels that are no longer used (apt-get autoremove --purge; dnf remove --oldinstallonly)",
            )


@dataclass(frozen=True)
class AtLeast(Probe):
    """The running kernel is new enough: the book requires 3.8 for Docker, today's packages 3.10 (S9).

    Args:
        least: As `3.10`.
    """

    least: str = "3.10"

    def __post_init__(self) -> None:
        """Refuse an invalid version before any host is touched."""
        if not all(part.isdigit() for part in self.least.split(".")):
            raise ParameterError(f"{self.least!r} is not a kernel version", hint="write 3.10")

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the running kernel."""
        return (Kernel(),)

    def verify(self, facts: Facts) -> list[Check]:
        """Compare the version numbers."""
        release = facts[Kernel()].release
        holds = upstream(release) >= upstream(self.least)
        return [
            Check(
                "the kernel is new enough for Docker",
                f"{self.least} or newer",
                release,
                holds=holds,
                id="kernel.at_least",
            )
        ]


def _is_newer(family: str, available: str, version: str | None, running: str) -> bool:
    if version is not None:
        return newer(family, available, version)
    return upstream(available.rpartition(":")[2]) > upstream(running)


def on_trial(facts: Facts) -> KernelTrialInfo | None:
    """Return the running kernel's pending trial, if any."""
    mark, running, loader = facts[KernelTrial()], facts[Kernel()].release, facts[BootLoader()]
    if mark:
        return mark if mark.release == running else None
    # Started by a version of this library that left no mark: no unit is known to have failed before.
    return KernelTrialInfo(running) if loader.trial and loader.panic else None


def default_change(loader: BootLoaderInfo, wanted: str) -> Change:
    """Return the change of the default boot entry to a kernel; before: the kernel, and the entry's path."""
    return Change(_DEFAULT, f"{loader.default or 'not known'} ({loader.default_entry})", wanted)


def default_check(loader: BootLoaderInfo, wanted: str) -> Check:
    """Return the check that a kernel is the default."""
    return Check.equal(_DEFAULT, wanted, loader.default or loader.unclear_default or "not known", DEFAULT_ID)


def refuse_shared_kernel(facts: Facts) -> None:
    """Raise if the host is a container.

    Raises:
        NotApplicable: It has no kernel of its own.
    """
    container = facts[Virtualization()].container
    if container:
        raise NotApplicable(
            f"a container ({container}) shares the kernel of the machine that it runs on",
            hint="upgrade the kernel of that machine",
        )


def refuse_unsigned(secure_boot: bool, package: str) -> None:  # noqa: FBT001 - what the firmware says
    """Raise if the firmware would not start a package's kernel.

    Raises:
        PlanRefused: Secure boot is on, and the package is known to be unsigned.
    """
    if secure_boot and (package.startswith(_UNSIGNED) or package.endswith("-unsigned")):
        raise PlanRefused(
            f"secure boot is on and {package} is not signed: the firmware would not start it",
            hint="use the distribution's signed kernel, sign this one with an enrolled key, or turn secure boot off",
        )


installed = Installed
default_entry = DefaultEntry
at_least = AtLeast
