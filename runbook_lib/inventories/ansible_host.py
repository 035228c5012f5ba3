"""A host's settings from Ansible's variables; the rest stay variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InventoryError
from runbook_lib.inventories.ssh_arguments import settings_of_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["host_settings"]

# Ansible's variables that are settings of ours, the one that counts last.
_SETTINGS = {
    "ansible_ssh_host": "address",
    "ansible_host": "address",
    "ansible_ssh_port": "port",
    "ansible_port": "port",
    "ansible_ssh_user": "user",
    "ansible_user": "user",
    "ansible_private_key_file": "identity_file",
    "ansible_ssh_private_key_file": "identity_file",
}
# Ansible passes the first before the settings above and the others after them: ssh takes the first value of an option.
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_SUDO = ("ansible_sudo_pass", "ansible_become_pass", "ansible_become_password")
_LOGIN = ("ansible_ssh_pass", "ansible_ssh_password", "ansible_password")
_CONNECTIONS = {"ssh": "ssh", "smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh", "local": "local"}
_ONLY = {  # what is the only choice here
    "ansible_become_method": ("sudo", "ansible.builtin.sudo"),
    "ansible_become_user": ("root",),
    "ansible_shell_type": ("sh",),
}
_VAULT = "__ansible_vault"


def host_settings(variables: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the settings of a host.

    Args:
        variables: All that Ansible knows of it.
        where: The host, for messages.

    Raises:
        InventoryError: A connection, or something else that changes how the host is reached, is not supported here;
            or a setting is a password, a vault value or a template.
    """
    found: dict[str, Any] = {"connection": _connection(variables, where)}
    for name, choices in _ONLY.items():
        if str(variables.get(name) or choices[0]) not in choices:
            raise InventoryError(
                f"{name} is {variables[name]!r}; here it can only be {choices[0]}",
                where=where,
                hint=f"remove {name}",
            )
    for name, setting in _SETTINGS.items():
        value = _plain(name, variables.get(name), where)
        if value is not None:
            found[setting] = _port(value) if setting == "port" else value
    for name in _ARGUMENTS:
        if variables.get(name):
            given = settings_of_arguments(str(_plain(name, variables[name], where)), name, where)
            found = found | given if name == _ARGUMENTS[0] else given | found
    found |= _passwords(variables, found["connection"], where)
    used = {*_SETTINGS, *_ARGUMENTS, *_SUDO, *_LOGIN, *_ONLY, "ansible_connection"}
    rest = {name: value for name, value in variables.items() if name not in used and not _is_vault(value)}
    return {**found, "variables": rest} if rest else found


def _passwords(variables: Mapping[str, Any], connection: str, where: str) -> dict[str, str]:
    for name in _LOGIN:
        if variables.get(name) is not None and connection == "ssh":
            raise InventoryError(
                f"{name}: passwords are not used to log in",
                where=where,
                hint="use a key: ansible_ssh_private_key_file",
            )
    found: dict[str, str] = {}
    for name in _SUDO:
        if variables.get(name) is not None:
            found["sudo_password"] = _reference(name, variables[name], where)
    return found


def _connection(variables: Mapping[str, Any], where: str) -> str:
    given = str(variables.get("ansible_connection") or "ssh")
    found = _CONNECTIONS.get(given.removeprefix("ansible.builtin."))
    if found is None:
        raise InventoryError(
            f"ansible_connection is {given!r}: hosts are reached by ssh or local, not by {given}",
            where=where,
            hint="leave the host out of this inventory, or reach it by ssh",
        )
    return found


def _port(value: Any) -> Any:  # noqa: ANN401 - any value; validated as a setting
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _plain(name: str, value: Any, where: str) -> Any:  # noqa: ANN401 - any value
    """Return a value that is neither encrypted nor computed by Ansible."""
    if _is_vault(value):
        raise InventoryError(
            f"{name} is an Ansible vault value, which only Ansible can decrypt",
            where=where,
            hint="write it in plain text; a password as a reference such as ${env:SUDO_PASSWORD}",
        )
    if isinstance(value, str) and "{{" in value:
        raise InventoryError(
            f"{name} is a template, which only Ansible evaluates: {value!r}",
            where=where,
            hint="write the value itself",
        )
    return value


def _reference(name: str, value: Any, where: str) -> str:  # noqa: ANN401 - any value
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return value
    kind = "an Ansible vault value" if _is_vault(value) else "a password in plain text, or a template"
    raise InventoryError(
        f"{name} is {kind}",
        where=where,
        hint="write a reference to it instead: ${env:SUDO_PASSWORD} or ${file:PATH}",
    )


def _is_vault(value: object) -> bool:
    return isinstance(value, dict) and _VAULT in value
