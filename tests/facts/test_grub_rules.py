"""Which entry GRUB boots, by its own rules: numbers, titles, ids, submenus, escapes, conditions."""

from __future__ import annotations

import pytest

from runbook_lib.facts import grub
from runbook_lib.facts.boot_loader import BootLoader, BootLoaderInfo
from runbook_lib.model.commands import Output

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
    entry = grub.find_in_menu(MENU, wanted)
    assert (entry.release if entry else None) == release


@pytest.mark.parametrize(
    ("text", "defaults"),
    [
        ("", ()),
        ('set default="0"\n', ("0",)),
        (
            'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\nelse\n   set default="2"\nfi\n',
            ("2",),
        ),
        ('set default="0"\nset default="Windows"\n', ("Windows",)),
        ('set default="0"\nif [ -s /x ]; then\n  set default="1"\nfi\n', ("0", "1")),
        ('if [ -s /x ]; then\n  set default="1"\nfi\nset default=2\n', ("2",)),
        ('if [ -s /x ]; then\n  set default="1"\nelse\n  set default=1\nfi\n', ("1",)),
    ],
)
def test_the_last_unconditional_default_wins(text: str, defaults: tuple[str, ...]) -> None:
    assert grub.menu_defaults(text) == defaults


def read(default: str, environment: str = "") -> BootLoaderInfo:
    text = (
        f"==> /boot/grub/grub.cfg\n{default}\n{MENU}\n==> /boot/grub/grubenv\n{environment}\n"
        "==> program update-grub\n==> command line\nro\n"
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
    ],
)
def test_a_default_that_is_no_plain_kernel_is_named(
    default: str, environment: str, unclear: str | None
) -> None:
    assert read(default, environment).unclear_default == unclear
