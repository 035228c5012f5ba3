"""The firewall rules that drop what arrives for a port, in the output of iptables-save."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from runbook_lib.facts.base import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["dropping"]

_DROPPING = {"DROP", "REJECT"}
_RANGE = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")
_PROTOCOLS = {"tcp", "6", "all"}
_PORTS = {"--dport", "--destination-port", "--dports", "--destination-ports", "--ports"}


def dropping(rules: str, ports: Sequence[int]) -> Iterator[str]:
    r"""Yield the rules that name a port and drop what arrives for it, unless an earlier one of the chain accepts some.

    Args:
        rules: The output of iptables-save, whose rules have more words after their target, as `--reject-with`.
        ports: The ports.

    >>> rule = "-A INPUT -p tcp -m tcp --dport 6379 -j REJECT --reject-with tcp-reset"
    >>> list(dropping(f"*filter\\n{rule}\\nCOMMIT", [6379])) == [rule]
    True
    """
    table = ""
    accepting: set[tuple[str, str, int]] = set()
    for line in lines_of(rules):
        if line.startswith("*"):
            table = line
        words = _words(line)
        target = _after("-j", words)
        if words[:1] != ["-A"] or not target or _after("-p", words) not in _PROTOCOLS:
            continue
        named = {port for port in ports if _names(words, port)}
        chains = {(table, words[1], port) for port in named}
        if target == "ACCEPT":
            accepting |= chains
        elif target in _DROPPING and chains - accepting:
            yield line


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quotation mark without its second one: not a rule of iptables-save
        return line.split()


def _after(option: str, words: Sequence[str]) -> str:
    """Return the word after an option; empty without it."""
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _names(words: Sequence[str], port: int) -> bool:
    """Return whether a rule is for a port: `6379`, `22,6379` or `6000:7000`; not after `!`."""
    for before, word, value in zip(["", *words], words, words[1:], strict=False):
        if word in _PORTS and before != "!":
            for part in value.split(","):
                found = _RANGE.fullmatch(part)
                if found and int(found[1]) <= port <= int(found[2] or found[1]):
                    return True
    return False
