"""One host of an inventory: its settings and variables. Add a setting here; the inventory file then accepts it."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from runbook_lib.errors import InventoryError
from runbook_lib.model.plain_text import OneWord, PlainText

__all__ = ["ENDPOINT", "Host"]

ENDPOINT = ("connection", "address", "user", "port", "proxy_command", "network_namespace", "acts_on")
"""Settings that say where a host's commands go: each run records them, and the audit rule `host-outside-inventory`
compares them with an inventory."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_ADDRESS = r"(?!-)[^\s\x00-\x1f'\"`$\\;&|<>(){}]+"  # what OpenSSH accepts
_USER = r"(?!-)[^\s\x00-\x1f'\"`;&|<>(){}]+(?<!\\)"


class Host(BaseModel):
    """One host and how it is reached.

    `host["name"]` gives an inventory variable of the host; a missing one is an `InventoryError`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=_NAME)
    connection: str = Field(
        default="ssh", description="`ssh`, `local`, or a connection that an installed package provides."
    )
    address: OneWord | None = Field(
        default=None, description="Name or IP address; default: the host's name in the inventory."
    )
    port: int = Field(default=22, ge=1, le=65535)
    user: OneWord | None = None
    identity_file: PlainText | None = None
    known_hosts: PlainText | None = Field(default=None, description="Default: ~/.ssh/known_hosts.")
    sudo_password: str | None = Field(default=None, description="A secret reference, never a value.")
    proxy_command: PlainText | None = Field(
        default=None, description="Like OpenSSH's ProxyCommand; %h, %p and %r are expanded."
    )
    network_namespace: PlainText | None = Field(
        default=None, description="File of the network namespace to connect from; used by the lab."
    )
    connect_timeout: float = Field(default=10.0, gt=0, description="Seconds.")
    kind: Literal["machine", "container", "vm"] = "machine"
    acts_on: str | None = Field(
        default=None,
        pattern=_NAME,
        max_length=100,
        description="What commands on this host change, where that is not the host itself, such as a switch that is "
        "managed from there. Runs that act on different things run in parallel.",
    )
    console: PlainText | None = Field(
        default=None, description="File on this machine that the host's serial console is written to."
    )
    lab: str | None = Field(default=None, description="Name of the lab this host belongs to, if any.")
    variables: dict[str, Any] = Field(default_factory=dict)

    @field_validator("address", "user")
    @classmethod
    def _one_word(cls, value: str | None, info: ValidationInfo) -> str | None:
        allowed = _ADDRESS if info.field_name == "address" else _USER
        if value is not None and not re.fullmatch(allowed, value):
            raise ValueError("must be one word without quotes or shell characters, and not begin with a dash")
        if value and info.field_name == "address":
            _refuse_shorthand(value)
        return value

    @field_validator("sudo_password")
    @classmethod
    def _only_a_reference(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith("${") and value.endswith("}")):
            raise ValueError("must be a reference such as ${env:SUDO_PASSWORD}, never the password itself")
        return value

    def __getitem__(self, variable: str) -> Any:  # noqa: ANN401 - variables are the user's
        """Return an inventory variable.

        Raises:
            InventoryError: The host has no such variable.
        """
        try:
            return self.variables[variable]
        except KeyError:
            raise InventoryError(
                f"has no variable {variable!r}",
                where=self.name,
                hint=f"add it under hosts: {self.name}: variables: in the inventory; "
                "Ansible's vault values are left out",
            ) from None

    @property
    def target(self) -> str:
        """The address to connect to."""
        return self.address or self.name


def _refuse_shorthand(address: str) -> None:
    """Refuse an address that also says user or port: there are settings for both.

    Raises:
        ValueError: It does.
    """
    if "@" in address:
        raise ValueError("must be the address alone: write the user as `user`")
    if address.startswith("[") or address.count(":") == 1:
        raise ValueError("must be the address alone, IPv6 without brackets: write the port as `port`")
