"""How each boot loader is told what to boot, always and once. Another boot loader is another entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.boot_loader import TRIAL_FILE
from runbook_lib.model.commands import Command
from runbook_lib.operations import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.facts.boot_loader import BootLoaderInfo

__all__ = ["Backend", "backend_of", "refuse_unknown"]

SAVED_FILE = "/etc/default/grub.d/zz-runbook.cfg"
"""Read after all other settings of Debian's GRUB (grub-mkconfig reads grub.d in order)."""
_LONG = 300.0  # seconds; writing the menu anew mounts and searches every disk


_NUMBER = r"s/^\([[:space:]]*default\([[:space:]]*=[[:space:]]*\|[[:space:]][[:space:]]*\)\)[0-9][0-9]*"


class Backend(Protocol):
    """One kind of boot loader."""

    has_trial_boot: bool
    """Whether it can boot an entry once, and the default again at the reset after."""

    def make_default(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:
        """Return the commands after which a kernel is the default."""

    def try_once(self, loader: BootLoaderInfo, release: str, panic_after: int) -> tuple[Command, ...]:
        """Return the commands after which the next boot alone takes a kernel, and a panic resets the host."""

    def forget_trial(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:
        """Return the commands that take back what `try_once` left, whatever is left of it."""


class GrubOfDebian:
    """GRUB 2 as Debian and Ubuntu set it up: settings in /etc/default, a menu written by update-grub."""

    has_trial_boot = True

    def make_default(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:
        """Return `grub-set-default`, and what makes it count: GRUB_DEFAULT=saved."""
        chosen = Command(
            ("grub-set-default", _path(loader, release)),
            sudo=True,
            purpose=f"{release} is booted from now on",
        )
        # The entry first: whenever the power goes, the menu names an entry that is there.
        return (chosen,) if loader.saved else (chosen, *_SAVED)

    def try_once(self, loader: BootLoaderInfo, release: str, panic_after: int) -> tuple[Command, ...]:
        """Return `grub-reboot` and, for the trial alone, the option by which a panic resets the host."""
        option = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX panic={panic_after}"\n'
        return (
            Command(
                ("test", "-s", f"/boot/initrd.img-{release}"), sudo=True, purpose="it is installed to its end"
            ),
            Command(("mkdir", "-p", "/etc/default/grub.d"), sudo=True),
            files.write(TRIAL_FILE, option, purpose=f"a panic resets the host after {panic_after} s"),
            _UPDATE,
            Command(
                ("grub-reboot", _path(loader, release)), sudo=True, purpose="for the next boot only: a trial"
            ),
        )

    def forget_trial(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        """Return what removes option and one-shot entry."""
        return (
            Command(("rm", "-f", "--", TRIAL_FILE), sudo=True, purpose="the trial is over"),
            Command(("grub-editenv", "-", "unset", "next_entry"), sudo=True),
            _UPDATE,
        )


class GrubWithGrubby:
    """GRUB 2 of the EL family, 7 and later: told by grubby (grubby(8)), menu in grub.cfg or BLS files."""

    has_trial_boot = True

    def make_default(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        """Return `grubby --set-default`."""
        return (
            Command(
                ("grubby", f"--set-default={_image(release)}"),
                sudo=True,
                safe_to_interrupt=False,
                purpose=f"{release} from now on",
            ),
        )

    def try_once(self, loader: BootLoaderInfo, release: str, panic_after: int) -> tuple[Command, ...]:
        """Return `grub2-reboot`, and the option for that kernel alone."""
        return (
            Command(
                ("test", "-s", f"/boot/initramfs-{release}.img"),
                sudo=True,
                purpose="it is installed to its end",
            ),
            Command(
                ("grubby", f"--update-kernel={_image(release)}", f"--args=panic={panic_after}"),
                sudo=True,
                safe_to_interrupt=False,
                purpose=f"a panic resets the host after {panic_after} s",
            ),
            Command(
                ("grub2-reboot", _path(loader, release)), sudo=True, purpose="for the next boot only: a trial"
            ),
        )

    def forget_trial(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        """Return what removes option and one-shot entry."""
        return (
            Command(
                ("grubby", f"--update-kernel={_image(release)}", "--remove-args=panic"),
                sudo=True,
                safe_to_interrupt=False,
            ),
            Command(("grub2-editenv", "-", "unset", "next_entry"), sudo=True, purpose="the trial is over"),
        )


class GrubLegacy:
    """GRUB legacy of EL6: a number in grub.conf (book S10), no one-shot entry that survives a panic."""

    has_trial_boot = False

    def make_default(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:
        """Return the command that changes the number and no other byte."""
        entry = loader.entry(release)
        if entry is None or loader.configuration is None:
            raise PlanRefused(
                f"{loader.configuration} has no title for {release}", hint="install that kernel first"
            )
        # grub.conf may be a link; a file without the line boots number 0.
        number = entry.position
        edit = f"{_NUMBER}/\\1{number}/"
        return (
            Command(
                ("sed", "--in-place", "--follow-symlinks", "--expression", edit, loader.configuration),
                sudo=True,
                purpose=f"default={number}: {release} from now on",
            ),
        )

    def try_once(self, loader: BootLoaderInfo, release: str, panic_after: int) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        """Return what makes it the default: this boot loader knows no trial."""
        return self.make_default(loader, release)

    def forget_trial(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        """Return nothing."""
        return ()


_UPDATE = Command(
    ("update-grub",), sudo=True, timeout=_LONG, safe_to_interrupt=False, purpose="write the boot menu anew"
)
_SAVED = (
    Command(("mkdir", "-p", "/etc/default/grub.d"), sudo=True),
    files.write(
        SAVED_FILE, "GRUB_DEFAULT=saved\n", purpose="the default is the one that is set, not the newest"
    ),
    _UPDATE,
)
_BACKENDS: Mapping[str, Backend] = {
    "grub2-debian": GrubOfDebian(),
    "grub2-grubby": GrubWithGrubby(),
    "grub-legacy": GrubLegacy(),
}


def backend_of(loader: BootLoaderInfo) -> Backend:
    """Return how this boot loader is told.

    Raises:
        PlanRefused: It is none we know.
    """
    refuse_unknown(loader)
    return _BACKENDS[loader.kind]


def refuse_unknown(loader: BootLoaderInfo) -> None:
    """Refuse a host whose boot loader is not known, or has no menu."""
    if loader.kind not in _BACKENDS or not loader.entries:
        raise PlanRefused(
            f"no boot loader that is known here (GRUB on Debian, Ubuntu or EL) was found: {loader.kind}",
            hint="install and set the kernel by hand, then run this again in mode validate",
        )


def _path(loader: BootLoaderInfo, release: str) -> str:
    """Return what names a kernel's entry; of one not installed yet what will: as its neighbour, with its release.

    Raises:
        PlanRefused: There is no neighbour either.
    """
    entry = loader.entry(release)
    if entry is not None:
        return entry.path
    for other in loader.entries:
        if other.release and other.release in other.path and "recovery" not in other.path:
            return other.path.replace(other.release, release)
    raise PlanRefused(
        f"the boot menu has no entry for {release}", hint="see whether its package is installed whole"
    )


def _image(release: str) -> str:
    return f"/boot/vmlinuz-{release}"
