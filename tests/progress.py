"""What a person who waits for the tests sees: a line each half minute and each failure at once, no dots.

`--progress -o console_output_style=classic`, without which pytest would still print its percentages.
"""

from __future__ import annotations

import threading
import time

import pytest

from runbook_lib.masking import excerpt
from runbook_lib.printing.visible_text import visible

__all__ = ["Progress"]

_EVERY = 30.0  # seconds
_MOST = 200  # characters of a failure's reason


class Progress:
    """Counts tests that have ended and says how far they are."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + _EVERY
        self._total = 0
        self._ended: set[str] = set()
        self._failed = 0
        self._running: dict[str, None] = {}
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """From now on a line comes also while no test ends.

        Only where other processes run the tests: in this one their output is captured, and ours would be too.
        """
        if not self._total:
            self._total = len(ids)
            workers = self._terminal.config.getoption("numprocesses")
            self._terminal.write_line(f"{self._total:,} tests in {workers} processes")
            self._clock.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = self._total or len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        if hasattr(report, "wasxfail"):
            return None
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        if report.skipped:
            return "skipped", "", ""
        return ("passed", "", "") if report.when == "call" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed += 1
            where = "" if report.when == "call" else f" ({report.when})"
            self._say(f"FAILED{where} {report.nodeid}")
            # All else is printed at the end, which a session that is cut off does not reach.
            self._terminal.write_line(f"       {_reason(report)}")
        if report.when == "teardown":
            self._running.pop(report.nodeid, None)
            self._ended.add(report.nodeid)
        if time.monotonic() >= self._next:
            self._say(self._state())

    def pytest_sessionfinish(self) -> None:
        self._over.set()
        self._terminal.ensure_newline()

    def _state(self) -> str:
        now = list(dict.fromkeys(nodeid.split("::")[0] for nodeid in self._running))
        failed = f", {self._failed} failed" if self._failed else ""
        share = f"{100 * len(self._ended) // self._total}%" if self._total else ""
        names = ", ".join(path.removeprefix("tests/").removesuffix(".py") for path in now[:4])
        return f"{share:>4} {len(self._ended):>5,} of {self._total:,} ended{failed}; now: {names}"

    def _say(self, text: str) -> None:
        self._next = time.monotonic() + _EVERY
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._terminal.ensure_newline()
        self._terminal.write_line(f"{minutes:>3}:{seconds:02} {text}")

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() >= self._next:
                self._say(self._state())


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash else report.longreprtext.strip().rpartition("\n")[2]
    return excerpt(visible(message.partition("\n")[0]), _MOST)
