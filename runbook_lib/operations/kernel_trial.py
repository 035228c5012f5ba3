"""Boot the kernel of a package on trial, and make it the default once its checks hold (book S10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.boot_loader import BootLoader
from runbook_lib.facts.host import BootId, SystemState, Virtualization
from runbook_lib.facts.kernel import Kernel, SecureBoot
from runbook_lib.facts.kernel_package import Candidates
from runbook_lib.facts.kernel_trial import MARK, KernelTrial, KernelTrialInfo
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan, Reboot
from runbook_lib.operations import files
from runbook_lib.operations.base import Operation
from runbook_lib.operations.boot_loaders import backend_of
from runbook_lib.operations.host import REBOOT, settled
from runbook_lib.operations.kernel import (
    DEFAULT_ID,
    default_change,
    default_check,
    on_trial,
    refuse_shared_kernel,
    refuse_unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.boot_loader import BootLoaderInfo

__all__ = ["Booted", "booted"]

_PENDING, _PENDING_ID = "trial boots pending", "kernel.trial"
_UNMARK = Command(("rm", "-f", "--", MARK), sudo=True, purpose="the trial is over")


@dataclass(frozen=True)
class Booted(Operation):
    """The kernel of a package is running and is the default; it becomes the default only after a trial boot.

    If the boot loader supports one-shot entries, the kernel is booted once. Only if the checks then hold over a new
    connection does it become the default; if it panics or hangs, the next reset boots the old kernel. That needs a GRUB
    that can clear the one-shot entry: a host with its environment block on LVM or RAID is refused.
    If the new kernel is the default already, the running one becomes it again for the time of the trial.

    Args:
        package: As for `kernel.installed`.
        source: As for `kernel.installed`.
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
        default = default_change(loader, wanted)
        # The mark is removed last, and kept if the trial is abandoned: the running kernel has not passed its checks.
        forget, unmark = (
            (backend.forget_trial(loader, wanted), (_UNMARK,)) if backend.has_trial_boot else ((), ())
        )
        accepted = (*forget, *backend.make_default(loader, wanted), *unmark)
        trial = on_trial(facts)
        if running == wanted and trial is None:
            return Plan(commands=accepted, changes=(default,))
        proven = (
            backend.make_default(loader, running)
            if backend.has_trial_boot and loader.default == wanted != running and loader.entry(running)
            else ()
        )
        reboot = Reboot(
            arm=(
                *proven,
                *(_mark(facts, wanted) if backend.has_trial_boot else ()),
                *backend.try_once(loader, wanted, self.panic_after),
            ),
            confirm=accepted if backend.has_trial_boot else (),
            abandon=forget,
            only_after_confirm=(DEFAULT_ID, _PENDING_ID) if backend.has_trial_boot else (),
            recovery=_recovery(loader, running, running if proven else loader.default),
            deadline=self.deadline,
        )
        if running == wanted and trial:
            begun = replace(reboot, arm=(), failed_before_reboot=trial.failed)
            return Plan(changes=(default,), reboot=begun)
        refuse_unsigned(facts[SecureBoot()], self.package)
        if loader.not_once:
            raise PlanRefused(
                f"no trial boot is possible: {loader.not_once}. A kernel that panics would be booted again and again",
                hint=f"with a console within reach, boot {wanted} without a trial: kernel.default_entry({wanted!r}), "
                "then host.rebooted(); or move /boot to a plain partition with ext4 or XFS",
            )
        return Plan(
            commands=(REBOOT,), changes=(Change("running kernel", running, wanted), default), reboot=reboot
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the running kernel, the default, that no trial is pending, and that services have settled."""
        refuse_shared_kernel(facts)
        loader = facts[BootLoader()]
        armed = loader.trial or facts[KernelTrial()] is not None
        pending = loader.once or ("armed" if armed else "none")
        return [
            Check.equal("running kernel", self._wanted(facts), facts[Kernel()].release, "kernel.running"),
            default_check(loader, self._wanted(facts)),
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


def _recovery(loader: BootLoaderInfo, running: str, default: str | None) -> str:
    """Return what boots the old kernel if the host does not come back."""
    if loader.not_once:
        return f"{loader.not_once}: choose the old kernel {default} in its menu, on the console"
    if not backend_of(loader).has_trial_boot:
        return (
            f"this boot loader has no trial boot: choose the old kernel {running} in its menu, on the console"
        )
    return f"the trial was for one boot: the next reset boots {default}, still the default"


def _mark(facts: Facts, release: str) -> tuple[Command, ...]:
    trial = KernelTrialInfo(release, facts[SystemState()].failed)
    return (
        Command(("mkdir", "-p", MARK.rpartition("/")[0]), sudo=True),
        files.write(MARK, trial.text, purpose="mark this kernel as on trial"),
    )


booted = Booted
