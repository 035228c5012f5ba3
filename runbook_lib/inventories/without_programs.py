"""Which hosts inventories have, read without starting a program that they name or are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InventoryError
from runbook_lib.inventories.ansible_json import read_ansible
from runbook_lib.inventories.kinds import KINDS, ansible_inventory, is_program, named_files
from runbook_lib.inventories.program import program_output
from runbook_lib.inventories.ssh_config_hosts import read_ssh_config_names
from runbook_lib.yaml_files import load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.inventories.source import Source

__all__ = ["NotReadError", "read_without_programs"]

_PLUGINS = "yaml,ini,toml"  # of Ansible, those that only read files
_MOST_FILES = 10_000  # of a directory of Ansible's


class NotReadError(Exception):
    """An inventory was left alone: the message says why."""


def read_without_programs(text: str, find: Callable[[str], Path]) -> list[Source]:
    """Return what the inventories have that a parameter names: all names of hosts and groups, not all settings.

    Args:
        text: As for `read_sources`.
        find: Returns where a path of the text is.

    Raises:
        InventoryError: One cannot be read, or is malformed.
        NotReadError: One does not exist, or only a program can say which hosts it has.
    """
    return [_read(kind, path) for kind, path in named_files(text, find)]


def _read(kind: str, path: Path) -> Source:
    if not path.exists():
        raise NotReadError("no such file")
    if kind == "program":
        raise NotReadError(f"{path.name} is a program, which was not started")
    if kind == "ssh_config":
        return read_ssh_config_names(path)
    return _from_ansible(path) if kind == "ansible" else KINDS[kind].read(path)


def _from_ansible(path: Path) -> Source:
    """Have Ansible read its inventory: with those of its plugins only that read files, and no configuration."""
    for file in _files_below(path):
        if is_program(file):
            raise NotReadError(f"{file.name} is a program, which was not started")
        if file.suffix in {".yml", ".yaml"} and _configures_a_plugin(file):
            raise NotReadError(f"{file.name} is for a plugin of Ansible's, which was not started")
    with tempfile.NamedTemporaryFile(prefix="runbook-lint-", suffix=".cfg") as no_configuration:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "ANSIBLE_CONFIG": no_configuration.name,  # the project's may name a program that prints a password
            "ANSIBLE_INVENTORY_ENABLED": _PLUGINS,
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_VARS_ENABLED": "",  # group_vars may be encrypted
        }
        try:
            command = [*ansible_inventory(path), "--list"]
            printed = program_output(command, str(path), environment=environment)
        except InventoryError as problem:
            raise NotReadError(problem.message) from problem
    return read_ansible(printed, "ansible", str(path))


def _files_below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in {"group_vars", "host_vars"}]
        found += [Path(folder, name) for name in files]
        if len(found) > _MOST_FILES:
            raise NotReadError(f"the directory has more than {_MOST_FILES} files")
    return found


def _configures_a_plugin(file: Path) -> bool:
    try:
        data = load_yaml(file.read_bytes())
    except (OSError, ValueError):
        return False  # reading it says why
    return isinstance(data, dict) and "plugin" in data
