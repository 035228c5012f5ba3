"""Wheel and source, built from the commit, and an environment that has the wheel and all that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from runbook_lib.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.release.tree import Tree

__all__ = ["build", "install", "list_packages"]

SBOM = "sbom.cdx.json"


def build(tree: Tree, target: Path) -> list[Path]:
    """Build source and wheel; return their paths.

    Args:
        tree: What is built; its time is the time of every file in them, so that a second build is the same.
        target: An empty directory.

    Raises:
        OperationError: The build failed.
    """
    _run(
        [sys.executable, "-m", "build", "--outdir", str(target), str(tree.top)],
        SOURCE_DATE_EPOCH=str(tree.committed),
    )
    return sorted(target.iterdir())


def install(wheel: Path, environment: Path, constraints: Path) -> Path:
    """Install a wheel with all of its extras into a new environment; return its interpreter.

    Raises:
        OperationError: A package cannot be installed.
    """
    uv = [sys.executable, "-m", "uv"]
    python = environment / "bin" / "python"
    _run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)])
    wanted = ["--constraint", str(constraints), f"{wheel}[all]"]
    _run([*uv, "pip", "install", "--quiet", "--python", str(python), *wanted])
    for origin in environment.rglob("runbook_lib-*.dist-info/direct_url.json"):
        origin.unlink()  # a path of this machine, which the bill of materials would repeat
    return python


def list_packages(python: Path, target: Path) -> Path:
    """Write the bill of materials of an environment, as CycloneDX; return its path.

    Args:
        python: The environment's interpreter.
        target: The directory for the file.

    Raises:
        OperationError: The list cannot be made, or does not fit CycloneDX's schema.
    """
    path = target / SBOM
    program = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--validate"]
    _run(
        [
            *program,
            "--spec-version",
            "1.6",
            "--output-format",
            "JSON",
            "--output-file",
            str(path),
            str(python),
        ]
    )
    return path


def _run(command: Sequence[str], **environment: str) -> None:
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        said = (ended.stdout + ended.stderr).strip()[-1500:]
        raise OperationError(
            f"exit code {ended.returncode}: {said}", where=" ".join(command[:4]), hint="see its output"
        )
