"""A text as programs encode it: for a shell, as JSON, HTML, YAML, CSV or a part of a URL.

Only forms that have the whole text in them: a form that is shorter than the text would be found where the text is not.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
import urllib.parse
from typing import TYPE_CHECKING

from runbook_lib.shell_words import escaped_for_printf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["encoded_forms"]

_SHORTEST = 4  # characters of a composed text that is looked for
_UNICODE_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")
_PERCENT = re.compile("%[0-9A-F]{2}")
# Next to `&`, `<` and `>`, of which a text outside of an attribute needs no more.
_HTML_QUOTES = (
    ('"', "'"),
    ("&quot;", "'"),
    ("&quot;", "&#x27;"),  # Python
    ("&#34;", "&#39;"),  # Go, MarkupSafe
    ("&quot;", "&#39;"),  # JavaScript, Ruby
    ("&quot;", "&#039;"),  # PHP
    ("&quot;", "&apos;"),  # XML
)
_URL_SAFE = (
    "",
    "/",
    "!'()*",  # JavaScript
    "!$&'()*+,;=",  # user and password in a URL
)
_BASH_ESCAPED = re.compile(r"""[\s!"$&'()*,;<>?\[\\\]^`{|}]|^[~#]""")
_BASH_NAMED = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 27: "\\E"}
_BASH_NAMED |= {ord("\\"): "\\\\", ord("'"): "\\'"}
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


def encoded_forms(text: str) -> Iterator[str]:
    """Yield a text plain and as programs encode it; the same form may come more than once."""
    yield text
    yield text.encode().hex()
    yield text.encode().hex().upper()
    yield unicodedata.normalize("NFD", text)
    composed = unicodedata.normalize("NFC", text)
    if len(composed) >= _SHORTEST:
        yield composed
    yield from _in_shell(text)
    yield from _in_json(text)
    yield from _in_html(text)
    yield from _in_url(text)
    yield repr(text)[1:-1]
    yield repr(text.encode())[2:-1]
    for doubled in ("'", '"', "$"):  # YAML and SQL; CSV; Docker Compose
        yield text.replace(doubled, doubled * 2)


def _in_shell(text: str) -> Iterator[str]:
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield escaped_for_printf(text)
    yield re.sub(r'(["$\\`])', r"\\\1", text)  # bash's `declare -x`
    if _CONTROL.search(text):
        yield "".join(map(_ansi_c, text))
    else:
        yield _BASH_ESCAPED.sub(r"\\\g<0>", text)  # `printf %q`
    if not text.isascii():  # in the locale C
        yield "".join(map(_ansi_c, text.encode().decode("latin-1")))


def _ansi_c(character: str) -> str:
    """Return a character as inside of bash's `$'…'`."""
    number = ord(character)
    plain = character if " " <= character <= "~" or number > 255 else f"\\{number:03o}"  # noqa: PLR2004 - one byte
    return _BASH_NAMED.get(number, plain)


def _in_json(text: str) -> Iterator[str]:
    for encode in (_python_json, _unicode_json, _go_json, _php_json, _dotnet_json, _html_json):
        yield encode(text)
        yield encode(encode(text))  # JSON as a text in JSON, such as a line of a container's log


def _python_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _unicode_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _go_json(text: str) -> str:
    return _escaped(_unicode_json(text), "&<>\u2028\u2029")


def _php_json(text: str) -> str:
    return _python_json(text).replace("/", "\\/")


def _html_json(text: str) -> str:
    return _escaped(_python_json(text), "&<>'")


def _dotnet_json(text: str) -> str:
    quoted = _escaped(_python_json(text).replace('\\"', "\\u0022"), "&<>'+`")
    return _UNICODE_ESCAPE.sub(lambda code: f"\\u{code[0][2:].upper()}", quoted)


def _escaped(text: str, characters: str) -> str:
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in characters})


def _in_html(text: str) -> Iterator[str]:
    escaped = html.escape(text, quote=False)
    for double, single in _HTML_QUOTES:
        yield escaped.replace('"', double).replace("'", single)


def _in_url(text: str) -> Iterator[str]:
    encoders: list[Callable[[str], str]] = [urllib.parse.quote_plus]
    encoders += [lambda given, safe=safe: urllib.parse.quote(given, safe=safe) for safe in _URL_SAFE]  # type: ignore[misc]
    for encode in encoders:
        once = encode(text)
        for encoded in (once, _PERCENT.sub(lambda code: code[0].lower(), once)):
            yield encoded
            yield encoded.replace("%", "%25")
            yield urllib.parse.quote(encoded, safe="")
