"""Edit authorized_keys line by line; the lines of keys that stay, and comments, are kept byte for byte (sshd(8))."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.base import lines_of
from runbook_lib.file_contents import read_local
from runbook_lib.operations.public_keys import PublicKey, is_kind, parse_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runbook_lib.file_contents import LocalPath

__all__ = ["changed", "given_key", "given_lines", "keys_in", "unclear_lines"]

_HINT = "give a line as in a .pub file: ssh-ed25519 AAAA… anna"


def keys_in(text: str) -> list[PublicKey]:
    """Return the keys of a file. Lines without a key, which sshd ignores, are left out."""
    return [key for key in map(_key_on, text.split("\n")) if key]


def unclear_lines(text: str, *, exactly: bool) -> list[tuple[int, str]]:
    """Return the lines that may hold a key which is not understood: number, and why it is not.

    Args:
        text: The file's text.
        exactly: Whether any other line matters too. Without that, only one with the beginning of a key does: the first
            three bytes of each are zero, as the length of its kind's name.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            parse_line(line)
        except ValueError as problem:
            if exactly or "AAAA" in line:
                found.append((number, str(problem)))
    return found


def changed(
    text: str, path: str, wanted: Mapping[str, PublicKey], absent: Collection[str], *, exactly: bool
) -> str:
    """Return the new text of a file.

    Args:
        text: Its text; empty if there is none.
        path: The file, for messages.
        wanted: The keys that must be there, by fingerprint.
        absent: Fingerprints of the keys that must not be there.
        exactly: Whether there must be no others.

    Raises:
        PlanRefused: A line is not understood, a wanted key has other options, or no key would be left.
    """
    for number, why in unclear_lines(text, exactly=exactly) if exactly or absent else ():
        raise PlanRefused(
            f"line {number} of {path} is not understood: {why}",
            hint="correct or remove that line by hand: it may be a key",
        )
    missing = dict(wanted)
    lines, left = [], 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        key = _key_on(line)
        if key is None:
            lines.append(line)
            continue
        name = key.fingerprint
        if name in absent or (exactly and name not in wanted):
            continue
        if name in wanted and key.options != wanted[name].options:
            if not exactly:
                raise PlanRefused(
                    f"key {key.label} is authorized with {key.options or 'no options'}, not with "
                    f"{wanted[name].options or 'no options'}",
                    hint="give the key's line with its options, or give all keys with only=",
                )
            continue
        missing.pop(name, None)
        lines.append(line)
        left += 1
    if not left and not missing:
        raise PlanRefused(
            f"{path}: no key would be left, and nobody could log in with one",
            hint="add a key in the same step, with add=",
        )
    if lines and missing and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, *(f"{key.line}\n" for key in missing.values())])


def given_key(line: str, where: str = "") -> PublicKey:
    """Return the key of a line that was given as an argument.

    Args:
        line: The line.
        where: The operation, for the message.

    Raises:
        ParameterError: The line holds no key, or characters that no record could show.
    """
    try:
        key = parse_line(line)
    except ValueError as problem:
        raise ParameterError(
            f"{line[:60]!r} is not a public key: {problem}", where=where, hint=_HINT
        ) from problem
    if key is None or not line.isprintable():
        raise ParameterError(f"{line[:60]!r} is not a public key", where=where, hint=_HINT)
    return key


def given_lines(keys: Sequence[LocalPath], where: str) -> list[str]:
    """Return the lines of keys that were given as arguments: each the text of a line, or a file with such lines.

    Args:
        keys: The arguments.
        where: The operation, for messages.

    Raises:
        ParameterError: A file cannot be read, holds no key, or holds a private key.
    """
    lines: list[str] = []
    for given in keys:
        text = str(given)
        words = text.split()
        if len(words) < 2 or not (is_kind(words[0]) or _key_on(text)):  # noqa: PLR2004 - kind and key
            data = read_local(given, f"{where}: key")
            if b" PRIVATE KEY" in data:
                raise ParameterError(
                    f"{given} is a private key", where=where, hint="give its public key: FILE.pub"
                )
            text = data.decode(errors="replace")
        found = [line.strip() for line in lines_of(text) if line.strip() and not line.startswith("#")]
        if not found:
            raise ParameterError(f"{given} holds no key", where=where, hint="give a .pub file")
        lines += found
    return lines


def _key_on(line: str) -> PublicKey | None:
    try:
        return parse_line(line)
    except ValueError:
        return None
