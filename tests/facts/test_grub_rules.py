"""Which entry GRUB boots, by its own rules: numbers, titles, ids, submenus, escapes, conditions."""

from __future__ import annotations

import pytest

from runbook_lib.errors import PlanRefused
from runbook_lib.facts import grub_default, grub_menu
from runbook_lib.facts.boot_loader import BootLoader, BootLoaderInfo
from runbook_lib.facts.grub_script import GrubScriptError, parse
from runbook_lib.model.commands import Output
from runbook_lib.operations import boot_loaders

MENU = """\
menuentry 'Ubuntu' --class ubuntu $menuentry_id_option 'simple' {
\tlinux\t/vmlinuz-6.8.0-45-generic root=/dev/vda1 ro
}
submenu 'Advanced options for Ubuntu' $menuentry_id_option 'advanced' {
\tmenuentry 'Ubuntu, with Linux 6.8.0-45-generic' --class ubuntu $menuentry_id_option '6.8-advanced' {
\t\tlinux\t/vmlinuz-6.8.0-45-generic root=/dev/vda1 ro
\t}
\tmenuentry 'Ubuntu, with Linux 5.15.0-91-generic' --class ubuntu $menuentry_id_option '5.15-advanced' {
\t\tlinux\t/vmlinuz-5.15.0-91-generic root=/dev/vda1 ro
\t}
\tsubmenu 'Older' --id older {
\t\tmenuentry 'Linux > 5' {
\t\t\tlinux /boot/vmlinuz-4.19.0-26-amd64 root=/dev/vda1
\t\t}
\t}
}
menuentry 'Windows' --id windows {
\tchainloader +1
}
menuentry "6.1 (old)" {
\tlinux16 /vmlinuz-6.1.0-18-amd64 root=/dev/vda1
}
"""


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("0", "6.8.0-45-generic"),
        ("Ubuntu", "6.8.0-45-generic"),
        ("simple", "6.8.0-45-generic"),
        ("1", "6.8.0-45-generic"),
        ("1>1", "5.15.0-91-generic"),
        ("1>0x1", "5.15.0-91-generic"),
        ("1>2>0", "4.19.0-26-amd64"),
        ("1>older", "4.19.0-26-amd64"),
        ("advanced>1", "5.15.0-91-generic"),
        ("Advanced options for Ubuntu>Ubuntu, with Linux 5.15.0-91-generic", "5.15.0-91-generic"),
        ("advanced>Ubuntu, with Linux 5.15.0-91-generic", "5.15.0-91-generic"),
        ("Advanced options for Ubuntu", "6.8.0-45-generic"),
        ("advanced>Older>Linux >> 5", "4.19.0-26-amd64"),
        ("simple>whatever", "6.8.0-45-generic"),
        ("3", "6.1.0-18-amd64"),
        # Not found: GRUB falls back to the first entry.
        ("Ubuntu, with Linux 5.15.0-91-generic", None),
        ("5.15-advanced", None),
        ("advanced>Linux >> 5", None),
        ("advanced>older>Linux > 5", None),
        ("Previous Linux versions>Ubuntu, with Linux 5.15.0-91-generic", None),
        ("ubuntu", None),
        ("4", None),
        ("1>7", None),
        ("6.1 (old)", None),  # begins with a digit: GRUB takes it for entry 6
    ],
)
def test_the_entry_that_a_name_stands_for(wanted: str, release: str | None) -> None:
    entry = grub_menu.find_in_menu(MENU, wanted)
    assert (entry.release if entry else None) == release


@pytest.mark.parametrize(
    ("text", "defaults"),
    [
        ("", ("0",)),
        ('set default="0"\n', ("0",)),
        (
            'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\nelse\n   set default="2"\nfi\n',
            ("2",),
        ),
        ('set default="0"\nset default="Windows"\n', ("Windows",)),
        ('set default="0"\nif [ -s /x ]; then\n  set default="1"\nfi\n', ("0", "1")),
        ('if [ -s /x ]; then\n  set default="1"\nfi\nset default=2\n', ("2",)),
        ('if [ -s /x ]; then\n  set default="1"\nelse\n  set default=1\nfi\n', ("1",)),
        ('if [ -s /x ]; then\n  set default="1"\nfi\n', ("0", "1")),
        ('set default="${saved_entry}"\nset default="0" # ops\n', ("0",)),
        ('set default="${saved_entry}"\ndefault=0\n', ("0",)),
        ('set default="${saved_entry}"\ntrue; set default=0\n', ("0",)),
        ('set default="${saved_entry}"\nset default=\\\n0\n', ("0",)),
        ('set default=1\nif [ -n "$root" ]; then set default=0; fi\n', ("1", "0")),
        ("set default=1\nfor x in 1; do set default=0; done\n", ("1", "0")),
        ("set default=1\nfunction choose {\nset default=0\n}\nchoose\n", ("1", "0")),
        ("set default=1\nmenuentry 'x' {\nset default=0\n}\n", ("1",)),
        ("set default=1\n#set default=0\necho 'set default=0'\n", ("1",)),
        ("set default=1\nread default\n", ("1", "${default} that is set by `read`")),
        ("set default=1\nsource /more.cfg\n", ("1", "${default} that is set by `source`")),
        ("set default='${saved_entry}'\n", ("${default} that is set by `set`",)),
        # Fedora's and EL's 08_fallback_counting, without boot_counter in the environment block.
        (
            'set default=1\nif [ -n "${boot_counter}" -a "${boot_success}" = "0" ]; then\nset default=0\nfi\n',
            ("1",),
        ),
    ],
)
def test_the_last_unconditional_default_wins(text: str, defaults: tuple[str, ...]) -> None:
    assert grub_default.menu_defaults(text) == defaults


CUSTOM = """\
if [ -f ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
fi
"""
XEN = "menuentry 'Xen' --id xen {\nmultiboot2 /xen.gz\nmodule2 /vmlinuz-6.1\n}\n"


def read(default: str, environment: str = "", menu: str = MENU, custom: str = "") -> BootLoaderInfo:
    text = (
        f"==> /boot/grub/grub.cfg\n{default}\n{menu}\n==> /boot/grub/grubenv\n{environment}\n"
        + (f"==> /boot/grub/custom.cfg\n{custom}\n" if custom else "")
        + "==> program update-grub\n==> command line\nro\n"
    )
    return BootLoader().parse(Output(exit_code=0, stdout=text, stderr=""))


@pytest.mark.parametrize(
    ("default", "environment", "unclear"),
    [
        ("set default=0", "", None),
        ("set default=gone", "", None),
        ("set default=windows", "", "'Windows' (windows)"),
        ("set default=2", "", "'Windows' (windows)"),
        ('set default="${saved_entry}"', "saved_entry=Windows", "'Windows' (windows)"),
        ('set default="${saved_entry}"', "saved_entry=simple", None),
        ('set default="${my_entry}"', "", "${my_entry}"),
        ("set default=0\nif [ -s /x ]; then\nset default=1\nfi", "", "${default} is one of 0, 1"),
        (
            "set default=0\nfi",
            "",
            "${default}, and /boot/grub/grub.cfg is not understood: line 2 is not understood",
        ),
        (
            'if [ "${prev_saved_entry}" ]; then\nset saved_entry="${prev_saved_entry}"\nfi\nset default="$saved_entry"',
            "saved_entry=simple\nprev_saved_entry=1",
            "${default} is one of ${saved_entry}, ${saved_entry} that is set in the file",
        ),
    ],
)
def test_a_default_that_is_no_plain_kernel_is_named(
    default: str, environment: str, unclear: str | None
) -> None:
    assert read(default, environment).unclear_default == unclear


@pytest.mark.parametrize(
    ("menu", "wanted", "unclear"),
    [
        (XEN + MENU, "gone", "'Xen' (xen)"),
        (f"submenu 'more' --id more {{\n{XEN}}}\n{MENU}", "more>gone", "'Xen' (more>xen)"),
        (MENU + "menuentry 'Bob'\\''s Box' {\nchainloader +1\n}\n", "Bob's Box", "\"Bob's Box\" (Bob's Box)"),
        (MENU + "menuentry --class x 'T' {\nchainloader +1\n}\n", "T", "'T' (T)"),
        (MENU + "menuentry --id own 'T' {\nchainloader +1\n}\n", "own", "'T' (own)"),
        (MENU + "menuentry 'T' --id=own {\nchainloader +1\n}\n", "own", "'T' (own)"),
        (MENU + "menuentry 'T' --id 'my id' {\nchainloader +1\n}\n", "my id", "'T' (my id)"),
        (MENU + "menuentry My\\ Linux {\nchainloader +1\n}\n", "My Linux", "'My Linux' (My Linux)"),
        (MENU + 'menuentry "My \\"x\\"" {\nchainloader +1\n}\n', 'My "x"', '\'My "x"\' (My "x")'),
        (
            f"if [ x = y ]; then\n{XEN}fi\n{MENU}",
            "1",
            "${default} is 1: which entry has number 1 depends on a condition or another file",
        ),
        (
            f'menuentry "Linux $x" {{\nchainloader +1\n}}\n{MENU}',
            "simple",
            "${default} is simple: whether the menu has 'simple' depends on a condition or another file",
        ),
    ],
)
def test_what_grub_boots_is_named_if_it_is_not_a_plain_kernel(menu: str, wanted: str, unclear: str) -> None:
    loader = read(f'set default="{wanted}"'.replace('"x"', '\\"x\\"'), menu=menu)
    assert (loader.default, loader.unclear_default) == (None, unclear)
    with pytest.raises(PlanRefused, match="the default boot entry is"):
        boot_loaders.refuse_unknown(loader)


@pytest.mark.parametrize(
    ("wanted", "custom", "default", "unclear"),
    [
        ("simple", "", "6.8.0-45-generic", None),
        ("mine", "", None, None),
        ("simple", "menuentry 'Mine' --id mine {\nchainloader +1\n}\n", "6.8.0-45-generic", None),
        (
            "mine",
            "menuentry 'Mine' --id mine {\nchainloader +1\n}\n",
            None,
            "${default} is mine: whether the menu has 'mine' depends on a condition or another file",
        ),
        ("simple", "set default=mine\n", None, "${default} is one of simple, mine"),
    ],
)
def test_custom_cfg_counts_where_grub_cfg_reads_it(
    wanted: str, custom: str, default: str | None, unclear: str | None
) -> None:
    loader = read(f"set default={wanted}", menu=MENU + CUSTOM, custom=custom)
    assert (loader.default, loader.unclear_default) == (default, unclear)


def test_a_kernel_that_depends_on_a_condition_is_not_known() -> None:
    text = "menuentry 'x' {\nif [ a = b ]; then\nlinux /vmlinuz-1\nelse\nlinux /vmlinuz-2\nfi\n}\n"
    assert [entry.release for entry in grub_menu.menu(text)] == [None]


def test_blocks_inside_blocks_without_end_are_refused() -> None:
    with pytest.raises(GrubScriptError, match="line 1 is not understood"):
        parse("if " * 100_000)
