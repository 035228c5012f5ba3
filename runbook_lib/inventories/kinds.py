"""Which inventory sources a text names, and what kind each is."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.errors import InventoryError
from runbook_lib.inventories.ansible_json import read_ansible
from runbook_lib.inventories.own_yaml import read_own_yaml
from runbook_lib.inventories.program import program_output
from runbook_lib.inventories.ssh_config_hosts import DEFAULT, read_ssh_config_hosts
from runbook_lib.masking import excerpt
from runbook_lib.project import find_shipped
from runbook_lib.yaml_files import load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.inventories.source import Source

__all__ = [
    "KINDS",
    "Kind",
    "ansible_inventory",
    "is_program",
    "named_files",
    "read_sources",
    "runs_a_program",
]

_INVENTORY = "ansible-inventory"
_ALL_UNREADABLE_FAILS = "ANSIBLE_INVENTORY_UNPARSED_FAILED"  # Ansible's own variable
_LAB = "params/lab/inventory.yml"
_FILES = {".yml", ".yaml", ".json"}
_STARTS = (b"#!", b"\x7fELF")
_HEAD = 65536  # bytes of a file by which its kind is known
_LONGEST = 200  # characters of a parameter in a message
_SSH_LINE = re.compile(r"(Host|Match|Include)[\s=]", re.IGNORECASE)


def read_sources(text: str) -> list[Source]:
    """Return what the inventories say that a parameter names.

    Args:
        text: Files, directories, `ansible:PATH` and `ssh_config:PATH`, separated by commas.

    Raises:
        InventoryError: One does not exist, cannot be read, or is malformed.
    """
    return [_read(kind, path) for kind, path in named_files(text)]


def named_files(text: str, find: Callable[[str], Path] = find_shipped) -> list[tuple[str, Path]]:
    """Return the kind and the path of each inventory that a parameter names; of a directory those of its files.

    Args:
        text: As for `read_sources`.
        find: Returns where a path of the text is.

    Returns:
        As kind a key of `KINDS`; empty if there is no such file, nor a prefix that says its kind.

    Raises:
        InventoryError: A part of the text is empty, or a directory has no inventory.
    """
    try:
        return [one for item in _items(text, find) for one in _named(item, find)]
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise InventoryError(f"cannot be read: {reason}", where=excerpt(text, _LONGEST)) from problem


def _named(item: str, find: Callable[[str], Path]) -> list[tuple[str, Path]]:
    prefix, colon, rest = item.partition(":")
    if item == "ansible:":
        raise InventoryError(
            "the inventory `ansible:` names no file",
            where="parameter inventory",
            hint="write ansible:PATH; `ansible:.` is the current directory",
        )
    if prefix in {"ansible", "ssh_config"} and colon:
        return [(prefix, find(rest or DEFAULT))]
    path = find(item)
    return [(_kind_of(file), file) for file in (_in_directory(path) if path.is_dir() else [path])]


def runs_a_program(text: str) -> bool:
    """Return whether reading an inventory starts a program."""
    return any(kind and KINDS[kind].starts_a_program for kind, _ in named_files(text))


def _items(text: str, find: Callable[[str], Path]) -> list[str]:
    if not text.strip():
        raise InventoryError(
            "the inventory is empty",
            where="parameter inventory",
            hint="name a file or a directory; `.` is the current one",
        )
    if find(text).exists():  # a comma may be part of a file's name
        return [text]
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise InventoryError(f"the inventory {text!r} has an empty part", hint="write file.yml,other.yml")
    return items


def _in_directory(path: Path) -> list[Path]:
    """Return the inventories in a directory, by name."""
    try:
        files = [item for item in sorted(path.iterdir()) if item.is_file() and not item.name.startswith(".")]
    except OSError as problem:
        raise InventoryError(f"cannot be read: {problem.strerror}", where=str(path)) from problem
    found = [item for item in files if item.suffix in _FILES or is_program(item)]
    if (path / "group_vars").is_dir() or (path / "host_vars").is_dir():
        raise InventoryError(
            "the directory is an inventory of Ansible's: it has group_vars or host_vars",
            where=str(path),
            hint=f"use inventory ansible:{path}",
        )
    if not found:
        raise InventoryError(
            "the directory has no inventory",
            where=str(path),
            hint="add files *.yml or *.json, or executable programs",
        )
    return found


def _read(kind: str, path: Path) -> Source:
    if not kind:
        made_by = (
            f"`runbook lab up` writes {_LAB}, for two practice hosts"
            if path.as_posix() == _LAB
            else "`runbook new NAME` writes an example"
        )
        raise InventoryError(
            "no such file",
            where=str(path),
            hint=f"check the path (the current directory is {Path.cwd()}), or name another inventory: "
            f"-p inventory=FILE; {made_by}",
        )
    return KINDS[kind].read(path)


def _kind_of(path: Path) -> str:
    """Return the kind of a file, one of `KINDS`; empty if there is no such file."""
    if not path.is_file():
        return "yaml" if path.exists() else ""  # reading it says why
    if is_program(path):
        return "program"
    if path.suffix == ".json":
        return "json"
    if _is_ssh_config(path):
        return "ssh_config"
    return "ansible" if _is_for_ansible(path) else "yaml"


def _through_program(path: Path) -> Source:
    return read_ansible(program_output([str(path.absolute()), "--list"], str(path)), "program", str(path))


def _through_ansible(path: Path) -> Source:
    # Otherwise a file that it cannot read is an inventory without hosts, and the reason is lost.
    environment = {_ALL_UNREADABLE_FAILS: "true", **os.environ}
    printed = program_output([*ansible_inventory(path), "--list"], str(path), environment=environment)
    return read_ansible(printed, "ansible", str(path))


def ansible_inventory(path: Path) -> list[str]:
    """Return the command that reads an inventory of Ansible's.

    Raises:
        InventoryError: There is no such file, or the program is not installed.
    """
    if not path.exists():
        raise InventoryError("no such file", where=str(path), hint="check the path")
    # A virtual environment that is not activated is not in PATH.
    program = shutil.which(_INVENTORY) or shutil.which(_INVENTORY, path=str(Path(sys.executable).parent))
    if program is None:
        raise InventoryError(
            f"an inventory of Ansible's, which only {_INVENTORY} can read, and it is not installed",
            where=str(path),
            hint=f"install ansible-core, or use a file: {_INVENTORY} -i {path.name} --list > inventory.json",
        )
    return [program, "-i", str(path)]


def is_program(path: Path) -> bool:
    """Return whether a file is a program, which prints an inventory."""
    return os.access(path, os.X_OK) and _head(path).startswith(_STARTS)


def _is_ssh_config(path: Path) -> bool:
    return path.suffix not in _FILES and _SSH_LINE.match(_first_line(path)) is not None


def _is_for_ansible(path: Path) -> bool:
    """Return whether a file is an inventory in Ansible's INI or YAML form."""
    if path.suffix not in _FILES:
        return path.suffix == ".ini" or _first_line(path).startswith("[")
    try:
        data = load_yaml(_head(path))
    except ValueError:
        return False
    parts = {"hosts", "children", "vars"}
    return (
        isinstance(data, dict)
        and bool(data)
        and not data.keys() & {"hosts", "groups"}
        and all(isinstance(group, dict) and group and group.keys() <= parts for group in data.values())
    )


def _first_line(path: Path) -> str:
    lines = (line.strip() for line in _head(path).decode(errors="replace").splitlines())
    return next((line for line in lines if line and not line.startswith(("#", ";"))), "")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""  # reading it says why


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InventoryError(f"cannot be read: {problem.strerror}", where=str(path)) from problem


class Kind(NamedTuple):
    """A kind of inventory.

    Args:
        read: Reads a file of this kind.
        starts_a_program: Whether reading it starts a program: OpenSSH itself reads an ssh_config.
    """

    read: Callable[[Path], Source]
    starts_a_program: bool


KINDS = {
    "program": Kind(_through_program, starts_a_program=True),
    "json": Kind(lambda path: read_ansible(_content(path), "json", str(path)), starts_a_program=False),
    "ssh_config": Kind(read_ssh_config_hosts, starts_a_program=True),
    "ansible": Kind(_through_ansible, starts_a_program=True),
    "yaml": Kind(read_own_yaml, starts_a_program=False),
}
"""Name -> kind."""
