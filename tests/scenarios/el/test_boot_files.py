"""The boot loader's files of EL 6, 7 and 9, as such hosts have them; grub.conf is changed by the real sed.

grubby is not available here: for EL 7 and later only the parsing is tested, and the cases list the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.facts.boot_loader import BootLoader, BootLoaderInfo
from runbook_lib.facts.host import Virtualization, VirtualizationInfo
from runbook_lib.facts.kernel import Kernel, KernelInfo
from runbook_lib.facts.kernel_trial import KernelTrial
from runbook_lib.model.commands import Command
from runbook_lib.operations import kernel
from tests.scenarios.el.host import FILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.facts.base import Fact
    from tests.scenarios.el.host import ElHost

NEW = "3.10.59-1.el6.elrepo.x86_64"
OLD = "2.6.32-431.23.3.el6.x86_64"
EL7_OLD, EL7_NEW = "3.10.0-1160.el7.x86_64", "5.4.278-1.el7.elrepo.x86_64"
EL9_OLD, EL9_NEW = "5.14.0-70.13.1.el9_0.x86_64", "5.14.0-427.13.1.el9_4.x86_64"
PADDING = "#" * 900


def environment(**variables: str) -> str:
    body = "".join(f"{name}={value}\n" for name, value in variables.items())
    return f"# GRUB Environment Block\n{body}{PADDING}"


def loader(host: ElHost) -> BootLoaderInfo:
    return BootLoader().parse(host.run(BootLoader().request()))


def el6(host: ElHost, change: Callable[[str], str] = str) -> str:
    text = change((FILES / "el6_grub.conf").read_text())
    host.write("boot/grub/grub.conf", text)
    host.run(Command(("ln", "-sf", "../boot/grub/grub.conf", "/etc/grub.conf")))
    return text


def facts(host: ElHost, running: str) -> Facts:
    values: dict[Fact[Any], Any] = {
        Virtualization(): VirtualizationInfo(container=None, machine="kvm"),
        Kernel(): KernelInfo("Linux", running, "x86_64"),
        BootLoader(): loader(host),
        KernelTrial(): None,
    }
    return Facts(values)


def test_two_titles_of_grub_conf_are_read_and_the_default_is_the_old_one(host: ElHost) -> None:
    el6(host)
    found = loader(host)
    assert (found.kind, found.configuration, found.default) == ("grub-legacy", "/boot/grub/grub.conf", OLD)
    assert [entry.release for entry in found.entries] == [NEW, OLD]


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda text: text.replace("default=1", "default = 1"),
        lambda text: text.replace("default=1", "\tdefault 1"),
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace("timeout=5", "# default=7 was here\nfallback=1\r"),
    ],
    ids=["as installed", "spaces", "without sign", "no newline at the end", "comments and others"],
)
def test_the_default_of_grub_conf_becomes_the_new_kernel_and_no_other_byte_changes(
    host: ElHost, change: Callable[[str], str]
) -> None:
    before = el6(host, change)
    operation = kernel.default_entry(NEW)
    for command in operation.plan(facts(host, OLD)).commands:
        assert host.run(command).exit_code == 0
    after = (host.root / "boot/grub/grub.conf").read_bytes().decode()
    for one, other in (
        ("default=1", "default=0"),
        ("default = 1", "default = 0"),
        ("default 1", "default 0"),
    ):
        before = before.replace(f"\n{one}", f"\n{other}").replace(f"\n\t{one}", f"\n\t{other}")
    assert after == before
    assert (host.root / "etc/grub.conf").is_symlink()
    assert all(check.holds for check in operation.verify(facts(host, NEW)))
    assert operation.plan(facts(host, NEW)).commands == ()


def test_password_of_the_boot_loader_is_not_read(host: ElHost) -> None:
    el6(host, lambda text: text.replace("hiddenmenu", "password --md5 $1$secret"))
    assert "secret" not in host.run(BootLoader().request()).stdout


@pytest.mark.parametrize(
    ("saved", "default", "pinned"),
    [
        (f"CentOS Linux ({EL7_OLD}) 7 (Core)", EL7_OLD, True),
        (f"CentOS Linux ({EL7_NEW}) 7 (Core)", EL7_NEW, True),
        ("0", EL7_NEW, False),
        ("gone", None, False),
    ],
)
def test_default_of_el7_is_the_title_in_the_environment_block(
    host: ElHost, saved: str, default: str | None, pinned: bool  # noqa: FBT001 - a case's value
) -> None:  # fmt: skip
    host.write("boot/grub2/grub.cfg", (FILES / "el7_grub.cfg").read_text())
    host.write("boot/grub2/grubenv", environment(saved_entry=saved))
    host.program("grubby")
    found = loader(host)
    assert (found.kind, found.default, found.pinned, found.once) == ("grub2-grubby", default, pinned, None)
    wanted = found.entry(EL7_NEW)
    assert wanted is not None
    assert wanted.path == f"CentOS Linux ({EL7_NEW}) 7 (Core)"


def test_default_and_one_shot_entry_of_el9_are_ids_of_bls_files(host: ElHost) -> None:
    machine = "2d7d1b4c5e8f4f3f9b1f0a7c6d5e4f3a"
    host.write("boot/grub2/grub.cfg", (FILES / "el9_grub.cfg").read_text())
    for release in (EL9_OLD, EL9_NEW):
        text = (FILES / f"el9_{release}.conf").read_text()
        host.write(f"boot/loader/entries/{machine}-{release}.conf", text)
    host.write(
        "boot/grub2/grubenv",
        environment(saved_entry=f"{machine}-{EL9_OLD}", next_entry=f"{machine}-{EL9_NEW}"),
    )
    host.program("grubby")
    found = loader(host)
    assert [entry.release for entry in found.entries] == [EL9_NEW, EL9_OLD]
    assert (found.kind, found.default, found.pinned) == ("grub2-grubby", EL9_OLD, True)
    assert found.once == f"{machine}-{EL9_NEW}"


def test_host_without_a_boot_loader_is_recognized(host: ElHost) -> None:
    assert loader(host).kind == "none"


def test_kernel_options_are_not_read_but_for_panic(host: ElHost) -> None:
    options = "rd.iscsi.password=Gr8Pass netroot=iscsi:u:Gr8Pass@10.0.0.1::::lun"
    host.write(
        "boot/grub2/grub.cfg",
        f'set default="${{saved_entry}}"\nif [ -z "${{kernelopts}}" ]; then\n  set kernelopts="{options}"\nfi\n'
        f"menuentry 'a' {{\n\tlinux16 /vmlinuz-{EL7_NEW} ro {options}\n\tmodule2 /vmlinuz-{EL7_OLD} {options}\n}}\n",
    )
    host.write("boot/grub2/grubenv", environment(saved_entry="a", kernelopts=options))
    host.write("boot/loader/entries/m.conf", f"title m\nlinux /vmlinuz-{EL9_NEW}\noptions ro {options}\n")
    host.program("grubby")
    assert "Gr8Pass" not in host.run(BootLoader().request()).stdout
    assert loader(host).default == EL7_NEW
    host.write("boot/grub2/grub.cfg", 'set default="${saved_entry}"\nblscfg\n')
    host.write("boot/grub2/grubenv", environment(saved_entry="m", kernelopts=options))
    assert loader(host).default == EL9_NEW


@pytest.mark.parametrize(
    ("fs", "layers", "expected"),
    [
        ("xfs", "", ""),
        ("xfs", "lvm", "GRUB's environment block is on lvm, where GRUB cannot write"),
        ("ext2", "diskfilter mdraid1x", "GRUB's environment block is on diskfilter mdraid1x, where GRUB cannot write"),
        ("zfs", "", "GRUB's environment block is on zfs, where GRUB is not known to write"),
    ],
)  # fmt: skip
def test_grub_probe_says_whether_an_entry_is_booted_once(
    host: ElHost, fs: str, layers: str, expected: str
) -> None:
    host.write("boot/grub2/grub.cfg", (FILES / "el7_grub.cfg").read_text())
    host.write("boot/efi/EFI/centos/grubenv", environment(saved_entry="0"))
    host.run(Command(("ln", "-sf", "../efi/EFI/centos/grubenv", "/boot/grub2/grubenv")))
    host.program("grubby")
    assert loader(host).not_once == "grub-probe does not say where GRUB's environment block is"
    # It must be asked about the folder that the link leads to: on UEFI, that of the EFI partition.
    script = f'[ "$2" = /boot/efi/EFI/centos ] || exit 1\ncase $1 in --target=fs) echo {fs};; *) echo {layers};; esac'
    host.program("grub2-probe", script)
    assert loader(host).not_once == expected


def test_new_kernels_no_longer_become_the_default(host: ElHost) -> None:
    el6(host, lambda text: text.replace("default=1", "default=0"))
    host.write("etc/sysconfig/kernel", "# of the installer\nUPDATEDEFAULT=yes\nDEFAULTKERNEL=kernel\n")
    host.write("etc/default/grub", 'GRUB_DEFAULT=saved\nGRUB_UPDATE_DEFAULT_KERNEL="true"\n')
    operation = kernel.DefaultEntry(NEW)
    assert [check.holds for check in operation.verify(facts(host, NEW))] == [True, False]
    for command in operation.plan(facts(host, NEW)).commands:
        host.run(command)
    assert (host.root / "etc/sysconfig/kernel").read_text() == (
        "# of the installer\nUPDATEDEFAULT=no\nDEFAULTKERNEL=kernel\n"
    )
    assert (host.root / "etc/default/grub").read_text() == (
        "GRUB_DEFAULT=saved\nGRUB_UPDATE_DEFAULT_KERNEL=false\n"
    )
    assert all(check.holds for check in operation.verify(facts(host, NEW)))
    assert operation.plan(facts(host, NEW)).commands == ()
