"""A YAML file that is wrong is refused with its name, the line and a hint."""

from __future__ import annotations

import contextlib
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from runbook_lib.errors import InputError, InventoryError, ParameterError
from runbook_lib.project import find_upwards
from runbook_lib.secrets import Reference
from runbook_lib.yaml_files import YamlFile, load_value, load_yaml, validate


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    gateway: str = ""
    ports: list[int] = []


# Each line stands for ten times the one before: 600 bytes, ten thousand million values.
LAUGHS = "a: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 11)
)
MERGES = "a: &m0 {x: 1, y: 2, z: 3, u: 4, v: 5}\n" + "".join(
    f"b{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * 10)}], k{level}: 1}}\n"
    for level in range(1, 11)
)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "malformed YAML"),
        ("a: 1\n\tb: 2\n", 2, "malformed YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'"),
        ("a:\n  x: 1\n  y: 2\n  x: 3\n", 4, "duplicate key 'x'"),
        ("- a\n- b\n", 1, "must be a mapping"),
        ("just words\n", 1, "must be a mapping"),
        ("a: 1\n---\nb: 2\n", 2, "malformed YAML"),
        ("a: *nothing\n", 1, "malformed YAML"),
        ("a: 'never ends\n", 2, "malformed YAML"),
        ("a: !!python/object:os.system {}\n", 1, "malformed YAML"),
        ("? [a, b]\n: 1\n", 1, "malformed YAML"),
        ("a: &x\n  b: *x\n", 1, "refers to itself"),
        ("a: 1\nb: 0640\n", 2, "leading zero"),
        ("a:\n  - 1\n  - -007\n", 3, "leading zero"),
        ("a: {b: 22:22}\n", 1, "base 60"),
        ("a: 9:05:00.5\n", 1, "base 60"),
        (LAUGHS, 5, "its aliases stand for more than"),
        (MERGES, 5, "its aliases stand for more than"),
        ("a: " + "[" * 100_000, 1, "nested more than 100 levels deep"),
        ("a:\n - " + "- " * 100_000, 2, "nested more than 100 levels deep"),
        ("a: " + "{b: " * 100_000, 1, "nested more than 100 levels deep"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(text: str, line: int, why: str, tmp_path: Path) -> None:
    path = tmp_path / "given.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError) as refused:
        YamlFile(path, ParameterError)
    assert refused.value.where == f"{path}, line {line}"
    assert why in refused.value.message


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a: 1\nb: \xff\xfe\n", "cannot be read: byte 0xff is not UTF-8"),
        ("a: 1\n".encode("utf-16"), "cannot be read: it is in UTF-16"),
        ("a: 1\n".encode("utf-16-be"), "malformed YAML"),
        (b"a: \x00\n", "malformed YAML"),
        (b"on: 2026-13-45\n", "malformed YAML"),
    ],
)
def test_a_file_whose_bytes_or_values_make_no_sense_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "given.yml"
    path.write_bytes(data)
    with pytest.raises(InputError, match=why) as refused:
        YamlFile(path)
    assert str(path) in str(refused.value.where)


def test_a_missing_file_is_refused_and_a_directory_too(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no such file") as refused:
        YamlFile(tmp_path / "missing.yml", InventoryError)
    assert str(Path.cwd()) in str(refused.value.hint)
    with pytest.raises(InputError, match="cannot be read: it is a directory"):
        YamlFile(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match="it is not a regular file") as refused:
            YamlFile(path)
        assert "read more than once" in str(refused.value.hint)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "given.yml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert YamlFile(tmp_path / "given.yml").data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: " + "[" * 50000 + "]" * 50000, "more than 100 levels"),
        ("a:\n" + "- " * 50000 + "x\n", "more than 100 levels"),
        ("a: " + "{b: " * 50000, "more than 100 levels"),
        (
            "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            "its aliases stand for more than",
        ),
    ],
    ids=["brackets", "dashes", "braces", "aliases"],
)
def test_a_file_that_grows_out_of_bounds_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "given.yml").write_text(text, encoding="ascii")
    with pytest.raises(InputError, match=why):
        YamlFile(tmp_path / "given.yml")


@given(st.text())
def test_any_text_is_a_mapping_or_refused_as_bad_input(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "given.yml"
    path.write_text(text, encoding="utf-8", newline="", errors="surrogatepass")
    with contextlib.suppress(InputError):
        assert isinstance(YamlFile(path).data, dict)


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yml").write_text("# nothing but a comment\n", encoding="utf-8")
    assert YamlFile(tmp_path / "empty.yml").data == {}


def test_lines_are_known_for_keys_and_items_at_any_depth(tmp_path: Path) -> None:
    path = tmp_path / "given.yml"
    path.write_text("hosts:\n  a:\n    port: 22\ngroups:\n  g:\n  - a\n  - b\n", encoding="utf-8")
    file = YamlFile(path)
    assert file.line(("hosts", "a", "port")) == 3
    assert file.line(("groups", "g", 1)) == 7
    assert file.line(("hosts", "a", "missing", "deeper")) == 2
    assert file.line(("nowhere",)) is None


def test_a_key_repeated_through_an_anchor_is_not_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "given.yml"
    path.write_text(
        "base: &base {port: 22}\nother:\n  <<: *base\n  port: 23\nsame: *base\n", encoding="utf-8"
    )
    assert YamlFile(path).data["other"] == {"port": 23}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({}, "'name' is missing"),
        ({"name": 7}, "'name': Input should be a valid string, got 7"),
        ({"name": "a", "gatewy": ""}, "unknown name 'gatewy' (did you mean 'gateway'?)"),
        ({"name": "a", "zzz": ""}, "unknown name 'zzz'"),
        ({"name": "a", "ports": ["22"]}, "'ports.0': Input should be a valid integer, got '22'"),
        ({"name": "a", "ports": [True]}, "'ports.0': Input should be a valid integer, got True"),
    ],
)
def test_an_error_says_what_is_wrong(data: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ParameterError) as refused:
        validate(Shape, data, ParameterError, "here")
    assert refused.value.message == complaint
    assert refused.value.where == "here"


class Login(Shape):
    """Values some of which are secrets, by their type or by their name."""

    token: Reference = "${env:TOKEN}"  # noqa: S105 - a reference
    sign_in: Reference = "${env:SIGN_IN}"
    db_password: str = ""
    logins: list[int] = []


@pytest.mark.parametrize(
    "text",
    [
        "token: 81723645",
        "sign_in: 81723645",
        "sign_in: [hunter2hunter2]",
        "token: hunter2hunter2",
        "token: [hunter2hunter2]",
        "db_password: 81723645",
        "db_password: {hunter2: 1}",
        "logins: [{user: a, pass: hunter2}]",
        "logins: {hunter2: 1}",
        "a: {name: h, token: hunter2: hunter2}",
        "token: 'hunter2",
        'token: "hunter2\\q"',
        "token: *hunter2",
        "token: !hunter2",
        "token: !!int hunter2",
        "token: !!float hunter2",
        "token: !!timestamp hunter2",
        "token: &hunter2 &hunter2 x",
        "token: %hunter2",
        "token: @hunter2",
        "- token: hunter2\n token",
        "hunter2",
        "token:\thunter2: x",
    ],
)
def test_no_value_that_may_be_a_secret_is_in_a_message_or_its_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "given.yml"
    path.write_text(f"name: a\n{text}\n", encoding="utf-8")

    def read() -> None:
        file = YamlFile(path)
        validate(Login, file.data, InputError, str(path), file)

    with pytest.raises(InputError) as refused:
        read()
    shown = "".join(traceback.format_exception(refused.value))
    assert str(path) in shown
    assert "hunter2" not in shown
    assert "81723645" not in shown


def test_all_errors_are_reported_together_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "given.yml"
    path.write_text("gateway: 1\nports: [22, x]\nnmae: a\n", encoding="utf-8")
    file = YamlFile(path)
    with pytest.raises(InputError) as refused:
        validate(Shape, file.data, InputError, str(path), file)
    for text in (
        "'name' is missing",
        "line 1: 'gateway'",
        "line 2: 'ports.1'",
        "line 3: unknown name 'nmae'",
    ):
        assert text in refused.value.message


def test_a_relative_path_is_found_from_the_top_and_from_notebooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params").mkdir()
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    wanted = tmp_path / "params" / "inventory.yml"
    wanted.write_text("", encoding="utf-8")
    for place in (tmp_path, tmp_path / "notebooks", tmp_path / "notebooks" / "deep"):
        monkeypatch.chdir(place)
        assert find_upwards("params/inventory.yml").resolve() == wanted.resolve()
        assert find_upwards(wanted) == wanted
        assert find_upwards("params/nowhere.yml") == Path("params/nowhere.yml")


def test_the_nearest_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    for place in (tmp_path, tmp_path / "inner"):
        (place / "given.yml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "inner")
    assert find_upwards("given.yml").resolve() == (tmp_path / "inner" / "given.yml").resolve()


def test_a_path_in_the_home_directory_is_expanded() -> None:
    assert find_upwards("~/given.yml") == Path.home() / "given.yml"


@pytest.mark.parametrize("text", [LAUGHS, MERGES, "[" * 100_000, "a: *b", "\0", "!!timestamp 2026-13-45"])
def test_yaml_of_somebody_else_is_loaded_in_bounded_time_or_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a message of its own
        load_yaml(text)


def test_aliases_as_people_use_them_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "many.yml"
    hosts = "".join(f"  host-{number}: {{<<: *defaults, address: 10.0.0.1}}\n" for number in range(500))
    path.write_text(f"defaults: &defaults {{user: ops, port: 22, keys: [a, b, c]}}\nhosts:\n{hosts}")
    assert YamlFile(path).data["hosts"]["host-499"]["keys"] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["0640", "-007", "00", "22:22", "9:05:00.5", "[1, 010]", "{a: {b: 1:30}}"])
def test_a_number_that_yaml_reads_as_another_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"leading zero|base 60") as refused:
        load_value(text)
    assert "0640" not in str(refused.value)  # it may be a secret


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("640", 640),
        ("0x1A4", 420),
        ("0.25", 0.25),
        ("'0640'", "0640"),
        ("10:70", "10:70"),
        ("08", "08"),
        ("{a: [1, 2.5]}", {"a": [1, 2.5]}),
        ("", None),
    ],
)
def test_a_value_that_means_what_it_seems_to_is_read(text: str, value: object) -> None:
    assert load_value(text) == value


def test_a_number_that_yaml_takes_for_text_is_explained() -> None:
    class Rate(BaseModel):
        model_config = ConfigDict(strict=True)

        rate: float

    with pytest.raises(ParameterError, match=r"as in 1\.0e\+3, got '1e3'"):
        validate(Rate, {"rate": "1e3"}, ParameterError, "here")
    with pytest.raises(ParameterError) as refused:
        validate(Rate, {"rate": "fast"}, ParameterError, "here")
    assert "exponent" not in str(refused.value)
