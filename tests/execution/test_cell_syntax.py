"""An error of syntax is found before the run, and nothing that IPython accepts is taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import InputError
from runbook_lib.execution.cell_syntax import check_syntax, syntax_problem


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a = 1\nb == = 2", 2, "invalid syntax"),
        ("for x in y\n    z()", 1, "expected ':'"),
        ("f(", 1, "'(' was never closed"),
        ("if a:\nb()", 2, "expected an indented block"),
        ("print 'hello'", 1, "Missing parentheses"),
        ("x = 1\nreturn x", 2, "'return' outside function"),
        ("this cannot be Python", 1, "invalid syntax"),
        ("run = = 1", 1, "invalid syntax"),
        ("break", 1, "'break' outside loop"),
        ("def f():\n    await g()", 2, "'await' outside async function"),
        ("!ls\n\nx = )", 3, "unmatched ')'"),
        ("%%time\nx = )", 2, "unmatched ')'"),
        ("%%capture out\n%cd x\nwhile:", 3, "invalid syntax"),
        ("x = 'a\x00b'", 1, "null bytes"),
    ],
)
def test_a_cell_that_cannot_be_executed_is_refused_with_its_place(
    source: str, line: int, message: str
) -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": "x = = 1"},
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
        {"cell_type": "code", "source": source.splitlines(keepends=True)},
    ]
    with pytest.raises(InputError) as refused:
        check_syntax(cells, Path("n.ipynb"))
    assert message in refused.value.message
    assert refused.value.where == f"n.ipynb, cell 3, line {line}"
    assert refused.value.hint
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "source",
    [
        "",
        "# only a comment",
        "await f()",
        "async for x in y():\n    pass",
        "[await f() for f in g]",
        "  x = 1\n  y = 2",
        ">>> x = 1\n... y = 2",
        "In [1]: x = 1",
        "%%bash\nfor x in *; do echo = = $x; done",
        "\n%%time\n%%sh\nx = = 1",
        "%%html\n<b>",
        "%%unknown_magic\nx = =",
        "%%on web\nsystemctl restart nginx",
        "%cd /tmp\nx = 1",
        "!ls | head\nx = !date -u\nx",
        "files.install?",
        "?print",
        "x.y??",
        "matplotlib inline",
        "ls -l /tmp",
        "cd ..",
        "/print 1 2",
        ",print a b",
        "for x in y:\n    !echo {x}",
        "%time f(\n    1)",
        "x = '\\d'",
        "x is 1",
    ],
)
def test_what_ipython_accepts_passes(source: str) -> None:
    assert syntax_problem(source) is None
