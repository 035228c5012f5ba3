"""Limits and defaults that the docs name are those of the code."""

from __future__ import annotations

import pytest

from runbook_lib import Parameters, grace_periods
from runbook_lib.connections.output_buffer import MAX_BUFFERED_BYTES
from runbook_lib.evidence import spooled_output
from runbook_lib.execution.fleet import returned_evidence
from runbook_lib.execution.notebook import output_limit
from runbook_lib.operations import file_commands
from tests.architecture.package_source import TOP

BUFFERED = f"{MAX_BUFFERED_BYTES / 2**20:g} MiB"
DEFAULTS = {name: field.default for name, field in Parameters.model_fields.items()}
CELL = output_limit._LIMIT / 1024, output_limit._KEPT / 1024  # noqa: SLF001 - in no other place
HEADLESS = (
    f"| a command on a host | {BUFFERED} per stream | head and tail, {spooled_output.HEAD} characters each |",
    f"| an answer of a Docker engine | {BUFFERED} |",
    f"| past {CELL[0]:g} Ki characters: head and tail, {CELL[1]:g} Ki each |",
    f"`max_stream_bytes` for one stream of a command ({DEFAULTS['max_stream_bytes'] / 10**6:g} MB)",
    f"`max_run_bytes` for the whole run, all hosts together ({DEFAULTS['max_run_bytes'] / 10**9:g} GB)",
    f"stdout exceeds {DEFAULTS['max_stream_bytes']} bytes (max_stream_bytes)",
    f"A fact whose answer exceeds {BUFFERED} fails the step.",
    f"its deadline, or {grace_periods.COMMAND_AFTER_INTERRUPT:g} s after an interrupt",
    f"A host gets {grace_periods.COMMAND_START:g} s more to start a command.",
    f"A rollback, or the confirmation of a change, gets {grace_periods.ROLLBACK:g} s more",
    f"then KILL {grace_periods.COMMAND_AFTER_TERM} s later",
)
FLEETS = (
    f"at most `at_once` ({DEFAULTS['at_once']}) at a time",
    f"| the job waits for one | after {returned_evidence._NO_WORKER:g} s the same as above |",  # noqa: SLF001 - as above
)


@pytest.mark.parametrize(
    ("page", "phrases"),
    [
        ("headless", HEADLESS),
        ("chapters-and-fleets", FLEETS),
        ("own-runbook", (f"kept on the host for {file_commands._DAYS_KEPT} days",)),  # noqa: SLF001 - as above
    ],
)
def test_a_page_names_the_limits_of_the_code(page: str, phrases: tuple[str, ...]) -> None:
    text = " ".join((TOP / "docs" / f"{page}.md").read_text(encoding="utf-8").split())
    assert spooled_output.HEAD == spooled_output.TAIL
    assert [phrase for phrase in phrases if phrase not in text] == []
