"""An output that goes to disk while it arrives has no secret value that was known when a piece arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.evidence.spooled_output import SpooledOutput
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_that_another_host_shows_meanwhile_is_masked_from_then_on(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.protect("the first value", "password")
    output = SpooledOutput(OutputStore(tmp_path), secrets)
    output.write(b"a: the first value\nb: SWMTKN-")
    reference = secrets.protect("SWMTKN-1-é-tail", "join token")
    whole = "SWMTKN-1-é-tail".encode()
    for byte in whole[len("SWMTKN-") :] + b"\nc: " + whole:
        output.write(bytes([byte]))
    record = output.record(cut_off=False)
    stored = (tmp_path / record.sha256).read_text(encoding="utf-8")
    assert stored.endswith(f"c: {reference}")
    assert record.head == record.tail == stored
    assert "the first value" not in stored
