"""Keys that may log in over SSH, changed under commit-confirm: nobody locks himself out by rotating them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.ssh_keys import AuthorizedKeys, Login
from runbook_lib.file_contents import read_local
from runbook_lib.model.plans import Check, NewIdentity, Plan
from runbook_lib.operations.authorized_keys_file import (
    changed,
    given_key,
    given_lines,
    keys_in,
    unclear_lines,
)
from runbook_lib.operations.base import Operation
from runbook_lib.operations.commit_confirm import (
    GuardedChange,
    GuardedFile,
    check_revert_after,
    pending,
    refuse_pending,
)
from runbook_lib.project import find_upwards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.ssh_keys import AccountKeys
    from runbook_lib.file_contents import LocalPath
    from runbook_lib.operations.public_keys import PublicKey

__all__ = ["Authorized", "authorized"]

_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?")  # with a domain too, as anna@example.org
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_REGULAR = {"regular file", "regular empty file"}


@dataclass(frozen=True)
class Authorized(Operation):
    """These keys may log in as an account, and others may not. Make one with `authorized`.

    The file is changed under a revert timer on the host: unless the login of `login_with` and the checks succeed over a
    new connection, the host restores the former keys. Comments, and the lines of keys that stay, are kept as they are.

    Args:
        account: The account's name.
        keys: Lines of authorized_keys that must be there.
        absent: SHA-256 fingerprints of keys that must not be there.
        exactly: Whether `keys` are the only keys.
        login_with: File of this machine with a private key that must be able to log in as the account; the new
            connection may use it. Empty: the connection of the run is the proof.
        revert_after: Seconds until the host reverts an unconfirmed change.

    Raises:
        ParameterError: A line is not a public key, or the arguments contradict each other.
    """

    account: str
    keys: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    exactly: bool = False
    login_with: str = ""
    revert_after: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be lines of the file."""
        where = f"ssh_keys.authorized({self.account!r})"
        check_revert_after(self.revert_after, where)
        if not _ACCOUNT.fullmatch(self.account):
            raise ParameterError(
                f"{self.account!r} is not the name of an account", where=where, hint='as "anna"'
            )
        if not self.keys and not self.absent:
            raise ParameterError(
                "no keys are given",
                where=where,
                hint="give only=, add= or remove=; a host needs at least one key",
            )
        wanted = {given_key(line, where).fingerprint for line in self.keys}
        wrong = [word for word in self.absent if not _FINGERPRINT.fullmatch(word)]
        if wrong:
            raise ParameterError(
                f"{wrong[0]!r} is not a SHA-256 fingerprint",
                where=where,
                hint="`ssh-keygen -lf FILE` prints it",
            )
        if both := sorted(wanted & set(self.absent)):
            raise ParameterError(
                f"{both[0]} is to be added and removed", where=where, hint="leave the key out of one of them"
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the keys, and whether the login succeeds."""
        return (pending(), AuthorizedKeys(self.account), *self._login)

    def plan(self, facts: Facts) -> Plan:
        """Change the file, unless the keys are as they should be. A login that is refused then has another cause."""
        refuse_pending(facts, self.revert_after)
        current = facts[AuthorizedKeys(self.account)]
        self._refuse_unsafe(current)
        before = current.text
        after = changed(before or "", current.path, self._wanted, self.absent, exactly=self.exactly)
        if after == (before or ""):
            return Plan()
        own = current.path.startswith(f"{current.home}/") and self.account != "root"
        directory = current.path.rpartition("/")[0]
        run_as = ("runuser", "-u", self.account, "--") if own else ()
        make = shlex.join((*run_as, "mkdir", "-p", "-m", "0700", "--", directory))
        unmake = shlex.join((*run_as, "rmdir", "--", directory))
        label = f"if command -v restorecon > /dev/null; then restorecon -R -- {shlex.quote(directory)}; fi"
        return GuardedChange(
            files=(
                GuardedFile(
                    current.path,
                    before,
                    after,
                    mode="" if current.kind else "0600" if own else "0644",
                    account=self.account if own else "",
                ),
            ),
            stop_old="" if current.directory else make,
            start_new=label,
            start_old="" if current.directory else unmake,
            at_boot="" if current.directory else unmake,
            identity=NewIdentity(self.account, self.login_with) if self.login_with else None,
            timeout=self.revert_after,
        ).plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check each key, and the login."""
        current = facts[AuthorizedKeys(self.account)]
        found: dict[str, list[PublicKey]] = {}
        for key in keys_in(current.text or ""):
            found.setdefault(key.fingerprint, []).append(key)
        unknown = self._unknown(current)
        checks = []
        for name, key in self._wanted.items():
            # A key may be on several lines: any of them lets it log in.
            options = dict.fromkeys(present.options or "no options" for present in found.get(name, ()))
            same = list(options) == [key.options or "no options"]
            other = f"with {', and with '.join(options)}" if options else "absent"
            checks.append(
                Check(
                    f"key {key.label} of {self.account}",
                    f"with {key.options}" if key.options else "authorized",
                    ("authorized" if not key.options else f"with {key.options}") if same else other,
                    same,
                    f"ssh_keys.authorized.{name}",
                )
            )
        checks += [
            Check.equal(
                f"key {fingerprint} of {self.account}",
                "absent",
                "authorized" if fingerprint in found else unknown or "absent",
                f"ssh_keys.absent.{fingerprint}",
            )
            for fingerprint in self.absent
        ]
        if self.exactly:
            others = [keys[0].label for name, keys in found.items() if name not in self._wanted]
            observed = ", ".join(filter(None, (*others, unknown))) or "none"
            checks.append(Check.equal(f"other keys of {self.account}", "none", observed, "ssh_keys.others"))
        for login in self._login:
            problem = facts[login]
            checks.append(
                Check(
                    f"login as {self.account} with {self.login_with}, from this machine",
                    "accepted",
                    problem or "accepted",
                    not problem,
                    "ssh_keys.login",
                )
            )
        return checks

    def _unknown(self, current: AccountKeys) -> str:
        """Return why more keys than those that were read may log in; empty if no others can."""
        if current.kind and current.text is None:
            what = "not UTF-8 text" if current.kind in _REGULAR else f"a {current.kind}"
            return f"unknown: {current.path} is {what}"
        if current.also:
            return f"unknown: {', '.join(current.also)} has keys too"
        if current.unread:
            return f"unknown: sshd also takes keys from {', '.join(current.unread)}"
        unclear = unclear_lines(current.text or "", exactly=self.exactly)
        return f"unknown: line {unclear[0][0]} of {current.path} is not understood" if unclear else ""

    @property
    def _wanted(self) -> dict[str, PublicKey]:
        return {key.fingerprint: key for key in map(given_key, self.keys)}

    @property
    def _login(self) -> tuple[Login, ...]:
        return (Login(self.account, self.login_with),) if self.login_with else ()

    def _refuse_unsafe(self, current: AccountKeys) -> None:
        account = self.account
        removes = self.exactly or self.absent
        if not current.account:
            raise PlanRefused(
                f"there is no account {account}", hint="make it in an earlier step: pyinfra.server.user(...)"
            )
        if not current.path:
            raise PlanRefused(
                f"sshd reads no file with keys of {account} (AuthorizedKeysFile none)",
                hint="set AuthorizedKeysFile in sshd_config, or change the keys where they are kept",
            )
        own = current.path.startswith(f"{current.home}/")
        for path, kind, kinds, owner in (
            (current.path.rpartition("/")[0], current.directory, {"directory"}, current.directory_owner),
            (current.path, current.kind, _REGULAR, current.owner),
        ):
            if kind and kind not in kinds:
                raise PlanRefused(f"{path} is a {kind}", hint="replace it by hand, then run this again")
            if kind and own and owner != account:
                raise PlanRefused(
                    f"{path} belongs to {owner}, not to {account}",
                    hint=f"chown it to {account}, or remove it",
                )
        if current.kind and current.text is None:
            raise PlanRefused(f"{current.path} is not UTF-8 text", hint="correct the file by hand")
        if current.unread and removes:
            raise PlanRefused(
                f"sshd also takes keys of {account} from {', '.join(current.unread)}: it could not be "
                "proven that a removed key no longer works",
                hint="remove the key there too, by hand; add= works all the same",
            )
        if current.also and removes:
            raise PlanRefused(
                f"{account} also has keys in {', '.join(current.also)}, which this operation does not change",
                hint=f"move them to {current.path} by hand, or remove them",
            )


def authorized(  # noqa: PLR0913 - the three ways to say which keys, and how the change is proven
    account: str,
    *,
    only: Sequence[LocalPath] = (),
    add: Sequence[LocalPath] = (),
    remove: Sequence[LocalPath] = (),
    login_with: LocalPath = "",
    revert_after: float = 60.0,
) -> Authorized:
    """Return the operation that decides which keys may log in as an account.

    Each key is the text of its line, or a file of this machine with such lines, as a `.pub` file.

    Args:
        account: The account's name; it exists on the host.
        only: Exactly these keys; all others are removed. Not together with `add` and `remove`.
        add: Keys that are added.
        remove: Keys that are removed; their SHA-256 fingerprints do as well.
        login_with: File of this machine with a private key that must be able to log in as the account before the change
            is confirmed. When keys are rotated: the new key.
        revert_after: Seconds until the host reverts an unconfirmed change.

    Raises:
        ParameterError: A key or a file cannot be read, or the arguments contradict each other.
    """
    where = f"ssh_keys.authorized({account!r})"
    if only and (add or remove):
        raise ParameterError(
            "only= together with add= or remove=",
            where=where,
            hint="only= lists every key that may log in: leave add= and remove= out",
        )
    for keys in (only, add, remove):
        if isinstance(keys, str):
            raise ParameterError("keys are given as one text", where=where, hint="give a list: [...]")
    named = [word for word in remove if isinstance(word, str) and _FINGERPRINT.fullmatch(word)]
    further = given_lines([word for word in remove if word not in named], where)
    identity = ""
    if login_with:
        if b"PRIVATE KEY-----" not in read_local(login_with, f"{where}: login_with"):
            raise ParameterError(
                f"login_with: {login_with} is not a private key",
                where=where,
                hint="give the private key: the file without .pub",
            )
        identity = str(find_upwards(login_with).absolute())
    return Authorized(
        account,
        keys=tuple(dict.fromkeys([*given_lines(only, where), *given_lines(add, where)])),
        absent=tuple(dict.fromkeys([*named, *(given_key(line, where).fingerprint for line in further)])),
        exactly=bool(only),
        login_with=identity,
        revert_after=revert_after,
    )
