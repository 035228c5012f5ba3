"""The kernel package that a distribution offers, and the kernel release that it contains."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt, excerpt_of_end
from runbook_lib.model.commands import Command, Output

__all__ = ["Candidates", "KernelOffer"]

# $1 package, $2 suite or repository, or empty. A source that dnf may skip is not skipped: what is installed would then
# count as the newest.
_QUERY = r"""export LC_ALL=C
if command -v apt-cache >/dev/null; then
  echo "==> apt"; apt-cache ${2:+--option=APT::Default-Release="$2"} policy "$1"
  echo "==> show"; apt-cache show "$1" 2>/dev/null || true
else
  echo "==> list"; strict=; if command -v dnf >/dev/null; then strict="--setopt=${2:-*}.skip_if_unavailable=0"; fi
  $(command -v dnf || command -v yum) --quiet ${2:+--enablerepo="$2"} ${strict:+"$strict"} list "$1" 2>&1 || true
fi
"""
_DEPENDS = re.compile(r"\blinux-image-(?:unsigned-)?(\d[^\s,(|]*)")


@dataclass(frozen=True)
class KernelOffer:
    """A kernel package: the installed version and the newest available one.

    Args:
        package: The package's name.
        installed: The installed version; None if it is not installed.
        installed_release: The kernel of the installed version, as `uname -r` prints it.
        available: The newest available version; None if there is none.
        available_release: The kernel of the available version.
    """

    package: str
    installed: str | None = None
    installed_release: str | None = None
    available: str | None = None
    available_release: str | None = None

    @property
    def release(self) -> str | None:
        """The kernel of this package once the package is up to date."""
        return self.available_release or self.installed_release


@dataclass(frozen=True)
class Candidates(Fact[KernelOffer]):
    """A kernel package as apt (`apt-cache policy`), dnf or yum (`list`) offer it.

    Args:
        package: A kernel's package, or one that always depends on the newest: `linux-image-amd64`, `kernel-lt`.
        source: Debian: a suite to prefer, as `bookworm-backports`; EL: a repository to enable, as `elrepo-kernel`.
    """

    package: str
    source: str = ""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _QUERY, "sh", self.package, self.source), sudo=True, timeout=300.0)

    def parse(self, output: Output) -> KernelOffer:
        """Return the offer; an unknown package has neither version."""
        pieces = re.split(r"^==> (.*)\n", output.stdout, flags=re.MULTILINE)
        parts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        if "list" in parts:
            return self._parse_list(parts["list"])
        if set(parts) != {"apt", "show"}:
            raise FactError(f"apt-cache: unexpected output {excerpt(output.stdout, 80)!r}")
        versions = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", parts["apt"], re.MULTILINE))
        installed, available = (_real(versions.get(key)) for key in ("Installed", "Candidate"))
        current, offered = (self._kernel_of(version, parts["show"]) for version in (installed, available))
        return KernelOffer(self.package, installed, current, available, offered)

    def _kernel_of(self, version: str | None, stanzas: str) -> str | None:
        own = _DEPENDS.fullmatch(self.package)
        for stanza in stanzas.split("\n\n") if version else ():
            fields = dict(line.split(": ", 1) for line in lines_of(stanza) if re.match(r"[\w-]+: ", line))
            if fields.get("Version") == version:
                needed = _DEPENDS.search(fields.get("Depends", ""))
                if needed:
                    return needed[1]
        return own[1].removesuffix("-unsigned") if own and version else None

    def _parse_list(self, text: str) -> KernelOffer:
        found: dict[str, list[tuple[str, str]]] = {"Installed": [], "Available": []}
        # yum wraps its lines at 80 columns: only the words and their order matter.
        # dnf 5 writes `Available packages`, dnf 4 and yum `Available Packages`.
        for heading, body in re.findall(
            r"^(Installed|Available) [Pp]ackages\n((?:(?!^\w+ [Pp]ackages$).*\n?)*)", text, re.MULTILINE
        ):
            words = body.split()
            with parsing("the list of packages"):
                for name, version, _ in zip(*[iter(words)] * 3, strict=True):
                    package, _, machine = name.rpartition(".")
                    if package == self.package:
                        found[heading].append((version.rpartition(":")[2], machine))
        if not any(found.values()) and "No matching" not in text and "no matching" not in text:
            raise FactError(f"list of packages: unexpected output {excerpt_of_end(text.strip(), 200)!r}")
        installed, available = (found[key][-1] if found[key] else None for key in found)
        return KernelOffer(
            self.package,
            installed[0] if installed else None,
            ".".join(installed) if installed else None,
            available[0] if available else None,
            ".".join(available) if available else None,
        )


def _real(version: str | None) -> str | None:
    return None if version in {None, "(none)"} else version
