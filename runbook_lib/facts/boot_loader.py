"""The boot loader: which kind, what it boots by default, and what it boots once (book S10)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from runbook_lib.errors import FactError
from runbook_lib.facts import grub, grub_menu
from runbook_lib.facts.base import Fact
from runbook_lib.facts.grub import BootEntry  # noqa: TC001 - the records' types are read at run time
from runbook_lib.facts.grub_default import SAVED, menu_defaults
from runbook_lib.facts.grub_script import GrubScriptError
from runbook_lib.model.commands import Command, Output

__all__ = ["TRIAL_FILE", "BootLoader", "BootLoaderInfo", "BootLoaderKind", "DefaultEntry"]

BootLoaderKind = Literal["grub-legacy", "grub2-debian", "grub2-grubby", "none"]
"""`grub2-grubby` is that of EL7 and later; `none`: not one of the others, and nothing is changed on the host."""

TRIAL_FILE = "/etc/default/grub.d/zz-runbook-trial.cfg"
"""File that exists from the arming of a trial boot to its confirmation (Debian's GRUB)."""

# Passwords of the boot loader stay on the host, and so do kernel options: those of iSCSI hold passwords. GRUB itself
# clears the one-shot entry, at boot: whether it can depends on where the environment block is (EL: behind a link).
_READ = r"""\
for file in /boot/grub/grub.conf /boot/grub/menu.lst /boot/grub/grub.cfg /boot/grub2/grub.cfg \
    /boot/efi/EFI/*/grub.cfg /boot/grub/grubenv /boot/grub2/grubenv /boot/loader/entries/*.conf \
    /boot/grub/custom.cfg /boot/grub2/custom.cfg /boot/efi/EFI/*/custom.cfg; do
  [ ! -f "$file" ] || { echo "==> $file"; sed -E -e '/^[[:space:]]*(password|options[[:space:]])/d' \
    -e 's/^([[:space:]]*(linux|kernel|module|multiboot)[^[:space:]]*[[:space:]]+[^[:space:]]+).*/\1/' \
    -e '/kernelopts=/d' "$file"; echo; }
done
for program in update-grub grub-reboot grubby grub2-reboot; do
  if command -v "$program" >/dev/null; then echo "==> program $program"; fi
done
for probe in grub-probe grub2-probe; do
  folder=/boot/${probe%-probe}
  if [ -d "$folder" ] && command -v "$probe" >/dev/null; then
    block=$(dirname "$(readlink -f "$folder/grubenv")")
    fs=$("$probe" --target=fs "$block") && layers=$("$probe" --target=abstraction "$block") || continue
    echo "==> environment block"; echo "$fs on" $layers
  fi
done
for file in /etc/default/grub /etc/sysconfig/kernel; do
  [ ! -f "$file" ] || { echo "==> $file"; grep -E '^[[:space:]]*(GRUB_UPDATE_DEFAULT_KERNEL|UPDATEDEFAULT)=' "$file"; }
done
if [ -e "$1" ]; then echo "==> trial"; fi
echo "==> command line"; tr ' ' '\n' </proc/cmdline | grep '^panic=' || true
"""
_SETTING = re.compile(r"""^\s*(GRUB_UPDATE_DEFAULT_KERNEL|UPDATEDEFAULT)=["']?(\w*)""", re.MULTILINE)
_MOVES = {("GRUB_UPDATE_DEFAULT_KERNEL", "true"), ("UPDATEDEFAULT", "yes")}
_WRITABLE = {"ext2", "fat", "xfs"}  # file systems on which GRUB is known to write; ext4 is `ext2` to it
_BLSCFG = re.compile(r"^\s*blscfg\b", re.MULTILINE)
_PANIC = re.compile(r"(?:^|\s)panic=(-?[0-9]{1,9})\b")


@dataclass(frozen=True)
class BootLoaderInfo:
    """The boot loader, and what it would boot.

    Args:
        kind: Which one.
        configuration: The file with the menu.
        entries: The menu's entries, in order.
        default: The kernel that is booted by default; None if its entry is not found.
        default_entry: The default entry as configured: a number or an id.
        once: The one-shot entry for the next boot; None: the default.
        saved: Whether the default can be set without regenerating the menu.
        trial: Whether a trial boot was armed and neither confirmed nor abandoned.
        panic: Seconds after which the running kernel reboots after a panic; 0: never.
        not_once: Why GRUB 2 may boot a one-shot entry again and again; empty if it boots it once.
        moved_by: Settings files by which the package of a new kernel makes that kernel the default (EL).
    """

    kind: BootLoaderKind
    configuration: str | None = None
    entries: tuple[BootEntry, ...] = ()
    default: str | None = None
    default_entry: str | None = None
    once: str | None = None
    saved: bool = False
    trial: bool = False
    panic: int = 0
    not_once: str = ""
    moved_by: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether installing another kernel leaves the default unchanged."""
        if self.moved_by:
            return False
        by_name = self.default is not None and self.default in (self.default_entry or "")
        return self.kind == "grub-legacy" or (self.saved and by_name)

    @property
    def unclear_default(self) -> str | None:
        """What is booted by default, if it is not a kernel that the menu's text names; None if that is clear."""
        if self.default is not None or self.default_entry is None:
            return None
        if "$" in self.default_entry or self.default_entry == "saved":
            return self.default_entry
        other = [
            item
            for item in self.entries
            if self.default_entry in {item.path, item.position} and not item.release
        ]
        return f"{other[0].title!r} ({self.default_entry})" if other else None

    def entry(self, release: str) -> BootEntry | None:
        """Return the entry that boots a kernel, not in recovery mode; preferably one that names the release."""
        found = [
            item
            for item in self.entries
            if item.release == release and "recovery" not in item.path + item.title
        ]
        return next((item for item in found if release in item.path), found[0] if found else None)


@dataclass(frozen=True)
class BootLoader(Fact[BootLoaderInfo]):
    """The boot loader, read from its configuration files."""

    def request(self) -> Command:
        """Return the command that prints them."""
        return Command(("sh", "-c", _READ, "sh", TRIAL_FILE), sudo=True)

    def parse(self, output: Output) -> BootLoaderInfo:
        """Return the boot loader's configuration."""
        parts = _parts(output.stdout)
        if "command line" not in parts:
            raise FactError("the output with the boot loader's files is incomplete")
        programs = {name.removeprefix("program ") for name in parts if name.startswith("program ")}
        panic = _PANIC.search(parts["command line"])
        more = {
            "trial": "trial" in parts,
            "panic": int(panic[1]) if panic else 0,
            "moved_by": tuple(
                name for name, text in parts.items() if name.startswith("/etc/") and _moves(text)
            ),
        }
        legacy = [name for name in parts if name.endswith(("/grub.conf", "/menu.lst"))]
        menus = [name for name in parts if name.endswith("/grub.cfg") and "/EFI/" not in name]
        menus += [name for name in parts if name.endswith("/grub.cfg") and "/EFI/" in name]
        if menus and programs & {"grubby", "update-grub"}:
            kind: BootLoaderKind = "grub2-grubby" if "grubby" in programs else "grub2-debian"
            more["not_once"] = _not_once(parts.get("environment block", "").strip())
            return BootLoaderInfo(kind=kind, **_grub2(parts, menus, kind), **more)  # type: ignore[arg-type]
        if legacy:
            text = parts[legacy[0]]
            entry = grub.find(grub.legacy_entries(text), grub.legacy_default(text))
            return BootLoaderInfo(
                kind="grub-legacy",
                configuration=legacy[0],
                entries=grub.legacy_entries(text),
                default=entry.release if entry else None,
                default_entry=grub.legacy_default(text),
                saved=True,
                **more,  # type: ignore[arg-type]
            )
        return BootLoaderInfo(kind="none", **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class DefaultEntry(Fact[str | None]):
    """The kernel that is booted by default, as `uname -r` would print it; None if it is not known."""

    def request(self) -> Command:
        """Return the command that prints the boot loader's files."""
        return BootLoader().request()

    def parse(self, output: Output) -> str | None:
        """Return the release."""
        return BootLoader().parse(output).default


def _parts(text: str) -> dict[str, str]:
    pieces = re.split(r"^==> (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _moves(settings: str) -> bool:
    """Return whether a file sourced by kernel-install or new-kernel-pkg makes new kernels the default."""
    return not _MOVES.isdisjoint(dict(_SETTING.findall(settings)).items())


def _not_once(place: str) -> str:
    """Return why GRUB may not be able to clear a one-shot entry; empty if it can.

    Debian's grub-mkconfig (00_header) and grub-reboot know the same limit: `GRUB lacks write support for lvm`.

    Args:
        place: As `ext2 on`, `xfs on lvm`: what grub-probe says of the folder of the environment block.
    """
    file_system, _, layers = place.partition(" on")
    if not place:
        return "grub-probe does not say where GRUB's environment block is"
    if layers.strip():
        return f"GRUB's environment block is on {layers.strip()}, where GRUB cannot write"
    if file_system not in _WRITABLE:
        return f"GRUB's environment block is on {file_system}, where GRUB is not known to write"
    return ""


def _grub2(parts: dict[str, str], menus: list[str], kind: BootLoaderKind) -> dict[str, object]:
    # On UEFI the file in the EFI partition may only point to the one in /boot: use the one with entries.
    entries: tuple[BootEntry, ...] = ()
    chosen, problem = menus[0], ""
    files = {
        name.rsplit("/", 1)[-1]: text for name, text in parts.items() if name.startswith("/boot/loader/")
    }
    custom = "".join(text for name, text in parts.items() if name.endswith("/custom.cfg"))
    for name in menus:
        chosen = name
        blscfg = _BLSCFG.search(parts[name])
        try:
            entries = grub.bls_entries(files) if blscfg else grub_menu.menu(parts[name], custom)
        except GrubScriptError as error:
            problem = str(error)
            break
        if kind == "grub2-grubby" and not blscfg:
            # EL7's grubby copies the id of another entry when it adds one: only titles are distinct.
            entries = tuple(replace(entry, path=entry.title) for entry in entries)
        if entries:
            break
    variables: dict[str, str] = {}
    for name, text in parts.items():
        if name.endswith("/grubenv"):
            variables |= grub.environment(text)
    defaults: tuple[str, ...] = ()
    wanted, release = f"${{default}}, and {chosen} is not understood: {problem}", None
    try:
        if not problem:
            defaults = menu_defaults(parts[chosen], variables, custom)
            wanted, release = _default(parts[chosen], defaults, entries, variables, custom)
    except GrubScriptError as error:
        wanted = f"${{default}} is {' or '.join(defaults) or 'not known'}: {error}"
    return {
        "configuration": chosen,
        "entries": entries,
        "default": release,
        "default_entry": wanted,
        "once": variables.get("next_entry") or None,
        "saved": any("saved_entry" in item for item in defaults),
    }


def _default(
    text: str,
    defaults: tuple[str, ...],
    entries: tuple[BootEntry, ...],
    variables: dict[str, str],
    custom: str,
) -> tuple[str, str | None]:
    """Return the default entry as configured, and the kernel that it names; None if it names none."""
    if len(defaults) > 1:
        return f"${{default}} is one of {', '.join(defaults)}", None
    wanted = (variables.get("saved_entry") or "0") if defaults[0] == SAVED else defaults[0]
    if "$" in wanted:
        return wanted, None
    if _BLSCFG.search(text):
        entry = grub.find(entries, wanted)
        boots = entry or next(iter(entries), None)
    else:
        entry = grub_menu.find_in_menu(text, wanted, custom)
        boots = grub_menu.booted(text, wanted, custom)
    if boots and boots.release is None:
        # Say which entry it is, by the path under which `entries` has it: GRUB boots it also where it names no entry.
        return next((item.path for item in entries if item.position == boots.position), wanted), None
    return wanted, entry.release if entry else None
