"""The kernel: installed, set as default, booted on trial, new enough (book S9, S10)."""

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
_UNMARK = Command(("rm", "-f", "--", MARK), sudo=True, purpose="the trial is over")
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
        change = Change(_DEFAULT, _entry(loader.default, loader.default_entry), wanted)
        return Plan(commands=backend.make_default(loader, wanted), changes=(change,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the default, and that installing another kernel does not change it."""
        _refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        return [
            Check.equal(
                _DEFAULT,
                self._wanted(facts),
                loader.default or loader.unclear_default or "not known",
                _DEFAULT_ID,
            ),
            Check.equal(
                "default is kept when kernels are added",
                expected=True,
                observed=loader.pinned,
                id="kernel.default_pinned",
            ),
        ]

    def _wanted(self, facts: Facts) -> str:
        # A kernel on trial is not proven yet; the kernel that is still the default is.
        kept = facts[BootLoader()].default if _on_trial(facts) else None
        return self.release or kept or facts[Kernel()].release


@dataclass(frozen=True)
class Installed(Operation):
    """The newest kernel of a package is installed, and the default boot entry is unchanged.

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
        backend, loader = backend_of(facts[BootLoader()]), facts[BootLoader()]
        commands = packages.install(facts[Release()], {facts[Release()].family: (self.package,)}, self.source)
        if facts[Release()].family == "el" and loader.entry(running):
            # On EL the package's script may make the new kernel the default (/etc/sysconfig/kernel).
            kept = loader.default or running
            commands += backend.make_default(loader, kept) if backend.has_trial_boot else ()
        return Plan(commands=commands, changes=(Change(self.package, offer.installed, offer.available),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the package's version, its image and initial RAM disk, and that no package is unfinished."""
        _refuse_shared_kernel(facts)
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
class Booted(Operation):
    """The kernel of a package is running and is the default; it becomes the default only after a trial boot.

    If the boot loader supports one-shot entries, the kernel is booted once. Only if the checks then hold over a new
    connection does it become the default; if it panics or hangs, the next reset boots the old kernel.

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
        """Return the running kernel, the wanted one, the boot loader, and the host's state."""
        offer = Candidates(self.package, self.source)
        more = (BootLoader(), KernelTrial(), SecureBoot(), BootId(), SystemState())
        return (Virtualization(), Kernel(), offer, *more)

    def plan(self, facts: Facts) -> Plan:
        """Boot the kernel on trial; if it is running already, make it the default, once its trial is checked."""
        if all(check.holds for check in self.verify(facts)[:-1]):
            return Plan()  # services that have yet to settle are waited for
        wanted, running, loader = self._wanted(facts), facts[Kernel()].release, facts[BootLoader()]
        backend = backend_of(loader)
        default = Change(_DEFAULT, _entry(loader.default, loader.default_entry), wanted)
        # The mark is removed last, and kept if the trial is abandoned: the running kernel has not passed its checks.
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
            recovery=f"the trial was for one boot: the next reset boots {loader.default}, still the default"
            if backend.has_trial_boot
            else f"this boot loader has no trial boot: choose the old kernel {running} in its menu, on the console",
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
        """Check the running kernel, the default, that no trial is pending, and that services have settled."""
        _refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        armed = loader.trial or facts[KernelTrial()] is not None
        pending = loader.once or ("armed" if armed else "none")
        return [
            Check.equal("running kernel", self._wanted(facts), facts[Kernel()].release, "kernel.running"),
            Check.equal(
                _DEFAULT,
                self._wanted(facts),
                loader.default or loader.unclear_default or "not known",
                _DEFAULT_ID,
            ),
            Check.equal(_PENDING, "none", pending, _PENDING_ID),
            settled(facts[SystemState()]),
        ]

    def _wanted(self, facts: Facts) -> str:
        release = facts[Candidates(self.package, self.source)].release
        if release is None:
            raise PlanRefused(
                f"no package source says which kernel {self.package} contains",
                hint="install the package first; check its name and source",
            )
        return release


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


def _on_trial(facts: Facts) -> KernelTrialInfo | None:
    """Return the running kernel's pending trial, if any."""
    mark, running, loader = facts[KernelTrial()], facts[Kernel()].release, facts[BootLoader()]
    if mark:
        return mark if mark.release == running else None
    # Started by a version of this library that left no mark: no unit is known to have failed before.
    return KernelTrialInfo(running) if loader.trial and loader.panic else None


def _mark(facts: Facts, release: str) -> tuple[Command, ...]:
    trial = KernelTrialInfo(release, facts[SystemState()].failed)
    return (
        Command(("mkdir", "-p", MARK.rpartition("/")[0]), sudo=True),
        files.write(MARK, trial.text, purpose="mark this kernel as on trial"),
    )


def _entry(release: str | None, path: str | None) -> str:
    return f"{release or 'not known'} ({path})"


def _refuse_shared_kernel(facts: Facts) -> None:
    container = facts[Virtualization()].container
    if container:
        raise NotApplicable(
            f"a container ({container}) shares the kernel of the machine that it runs on",
            hint="upgrade the kernel of that machine",
        )


def _refuse_unsigned(secure_boot: bool, package: str) -> None:  # noqa: FBT001 - what the firmware says
    if secure_boot and (package.startswith(_UNSIGNED) or package.endswith("-unsigned")):
        raise PlanRefused(
            f"secure boot is on and {package} is not signed: the firmware would not start it",
            hint="use the distribution's signed kernel, sign this one with an enrolled key, or turn secure boot off",
        )


installed = Installed
default_entry = DefaultEntry
booted = Booted
at_least = AtLeast
