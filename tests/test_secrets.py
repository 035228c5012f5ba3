"""Secrets are references in files, values only in memory, and neither in what a run leaves."""

from __future__ import annotations

import base64
import time
import urllib.parse
from typing import TYPE_CHECKING

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.errors import SecretError
from runbook_lib.masking import excerpt, excerpt_of_end
from runbook_lib.secrets import Secrets
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUE = "correct horse/battery'staple\"é"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """A value known by its reference."""
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", VALUE)
    known = Secrets()
    assert known.resolve("${env:RUNBOOK_TEST_SECRET}") == VALUE
    return known


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(VALUE.encode()).decode().rstrip("="),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        "correct horse/battery'staple\\\"\\u00e9",
        "correct horse/battery'staple\\\"é",
        "correct horse/battery'\"'\"'staple\"é",
        r'correct horse/battery\047staple"\303\251',
    ],
    ids=["plain", "base64", "base64-unpadded", "percent", "plus", "json-ascii", "json", "shell", "printf"],
)
def test_a_value_is_masked_in_each_form_it_is_likely_to_take(secrets: Secrets, form: str) -> None:
    assert secrets.mask(f"before {form} after {form}") == (
        "before ${env:RUNBOOK_TEST_SECRET} after ${env:RUNBOOK_TEST_SECRET}"
    )


@given(before=st.binary(max_size=8), after=st.binary(max_size=8))
def test_a_value_inside_of_a_longer_base64_text_is_masked(before: bytes, after: bytes) -> None:
    known = Secrets()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNBOOK_TEST_SECRET", VALUE)
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
    masked = known.mask(base64.b64encode(before + VALUE.encode() + after).decode())
    assert "${env:RUNBOOK_TEST_SECRET}" in masked


@given(data=st.data(), times=st.integers(1, 3))
def test_a_value_split_across_pieces_is_masked(data: st.DataObject, times: int) -> None:
    known = Secrets()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNBOOK_TEST_SECRET", VALUE)
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
        environment.setenv("RUNBOOK_TEST_SECRET", VALUE[:7])
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
    said = [
        VALUE,
        VALUE[:7],
        base64.b64encode(VALUE.encode()).decode(),
        "correct",
        "c",
        "\n",
        "'",
        "Y29",
        " ",
    ]
    whole = "".join(data.draw(st.lists(st.sampled_from(said), max_size=6))) + VALUE * times
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    masker = known.masker()
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert "".join(masker.feed(piece) for piece in pieces) + masker.end() == known.mask(whole)


def test_a_value_that_becomes_known_while_a_text_arrives_is_masked_from_then_on(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    masker = secrets.masker()
    shown = masker.feed(f"first {VALUE}, then correct hor")
    monkeypatch.setenv("RUNBOOK_TEST_LATER", "correct horror, and more")
    secrets.resolve("${env:RUNBOOK_TEST_LATER}")
    token = secrets.protect("T0k3n-of-a-host", "token")
    for piece in ("ror, and more; ", "T0k3n-of", "-a-host; T0k3n-of-a"):
        shown += masker.feed(piece)
    shown += masker.end(cut_off=True)
    assert shown == (
        f"first ${{env:RUNBOOK_TEST_SECRET}}, then ${{env:RUNBOOK_TEST_LATER}}; {token}; [secret]"
    )


def test_base64_in_lines_is_masked_wherever_the_lines_end(secrets: Secrets) -> None:
    for before in range(76):
        encoded = base64.b64encode(b"-" * before + VALUE.encode() + b"-" * 9).decode()
        lines = "\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
        masked = secrets.mask(lines)
        assert "${env:RUNBOOK_TEST_SECRET}" in masked
        for inner in (base64.b64encode(b"-" * shift + VALUE.encode()).decode()[4:-4] for shift in range(3)):
            assert inner not in masked.replace("\n", "")


@pytest.fixture(scope="module")
def key_sized() -> tuple[str, Secrets]:
    """A secret as long as a private key in PEM."""
    text = base64.encodebytes(bytes(number * 97 % 256 for number in range(2400))).decode()
    value = f"-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----"
    known = Secrets()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNBOOK_TEST_SECRET", value)
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
    return value, known


def test_a_key_costs_no_more_time_than_a_password(key_sized: tuple[str, Secrets]) -> None:
    value, known = key_sized
    lines = [f"line {number} of a long output, without anything to hide\n" for number in range(4000)]
    masker, began = known.masker(), time.process_time()
    masked = "".join([*map(masker.feed, [*lines, value, *lines]), masker.end()])
    assert masked == "".join([*lines, "${env:RUNBOOK_TEST_SECRET}", *lines])
    assert time.process_time() - began < deadline(
        8
    )  # it took minutes when each position was compared with each form


@settings(max_examples=20)
@given(data=st.data())
def test_a_key_is_masked_however_its_text_is_cut_and_encoded(
    key_sized: tuple[str, Secrets], data: st.DataObject
) -> None:
    value, known = key_sized
    encoded = base64.b64encode(b"-" * data.draw(st.integers(0, 3)) + value.encode())
    wrapped = "\r\n".join(encoded[at : at + 76].decode() for at in range(0, len(encoded), 76))
    whole = "".join(data.draw(st.permutations([value, wrapped, " and ", value[:900], value.encode().hex()])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    masker = known.masker()
    masked = "".join(
        [masker.feed(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        + [masker.end()]
    )
    assert masked == known.mask(whole)
    assert masked.count("${env:RUNBOOK_TEST_SECRET}") >= 3


def test_nested_data_is_masked_in_keys_and_values_and_keeps_its_shape(secrets: Secrets) -> None:
    data = {"a": [VALUE, 1, None, True], f"key {VALUE}": {"b": f"x{VALUE}"}}
    mask = "${env:RUNBOOK_TEST_SECRET}"
    assert secrets.mask_data(data) == {"a": [mask, 1, None, True], f"key {mask}": {"b": f"x{mask}"}}


def test_text_without_a_secret_stays_as_it_is(secrets: Secrets) -> None:
    assert secrets.mask("correct horse") == "correct horse"
    assert Secrets().mask(VALUE) == VALUE
    assert not Secrets().known


def test_of_two_secrets_the_longer_is_masked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "abcd")
    monkeypatch.setenv("LONG", "abcdefgh")
    known = Secrets()
    known.resolve("${env:SHORT}")
    known.resolve("${env:LONG}")
    assert known.mask("abcdefgh abcd") == "${env:LONG} ${env:SHORT}"


def test_a_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter22\n", encoding="utf-8")
    assert Secrets().resolve(f"${{file:{tmp_path / 'secret'}}}") == "hunter22"


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("hunter2", "not a valid secret reference"),
        ("${env:}", "not a valid secret reference"),
        ("${vault:x}", "not a valid secret reference"),
        ("x${env:HOME}", "not a valid secret reference"),
        ("${env:RUNBOOK_TEST_NOT_SET}", "has no value"),
        ("${file:/nowhere/at/all}", "cannot read the secret file"),
        ("${file:/}", "cannot read the secret file"),
    ],
)
def test_a_reference_without_a_value_is_refused(reference: str, why: str) -> None:
    with pytest.raises(SecretError, match=why) as refused:
        Secrets().resolve(reference)
    assert refused.value.exit_code == 2


def test_a_malformed_reference_may_be_the_password_and_is_not_shown() -> None:
    with pytest.raises(SecretError) as refused:
        Secrets().resolve("hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "abc"])
def test_a_value_too_short_to_be_masked_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", value)
    with pytest.raises(SecretError, match=r"has no value|fewer than 4 characters"):
        Secrets().resolve("${env:RUNBOOK_TEST_SECRET}")


class InMemory(keyring.backend.KeyringBackend):
    """A keyring that lasts as long as the test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self._kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept.get((service, username))


@pytest.fixture
def keyrings() -> Iterator[None]:
    """Put the keyring of before back."""
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("keyrings")
def test_a_keyring_is_asked_by_service_and_name() -> None:
    keyring.set_keyring(InMemory())
    keyring.set_password("lab/ops", "sudo", "not this")
    keyring.set_password("lab", "ops/sudo", "hunter22")
    known = Secrets()
    assert known.resolve("${keyring:lab/ops/sudo}") == "hunter22"
    assert known.mask("hunter22") == "${keyring:lab/ops/sudo}"
    with pytest.raises(SecretError, match="has no value"):
        known.resolve("${keyring:lab/nobody}")


@pytest.mark.usefixtures("keyrings")
def test_a_machine_without_a_keyring_says_so() -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(SecretError, match="cannot read the keyring"):
        Secrets().resolve("${keyring:lab/ops}")
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(SecretError, match="has no value"):
        Secrets().resolve("${keyring:lab/ops}")


@given(most=st.integers(0, 80), before=st.text(max_size=20))
def test_a_value_that_an_excerpt_divides_is_masked_too(most: int, before: str) -> None:
    known = Secrets()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNBOOK_TEST_SECRET", VALUE)
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
    for cut in (excerpt(before + VALUE + " after", most), repr(excerpt(before + VALUE, most))):
        shown = known.mask(f"printed {cut}")
        assert not any(
            VALUE[:length] in shown for length in range(4, len(VALUE) + 1) if VALUE[:length] not in before
        )


@given(most=st.integers(0, 80), after=st.text(max_size=20))
def test_a_value_that_an_excerpt_of_the_end_divides_is_masked_too(most: int, after: str) -> None:
    known = Secrets()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNBOOK_TEST_SECRET", VALUE)
        known.resolve("${env:RUNBOOK_TEST_SECRET}")
    shown = known.mask(f"printed {excerpt_of_end('before ' + VALUE + after, most)}")
    assert not any(VALUE[start:] in shown for start in range(len(VALUE) - 3) if VALUE[start:] not in after)


@pytest.mark.parametrize("size", range(1, len(VALUE)))
@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_value_that_the_end_of_an_output_divides_is_masked_too(
    secrets: Secrets, size: int, *, in_pieces: bool
) -> None:
    text = f"the token is {VALUE[:size]}"
    if in_pieces:
        masker = secrets.masker()
        shown = "".join(map(masker.feed, text)) + masker.end(cut_off=True)
    else:
        shown = secrets.mask_cut_off(text)
    assert shown == (text if size < 4 else "the token is [secret]")


def test_an_output_that_ended_by_itself_is_exact(secrets: Secrets) -> None:
    text = f"the horse is {VALUE[:7]}"
    assert secrets.mask(text) == text
    masker = secrets.masker()
    assert masker.feed(text) + masker.end() == text


def test_a_line_of_a_key_an_escaped_a_hexadecimal_and_an_upper_case_form_are_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA<&>\nb3BlbnNzaC1rZXk\n-----END KEY-----"
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", value)
    known = Secrets()
    known.resolve("${env:RUNBOOK_TEST_SECRET}")
    for shown in (
        "b3BlbnNzaC1rZXk",
        "MIIEowIBAAKCAQEA<&>",
        value.encode().hex(),
        value.upper(),
        value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    ):
        assert "b3Blbn" not in known.mask(shown)
        assert "MIIEow" not in known.mask(shown)
        assert known.mask(f"x {shown} y") != f"x {shown} y"
    assert known.mask("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_digits_are_masked_as_a_number_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", "80433721")
    known = Secrets()
    known.resolve("${env:RUNBOOK_TEST_SECRET}")
    assert known.mask_data({"pin": 80433721, "port": 22, "yes": True}) == {
        "pin": "${env:RUNBOOK_TEST_SECRET}",
        "port": 22,
        "yes": True,
    }


def test_the_first_value_is_announced_once_and_can_be_masked_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "hunter2!")
    monkeypatch.setenv("SECOND", "correct horse")
    announced: list[str] = []
    secrets = Secrets(lambda known: announced.append(known.mask("it is hunter2!")))
    assert secrets.protect("abc", "token") == ""  # nothing to mask yet
    assert announced == []
    for name in ("FIRST", "FIRST", "SECOND"):
        secrets.resolve(f"${{env:{name}}}")
    assert announced == ["it is ${env:FIRST}"]
