"""Who may log in over SSH with which key."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, NetworkQuery, Output

__all__ = ["AccountKeys", "AuthorizedKeys", "Login"]

# sshd itself says where it looks for the keys of an account (AuthorizedKeysFile); the first place is the one changed.
# It says so for a connection from the host itself: what `Match` blocks say for others by their address is unknown.
_READ = """account=$1 configuration=/etc/ssh/sshd_config
entry=$(getent passwd -- "$account") || { code=$?; [ $code -eq 2 ] || exit $code; echo "no account"; exit 0; }
home=$(printf '%s\\n' "$entry" | cut -d: -f6) uid=$(printf '%s\\n' "$entry" | cut -d: -f3)
sshd=$(command -v sshd || echo /usr/sbin/sshd)
settings=$("$sshd" -T -C "user=$account,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22") || exit
unread() {
  printf '%s\\n' "$settings" | sed -n 's/^authorizedkeyscommand /AuthorizedKeysCommand /p' | grep -v ' none$'
  for process in /proc/[0-9]*; do
    name=; { read -r name < "$process/comm"; } 2>/dev/null
    if [ "$name" = sshd ] && tr '\\0' ' ' < "$process/cmdline" 2>/dev/null | grep -qi authorizedkeys; then
      echo "an option in the command line of sshd"; break
    fi
  done
  cd "${configuration%/*}" || return
  set -- "$configuration"
  for file in $(sed -n 's/^[[:blank:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:blank:]=]*//p' "$configuration"); do
    if [ -f "$file" ]; then set -- "$@" "$file"; fi
  done
  awk 'FNR == 1 { other = 0 }
    { line = tolower($0); gsub(/[ \\t="]+/, " ", line); sub(/^ /, "", line) }
    line ~ /^match / { other = line ~ / (host|address|localaddress|localport|rdomain|version|invalid-user)( |$)/ }
    line ~ /^authorizedkeys(file|command) / && other { print "a Match block, line " FNR " of " FILENAME }
    ' "$@"
}
unread=$(unread) || exit
show_unread() { if [ -n "$unread" ]; then printf '%s\\n' "$unread" | sed 's/^/unread /'; fi; }
set -f; set -- $(printf '%s\\n' "$settings" | sed -n 's/^authorizedkeysfile //p')
[ $# -gt 0 ] && [ "$1" != none ] || { echo "no file"; show_unread; exit 0; }
place() {
  found=$(printf '%s\\n' "$1" | sed -e "s|%h|$home|g" -e "s|%u|$account|g" -e "s|%U|$uid|g" -e 's|%%|%|g')
  case $found in /*) printf '%s\\n' "$found" ;; *) printf '%s\\n' "$home/$found" ;; esac
}
state() { # what cannot be read, such as a home directory that its server hides from root, is not absent
  found=$(LC_ALL=C stat $4 --format="$2" -- "$1" 2>&1) || case $found in
  *"No such file or directory"|*"Not a directory") found=$3 ;;
  *) printf '%s\\n' "$found" >&2; exit 1 ;;
  esac
  printf '%s\\n' "$found"
}
path=$(place "$1"); shift
printf '%s\\n' "$home" "$path"
state "$(dirname -- "$path")" '%F|%U|%a' '||'; state "$path" '%F|%U|%a' '||'
for other in "$@"; do
  other=$(place "$other"); size=$(state "$other" %s 0 -L) || exit
  if [ "$size" != 0 ]; then printf 'also %s\\n' "$other"; fi
done
show_unread
if [ -f "$path" ] && [ ! -L "$path" ]; then
  if iconv -f UTF-8 -t UTF-8 < "$path" > /dev/null 2>&1; then echo text; cat -- "$path"; else echo "not text"; fi
fi
"""


@dataclass(frozen=True)
class AccountKeys:
    """The keys that may log in as an account, and where they are.

    Args:
        account: Whether the account exists.
        path: The file with the keys; empty if sshd reads none. The rest is empty then, too.
        home: The account's home directory.
        directory: What the file's directory is, as `stat` says; empty: nothing is there.
        directory_owner: Name of its owner.
        kind: What is at the path, likewise.
        owner: Name of its owner.
        mode: Its permissions, octal.
        text: The file's text; None if there is none, or it is not UTF-8.
        also: Other files, not empty, with keys of the account.
        unread: Where sshd may find keys besides, which were not read: as `AuthorizedKeysCommand /usr/bin/…`.
    """

    account: bool
    path: str = ""
    home: str = ""
    directory: str = ""
    directory_owner: str = ""
    kind: str = ""
    owner: str = ""
    mode: str = ""
    text: str | None = None
    also: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuthorizedKeys(Fact[AccountKeys]):
    """The keys that may log in as an account.

    Args:
        account: The account's name.
    """

    account: str

    def request(self) -> Command:
        """Return the command; only root may read the keys of others."""
        return Command(("sh", "-c", _READ, "sh", self.account), sudo=True)

    def parse(self, output: Output) -> AccountKeys:
        r"""Return the keys and where they are.

        >>> shown = "/home/anna\n/home/anna/.ssh/authorized_keys\ndirectory|anna|700\n||\n"
        >>> AuthorizedKeys("anna").parse(Output(0, shown)).path
        '/home/anna/.ssh/authorized_keys'
        """
        if output.stdout == "no account\n":
            return AccountKeys(account=False)
        with parsing(f"keys of {self.account}"):
            if output.stdout.startswith("no file\n"):
                _, unread, rest = _listed(output.stdout.removeprefix("no file\n"))
                if rest:
                    raise ValueError(excerpt(rest, 80))
                return AccountKeys(account=True, unread=unread)
            home, path, directory, file, rest = output.stdout.split("\n", 4)
            also, unread, rest = _listed(rest)
            directory_kind, directory_owner, _ = directory.split("|")
            kind, owner, mode = file.split("|")
            marker, _, text = rest.partition("\n")
            if marker not in {"", "text", "not text"}:
                raise ValueError(excerpt(marker, 80))
        return AccountKeys(
            account=True,
            path=path,
            home=home,
            directory=directory_kind,
            directory_owner=directory_owner,
            kind=kind,
            owner=owner,
            mode=mode,
            text=text if marker == "text" else None,
            also=also,
            unread=unread,
        )


def _listed(rest: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return the other files, what was not read, and the rest of the output."""
    found: dict[str, list[str]] = {"also": [], "unread": []}
    while rest.startswith(tuple(f"{word} " for word in found)):
        line, _, rest = rest.partition("\n")
        word, _, value = line.partition(" ")
        found[word].append(value)
    return tuple(found["also"]), tuple(found["unread"]), rest


@dataclass(frozen=True)
class Login(Fact[str]):
    """Whether this machine can log in to the host as an account with one private key; empty, or why not.

    Args:
        account: The account's name.
        identity_file: The private key's file on this machine.
    """

    account: str
    identity_file: str

    def request(self) -> NetworkQuery:
        """Return the query: a connection of its own, closed again after the login."""
        return NetworkQuery("login", 0, account=self.account, identity_file=self.identity_file, timeout=30.0)

    def parse(self, output: Output) -> str:
        """Return why the login was refused; empty if it was accepted."""
        return "" if output.exit_code == 0 else excerpt(output.stderr, 300) or "no answer"
