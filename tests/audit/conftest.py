"""One real headless run of a small runbook in a git project, copied and sealed for each test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from runbook_lib.attestation import seal_run, signers
from runbook_lib.attestation.keys import generate
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_run
from tests.audit.project import Project

if TYPE_CHECKING:
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
