"""Commands that install software, by family of distributions. To add a family, add an entry here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.packages import LISTS_READ, LockHolder, UnfinishedPackages
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.release import ReleaseInfo

__all__ = [
    "APT",
    "Unlocked",
    "finish",
    "import_key",
    "install",
    "manager",
    "none_unfinished",
    "unlocked",
    "update_lists",
]

APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--option=DPkg::Lock::Timeout=120")
# By default apt-get exits with 0 where it could not read a list: the old one is used, or none.
_UPDATE = (*APT, "--option=APT::Update::Error-Mode=any", "update")
_INTERRUPTED = (
    100  # exit code of `apt-get check` after an interrupted dpkg; it has waited for the lock all the same
)
_FIRST_DNF = 8  # the first EL release with dnf instead of yum

# The file must contain exactly one key, the expected one: rpm would import all keys in it.
_IMPORT_KEY = r"""set -eu
key=$(mktemp); trap 'rm -f "$key"' EXIT
curl --fail --silent --show-error --location --max-time 60 --output "$key" -- "$1"
listing=$(gpg --batch --with-colons --with-fingerprint "$key" 2>/dev/null)
keys=$(printf '%s\n' "$listing" | grep -c '^pub:') || true
found=$(printf '%s\n' "$listing" | sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -n 1)
if [ "$keys" != 1 ] || [ "$found" != "$2" ]; then
  echo "not imported: $1 has $keys keys, the first with the fingerprint ${found:-none}; expected one key with $2" >&2
  exit 3
fi
rpm --import "$key"
"""


def _apt(release: ReleaseInfo, names: tuple[str, ...], source: str) -> tuple[Command, ...]:  # noqa: ARG001 - same signature for all families
    suite = (f"--target-release={source}",) if source else ()
    return (
        *finish(),
        Command(_UPDATE, sudo=True, purpose="update the package lists"),
        Command(
            (*APT, "install", "--yes", "--no-install-recommends", *suite, *names),
            sudo=True,
            timeout=1800.0,
            safe_to_interrupt=False,
            purpose="install from the distribution's repositories",
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
        names: Package names by family; a family with its major version, as `el6`, takes precedence over the family.
        source: Debian: a suite to prefer; EL: a repository to enable for this.

    Raises:
        PlanRefused: The family is not supported, or has no package in `names`.
    """
    installer = _INSTALLERS.get(release.family)
    wanted = names.get(f"{release.family}{major(release)}", names.get(release.family))
    if installer is None or wanted is None:
        raise PlanRefused(
            f"installing packages on {release.name} is not supported yet",
            hint=f"supported families: {', '.join(_INSTALLERS)}; install it by hand, then run this again",
        )
    return installer(release, wanted, source)


def finish() -> tuple[Command, ...]:
    """Return the commands that finish an interrupted installation (dpkg only), and install nothing else."""
    return (
        Command(
            (*APT, "check"),
            sudo=True,
            accept=(0, _INTERRUPTED),
            purpose="wait for the package manager's lock: dpkg does not wait",
        ),
        Command(
            ("dpkg", "--configure", "-a"),
            sudo=True,
            timeout=600.0,
            safe_to_interrupt=False,
            purpose="finish an interrupted installation, if any",
        ),
    )


_STAMPED = """stamp=$1; shift; rm -f -- "$stamp"; "$@" && install -d -- "${stamp%/*}" && touch -- "$stamp\""""


def none_unfinished(facts: Facts) -> Check:
    """Return the check that no package is half installed, as after a power cut.

    Args:
        facts: Have `UnfinishedPackages`.
    """
    return Check.equal(
        "packages left unfinished",
        expected=False,
        observed=facts[UnfinishedPackages()],
        id="packages.unfinished",
    )


def update_lists() -> Command:
    """Return the command that updates apt's lists; it fails, and leaves no stamp, if any list cannot be read."""
    return Command(
        (
            "sh",
            "-c",
            _STAMPED,
            "sh",
            LISTS_READ,
            *_UPDATE,
        ),
        sudo=True,
        purpose="update the package lists, and stamp the time",
    )


def import_key(url: str, fingerprint: str) -> Command:
    """Return the command that imports a signing key into rpm, if its fingerprint matches (book S10).

    Args:
        url: URL of the key.
        fingerprint: 40 hexadecimal digits, spaces allowed; from a source other than that URL.
    """
    wanted = re.sub(r"\s", "", fingerprint).upper()
    return Command(
        ("sh", "-c", _IMPORT_KEY, "sh", url, wanted),
        sudo=True,
        timeout=90.0,
        purpose=f"import the key with the fingerprint {wanted}, and no other",
    )


def manager(release: ReleaseInfo) -> str:
    """Return the EL family's package manager: `yum` up to 7, `dnf` from 8."""
    return "dnf" if major(release) >= _FIRST_DNF else "yum"


def major(release: ReleaseInfo) -> int:
    """Return the major version of a release; 0 if it has none."""
    found = re.match(r"\d+", release.version)
    return int(found[0]) if found else 0


@dataclass(frozen=True)
class Unlocked(Probe):
    """No other process holds a lock of the package manager; waits for it, then names the holder.

    Args:
        wait: Seconds to wait.
    """

    wait: float = 120.0

    @property
    def settle(self) -> float:
        """The seconds to wait."""
        return self.wait

    @property
    def poll_interval(self) -> float:
        """Installations take long: there is no need to poll often."""
        return 3.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the holders of locks."""
        return (LockHolder(),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that there is no holder."""
        holders = ", ".join(f"{item.program} ({item.process}), {item.path}" for item in facts[LockHolder()])
        return [
            Check(
                "processes with a package manager lock",
                "none",
                holders or "none",
                holds=not holders,
                id="packages.unlocked",
            )
        ]


unlocked = Unlocked
