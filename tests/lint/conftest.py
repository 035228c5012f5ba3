from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lint.author import Author

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    monkeypatch.chdir(tmp_path)
    return Author(tmp_path)
