"""The kernel: installed, the default, booted on trial, new enough (book S9, S10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import NotApplicable, ParameterError, PlanRefused
from runbook_lib.facts.boot_loader import BootLoader
from runbook_lib.facts.host import BootId, SystemState, Virtualization
from runbook_lib.facts.kernel import BootSpace, InstalledKernels, Kernel, SecureBoot
from runbook_lib.facts.kernel_package import Candidates
from runbook_lib.facts.kernel_trial import MARK, KernelTrial, KernelTrialInfo
from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.facts.release import Release
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan, Reboot
from runbook_lib.operations import files, packages
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.operations.boot_loaders import backend_of, refuse_unknown
from runbook_lib.operations.host import REBOOT, settled
from runbook_lib.operations.package_versions import newer, upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = [
    "AtLeast",
    "Booted",
    "DefaultEntry",
    "Installed",
    "at_least",
    "booted",
    "default_entry",
    "installed",
]

_DEFAULT = "default boot entry"
_PENDING = "trial boots pending"
_DEFAULT_ID, _PENDING_ID = "kernel.default", "kernel.trial"
_UNMARK = Command(("rm", "-f", "--", MARK), sudo=True, purpose="no kernel is on trial any more")
_UNSIGNED = ("kernel-lt", "kernel-ml")  # ELRepo signs packages, not kernels


@dataclass(frozen=True)
class DefaultEntry(Operation):
    """The host boots a kernel by default, also once others are installed.

    Args:
        release: As `uname -r` prints it; None: the kernel that runs now, which is known to come up; where that one is
            on trial still, the default stays what it is.
    """

    release: str | None = None

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the running kernel, the boot loader, and whether that kernel is on trial."""
        return (Virtualization(), Kernel(), BootLoader(), KernelTrial())

    def plan(self, facts: Facts) -> Plan:
        """Set it where it is not."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        loader, wanted = facts[BootLoader()], self._wanted(facts)
        backend = backend_of(loader)
        if loader.entry(wanted) is None:
            raise PlanRefused(
                f"the boot menu has no entry for {wanted}",
                hint="see whether /boot has its image; write the menu anew (update-grub, grub2-mkconfig)",
            )
        change = Change(_DEFAULT, _entry(loader.default, loader.default_entry), wanted)
        return Plan(commands=backend.make_default(loader, wanted), changes=(change,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the default, and that installing another kernel leaves it."""
        _refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        return [
            Check.equal(_DEFAULT, self._wanted(facts), loader.default or "not known", _DEFAULT_ID),
            Check.equal(
                "it stays when kernels are added",
                expected=True,
                observed=loader.pinned,
                id="kernel.default_pinned",
            ),
        ]

    def _wanted(self, facts: Facts) -> str:
        # A kernel on trial is not known to come up yet; the one that is still the default is.
        kept = facts[BootLoader()].default if _on_trial(facts) else None
        return self.release or kept or facts[Kernel()].release


@dataclass(frozen=True)
class Installed(Operation):
    """The newest kernel of a package is installed, and the default entry is still what it was.

    Args:
        package: A kernel's package, or the one that depends on the newest: `linux-image-amd64`, `kernel-lt`.
        source: Debian: a suite to prefer; EL: a repository to enable (`elrepo-kernel`).
        space: MiB that must be free in /boot for it.
    """

    package: str
    source: str = ""
    space: int = 150

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what runs, what is installed and offered, and what could stand in the way."""
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
        """Install it where it is missing, older than offered, or was cut off."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        offer, running = facts[self._offer], facts[Kernel()].release
        self._refuse(facts)
        backend, loader = backend_of(facts[BootLoader()]), facts[BootLoader()]
        commands = packages.install(facts[Release()], {facts[Release()].family: (self.package,)}, self.source)
        if facts[Release()].family == "el" and loader.entry(running):
            # There the package's own script may make the new kernel the default (/etc/sysconfig/kernel).
            kept = loader.default or running
            commands += backend.make_default(loader, kept) if backend.has_trial_boot else ()
        return Plan(commands=commands, changes=(Change(self.package, offer.installed, offer.available),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the package's version, its image and initial RAM disk, and that nothing is left half done."""
        _refuse_shared_kernel(facts)
        offer = facts[self._offer]
        there = next((item for item in facts[InstalledKernels()] if item.release == offer.release), None)
        newest = offer.available or offer.installed or "a version"
        whole = (
            "image and initial RAM disk" if there and there.initrd else "image alone" if there else "nothing"
        )
        return [
            Check.equal(f"{self.package} is installed", newest, offer.installed or "none", "kernel.version"),
            Check.equal(
                f"in /boot of {offer.release or self.package}",
                "image and initial RAM disk",
                whole,
                "kernel.files",
            ),
            Check.equal(
                "packages left unfinished",
                expected=False,
                observed=facts[UnfinishedPackages()],
                id="packages.unfinished",
            ),
        ]

    def _refuse(self, facts: Facts) -> None:
        offer, family = facts[self._offer], facts[Release()].family
        running = facts[Kernel()].release
        refuse_unknown(facts[BootLoader()])
        _refuse_unsigned(facts[SecureBoot()], self.package)
        if offer.available is None and offer.installed is None:
            raise PlanRefused(
                f"no package source offers {self.package}",
                hint="check the package's name and its source, and that the package lists were read",
            )
        version = next((item.version for item in facts[InstalledKernels()] if item.release == running), None)
        if (
            offer.installed is None
            and offer.available
            and not _is_newer(family, offer.available, version, running)
        ):
            raise PlanRefused(
                f"no newer kernel: {running} runs ({version or 'of no package'}), {self.package} is {offer.available}",
                hint="nothing is to be done; or name a package or source with a newer one",
            )
        if facts[BootSpace()] < self.space:
            raise PlanRefused(
                f"too little space in /boot: {facts[BootSpace()]} MiB free, {self.space} MiB needed",
                hint="remove kernels no longer booted (apt-get autoremove --purge; dnf remove --oldinstallonly)",
            )


@dataclass(frozen=True)
class Booted(Operation):
    """The kernel of a package runs and is the default; it becomes that only after a trial boot.

    Where the boot loader knows one-shot entries the kernel is booted once. Only if the checks hold then, over a new
    connection, is it made the default; if it panics or hangs, the next reset brings the old one.

    Args:
        package: As for `Installed`.
        source: As for `Installed`.
        deadline: Seconds until the host must be back.
        settles: Seconds that its services may take to start after that.
        panic_after: Seconds after which a panic resets the host during the trial.
    """

    package: str
    source: str = ""
    deadline: float = 600.0
    settles: float = 120.0
    panic_after: int = 10

    @property
    def settle(self) -> float:
        """Services start after SSH is back."""
        return self.settles

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what runs, what should, and what boots it."""
        offer = Candidates(self.package, self.source)
        more = (BootLoader(), KernelTrial(), SecureBoot(), BootId(), SystemState())
        return (Virtualization(), Kernel(), offer, *more)

    def plan(self, facts: Facts) -> Plan:
        """Boot it on trial; where it runs already make it the default, a trial's checks first if it is on trial."""
        if all(check.holds for check in self.verify(facts)[:-1]):
            return Plan()  # what has yet to settle is waited for, not changed
        wanted, running, loader = self._wanted(facts), facts[Kernel()].release, facts[BootLoader()]
        backend = backend_of(loader)
        default = Change(_DEFAULT, _entry(loader.default, loader.default_entry), wanted)
        # The mark goes last, and stays where the trial is taken back: the kernel that runs is not known to be good.
        forget, unmark = (
            (backend.forget_trial(loader, wanted), (_UNMARK,)) if backend.has_trial_boot else ((), ())
        )
        accepted = (*forget, *backend.make_default(loader, wanted), *unmark)
        trial = _on_trial(facts)
        if running == wanted and trial is None:
            return Plan(commands=accepted, changes=(default,))
        reboot = Reboot(
            arm=(
                *(_mark(facts, wanted) if backend.has_trial_boot else ()),
                *backend.try_once(loader, wanted, self.panic_after),
            ),
            confirm=accepted if backend.has_trial_boot else (),
            abandon=forget,
            only_after_confirm=(_DEFAULT_ID, _PENDING_ID) if backend.has_trial_boot else (),
            recovery=f"the trial was for one boot: the next reset brings {loader.default}, still the default"
            if backend.has_trial_boot
            else f"this boot loader knows no trial: choose the old kernel {running} in its menu, on the console",
            deadline=self.deadline,
        )
        if running == wanted and trial:
            begun = replace(reboot, arm=(), failed_before_reboot=trial.failed)
            return Plan(changes=(default,), reboot=begun)
        _refuse_unsigned(facts[SecureBoot()], self.package)
        return Plan(
            commands=(REBOOT,), changes=(Change("running kernel", running, wanted), default), reboot=reboot
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the running kernel, the default, that no trial is left over, and that the host has settled."""
        _refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        armed = loader.trial or facts[KernelTrial()] is not None
        pending = loader.once or ("armed" if armed else "none")
        return [
            Check.equal("running kernel", self._wanted(facts), facts[Kernel()].release, "kernel.running"),
            Check.equal(_DEFAULT, self._wanted(facts), loader.default or "not known", _DEFAULT_ID),
            Check.equal(_PENDING, "none", pending, _PENDING_ID),
            settled(facts[SystemState()]),
        ]

    def _wanted(self, facts: Facts) -> str:
        release = facts[Candidates(self.package, self.source)].release
        if release is None:
            raise PlanRefused(
                f"no package source tells which kernel {self.package} brings",
                hint="install it first; check its name and its source",
            )
        return release


@dataclass(frozen=True)
class AtLeast(Probe):
    """The running kernel is new enough: the book's floor for Docker is 3.8, that of today's packages 3.10 (S9).

    Args:
        least: As `3.10`.
    """

    least: str = "3.10"

    def __post_init__(self) -> None:
        """Refuse what is no version before any host is touched."""
        if not all(part.isdigit() for part in self.least.split(".")):
            raise ParameterError(f"{self.least!r} is no kernel version", hint="write 3.10")

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the running kernel."""
        return (Kernel(),)

    def verify(self, facts: Facts) -> list[Check]:
        """Compare number by number."""
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


def _on_trial(facts: Facts) -> KernelTrialInfo | None:
    """Return the trial that the running kernel is on, if it is on one."""
    mark, running, loader = facts[KernelTrial()], facts[Kernel()].release, facts[BootLoader()]
    if mark:
        return mark if mark.release == running else None
    # Begun by a version of this library that left no mark: nothing is known to have failed before.
    return KernelTrialInfo(running) if loader.trial and loader.panic else None


def _mark(facts: Facts, release: str) -> tuple[Command, ...]:
    told = KernelTrialInfo(release, facts[SystemState()].failed)
    return (
        Command(("mkdir", "-p", MARK.rpartition("/")[0]), sudo=True),
        files.write(MARK, told.text, purpose="whoever comes next shall know that this kernel is on trial"),
    )


def _entry(release: str | None, path: str | None) -> str:
    return f"{release or 'not known'} ({path})"


def _refuse_shared_kernel(facts: Facts) -> None:
    container = facts[Virtualization()].container
    if container:
        raise NotApplicable(
            f"a container ({container}) runs on the kernel of the machine it is on, and has none of its own",
            hint="upgrade the kernel of that machine",
        )


def _refuse_unsigned(secure_boot: bool, package: str) -> None:  # noqa: FBT001 - what the firmware says
    if secure_boot and (package.startswith(_UNSIGNED) or package.endswith("-unsigned")):
        raise PlanRefused(
            f"secure boot is on and {package} is not signed: the firmware would not start it",
            hint="take the distribution's signed kernel, enrol a key and sign it, or turn secure boot off",
        )


installed = Installed
default_entry = DefaultEntry
booted = Booted
at_least = AtLeast
