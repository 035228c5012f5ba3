"""What one inventory source says, in the form that all readers return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["HostEntry", "Source"]


@dataclass(frozen=True)
class HostEntry:
    """A host before its settings are validated.

    Args:
        settings: As in our own inventory file, `variables` among them.
        where: Where it is defined, for messages.
    """

    settings: dict[str, Any]
    where: str


@dataclass(frozen=True)
class Source:
    """One inventory source.

    Args:
        kind: `yaml`, `ansible`, `json`, `ssh_config` or `program`.
        name: What a message calls it: its file.
        sha256: Of the file, or of what the program printed.
        hosts: By name.
        groups: The members of each group.
        places: By `host` or `group` and name, where each is defined, for messages, if that is more than the file.
    """

    kind: str
    name: str
    sha256: str
    hosts: dict[str, HostEntry]
    groups: dict[str, list[str]]
    places: dict[tuple[str, str], str] = field(default_factory=dict)
