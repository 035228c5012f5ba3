"""Who may log in over SSH with which key."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, NetworkQuery, Output

__all__ = ["AccountKeys", "AuthorizedKeys", "Login"]

# sshd itself says where it looks for the keys of an account (AuthorizedKeysFile); the first place is the one changed.
_READ = """account=$1
entry=$(getent passwd -- "$account") || { echo "no account"; exit 0; }
home=$(printf '%s\\n' "$entry" | cut -d: -f6)
sshd=$(command -v sshd || echo /usr/sbin/sshd)
settings=$("$sshd" -T -C "user=$account,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22") || exit
set -f; set -- $(printf '%s\\n' "$settings" | sed -n 's/^authorizedkeysfile //p')
[ $# -gt 0 ] && [ "$1" != none ] || { echo "no file"; exit 0; }
place() {
  found=$(printf '%s\\n' "$1" | sed -e "s|%h|$home|g" -e "s|%u|$account|g" -e 's|%%|%|g')
  case $found in /*) printf '%s\\n' "$found" ;; *) printf '%s\\n' "$home/$found" ;; esac
}
state() {
  if [ -L "$1" ] || [ -e "$1" ]; then stat --format='%F|%U|%a' -- "$1"; else echo '||'; fi
}
path=$(place "$1"); shift
printf '%s\\n' "$home" "$path"; state "$(dirname -- "$path")"; state "$path"
for other in "$@"; do
  other=$(place "$other")
  if [ -s "$other" ]; then printf 'also %s\\n' "$other"; fi
done
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
        if output.stdout == "no file\n":
            return AccountKeys(account=True)
        with parsing(f"keys of {self.account}"):
            home, path, directory, file, rest = output.stdout.split("\n", 4)
            also: list[str] = []
            while rest.startswith("also "):
                other, _, rest = rest.removeprefix("also ").partition("\n")
                also.append(other)
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
            also=tuple(also),
        )


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
