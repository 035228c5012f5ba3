"""A secret value is masked as real programs print it, and nothing else is."""

from __future__ import annotations

import html
import json
import subprocess
import time
import unicodedata
import urllib.parse

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from runbook_lib.encoded_forms import encoded_forms
from runbook_lib.masking import Mask, Masker
from tests.deadlines import deadline

VALUES = (
    'tr&nte<3>/"neuf"$x\'y+1',
    "~`back`\\slash!{a,b}[c]*?;(d)|^#",
    "naïve Größe 9 €/ß",
    "two\nlines\tand\x1b[1m",
    "#sharp edge%41=&q",
)
MASKED = "${env:WORD}"


def mask_of(value: str) -> Mask:
    return Mask({value: MASKED})


def assert_masked(value: str, printed: str) -> None:
    assert MASKED in mask_of(value)(printed), printed


def in_bash(script: str, value: str, locale: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        env={"VALUE": value, "LC_ALL": locale},
        capture_output=True,
        check=True,
        timeout=deadline(10),
    )
    return (done.stdout + done.stderr).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize(
    "script",
    [
        "printf '%q\\n' \"$VALUE\"",
        "declare -p VALUE",
        "export -p | grep -A9 VALUE",
        'set -x; : "$VALUE"',
        "set | grep -A9 ^VALUE",
        "echo ${VALUE@Q}",
    ],
)
def test_as_bash_quotes_it(value: str, script: str, locale: str) -> None:
    assert_masked(value, in_bash(script, value, locale))


@pytest.mark.parametrize("value", VALUES)
def test_as_yaml_csv_html_and_urls_have_it(value: str) -> None:
    double = value.replace('"', '""')
    quotes = [("&#34;", "&#39;"), ("&quot;", "&apos;"), ("&quot;", "&#039;"), ("&quot;", "'")]
    plain = html.escape(value, quote=False)
    for printed in (
        yaml.safe_dump(value, default_style="'", width=999, allow_unicode=True).strip()
        if "\n" not in value
        else value,
        f'a,"{double}",b',
        html.escape(value),
        plain,
        str(escape(value)),
        *(plain.replace('"', one).replace("'", other) for one, other in quotes),
        urllib.parse.quote(value, safe="!'()*"),
        urllib.parse.quote(urllib.parse.quote(value, safe=""), safe=""),
        urllib.parse.quote(urllib.parse.quote_plus(value), safe=""),
        f"command: echo {value.replace('$', '$$')}",
        repr(value.encode()),
        unicodedata.normalize("NFD", value),
    ):
        assert_masked(value, printed)


# As the programs themselves have printed them.
AS_JSON = {
    "Go": r"""tr\u0026nte\u003c3\u003e/\"neuf\"$x'y+1""",
    "PHP": r"""tr&nte<3>\/\"neuf\"$x'y+1""",
    "Flask": r"""tr\u0026nte\u003c3\u003e/\"neuf\"$x\u0027y+1""",
    ".NET": r"""tr\u0026nte\u003C3\u003E/\u0022neuf\u0022$x\u0027y\u002B1""",
    "Python": r"""tr&nte<3>/\"neuf\"$x'y+1""",
}


@pytest.mark.parametrize("program", AS_JSON)
def test_as_a_program_writes_json_and_json_in_json(program: str) -> None:
    value = VALUES[0]
    printed = AS_JSON[program]
    assert json.loads(f'"{printed.replace(chr(92) + "/", "/")}"') == value
    assert_masked(value, f'{{"word":"{printed}"}}')


@pytest.mark.parametrize("value", VALUES)
def test_json_in_json_is_masked(value: str) -> None:
    for ascii_only in (True, False):
        inner = json.dumps({"word": value}, ensure_ascii=ascii_only)
        assert_masked(value, json.dumps({"log": inner}, ensure_ascii=ascii_only))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
def test_no_form_is_shorter_than_a_value_may_be_and_the_value_is_one(value: str) -> None:
    forms = set(encoded_forms(value))
    assert value in forms
    assert min(map(len, forms)) >= 4


@pytest.mark.parametrize("value", ["hunter22", "correct horse", *VALUES])
def test_ordinary_text_is_left_as_it_is(value: str) -> None:
    text = (
        "install ok installed\n\\u0026 \\\\ &#39; &amp; '' \"\" $$ %2525 $'\\n' declare -x PATH=\"/usr/bin\"\n"
        "curl -fsSL 'https://example.com/a?b=c&d=e' | sh; 9f86d081884c7d659a2feaa0c55ad015\n"
    )
    mask = mask_of(value)
    assert mask(text) == text
    masker = Masker(lambda: mask)
    assert "".join(map(masker.feed, text)) + masker.end() == text


def test_many_secrets_cost_little_time() -> None:
    mask = Mask({f"pässword/{n}&<{n * 7919}>'\"$": f"${{env:WORD{n}}}" for n in range(20)})
    lines = [f"{n}: unpacking package-{n} (1.{n}-2) over (1.{n}-1) ...\n" for n in range(5000)]
    began = time.process_time()
    mask("".join(lines))
    assert time.process_time() - began < deadline(5)
