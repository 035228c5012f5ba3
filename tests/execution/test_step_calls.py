"""Steps as a notebook's source has them: calls and cell magics, in one loop for all who ask."""

from __future__ import annotations

import ast

import pytest

from runbook_lib.display.magics import MAGICS, magic_of
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.execution.step_calls import STEP_METHODS, WITH_HOSTS, step_calls


def calls(*sources: str) -> list[tuple[str, str]]:
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    prose = {"cell_type": "markdown", "source": "%%on host-a", "metadata": {}}
    found = step_calls(Notebook("n.ipynb", [prose, *cells], {}).sources(), WITH_HOSTS)
    return [(call.method, ast.unparse(call.title) if call.title else "") for call in found]


def test_calls_and_magics_come_in_the_order_of_the_source() -> None:
    assert calls(
        "run = Runbook.open(p)",
        "run.facts('State', Kernel())\nother.step('Not of a run', x)",
        "%%look host-a\nuptime",
        "%%time\nrun.step('Timed', x)",
        "!ls\n%time run.check('Timed alone', x)",
        "%%bash\nrun.step('Of another language', x)",
        "not python (",
        "run.task('Do it', check=c)\nbook.step('By the usual name', x)",
        "%%on --yes a,b\nreboot",
        "b = run\nb.step('By another name', x)",
        "b.shell(script='true', hosts='host-a')",
        "for batch in b.batches(hosts='web'):\n    with b.transaction('t', hosts=batch):\n        pass",
        "b.batches()",
    ) == [
        ("facts", "'State'"),
        ("look", "'host-a'"),
        ("step", "'Timed'"),
        ("check", "'Timed alone'"),
        ("task", "'Do it'"),
        ("step", "'By the usual name'"),
        ("shell", "'a,b'"),
        ("step", "'By another name'"),
        ("shell", "'host-a'"),
        ("batches", "'web'"),
        ("transaction", "'t'"),
        ("batches", ""),
    ]


@pytest.mark.parametrize(
    ("source", "magic"),
    [
        ("%%on host-a\ntrue", ("shell", "host-a")),
        ("%%on  --yes  host-a,host-b \ntrue", ("shell", "host-a,host-b")),
        ("%%look\ttwo\ntrue", ("look", "two")),
        ("%%look", ("look", "")),
        ("%%looks host-a", None),
        ("x = 1", None),
        ("", None),
    ],
)
def test_a_magic_names_its_method_and_its_hosts(source: str, magic: tuple[str, str] | None) -> None:
    assert magic_of(source) == magic


def test_a_magic_carries_out_a_step() -> None:
    assert set(MAGICS.values()) <= STEP_METHODS
