"""What messages say to type is about the lab that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.system import paths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "state", "hint"),
    [
        ("mine", None, "run `runbook lab up --name mine`"),
        ("default", None, "run `runbook lab up`"),
        ("mine", "{", "`runbook lab down --name mine` ends the lab"),
    ],
)
def test_a_hint_names_the_lab_unless_it_is_the_default_one(
    name: str, state: str | None, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "RUN", tmp_path)
    lab = Lab.open(name)
    if state:
        lab.paths.run.mkdir()
        lab.paths.state.write_text(state, encoding="utf-8")
    with pytest.raises(LabError) as caught:
        lab.faults.inject("cable")
    assert caught.value.hint == hint
