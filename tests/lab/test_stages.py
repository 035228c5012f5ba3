"""Long work says what it does, how far it is, and what became of it."""

from __future__ import annotations

import io
import logging
import threading

import pytest

from runbook_lib.cli.lab_progress import _Handler, describe, lab_progress
from runbook_lib.lab.system.stages import LOGGER, Stage, detail, stage
from runbook_lib.printing.console import FilteredConsole


def test_a_line_says_what_is_done_and_how_far_it_is() -> None:
    disk = Stage("disk of virtual machines", 120.0)
    assert describe(disk, "", 3.2) == "disk of virtual machines  3 s of about 120 s"
    assert describe(disk, "first boot", 71.0) == "disk of virtual machines: first boot  71 s of about 120 s"
    assert describe(Stage("boot host-a"), "", 1.4) == "boot host-a  1 s"


def test_where_there_is_no_terminal_long_work_has_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with lab_progress():
        with stage("container images", 45.0):
            detail("image redis-server (1 of 3)")
        with stage("boot host-a"):
            pass
    out = capsys.readouterr()
    assert out.out == "  container images: takes about 45 s\n    image redis-server (1 of 3)\n"
    assert out.err == ""


def test_work_of_another_thread_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def elsewhere() -> None:
        with stage("container images", 45.0):
            pass

    with lab_progress():
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    assert capsys.readouterr().out == ""


def test_a_failure_is_said_and_the_logger_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger(LOGGER)
    before = (logger.level, logger.propagate, [*logger.handlers])
    handler = _Handler(FilteredConsole(file=io.StringIO()))
    record = logging.LogRecord(LOGGER, logging.INFO, "", 0, "", None, None)
    record.stage = Stage("root file system", 25.0, seconds=31.0, failed=True)
    handler.emit(record)
    assert capsys.readouterr().out == "  root file system: failed after 31 s\n"
    with pytest.raises(RuntimeError, match="disk"), lab_progress(), stage("x"):
        raise RuntimeError("disk")
    assert (logger.level, logger.propagate, [*logger.handlers]) == before


def test_on_a_terminal_one_line_counts_and_is_gone_afterwards() -> None:
    shown = io.StringIO()
    handler = _Handler(FilteredConsole(file=shown, force_terminal=True, width=80))
    record = logging.LogRecord(LOGGER, logging.INFO, "", 0, "", None, None)
    record.stage = Stage("root file system", 25.0)
    handler.emit(record)
    handler.stop()
    assert "root file system  0 s of about 25 s" in shown.getvalue()
    # The cursor is shown again; one line up, which is erased.
    assert shown.getvalue().endswith("\n\x1b[?25h\r\x1b[1A\x1b[2K")
