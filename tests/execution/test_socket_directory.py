"""Directories for sockets: short enough for a socket's path, whatever TMPDIR is."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from runbook_lib.execution.socket_directory import socket_directory


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR of the length that a job of a CI server has."""
    path = tmp_path / ("job-" * 20) / "workspace"
    path.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def test_a_short_tmpdir_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        with socket_directory("sockets-") as made:
            assert Path(made).parent == Path(short)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("elsewhere", ["", "missing", "also-long", "short"])
def test_a_socket_fits_though_tmpdir_is_too_long(
    elsewhere: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        runtime = {"missing": f"{short}/missing", "also-long": str(temporary), "short": short}.get(
            elsewhere, ""
        )
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        with socket_directory("runbook-kernels-") as made, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{made}/kernel-12345")
            assert (Path(made).parent == Path(short)) is (elsewhere == "short")
            assert Path(made).stat().st_mode & 0o777 == 0o700
        assert not Path(made).exists()
    assert not list(temporary.iterdir())
