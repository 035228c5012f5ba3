"""Compare versions by each distribution's rules, not as strings.

dpkg and rpm order versions differently (`~`, `^`, letters, epochs); univers implements both. Tested against
dpkg and rpm in tests/scenarios/el/test_versions.py.
"""

from __future__ import annotations

import re

from univers.debian import Version
from univers.rpm import compare_rpm_versions

from runbook_lib.errors import FactError

__all__ = ["compare", "newer", "upstream"]


def compare(family: str, one: str, other: str) -> int:
    """Return -1, 0 or 1 as `one` is older than, equal to or newer than `other`.

    Args:
        family: `debian` or `el`.
        one: A package version as `6.1.140-1`, with epoch where it has one.
        other: The same.

    Raises:
        FactError: One of them is not a version, or the family is not known.
    """
    try:
        if family == "debian":
            first, second = (Version.from_string(item) for item in (one, other))  # type: ignore[no-untyped-call]
            return int(first > second) - int(first < second)
        if family == "el":
            return int(compare_rpm_versions(one, other))
    except ValueError as problem:
        raise FactError(f"not a version: {problem}") from problem
    raise FactError(f"the version order of the family {family!r} is not known")


def newer(family: str, one: str, other: str) -> bool:
    """Return whether `one` is newer than `other`; see `compare`."""
    return compare(family, one, other) > 0


def upstream(release: str) -> tuple[int, ...]:
    """Return the kernel's own version numbers of a release, as `uname -r` prints it.

    >>> upstream("2.6.32-431.23.3.el6.x86_64"), upstream("3.10") <= upstream("6.12.117+deb12-amd64")
    ((2, 6, 32), True)

    Raises:
        FactError: The release does not begin with a number.
    """
    found = re.match(r"\d+(?:\.\d+)*", release)
    if found is None:
        raise FactError(f"{release!r} is not a kernel release")
    return tuple(int(part) for part in found[0].split("."))
