"""Parser of GRUB's script language, in which grub.cfg is written. Pure.

Sources: GRUB 2 manual 6.2 "Writing full configuration files directly" and 16.2; grub-core/script/yylex.l and parser.y.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Condition", "Function", "GrubScriptError", "Loop", "Simple", "Statement", "Word", "parse"]

_TOKENS = re.compile(
    r"""(?P<blank>(?:[ \t\r]|\\\n)+|\#[^\n]*)
    |(?P<end>[\n;])
    |(?P<brace>[{}])
    |(?P<word>(?:[^{}|&$;<>\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|\$\{[^}\n]*\}|\$(?:\w+|[?*@\#])?)+)""",
    re.VERBOSE | re.DOTALL,
)
_PIECES = re.compile(
    r"""'(?P<single>[^']*)'|(?P<translated>\$?)"(?P<double>(?:[^"\\]|\\.)*)"|\$\{(?P<braced>[^}\n]*)\}"""
    r"""|\$(?P<name>\w+|[?*@#])?|\\(?P<escaped>.)|(?P<plain>[^'"$\\]+)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\$\{([^}\n]*)\}|\$(\w+|[?*@#])")
_MOST_LEVELS = 40  # of blocks inside blocks


class GrubScriptError(ValueError):
    """A script that is not understood; nothing is known of what it does."""


@dataclass(frozen=True)
class Word:
    """One word of a command, without its quotes.

    Args:
        text: The word; a variable as `${name}`.
        is_literal: Whether it has no variable.
    """

    text: str
    is_literal: bool


@dataclass(frozen=True)
class Simple:
    """A command; `menuentry` and `submenu` have a block.

    Args:
        words: Its name and arguments.
        block: What it runs later; None: it has no block.
    """

    words: tuple[Word, ...]
    block: tuple[Statement, ...] | None = None

    @property
    def name(self) -> str:
        """The command's name."""
        return self.words[0].text


@dataclass(frozen=True)
class Condition:
    """`if` with its branches.

    Args:
        branches: Commands whose result decides, and what runs if they succeed; for each `if` and `elif`.
        otherwise: What runs if none of them does.
    """

    branches: tuple[tuple[tuple[Statement, ...], tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Loop:
    """`for`, `while` or `until`.

    Args:
        variable: The variable that `for` sets; empty for the others.
        block: Everything in it; it runs any number of times.
    """

    variable: str
    block: tuple[Statement, ...]


@dataclass(frozen=True)
class Function:
    """The definition of a function.

    Args:
        name: Its name.
        block: What it runs when it is called.
    """

    name: str
    block: tuple[Statement, ...]


Statement = Simple | Condition | Loop | Function


def parse(text: str) -> tuple[Statement, ...]:
    """Return the statements of a script.

    Args:
        text: The file.

    Raises:
        GrubScriptError: It is not understood.
    """
    return _Parser(_tokens(text)).script()


@dataclass(frozen=True)
class _Token:
    """A word, a brace, or the end of a command."""

    raw: str
    line: int

    @property
    def is_end(self) -> bool:
        return self.raw in {"\n", ";"}


def _tokens(text: str) -> list[_Token]:
    found, place, line = [], 0, 1
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            raise GrubScriptError(f"line {line} is not understood")
        if match.lastgroup != "blank":
            found.append(_Token(match[0], line))
        line += match[0].count("\n")
        place = match.end()
    return found


class _Parser:
    """Takes one token after the other."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = [*tokens, _Token("\n", tokens[-1].line if tokens else 1)]
        self._place = 0
        self._level = 0

    def script(self) -> tuple[Statement, ...]:
        found = self._until()
        if self._place < len(self._tokens):
            raise self._error()
        return found

    def _error(self) -> GrubScriptError:
        token = self._tokens[min(self._place, len(self._tokens) - 1)]
        return GrubScriptError(f"line {token.line} is not understood")

    def _until(self, *words: str) -> tuple[Statement, ...]:
        """Return the statements before one of these words; the word itself is left."""
        self._level += 1
        if self._level > _MOST_LEVELS:
            raise self._error()
        found: list[Statement] = []
        while True:
            self._skip_ends()
            if self._place == len(self._tokens) and words:
                raise self._error()
            if self._place == len(self._tokens) or self._tokens[self._place].raw in words:
                self._level -= 1
                return tuple(found)
            found.append(self._statement())

    def _skip_ends(self) -> None:
        while self._place < len(self._tokens) and self._tokens[self._place].is_end:
            self._place += 1

    def _next(self, *expected: str) -> str:
        """Return the next token, which is one of those expected; without any: a word."""
        if self._place == len(self._tokens):
            raise self._error()
        token = self._tokens[self._place]
        if token.raw not in expected if expected else token.is_end or token.raw in {"{", "}"}:
            raise self._error()
        self._place += 1
        return token.raw

    def _statement(self) -> Statement:
        first = self._next()
        if first == "if":
            return self._condition()
        if first in {"while", "until"}:
            deciding = self._until("do")
            return Loop("", (*deciding, *self._block("do", "done")))
        if first == "for":
            variable = self._next()
            self._next("in")
            while not self._tokens[self._place].is_end:
                self._next()
            self._skip_ends()
            return Loop(variable, self._block("do", "done"))
        if first == "function":
            name = self._next()
            self._skip_ends()
            return Function(name, self._block("{", "}"))
        if first in {"then", "elif", "else", "fi", "do", "done", "case", "esac", "select", "time", "[["}:
            self._place -= 1
            raise self._error()
        return self._simple(first)

    def _simple(self, first: str) -> Simple:
        words = [_word(first)]
        while not self._tokens[self._place].is_end:
            raw = self._tokens[self._place].raw
            if raw == "{":
                block = self._block("{", "}")
                # Only the end of a command, or of the block around it, may follow.
                if not (self._tokens[self._place].is_end or self._tokens[self._place].raw == "}"):
                    raise self._error()
                return Simple(tuple(words), block)
            if raw == "}":
                break
            words.append(_word(self._next()))
        return Simple(tuple(words))

    def _block(self, begin: str, end: str) -> tuple[Statement, ...]:
        self._next(begin)
        found = self._until(end)
        self._next(end)
        return found

    def _condition(self) -> Condition:
        branches = []
        while True:
            deciding = self._until("then")
            self._next("then")
            branches.append((deciding, self._until("elif", "else", "fi")))
            word = self._next("elif", "else", "fi")
            if word == "elif":
                continue
            otherwise = self._until("fi") if word == "else" else ()
            if word == "else":
                self._next("fi")
            return Condition(tuple(branches), otherwise)


def _word(raw: str) -> Word:
    r"""Return a word without its quotes; adjacent quoted pieces are one word, as in `'Bob'\''s'`."""
    text, is_literal = "", True
    for piece in _PIECES.finditer(raw):
        kind = piece.lastgroup
        if kind == "single":
            text += piece["single"]
        elif kind == "double":
            is_literal = is_literal and not piece["translated"] and "$" not in piece["double"]
            variables = _VARIABLE.sub(lambda found: f"${{{found[1] or found[2]}}}", piece["double"])
            text += re.sub(r'\\(?:\n|(["\\]))', lambda found: found[1] or "", variables)
        elif kind == "escaped":
            text += piece["escaped"].replace("\n", "")
        elif kind == "plain":
            text += piece["plain"]
        else:
            is_literal = False
            text += f"${{{piece['braced'] or piece['name'] or ''}}}"
    return Word(text, is_literal)
