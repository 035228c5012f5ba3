"""The licences of what the wheel needs, compared with a list that people have decided on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.errors import InputError, OperationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Licensed", "installed", "refused"]

_EITHER = re.compile(r"\s*;\s*|\s+(?:OR|AND)\s+", re.IGNORECASE)


class Licensed(NamedTuple):
    """A package and its licences, as it says itself."""

    name: str
    version: str
    licenses: str


def installed(python: Path) -> list[Licensed]:
    """Return the packages of an environment with their licences.

    Args:
        python: The environment's interpreter.

    Raises:
        OperationError: They cannot be listed.
    """
    program = [
        sys.executable,
        "-m",
        "piplicenses",
        "--python",
        str(python),
        "--format",
        "json",
        "--from",
        "mixed",
    ]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OperationError(
            f"the licences cannot be listed: {ended.stderr.strip()[-500:]}", where=str(python)
        )
    return [Licensed(item["Name"], item["Version"], item["License"]) for item in json.loads(ended.stdout)]


def refused(packages: list[Licensed], policy: Path) -> list[str]:
    """Return a line for each package that may not be used, and for each decision that is about no package.

    All licences that a package names must be allowed, since what joins them is not always said.

    Args:
        packages: What is needed.
        policy: The list of licences and decisions.

    Raises:
        InputError: The list cannot be read.
    """
    try:
        decided = tomllib.loads(policy.read_text(encoding="utf-8"))
        allowed, exceptions = set(decided["allowed"]), dict(decided["packages"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"cannot be read: {problem}", where=str(policy), hint="see the one in git"
        ) from problem
    lines = [
        f"{package.name} {package.version}: {', '.join(sorted(others))}"
        for package in packages
        if package.name not in exceptions and (others := _parts(package.licenses) - allowed)
    ]
    unknown = sorted(set(exceptions) - {package.name for package in packages})
    return lines + [f"{name}: a decision about a package that is not needed" for name in unknown]


def _parts(licenses: str) -> set[str]:
    parts = _EITHER.split(licenses)
    # Parentheses belong to an expression, or to a name such as "ISC License (ISCL)".
    return {part if part.count("(") == part.count(")") else part.strip("()") for part in parts}
