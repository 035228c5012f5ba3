"""Real evidence for all tests of `audit`: one sealed headless run in a git project, and an archive of plain runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from runbook_lib.attestation import seal_run, signers
from runbook_lib.attestation.keys import generate
from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.lookup import read_run
from tests.audit.notebooks import as_notebook
from tests.audit.project import Project
from tests.report import browser, practice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from securesystemslib.signer import CryptoSigner

    from runbook_lib.audit.verify.verdict import Verdict


class Judge(Protocol):
    def __call__(self, path: Path, *, signers: int = 1, source: bool = True) -> Verdict: ...


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def finished(project: Project) -> Path:
    """A run that ended well; never altered: tests copy it."""
    return project.run()


@pytest.fixture(scope="session")
def other(project: Project) -> Path:
    """Another run of the same runbook."""
    return project.run("--mode", "plan")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys of an operator, a reviewer and a stranger, each made once."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("operator", "reviewer", "stranger"):
        generate(folder / name)
    return folder


@pytest.fixture(scope="session")
def operator(keys: Path) -> CryptoSigner:
    (signer,) = signers(str(keys / "operator"))
    return signer


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, not sealed."""
    return Path(shutil.copytree(finished, tmp_path / "runs" / finished.name))


@pytest.fixture
def sealed(run: Path, operator: CryptoSigner) -> Path:
    """A copy of the run, sealed at its end by the operator."""
    seal_run(run, [operator])
    return run


@pytest.fixture
def judge(project: Project, keys: Path) -> Judge:
    """Verify as an auditor who trusts operator and reviewer and has the project's git repository."""

    def judge(path: Path, *, signers: int = 1, source: bool = True) -> Verdict:
        return verify_run(
            path,
            trust=[keys / "operator.pub", keys / "reviewer.pub"],
            approved=Approval(repository=project.path, wanted=source),
            signers=signers,
        )

    return judge


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three run directories and one more run as a standalone notebook; tests must not change them."""
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
    """A copy of the archive that a test may change."""
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
