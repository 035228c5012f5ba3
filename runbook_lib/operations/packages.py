"""How software is installed, by family of distributions. Another family is another entry here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.packages import LISTS_READ, LockHolder
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.release import ReleaseInfo

__all__ = ["APT", "Unlocked", "import_key", "install", "manager", "unlocked", "update_lists"]

APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--option=DPkg::Lock::Timeout=120")
_CUT_OFF = 100  # apt's exit code where dpkg was cut off: it cannot check then, but it has waited
_FIRST_DNF = 8  # EL8 came with dnf; before it was yum

# The whole file must be one key, and that key the one named: rpm would take all that are in it.
_IMPORT_KEY = r"""set -eu
key=$(mktemp); trap 'rm -f "$key"' EXIT
curl --fail --silent --show-error --location --max-time 60 --output "$key" -- "$1"
told=$(gpg --batch --with-colons --with-fingerprint "$key" 2>/dev/null)
keys=$(printf '%s\n' "$told" | grep -c '^pub:') || true
found=$(printf '%s\n' "$told" | sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -n 1)
if [ "$keys" != 1 ] || [ "$found" != "$2" ]; then
  echo "not imported: $1 has $keys keys, the first with the fingerprint ${found:-none}; expected one with $2" >&2
  exit 3
fi
rpm --import "$key"
"""


def _apt(release: ReleaseInfo, names: tuple[str, ...], source: str) -> tuple[Command, ...]:  # noqa: ARG001 - one for all
    suite = (f"--target-release={source}",) if source else ()
    return (
        Command(
            (*APT, "check"),
            sudo=True,
            accept=(0, _CUT_OFF),
            purpose="wait while others are at work on the packages: dpkg does not wait",
        ),
        Command(
            ("dpkg", "--configure", "-a"),
            sudo=True,
            timeout=600.0,
            safe_to_interrupt=False,
            purpose="finish what was cut off, if so",
        ),
        Command((*APT, "update"), sudo=True, purpose="read the package lists"),
        Command(
            (*APT, "install", "--yes", "--no-install-recommends", *suite, *names),
            sudo=True,
            timeout=1800.0,
            safe_to_interrupt=False,
            purpose="install from the distribution's own source",
        ),
    )


def _rpm(release: ReleaseInfo, names: tuple[str, ...], source: str) -> tuple[Command, ...]:
    enabled = (f"--enablerepo={source}",) if source else ()
    return (
        Command(
            (manager(release), "--assumeyes", *enabled, "install", *names),
            sudo=True,
            timeout=1800.0,
            safe_to_interrupt=False,
            purpose=f"install from {source or 'the enabled repositories'}; signatures are checked",
        ),
    )


_INSTALLERS: dict[str, Callable[[ReleaseInfo, tuple[str, ...], str], tuple[Command, ...]]] = {
    "debian": _apt,
    "el": _rpm,
}


def install(
    release: ReleaseInfo, names: Mapping[str, tuple[str, ...]], source: str = ""
) -> tuple[Command, ...]:
    """Return the commands that install software.

    Args:
        release: The host's distribution.
        names: Package names by family; a family with its major version, as `el6`, goes before the family alone.
        source: Debian: a suite to prefer; EL: a repository to enable for this.

    Raises:
        PlanRefused: The family is not known, or has no such package.
    """
    installer = _INSTALLERS.get(release.family)
    wanted = names.get(f"{release.family}{major(release)}", names.get(release.family))
    if installer is None or wanted is None:
        raise PlanRefused(
            f"{release.name} is of a family that cannot be installed on yet",
            hint=f"families known are: {', '.join(_INSTALLERS)}; install it by hand, then run this again",
        )
    return installer(release, wanted, source)


def update_lists() -> Command:
    """Return the command that reads apt's lists; it fails, and leaves no mark, where any cannot be read."""
    return Command(
        (
            *APT,
            "--option=APT::Update::Error-Mode=any",
            f"--option=APT::Update::Post-Invoke-Success::=touch {LISTS_READ}",
            "update",
        ),
        sudo=True,
        purpose="read the package lists, and note when",
    )


def import_key(url: str, fingerprint: str) -> Command:
    """Return the command that imports a key into rpm's own, if it is the one expected (book S10).

    Args:
        url: Where the key is.
        fingerprint: 40 hexadecimal digits, spaces allowed; read it elsewhere than at that URL.
    """
    wanted = re.sub(r"\s", "", fingerprint).upper()
    return Command(
        ("sh", "-c", _IMPORT_KEY, "sh", url, wanted),
        sudo=True,
        timeout=90.0,
        purpose=f"import the key with the fingerprint {wanted}, and no other",
    )


def manager(release: ReleaseInfo) -> str:
    """Return the EL family's program: `yum` up to 7, `dnf` from 8."""
    return "dnf" if major(release) >= _FIRST_DNF else "yum"


def major(release: ReleaseInfo) -> int:
    """Return the release's first number; 0 where it has none."""
    found = re.match(r"\d+", release.version)
    return int(found[0]) if found else 0


@dataclass(frozen=True)
class Unlocked(Probe):
    """Nobody else is at work on the host's packages; waited for, then told who it is.

    Args:
        wait: Seconds.
    """

    wait: float = 120.0

    @property
    def settle(self) -> float:
        """How long to wait."""
        return self.wait

    @property
    def poll_interval(self) -> float:
        """Installations take long: there is no need to look often."""
        return 3.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return who holds a lock."""
        return (LockHolder(),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nobody does."""
        told = ", ".join(f"{item.program} ({item.process}), {item.path}" for item in facts[LockHolder()])
        return [
            Check(
                "at work on the packages",
                "nobody else",
                told or "nobody else",
                holds=not told,
                id="packages.unlocked",
            )
        ]


unlocked = Unlocked
