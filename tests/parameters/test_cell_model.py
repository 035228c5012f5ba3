"""A parameters cell is a model: types, limits, defaults and descriptions, strict, and read without executing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.parameters.cell import declarations
from runbook_lib.parameters.cell_model import cell_model, declared_values
from runbook_lib.parameters.type_text import constraints, type_text
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from runbook_lib.parameters import Parameters

_A, _G = "from typing import Annotated\n", "from annotated_types import Gt\n"
_F = "from pydantic import Field\n"
IMPORTS = _A + _G + _F + "from typing import Any, Literal\nfrom annotated_types import Len\n"
GIVEN = {"inventory": "inventory.yml", "hosts": "all"}


def model(source: str, *earlier: str) -> type[Parameters]:
    return cell_model(source, "tls", "Rotate", "tls.ipynb", earlier)


def checked(source: str, **given: Any) -> Parameters:  # noqa: ANN401 - any parameter
    return validate(model(IMPORTS + source), {**GIVEN, **given}, ParameterError, "here")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("x = 'a'", "str"),
        ("x = 3", "int"),
        ("x = 3.5", "float"),
        ("x = True", "bool"),
        ("x = None", "any"),
        ("x = []", "list[any]"),
        ("x = ['a']", "list[str]"),
        ("x = ['a', 1]", "list[any]"),
        ("x = {'a': 1}", "dict[str, any]"),
        ("x: str | None = None", "str | None"),
        ("x: 'str | None' = None", "str | None"),
        ("x: list[int] = [1]", "list[int]"),
        ("x: dict[str, list[int]] = {}", "dict[str, list[int]]"),
        ("x: Literal['a', 'b'] = 'a'", "'a' | 'b'"),
        ("x: Literal[1, -1] | None = -1", "1 | -1 | None"),
        ("x: float = 3", "float"),
        ("x: Any = 3", "any"),
        ("x: Annotated[int, Gt(0)] = 1", "int > 0"),
        ("x: Annotated[int | None, Gt(0)] = None", "int | None > 0"),
        ("x: Annotated[int, Field(ge=1, le=65535)] = 1", "int >= 1 <= 65535"),
        ("x: Annotated[str, Field(pattern='^a')] = 'a'", "str matches ^a"),
        ("x: Annotated[list[str], Len(1, 2)] = ['a']", "list[str] length at least 1 length at most 2"),
        ("x: list[Annotated[int, Gt(0)]] = []", "list[int (> 0)]"),
        ("x = 1  # type: float", "float"),
    ],
)  # fmt: skip
def test_a_type_is_the_annotations_or_the_defaults(line: str, shown: str) -> None:
    field = model(IMPORTS + line).model_fields["x"]
    assert " ".join([type_text(field.annotation), *constraints(field.metadata)]) == shown


def test_the_comment_after_a_value_describes_it_and_no_other_comment_does() -> None:
    source = (
        "# about all of them\n"
        "key: str = '#1'  # reference to its key\n"
        "port = 443  # type: int  where TLS is served\n"
        "names = [\n    'a',  # the first\n]  # all names\n"
        "plain = 1\n"
        "long: Annotated[int, Field(description='in the annotation')] = 1\n"
    )
    fields = model(IMPORTS + source).model_fields
    described = {name: fields[name].description for name in ("key", "port", "names", "plain", "long")}
    assert described == {
        "key": "reference to its key",
        "port": "where TLS is served",
        "names": "all names",
        "plain": None,
        "long": "in the annotation",
    }


def test_the_common_parameters_keep_their_types_and_defaults_whether_the_cell_has_them_or_not() -> None:
    p = checked("port: int = 443\nmode: str = 'plan'\nstep_timeout: float = 5", at_once=2)
    assert (p.runbook, p.title, p.hosts, p.mode, p.step_timeout, p.at_once, p.on_failure) == (
        "tls", "Rotate", "all", "plan", 5, 2, "stop",
    )  # fmt: skip
    for given, why in (
        ({"mode": "Plan"}, "'mode'"),
        ({"at_once": 0}, "'at_once'"),
        ({"runs": "a\n"}, "'runs'"),
    ):
        with pytest.raises(ParameterError, match=why):
            checked("mode: str = 'plan'\nruns = 'x'", **given)
    narrowed = "mode: Literal['validate'] = 'validate'\nat_once: Annotated[int, Gt(3)] = 4"
    for given in ({"mode": "apply"}, {"at_once": 2}):
        with pytest.raises(ParameterError):
            checked(narrowed, **given)


def test_a_parameter_without_a_value_must_be_given() -> None:
    assert checked("port: int", port=1).model_dump()["port"] == 1
    with pytest.raises(ParameterError, match="'port' is missing"):
        checked("port: int")
    assert declared_values("port: int\nkey = 'a'", "") == {"key": "a"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"prt": 1}, "unknown name 'prt' (did you mean 'port'?)"),
        ({"port": "1"}, "'port': Input should be a valid integer, got '1'"),
        ({"port": 0}, "'port': Input should be greater than 0"),
        ({"port": 1.0}, "'port': Input should be a valid integer"),
        ({"names": ["a", 1]}, "'names.1': Input should be a valid string"),
        ({"note": 1}, "'note': Input should be a valid string"),
    ],
)
def test_a_value_is_checked_as_strictly_as_by_a_model(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError) as refused:
        checked("port: Annotated[int, Gt(0)] = 1\nnames = ['a']\nnote: str | None = None", **given)
    assert why in refused.value.message
    assert refused.value.hint == "see the parameters cell for the allowed names"
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x: Foo = 1", "line 1: the annotation of 'x' cannot be used: 'Foo' is not a known type"),
        ("x: Annotated[int, Gt(0)] = 1", "import it in the parameters cell: from typing import Annotated"),
        ("x: bytes = b''", "'bytes' is not a known type"),
        ("x: dict = {}\ny: dict[str] = {}", "line 2: the annotation of 'y' cannot be used: 'dict[str]'"),
        ("from typing import Literal\nx: Literal = 1", "'Literal' is not a known type or constraint"),
        ("from annotated_types import Gt\nx: Gt = 1", "'Gt' is not a known type or constraint"),
        (_A + "x: Annotated[int, print('run')] = 1", "'print' is not a known type"),
        ("x: __import__('os').system('true') = 1", "is not a known type"),
        (_A + _F + "x: Annotated[int, Field(default=2)] = 1", "Field("),
        (_A + _F + "x: Annotated[str, Field(pattern='(')] = ''", "cannot be used"),
        (_A + _G + "x: Annotated[str, Gt(0)] = ''", "cannot be used"),
        ("x: 'int |' = 1", "line 1: the annotation 'int |' is not a type"),
        ("x: int = 'a'", "line 1: default of 'x': Input should be a valid integer, got 'a'"),
        ("x: int | None = []", "line 1: default of 'x': Input should be a valid integer, got []"),
        ("mode = 'Apply'", "line 1: default of 'mode': Input should be 'plan', 'apply' or 'validate'"),
        ("x: int = 1\ny = x", "line 2: only literal values are allowed: 'x'"),
        ("x = [1, len('a')]", "line 1: only literal values are allowed"),
        ("x = f'{1}'", "line 1: only literal values are allowed"),
        ("x = (1, 2)", "the default of 'x' is a tuple, which a parameters file cannot have"),
        ("x = {1}", "the default of 'x' is a set"),
        ("x = b'a'", "the default of 'x' is a bytes"),
        ("list = [1]", "line 1: 'list' is the name of a Python builtin"),
        ("id: int = 1", "line 1: 'id' is the name of a Python builtin"),
        ("_x = 1", "'_x' begins with an underscore"),
        ("model_config = 1", "'model_config' is a name that parameters have for something else"),
        ("collect = 1", "'collect' is a name that parameters have for something else"),
        ("title = 'a'", "'title' is a name that parameters have for something else"),
        ("hosts: list[str] = ['a']", "line 1: 'hosts' is a parameter of every runbook, of another type"),
        ("at_once: str = '1'", "'at_once' is a parameter of every runbook, of another type"),
        ("hosts: str | None = None", "'hosts' is a parameter of every runbook, of another type"),
        ("x = 1\ny = 2\nx = 3", "line 3: 'x' is declared twice, first in line 1"),
        ("x = y = 1", "is not an assignment of a literal value to a name"),
        ("x, y = 1, 2", "is not an assignment of a literal value to a name"),
        ("x += 1", "is not an assignment of a literal value to a name"),
        ("print(1)", "is not an assignment of a literal value to a name"),
        ("import os", "line 1: imports 'os', which is not a module of types"),
        ("from os import *", "line 1: imports 'os', which is not a module of types"),
        ("x = ", "parameters cell: not Python"),
        ("%time\nx = 1", "parameters cell: not Python"),
    ],
)  # fmt: skip
def test_a_cell_that_is_wrong_is_refused_with_its_line(source: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        model(source)
    assert why in str(refused.value)
    assert refused.value.where == "tls.ipynb"
    assert refused.value.exit_code == 2


def test_an_earlier_cell_may_import_the_types_and_modules_may_be_imported_whole() -> None:
    assert model("x: Literal['a'] = 'a'", "from typing import Literal\nimport os", "%matplotlib inline")
    whole = "import typing\nimport annotated_types as at\nx: typing.Annotated[int, at.Gt(0)] = 1"
    assert constraints(model(whole).model_fields["x"].metadata) == ["> 0"]


def test_what_papermill_finds_in_a_cell_is_what_is_declared_there() -> None:
    """`papermill --help-notebook` reads the same names, defaults and descriptions."""
    from papermill.translators import PythonTranslator  # noqa: PLC0415 - slow, and only here

    source = 'port: int = 443  # where TLS is served\nkey = "a"  # type: str  its key\nnames = ["a"]\n'
    theirs = PythonTranslator.inspect({"source": source})
    ours = declarations(source, "")
    assert [(one.name, one.description) for one in ours] == [(one.name, one.help) for one in theirs]
