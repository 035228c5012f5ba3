"""What a notebook shows: one card per step, with the same record as data in the same output.

Outside of Jupyter nothing is shown; the log gets one line per host.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
from markupsafe import Markup

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.display.ipython_shell import shell
from runbook_lib.display.scrapbook import scrap
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.model.records import SCHEMA_VERSION, CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.skipped_steps import describe_skipped
from runbook_lib.model.status import SYMBOLS, Mode
from runbook_lib.printing.utf8 import encodable_json
from runbook_lib.printing.visible_text import for_log, visible
from runbook_lib.readable_time import utc_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "EvidenceLink",
    "in_notebook",
    "load_templates",
    "log_host",
    "on_cell_error",
    "show_html",
    "show_note",
    "show_replaceable",
    "show_run_end",
    "show_run_start",
    "show_step",
    "templates",
]


class EvidenceLink(NamedTuple):
    """A file in a run directory.

    Args:
        label: What it is.
        path: Where it is.
        href: The link to it from the notebook; empty if there is none.
    """

    label: str
    path: Path
    href: str


_log = logging.getLogger(__name__)
templates = jinja2.Environment(
    loader=jinja2.PackageLoader("runbook_lib.display"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: visible(value) if type(value) is str else value,
)
"""The environment of the cards' templates: foreign text is escaped and made visible wherever one prints it."""
templates.filters |= {"shown_command": shown_command, "utc_time": utc_time}
templates.globals["columns_of"] = lambda rows: list(dict.fromkeys(key for row in rows for key in row))


def load_templates(environment: jinja2.Environment = templates) -> None:
    """Compile all templates in advance, so that the first card does not wait for it.

    Args:
        environment: The templates' environment; default: that of the cards.
    """
    for name in environment.list_templates(extensions=("j2",)):
        environment.get_template(name)


def show_run_start(record: RunRecord, path: Path, previous: RunRecord | None = None) -> None:
    """Show the card of a run that starts: runbook, mode, hosts, operator, evidence.

    Args:
        record: The run.
        path: Its directory.
        previous: The run that had ended when a step was carried out, and so started this one.
    """
    again = f"; a new run: {previous.run} has ended as {previous.status}" if previous else ""
    _show(
        "run_opened.html.j2",
        f"{record.runbook} {record.mode}: {', '.join(record.hosts)}; evidence in {path}{again}",
        RUN_MIME,
        {"event": "opened", **record.model_dump(mode="json", exclude={"steps", "exposed_secrets"})},
        run=record,
        path=path,
        previous=previous,
    )


def show_step(step: StepRecord, mode: Mode, run: str, display_id: str = "") -> None:
    """Show a step's card.

    Args:
        step: The step.
        mode: The run's.
        run: The run's id.
        display_id: Of the output that the card replaces; empty: it is a new one.
    """
    lines = [
        f"{SYMBOLS[host.status]} {host.host}: {host.status} {host.message}".rstrip() for host in step.hosts
    ]
    _show(
        "step.html.j2",
        "\n".join([f"{step.number}. {step.title}: {step.status}", *lines]),
        STEP_MIME,
        {"schema_version": SCHEMA_VERSION, "run": run, **step.model_dump(mode="json")},
        display_id=display_id,
        step=step,
        mode=mode,
        opened=step.kind == "shell",  # a person's own command: its output is what was asked for
        changing_commands=_changing_commands,
        read_only_commands=_read_only_commands,
    )


def log_host(number: int, record: HostRecord) -> None:
    """Log a host's outcome in a step."""
    _log.info("step %d %s %s %s", number, record.host, record.status, visible(record.message))


def show_note(text: str) -> None:
    """Show a line between two cards, such as the batch of hosts that begins."""
    plain = for_log(text)
    if shell() is None:
        _log.info("%s", plain)
        return
    from IPython.display import publish_display_data  # noqa: PLC0415 - loaded already, if anywhere

    publish_display_data({"text/plain": plain})  # type: ignore[no-untyped-call]


def show_run_end(record: RunRecord, files: Sequence[EvidenceLink] = (), problem: str = "") -> None:
    """Show the card with the run's outcome.

    Args:
        record: The run.
        files: What was written into its directory at its end.
        problem: What could not be written.
    """
    skipped = describe_skipped(record.steps)
    lines = [
        f"{record.runbook}: {record.status}",
        *([f"  {skipped}"] if skipped else ()),
        *(f"  {file.label}: {file.path}" for file in files),
    ]
    _show(
        "run_ended.html.j2",
        "\n".join([*lines, *([f"  not complete: {problem}"] if problem else ())]),
        RUN_MIME,
        {
            "event": "ended",
            "run": record.run,
            **record.model_dump(mode="json", include={"status", "ended", "message"}),
            "steps": len(record.steps),
        },
        run=record,
        skipped=skipped,
        files=files,
        problem=problem,
    )


def on_cell_error(report: Callable[[BaseException], None]) -> None:
    """Call `report` with the exception after each cell that raised one, or has an error of syntax."""
    ipython = shell()
    if ipython is None:
        return

    def cell_ended(result: Any) -> None:  # noqa: ANN401 - IPython's ExecutionResult
        problem = result.error_in_exec or result.error_before_exec
        if problem is not None:
            report(problem)

    ipython.events.register("post_run_cell", cell_ended)


def in_notebook() -> bool:
    """Return whether this process is a kernel, or IPython on a terminal."""
    return shell() is not None


def show_html(template: str, plain: str, **context: Any) -> None:  # noqa: ANN401 - whatever the template shows
    """Show a text in a notebook by a template, and as it is elsewhere; it is not part of a record.

    Args:
        template: The template's file.
        plain: The same as text.
        context: For the template.
    """
    plain = for_log(plain)
    if shell() is None:
        _log.info("%s", plain)
        return
    from IPython.display import publish_display_data  # noqa: PLC0415 - loaded already, if anywhere

    html = _html(template, plain, symbols=SYMBOLS, **context)
    publish_display_data({"text/plain": plain, "text/html": html})  # type: ignore[no-untyped-call]


def show_replaceable(template: str, lines: Sequence[str], display_id: str, *, update: bool) -> None:
    """Show lines in a notebook, in an output that is replaced later.

    Args:
        template: The template's file, which gets the lines.
        lines: What to show.
        display_id: The output's.
        update: Whether the output is there already.
    """
    plain = [for_log(line) for line in lines]
    html = _html(template, "\n".join(plain), lines=lines)
    _publish({"text/plain": "\n".join(plain), "text/html": html}, display_id, update=update)


def _publish(bundle: dict[str, Any], display_id: str, *, update: bool) -> None:
    from IPython.display import publish_display_data  # noqa: PLC0415 - loaded already, if anywhere

    transient = {"display_id": display_id} if display_id else None
    publish_display_data(bundle, transient=transient, update=update)  # type: ignore[no-untyped-call]


def _show(
    template: str,
    plain: str,
    mime: str,
    data: dict[str, Any],
    *,
    display_id: str = "",
    **context: Any,  # noqa: ANN401 - whatever the template shows
) -> None:
    plain = for_log(plain)
    if shell() is None:
        _log.info("%s", plain)
        return
    html = _html(template, plain, symbols=SYMBOLS, **context)
    data = encodable_json(
        data
    )  # as the journal has it: Jupyter replaces other half characters, or refuses them
    bundle = {"text/plain": plain, "text/html": html, mime: data, **scrap(data)}
    _publish(bundle, display_id, update=bool(display_id))


def _html(template: str, plain: str, **context: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Return a card; the plain text if it cannot be drawn: what a host sent must not end the run by its form."""
    try:
        return templates.get_template(template).render(**context)
    except (
        jinja2.TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ):
        _log.exception("a card cannot be drawn")
        return str(Markup('<pre class="rb">{}</pre>').format(plain))


def _changing_commands(host: HostRecord) -> list[CommandRecord]:
    """Return the commands that change the host."""
    return [command for command in host.commands if command.kind != "fact"]


def _read_only_commands(host: HostRecord) -> list[CommandRecord]:
    """Return the commands that only read."""
    return [command for command in host.commands if command.kind == "fact"]
