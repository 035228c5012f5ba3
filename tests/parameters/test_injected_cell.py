"""A cell of injected parameters holds plain values: whatever else Python or IPython would execute in it is refused."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from papermill.translators import PythonTranslator

from runbook_lib.errors import InputError
from runbook_lib.parameters.cell import literals

SEPARATORS = ("\x0b", "\x0c", "\r", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")


@pytest.mark.parametrize(
    "source",
    [
        'mode: print("ran") = "apply"',
        "wait: float = 0.0",
        'mode = "apply"\nwait: (lambda: 1)() = 0.0',
        "mode: str",
        "mode = other = 1",
        "[mode] = [1]",
        "mode = (wait := 1)",
        'mode = f"{print()}"',
        "mode = 1; print()",
        "mode += 1",
        "import os",
    ],
)
def test_more_than_an_assignment_of_a_plain_value_is_refused(source: str) -> None:
    with pytest.raises(InputError):
        literals(source, "")


@pytest.mark.filterwarnings("ignore:.*make_tokens_by_line")
@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_line_separator_at_which_only_ipython_splits_is_refused(separator: str) -> None:
    source = f'# Parameters{separator}%cd \\\nmode = """\nran = True  # """\nmode = "apply"\n'
    transformed = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
    assert "\nran = True" in transformed, "IPython does not execute the string any more"
    with pytest.raises(InputError):
        literals(source, "")


def test_what_papermill_writes_is_accepted_whatever_the_values_contain() -> None:
    values = {"text": f"a{''.join(SEPARATORS)}b\n>>> c", "number": -1.5, "nested": {"é": [True, None, 3]}}
    source = PythonTranslator.codify(values)
    assert literals(source, "") == values
    assert literals(source.replace("\n", "\r\n"), "") == values
