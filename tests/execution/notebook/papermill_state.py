"""Execute notebooks by papermill in one process, and print what papermill's own state was before and after each."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import papermill_io
from papermill.log import logger

from runbook_lib.execution.notebook.engine import RunbookEngine, RunFailed
from tests.plain_papermill import PlainKernelManager


def state() -> dict[str, str]:
    """Return everything of papermill and of the process that an execution could change."""
    local = papermill_io.get_handler("local")
    return {
        "handlers": repr(vars(papermill_io)["_handlers"]),
        "base": repr(vars(local)["_cwd"]),
        "engines": repr(vars(papermill_engines)["_engines"]),
        "log": repr((logger.level, logger.handlers, logger.filters)),
        "directory": os.getcwd(),  # noqa: PTH109 - exactly that
        "signals": repr([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]),
        "threads": repr([thread.name for thread in threading.enumerate() if thread.name == "papermill"]),
        "environment": repr(sorted(os.environ.items())),
    }


def execute(notebook: str, output: str | None, engine: str, **options: Any) -> str:  # noqa: ANN401 - papermill's
    """Execute a notebook and return how that ended."""
    try:
        papermill.execute_notebook(
            notebook, output, engine_name=engine, progress_bar=False, log_output=False, **options
        )
    except (DeadKernelError, PapermillExecutionError, RunFailed) as failure:
        return type(failure).__name__
    return "ended"


def main(place: Path) -> None:
    papermill_engines.register("runbook", RunbookEngine)
    first, second = place / "first", place / "second"
    good, bad, dead = (str(place / f"{name}.ipynb") for name in ("good", "bad", "dead"))
    before, changed, ends = state(), {}, {}

    def run(folder: Path, name: str, *given: Any, **options: Any) -> None:  # noqa: ANN401 - as above
        os.chdir(folder)
        ends[name] = execute(*given, **options)
        after = {**state(), "directory": before["directory"]}
        changed[name] = [key for key, value in after.items() if value != before[key]]

    run(first, "first", good, "out.ipynb", "runbook")
    run(second, "second", good, "out.ipynb", "runbook")
    run(second, "raises", bad, "raises.ipynb", "runbook")
    run(second, "killed", dead, "killed.ipynb", "runbook")
    (second / "out.ipynb").unlink()
    run(second, "papermill", good, "out.ipynb", "nbclient", kernel_manager_class=PlainKernelManager)
    sys.stdout.write(json.dumps({"changed": changed, "ends": ends}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
