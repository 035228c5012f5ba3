"""More hosts than Linux's usual limit on inotify instances allows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runbook_lib.lab.system.inotify import make_room

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_limit_is_raised_for_hosts_that_it_does_not_allow_and_left_alone_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n", encoding="ascii")
    make_room(0, limit)
    assert limit.read_text(encoding="ascii") == "128\n"
    make_room(30, limit)
    raised = int(limit.read_text(encoding="ascii"))
    assert raised >= 30 * 8
    assert f"was raised from 128 to {raised} for 30 more hosts" in caplog.text


def test_a_limit_that_cannot_be_raised_is_a_warning_with_both_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n", encoding="ascii")

    def read_only(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(type(limit), "write_text", read_only)
    make_room(30, limit)
    assert "fs.inotify.max_user_instances allows 128" in caplog.text
    assert "Read-only file system" in caplog.text
