"""The entry that we take for the default is the one that GRUB boots: `grub-emu` is given the same files."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib import system_requirements
from runbook_lib.facts import grub_menu
from runbook_lib.facts.boot_loader import BootLoader
from runbook_lib.model.commands import Output
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

if system_requirements.missing("reference"):
    pytest.skip("needs grub-emu: apt-get install grub-emu", allow_module_level=True)

KERNEL = re.compile(r"^\s*(?:linux|linux16|linuxefi)\s+\S*vmlinuz-(\S+)")
BEGIN = re.compile(r"^\s*menuentry\s")
# A GRUB that boots a host sets it before it reads the file.
FEATURE = 'set menuentry_id_option="--id"\nexport menuentry_id_option\n'
OTHER = "no Linux"
CASES = sorted(Path(__file__).parent.glob("BootLoader/debian_*.json"))


def harmless(text: str) -> str:
    """Return a grub.cfg whose entries print the kernel that they would boot."""
    found, inside = [], False
    for line in text.splitlines():
        kernel = KERNEL.match(line)
        if BEGIN.match(line):
            inside, release = True, OTHER
            found.append(line)
        elif inside and line.strip() == "}":
            found += [f"echo 'BOOTS {release}.'", "exit", "}"]
            inside = False
        elif inside:
            release = kernel[1] if kernel else release
        elif not re.match(r"\s*(set timeout|insmod|search|terminal|loadfont|password)", line):
            found.append(line)
    return FEATURE + "set timeout=0\n" + "\n".join(found) + "\nset timeout=0\n"


def boot(place: Path, text: str, environment: str = "") -> str:
    """Return the kernel that GRUB boots without a key being pressed."""
    (place / "grub.cfg").write_text(harmless(text), encoding="utf-8")
    block = "# GRUB Environment Block\n" + "".join(
        f"{line}\n" for line in environment.splitlines() if "=" in line
    )
    (place / "grubenv").write_text(block.ljust(1024, "#"), encoding="utf-8")
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(["grub-emu", "-d", str(place)], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b"".join(pieces(ours))
        process.wait(timeout=deadline(10))
    finally:
        os.close(ours)
    booted = re.findall(rb"BOOTS (.*?)\.\s*\r\n", shown)
    assert booted, shown[-500:]
    return str(booted[-1].decode())


def pieces(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side has been closed
            return
        if not piece:
            return
        yield piece


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_default_of_a_real_host_is_what_grub_boots(case: Path, tmp_path: Path) -> None:
    output = json.loads(case.read_text(encoding="utf-8"))["output"]["stdout"]
    text = output if isinstance(output, str) else "\n".join(output)
    info = BootLoader().parse(Output(exit_code=0, stdout=text, stderr=""))
    parts = dict(re.findall(r"^==> (.*)\n((?:(?!==> ).*\n?)*)", text, re.MULTILINE))
    menu, environment = parts["/boot/grub/grub.cfg"], parts.get("/boot/grub/grubenv", "")
    booted = boot(tmp_path, menu, re.sub("^next_entry=.*$", "", environment, flags=re.MULTILINE))
    if info.default is not None:
        assert booted == info.default
    else:
        assert booted in {OTHER, first_release(menu)}


def first_release(text: str) -> str:
    return next((entry.release for entry in grub_menu.menu(text)), None) or OTHER


TITLES = st.sampled_from(
    ["Debian", "Linux > 5", "6.1 (old)", "2", "a>b", "Advanced", "with 'x'", "0x1", "Ubuntu, with 5"]
)
IDENTIFIERS = st.sampled_from(["", "", "simple", "adv", "5.15-advanced", "2", "b"])


@st.composite
def menus(draw: st.DrawFn, depth: int = 0) -> list[object]:
    """Draw a menu: entries as (title, id), submenus as (title, id, menu)."""
    items: list[object] = []
    for _ in range(draw(st.integers(1, 3))):
        title, identifier = draw(TITLES), draw(IDENTIFIERS)
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            items.append((title, identifier, draw(menus(depth + 1))))
        else:
            items.append((title, identifier))
    return items


def written(items: list[object], numbers: Iterator[int]) -> str:
    found = ""
    for item in items:
        assert isinstance(item, tuple)
        title, identifier, *inner = item
        quote = '"' if "'" in title else "'"
        head = f"{quote}{title}{quote}" + (f" $menuentry_id_option '{identifier}'" if identifier else "")
        if inner:
            found += f"submenu {head} {{\n{written(inner[0], numbers)}}}\n"
        else:
            found += f"menuentry {head} --class os {{\n\tlinux\t/vmlinuz-5.0.{next(numbers)} root=/dev/vda1 ro\n}}\n"
    return found


NAMES = st.one_of(
    st.integers(0, 3).map(str), TITLES.map(lambda title: title.replace(">", ">>")), IDENTIFIERS, TITLES
)
DEFAULTS = st.lists(NAMES, min_size=1, max_size=3).map(">".join)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a menu, and a default: any, or one that names one of its entries in one of the possible ways."""
    items = draw(menus())
    wanted = draw(DEFAULTS)
    if draw(st.booleans()):
        names: list[str] = []
        level = items
        while level:
            number = draw(st.integers(0, len(level) - 1))
            item = level[number]
            assert isinstance(item, tuple)
            title, identifier = str(item[0]), str(item[1])
            names.append(draw(st.sampled_from([title.replace(">", ">>"), identifier or title, str(number)])))
            level = item[2] if len(item) > 2 else []
        wanted = ">".join(names)
    return written(items, iter(range(100))), wanted


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_the_entry_that_a_name_stands_for_is_what_grub_boots(tmp_path: Path, case: tuple[str, str]) -> None:
    text, wanted = case
    entry = grub_menu.find_in_menu(text, wanted)
    booted = boot(tmp_path, f'load_env\nset default="${{saved_entry}}"\n{text}', f"saved_entry={wanted}")
    assert booted == (entry.release if entry else booted)
    if entry is None:
        assert booted in fallbacks(text, wanted), "GRUB has found what we have not"
    fallback = grub_menu.booted(text, wanted)
    assert booted == (fallback.release if fallback else None)


def fallbacks(text: str, wanted: str) -> set[str | None]:
    """Return what GRUB may boot for a name that it does not know: what comes first in the menu where it gave up."""
    names = [name.replace("\0", ">>") for name in wanted.replace(">>", "\0").split(">")]
    for known in reversed(range(len(names))):
        first = grub_menu.find_in_menu(text, ">".join(names[:known]))
        if first and first.position.count(">") >= known:
            place = [*first.position.split(">")[:known], "0"]
            return {
                found.release
                for found in grub_menu.menu(text)
                if found.position.split(">")[: known + 1] == place
            }
    return set()


def test_a_one_shot_entry_is_what_grub_boots_once(tmp_path: Path) -> None:
    text = written([("one", "a"), ("more", "adv", [("two", "b"), ("three", "c")])], iter(range(9)))
    head = (
        'load_env\nif [ "${next_entry}" ] ; then\n set default="${next_entry}"\nelse\n set default="0"\nfi\n'
    )
    assert boot(tmp_path, head + text, "next_entry=adv>c") == "5.0.2"
    assert boot(tmp_path, head + text) == "5.0.0"


SETTINGS = st.sampled_from([
    'set default="0"',
    "set default=1 # the old one",
    "default=2",
    "set default='two'",
    'set default="${saved_entry}"',
    "set default=$saved_entry; true",
    "set default=\\\n1",
    'if [ -n "$root" ]; then set default=1; fi',
    'if [ "${next_entry}" ]; then\nset default="${next_entry}"\nelse\nset default=2\nfi',
    'if [ "${boot_counter}" ]; then set default=1; fi',
    'if [ "${prev_saved_entry}" ]; then\nset saved_entry="${prev_saved_entry}"\nset prev_saved_entry=\nfi',
    "if [ a = a ]; then\nset default=0\nelif [ a = b ]; then\nset default=2\nfi",
    "for number in 1 2; do\nset default=$number\ndone",
    "function choose {\nset default=1\n}",
    "choose",
    "unset default",
    "menuentry 'more' {\nset default=1\nlinux /vmlinuz-6.0 ro\n}",
    "if [ -e /none ]; then\nmenuentry 'never' {\nlinux /vmlinuz-6.1 ro\n}\nfi",
    "menuentry --class os --id=two 'it'\\''s \"two\"' {\nlinux /vmlinuz-6.2 ro\n}",
    "# set default=2",
    'echo "set default=2"',
    'eval "set default=1"',
    "source /none.cfg",
])  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(SETTINGS, max_size=3),
    after=st.lists(SETTINGS, max_size=3),
    block=st.lists(
        st.sampled_from(["saved_entry=2", "saved_entry=two", "prev_saved_entry=1", "boot_counter=1"]),
        max_size=3,
        unique=True,
    ),
)
def test_a_default_that_we_know_is_what_grub_boots(
    tmp_path: Path, before: list[str], after: list[str], block: list[str]
) -> None:
    items = written([("one", "a"), ("two", "b"), ("three", "two")], iter(range(9)))
    text = "\n".join(["load_env", *before, items + "\n".join(after)]) + "\n"
    environment = "\n".join(block)
    info = BootLoader().parse(
        Output(
            exit_code=0,
            stdout=f"==> /boot/grub/grub.cfg\n{text}\n==> /boot/grub/grubenv\n{environment}\n"
            "==> program update-grub\n==> command line\n",
            stderr="",
        )
    )
    if info.default is not None:
        assert boot(tmp_path, text, environment) == info.default
