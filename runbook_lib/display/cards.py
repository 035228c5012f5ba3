"""What a notebook shows: a card a step, and the same record as data beside it.

Outside of Jupyter nothing is shown; one line a host goes to the log.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import jinja2

from runbook_lib.display.scrapbook import scrap
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.model.records import SCHEMA_VERSION, CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import SYMBOLS, Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "host_ended",
    "load_templates",
    "offer_magic",
    "run_ended",
    "run_opened",
    "step_ended",
    "when_a_cell_fails",
]


_log = logging.getLogger(__name__)
_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("runbook_lib.display"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def load_templates(environment: jinja2.Environment = _templates) -> None:
    """Have all templates compiled before somebody waits for one.

    Args:
        environment: Whose; ours without it.
    """
    for name in environment.list_templates(extensions=("j2",)):
        environment.get_template(name)


def run_opened(record: RunRecord, path: Path) -> None:
    """Show what run this is: runbook, mode, hosts, who, where the evidence goes."""
    _show(
        "run_opened.html.j2",
        f"{record.runbook} {record.mode}: {', '.join(record.hosts)}; evidence in {path}",
        RUN_MIME,
        {"event": "opened", **record.model_dump(mode="json", exclude={"steps"})},
        run=record,
        path=path,
    )


def step_ended(step: StepRecord, mode: Mode, run: str) -> None:
    """Show a step's card."""
    lines = [
        f"{SYMBOLS[host.status]} {host.host}: {host.status} {host.message}".rstrip() for host in step.hosts
    ]
    _show(
        "step.html.j2",
        "\n".join([f"{step.number}. {step.title}: {step.status}", *lines]),
        STEP_MIME,
        {"schema_version": SCHEMA_VERSION, "run": run, **step.model_dump(mode="json")},
        step=step,
        mode=mode,
        sent=_sent,
        looked=_looked,
    )


def host_ended(number: int, record: HostRecord) -> None:
    """Tell the log that a host is through with a step."""
    _log.info("step %d %s %s %s", number, record.host, record.status, record.message)


def run_ended(record: RunRecord) -> None:
    """Show the run's outcome."""
    _show(
        "run_ended.html.j2",
        f"{record.runbook}: {record.status}",
        RUN_MIME,
        {
            "event": "ended",
            "run": record.run,
            **record.model_dump(mode="json", include={"status", "ended", "message"}),
            "steps": len(record.steps),
        },
        run=record,
    )


def offer_magic(shell: Callable[[str, str], StepRecord]) -> None:
    """Register `%%on HOSTS`: the cell's text runs as shell on these hosts, recorded."""
    if _shell() is None:
        return
    from IPython.core.magic import register_cell_magic  # noqa: PLC0415 - see `_shell`

    def on(line: str, cell: str) -> None:
        shell(line.strip(), cell)

    register_cell_magic(on)


def when_a_cell_fails(tell: Callable[[BaseException], None]) -> None:
    """Have `tell` called with what a cell raised, after each cell that raised something."""
    shell = _shell()
    if shell is None:
        return

    def ended(result: Any) -> None:  # noqa: ANN401 - IPython's ExecutionResult
        problem = result.error_in_exec
        if problem is not None:
            tell(problem)

    shell.events.register("post_run_cell", ended)


def _shell() -> Any:  # noqa: ANN401 - IPython's
    """Return IPython's shell; where this is none, IPython is not loaded for the answer."""
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _show(template: str, plain: str, mime: str, data: dict[str, Any], **context: Any) -> None:  # noqa: ANN401
    if _shell() is None:
        _log.info("%s", plain)
        return
    from IPython.display import publish_display_data  # noqa: PLC0415 - see `_shell`

    html = _templates.get_template(template).render(symbols=SYMBOLS, **context)
    bundle = {"text/plain": plain, "text/html": html, mime: data, **scrap(data)}
    publish_display_data(bundle)  # type: ignore[no-untyped-call]


def _sent(host: HostRecord) -> list[CommandRecord]:
    """Return the commands that changed the host, or would."""
    return [command for command in host.commands if command.kind != "fact"]


def _looked(host: HostRecord) -> list[CommandRecord]:
    """Return the commands that only looked."""
    return [command for command in host.commands if command.kind == "fact"]
