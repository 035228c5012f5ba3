"""An archive of real runs: in plain Python on this machine, one failed, one planned, one loose notebook."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.evidence.lookup import read_run
from tests.report import browser, practice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runbook_lib.model.records import RunRecord


def as_notebook(record: RunRecord) -> dict[str, Any]:
    """The notebook that a run's cards leave, without the cards."""
    told = record.model_dump(mode="json")
    opened = {"event": "opened", **{name: value for name, value in told.items() if name != "steps"}}
    ended = {"event": "ended", "run": record.run, "status": told["status"], "ended": told["ended"]}
    bundles: list[dict[str, Any]] = [{RUN_MIME: opened}]
    bundles += [{STEP_MIME: {"schema_version": 1, "run": record.run, **step}} for step in told["steps"]]
    bundles += [{RUN_MIME: {**ended, "steps": len(told["steps"])}}]
    cells = [
        {
            "cell_type": "code",
            "execution_count": number,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [{"output_type": "display_data", "data": bundle, "metadata": {}}],
            "source": ["book.step()"],
        }
        for number, bundle in enumerate(bundles, start=1)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three run directories below `runs`, one more run as a loose notebook; not to be changed."""
    top = tmp_path_factory.mktemp("archive")
    base = tmp_path_factory.mktemp("practice")
    (top / "runs").mkdir()
    for given in ({"mode": "plan"}, {}, {"fail_on": "host-b"}):
        book = practice.run(practice.parameters(base, **given))
        shutil.move(book.directory, top / "runs" / book.directory.name)
    loose = practice.run(practice.parameters(base)).directory
    (top / "loose").mkdir()
    content = json.dumps(as_notebook(read_run(loose)), ensure_ascii=False, indent=1)
    (top / "loose" / "out.ipynb").write_text(content, encoding="utf-8")
    return top


@pytest.fixture
def copied(evidence: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    shutil.copytree(evidence, tmp_path / "copied")
    return tmp_path / "copied"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Path], Archive]:
    """Open an archive with a cache of the test's own."""
    return lambda path: Archive(path, cache=tmp_path / "cache")


@pytest.fixture(scope="session")
def archive(evidence: Path, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(evidence, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    if browser.installed() is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with browser.opened(tmp_path_factory.mktemp("chromium")) as page:
        yield page
