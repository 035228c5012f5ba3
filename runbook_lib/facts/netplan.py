"""netplan's files, and whether netplan accepts them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["NetplanFile", "NetplanFiles", "NetplanProblem"]

# A file in /etc replaces the one of the same name in /run, and that one in /usr/lib. Each file is preceded by its size;
# one with a password is not printed: what is read is recorded. Comments count: a `#` may also be part of a name. So do
# the ways in which YAML hides a key's name: escapes, aliases, a key on lines of its own.
_SENSITIVE = (
    r"""'(password|psk|pin|key|keys|secret)["'\'']?[[:space:]]*:"""
    r"""|\\[^"]*"[[:space:]]*:|\*[^[:space:]]+[[:space:]]+:|^[[:space:]{,-]*[?]([[:space:]]|$)'"""
)
_READ = r"""
for directory in /etc/netplan /run/netplan /usr/lib/netplan /lib/netplan; do
  for file in "$directory"/*.yaml; do
    [ -f "$file" ] || continue
    case "$known" in */"${file##*/}"/*) continue ;; esac
    known="$known/${file##*/}/"
    if grep -qiE SENSITIVE -- "$file"; then
      echo "secret $file"
    else
      echo "$(stat --format=%s -- "$file") $file" && cat -- "$file" && echo || exit 1
    fi
  done
done
echo end
""".replace("SENSITIVE", _SENSITIVE)
# netplan quotes the line that it refuses. Where any file has a password, only the place and the kind of the problem are
# printed: what is printed is recorded. netplan 1.1 says that a command failed, and exits with 0.
_CHECK = r"""
problem=$(netplan get network.renderer 2>&1 >/dev/null); code=$?
case $problem in *'Command failed: '*) code=1 ;; esac
if [ "$code" != 0 ]; then
  if cat /etc/netplan/*.yaml /run/netplan/*.yaml /usr/lib/netplan/*.yaml /lib/netplan/*.yaml 2>/dev/null |
    grep -qiE SENSITIVE
  then
    place=$(printf '%s\n' "$problem" | sed -nE 's,^[^/]*(/[^ ]+[.]yaml:[0-9]+:[0-9]+: [A-Za-z ]+).*,\1,p' | tail -n 1)
    problem="${place:-netplan refuses its files} (not quoted: a file has a password or a key)"
  fi
  printf '%s\n' "$problem" >&2
fi
exit "$code"
""".replace("SENSITIVE", _SENSITIVE)
_REFUSED = "Command failed: "
_RAISED = re.compile(r"[\w.]+(Exception|Error): ")


@dataclass(frozen=True)
class NetplanFile:
    """One of netplan's YAML files.

    Args:
        path: Absolute path.
        text: Its text; None if it holds a password or a key, and so is not read.
    """

    path: str
    text: str | None


@dataclass(frozen=True)
class NetplanFiles(Fact[tuple[NetplanFile, ...]]):
    """All files that netplan reads."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _READ), sudo=True)

    def parse(self, output: Output) -> tuple[NetplanFile, ...]:
        """Return the files.

        Raises:
            FactError: The output is cut off, or a file is not UTF-8.
        """
        found, rest = [], output.stdout.encode()
        with parsing("netplan's files"):
            while rest and rest != b"end\n":
                head, _, rest = rest.partition(b"\n")
                size, _, path = head.decode().partition(" ")
                if size == "secret":
                    found.append(NetplanFile(path, None))
                    continue
                text, rest = rest[: int(size)], rest[int(size) :]
                if rest[:1] != b"\n" or not path:
                    raise FactError(f"netplan's files: unexpected output {excerpt(output.stdout, 80)!r}")
                found.append(NetplanFile(path, text.decode()))
                rest = rest[1:]
        if not rest:
            raise FactError("netplan's files: the output is incomplete")
        return tuple(found)


@dataclass(frozen=True)
class NetplanProblem(Fact[str]):
    """Why netplan refuses its files, in its own words as far as they hold no password; empty if it accepts them."""

    def request(self) -> Command:
        """Return the command: netplan reads all files; nothing of a file with a password is printed."""
        return Command(("sh", "-c", _CHECK), sudo=True, accept=(0, 1, 2, 78))

    def parse(self, output: Output) -> str:
        """Return the message, which names the file and the line, without the traceback that netplan 0.106 prints."""
        if output.exit_code == 0:
            return ""
        lines = [line.strip() for line in output.stderr.strip().splitlines() if line.strip(" \t^")]
        refused = [number for number, line in enumerate(lines) if line.startswith(_REFUSED)]
        if refused:  # what comes before are warnings
            lines = [lines[refused[0]].removeprefix(_REFUSED), *lines[refused[0] + 1 :]]
        raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
        if raised:
            lines = [_RAISED.sub("", lines[raised[-1]]), *lines[raised[-1] + 1 :]]
        return excerpt("; ".join(lines), 300) or f"exit code {output.exit_code}"
