"""The entry point of papermill's engine `runbook`, which loads the engine only when it is used.

papermill loads the entry points while it is itself being imported, so this module must not import papermill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.execution.notebook.engine import RunbookEngine

__all__ = ["Engine"]


class Engine:
    """The interface that papermill expects of an engine; `RunbookEngine` implements it."""

    @classmethod
    def execute_notebook(cls, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Execute a notebook; see `RunbookEngine.execute_notebook`."""
        return _engine().execute_notebook(*given, **options)

    @classmethod
    def nb_kernel_name(cls, *given: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Return the kernel's name from a notebook's metadata."""
        return _engine().nb_kernel_name(*given)

    @classmethod
    def nb_language(cls, *given: Any) -> Any:  # noqa: ANN401 - papermill's signature
        """Return the language from a notebook's metadata."""
        return _engine().nb_language(*given)


def _engine() -> type[RunbookEngine]:
    from runbook_lib.execution.notebook.engine import RunbookEngine  # noqa: PLC0415 - see above

    return RunbookEngine
