"""What papermill loads as its engine `runbook`, while it is being loaded itself: our engine comes when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from runbook_lib.execution.engine import RunbookEngine

__all__ = ["Entry"]


class Entry:
    """Stands in papermill's list for `RunbookEngine`."""

    @classmethod
    def execute_notebook(cls, *given: Any, **options: Any) -> NotebookNode:  # noqa: ANN401 - papermill's
        """Execute a notebook; see `RunbookEngine.execute_notebook`."""
        return _engine().execute_notebook(*given, **options)

    @classmethod
    def nb_kernel_name(cls, *given: Any, **options: Any) -> str:  # noqa: ANN401 - papermill's
        """Return the name of a notebook's kernel."""
        name: str = _engine().nb_kernel_name(*given, **options)
        return name

    @classmethod
    def nb_language(cls, *given: Any, **options: Any) -> str:  # noqa: ANN401 - papermill's
        """Return a notebook's language."""
        language: str = _engine().nb_language(*given, **options)
        return language


def _engine() -> type[RunbookEngine]:
    from runbook_lib.execution.engine import RunbookEngine  # noqa: PLC0415 - it imports papermill

    return RunbookEngine
