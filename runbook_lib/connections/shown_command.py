"""How a recorded command is shown: the command itself, and that it was run as root as a mark next to it.

The record has the exact text that was sent. Under sudo that text begins with what `remote_shell.sudo_text` puts around
every command, so that texts which are cut off for a list would all look the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["ShownCommand", "shown_command"]

_AS_ROOT = "as root"
_PROOF_NOTE = (
    "As sent: sudo runs a shell, which prints `ran:` and a random number, and then becomes the command. "
    "So the record shows whether sudo ran the command."
)
# Evidence of earlier versions has the options without the shell, or the shell without its name.
_SUDO = re.compile(
    r"sudo (?:-n|-S -k -p \S+) -- "
    r"""(?P<proof>sh -c 'echo "ran:\$[01]" >&2; (?:shift; )?exec "\$@"' (?:sh )?"\$nonce" )?"""
)


class ShownCommand(NamedTuple):
    """A command as it is shown.

    Args:
        text: The command without what runs it as root.
        mark: `as root`; empty if nothing was removed from the text.
        note: Explains what else the exact text holds; empty if it holds nothing that needs it.
    """

    text: str
    mark: str = ""
    note: str = ""

    def __str__(self) -> str:
        """Return the command in a line of text, the mark first."""
        return f"{self.mark}: {self.text}" if self.mark else self.text


def shown_command(text: str) -> ShownCommand:
    """Return a recorded command as it is shown.

    Args:
        text: The exact text, as recorded.

    >>> str(shown_command("sudo -n -- cat /etc/shadow"))
    'as root: cat /etc/shadow'
    """
    sudo = _SUDO.match(text)
    if sudo is None or sudo.end() == len(text):
        return ShownCommand(text)
    return ShownCommand(text[sudo.end() :], _AS_ROOT, _PROOF_NOTE if sudo["proof"] else "")
