"""The collector is off in the block and as before after it."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from runbook_lib.garbage_collection import paused_gc


def test_the_collector_is_off_in_the_block_and_on_again_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), paused_gc():
        assert 1 // gc.isenabled()  # off: a division by zero
    assert gc.isenabled()


def test_an_inner_block_leaves_the_collector_off() -> None:
    with paused_gc():
        with paused_gc():
            pass
        assert not gc.isenabled()


def test_objects_can_be_exempted() -> None:
    code = (
        "import gc; from runbook_lib.garbage_collection import paused_gc\n"
        "with paused_gc(freeze=True): pass\n"
        "assert gc.get_freeze_count() > 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
