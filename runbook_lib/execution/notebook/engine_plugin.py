"""What papermill loads as its engine `runbook`, each time it is imported: nothing, until the engine is used.

It loads its engines while it is itself half loaded; a module of ours that imports papermill could not be among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.execution.notebook.engine import RunbookEngine

__all__ = ["Engine"]


class Engine:
    """All that papermill asks of an engine, answered by `RunbookEngine`."""

    @classmethod
    def execute_notebook(cls, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Execute a notebook; see `RunbookEngine.execute_notebook`."""
        return _engine().execute_notebook(*given, **options)

    @classmethod
    def nb_kernel_name(cls, *given: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Return the kernel's name that a notebook tells."""
        return _engine().nb_kernel_name(*given)

    @classmethod
    def nb_language(cls, *given: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Return the language that a notebook tells."""
        return _engine().nb_language(*given)


def _engine() -> type[RunbookEngine]:
    from runbook_lib.execution.notebook.engine import RunbookEngine  # noqa: PLC0415 - see above

    return RunbookEngine
