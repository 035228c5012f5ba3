"""Profiles of NetworkManager."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["Profile", "ProfileText"]

_SECRET = 7
# Comments count: what has been a password may still be one. `pin` is a word of its own: `gateway-ping-timeout`.
_SENSITIVE = (
    "((password|psk|secret|private-key|preshared-key|cak|wep-key[0-9])[a-z-]*|pin(-flags)?)[[:space:]]*="
)
_READ = rf"""
[ -e "$1" ] || exit 2
! grep -qiE '{_SENSITIVE}' -- "$1" || exit {_SECRET}
cat -- "$1"
"""


@dataclass(frozen=True)
class ProfileText:
    """A profile's file.

    Args:
        text: Its text; None if there is no such file, or if it is not read.
        secret: Whether it holds a password or a key, and so is not read.
    """

    text: str | None
    secret: bool = False


@dataclass(frozen=True)
class Profile(Fact[ProfileText]):
    """The text of a profile's file, unless it holds a secret: what is read is recorded.

    Args:
        path: Absolute path.
    """

    path: str

    def request(self) -> Command:
        """Return the command that reads it as root."""
        return Command(("sh", "-c", _READ, "sh", self.path), sudo=True, accept=(0, 2, _SECRET))

    def parse(self, output: Output) -> ProfileText:
        """Return the text unchanged."""
        if output.exit_code == 0:
            return ProfileText(output.stdout)
        if output.stderr.strip():
            raise FactError(f"{self.path} cannot be read: {excerpt(output.stderr.strip(), 200)}")
        return ProfileText(None, secret=output.exit_code == _SECRET)
