from __future__ import annotations

from tests.integrations.pyinfra.page import DOCUMENT, page
from tests.integrations.pyinfra.proven import CASES, COSTLY, all_operations


def test_the_page_lists_what_is_proven() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python -m tests.integrations.pyinfra.page"


def test_at_least_forty_operations_are_proven_and_all_of_them_exist() -> None:
    assert len({case.operation for case in CASES if case.second == "ok"}) >= 40
    assert {case.operation for case in (*CASES, *COSTLY)} <= set(all_operations())


def test_every_operation_of_pyinfra_can_be_called_or_says_why_not() -> None:
    """Its module can be imported, and its signature is shown; the arguments are up to the operation."""
    assert len(all_operations()) > 150
