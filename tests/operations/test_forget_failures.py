"""Clearing the failures of a service: one that systemd has not loaded has none, every other refusal is an error."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.facts.service import Service, ServiceState
from runbook_lib.operations.service import Refreshed, Running

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.operations.base import Operation

STOPPED = Facts({Service("web.service"): ServiceState(loaded=True, active="inactive", enabled=True)})


@pytest.mark.parametrize("operation", [Refreshed("web.service", "restart"), Running("web.service")])
@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        ("", 0, 0),
        # systemd 252 of a service that is stopped and that nothing wants
        ("Failed to reset failed state of unit web.service: Unit web.service not loaded.", 1, 0),
        ("Failed to connect to bus: No such file or directory", 1, 1),
        ("Failed to reset failed state of unit web.service: Access denied", 4, 4),
    ],
)
def test_a_unit_that_is_not_loaded_has_no_failures(
    tmp_path: Path, operation: Operation, said: str, code: int, expected: int
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\n[ -z "{said}" ] || echo "{said}" >&2\nexit {code}\n', encoding="utf-8")
    program.chmod(0o755)
    clear = operation.plan(STOPPED).commands[0]
    assert "reset-failed" in clear.argv
    done = subprocess.run(
        clear.argv,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected
    assert expected == 0 or said in done.stderr
