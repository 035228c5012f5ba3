"""The Python of a cell, with IPython's magics in it."""

from __future__ import annotations

import ast

import pytest

from runbook_lib.execution.cell_python import cell_tree, is_another_language


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("a = 5 % 3", "a = 5 % 3"),
        ("x = (1\n % 2)", "x = 1 % 2"),
        ("%%time\nf()", "f()"),
        ("%%capture out\n\n%%time\nf()", "f()"),
        ("%time f()", "f()"),
        ("%timeit -n 1 -r1 f()", "f()"),
        ("!ls\nf()", "pass\nf()"),
        ("if a:\n    !ls\n    %cd x", "if a:\n    pass\n    pass"),
        ("y = !ls -l\nf()", "y = None\nf()"),
        ("one, two = %sx ls", "one, two = None"),
        ("f?\ng.h??\n?f\nf()", "pass\npass\npass\nf()"),
    ],
)
def test_magics_do_nothing_and_what_they_time_is_python(source: str, python: str) -> None:
    assert ast.unparse(cell_tree(source)) == python


def test_lines_keep_their_numbers() -> None:
    (*_, call) = cell_tree("%%time\n!ls\n\nf()").body
    assert call.lineno == 4


@pytest.mark.parametrize("source", ["%%bash\nx = 1", "%%time\n%%bash\nx = 1", "%%on host-a\ntrue"])
def test_a_cell_of_another_language_is_not_python(source: str) -> None:
    assert is_another_language(source)
    with pytest.raises(SyntaxError):
        cell_tree(source)


@pytest.mark.parametrize("source", ["x = (", "!ls\nx = (", "%%time\nif x:"])
def test_an_error_stays_an_error(source: str) -> None:
    assert not is_another_language(source)
    with pytest.raises(SyntaxError):
        cell_tree(source)
