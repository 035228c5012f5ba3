"""Logins with another key than the inventory's, and changes confirmed over a new connection, with a real SSH server."""

from __future__ import annotations

import getpass
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runbook_lib import Runbook
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import AuthenticationError, StepFailed
from runbook_lib.facts.ssh_keys import Login
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, NetworkGuard, NewIdentity, Plan
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from runbook_lib.operations.observe import Observe
from runbook_lib.secrets import Secrets
from tests.connections import sshd
from tests.deadlines import wait_until
from tests.runbook.practice import Content, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.model.records import HostRecord


@dataclass(frozen=True)
class Guarded(Operation):
    """A file is there; the change authorizes a key, as it were."""

    path: str
    confirm: tuple[str, ...] = ("true",)
    new_key: str = ""

    def facts(self) -> Sequence[Fact[Any]]:
        return (Content(self.path),)

    def plan(self, facts: Facts) -> Plan:
        if facts[Content(self.path)] is not None:
            return Plan()
        return Plan(
            commands=(Command(("touch", self.path)),),
            guard=NetworkGuard(
                arm=(Command(("true",)),),
                confirm=(Command(self.confirm),),
                revert=(Command(("rm", self.path)),),
                timeout=20.0,
                identity=NewIdentity(getpass.getuser(), self.new_key) if self.new_key else None,
            ),
        )

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("the file", "", facts[Content(self.path)])]


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A private key that no server accepts."""
    return sshd.make_key(tmp_path / "stranger")


def opened(server: sshd.Server, place: Path, **host: Any) -> Runbook:  # noqa: ANN401 - any field of a host
    fields = server.host(**host).model_dump(exclude_defaults=True, exclude={"name"})
    (place / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-a": fields}}), encoding="utf-8")
    return Runbook.open(parameters(place))


def test_a_login_is_tried_with_one_key_only(server: sshd.Server, stranger: Path) -> None:
    connection = SshConnection(server.host(), Secrets())
    connection.try_login(getpass.getuser(), str(server.client_key), CommandWait(20.0))
    with pytest.raises(AuthenticationError, match="rejects the login of user"):
        connection.try_login(getpass.getuser(), str(stranger), CommandWait(20.0))
    with pytest.raises(AuthenticationError, match="rejects the login of user 'nobody-here'"):
        connection.try_login("nobody-here", str(server.client_key), CommandWait(20.0))
    with pytest.raises(AuthenticationError, match="does not exist"):
        connection.try_login(getpass.getuser(), f"{stranger}.gone", CommandWait(20.0))
    assert connection.established is None, "the run's own connection has nothing to do with it"


def test_a_login_is_recorded_as_a_query_of_this_machine(
    server: sshd.Server, stranger: Path, tmp_path: Path
) -> None:
    book = opened(server, tmp_path)
    logins = [Login(getpass.getuser(), str(key)) for key in (server.client_key, stranger)]
    host: HostRecord = book.step("Logins", Observe(tuple(logins))).hosts[0]
    book.close()
    assert list(host.facts.values()) == ["", f"the host rejects the login of user {getpass.getuser()!r}"]
    texts = [command.text for command in host.commands]
    assert texts[0].startswith(f"from-this-machine login {getpass.getuser()}@127.0.0.1 --identity-file /")


def test_a_login_to_a_host_without_ssh_is_refused_in_words(tmp_path: Path, stranger: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    host = book.step("Login", Observe((Login("anna", str(stranger)),))).hosts[0]
    book.close()
    assert list(host.facts.values()) == ["the host is not reached over SSH"]


def test_a_further_key_is_tried_besides_the_one_of_the_inventory(server: sshd.Server, stranger: Path) -> None:
    me = getpass.getuser()
    for inventory_key, further, account, accepted in (
        (stranger, server.client_key, me, True),
        (server.client_key, stranger, me, True),
        (stranger, server.client_key, "somebody-else", False),
    ):
        connection = SshConnection(server.host(identity_file=str(inventory_key)), Secrets())
        connection.offer_identity(account, str(further))
        try:
            if accepted:
                connection.open()
            else:
                with pytest.raises(AuthenticationError):
                    connection.open()
        finally:
            connection.close()


def test_a_confirmation_whose_answer_is_lost_is_sent_again(server: sshd.Server, tmp_path: Path) -> None:
    begun = tmp_path / "confirm"
    script = 'if [ -e "$0" ]; then exit 0; fi; touch "$0"; sleep 60'

    def cut() -> None:
        wait_until(begun.exists, "the confirmation")
        server.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    book = opened(server, tmp_path)
    host = book.step(
        "Change", Guarded(str(tmp_path / "file"), confirm=("sh", "-c", script, str(begun)))
    ).hosts[0]
    thread.join()
    book.close()
    assert host.status is Status.CHANGED
    assert (tmp_path / "file").exists()
    assert [command.exit_code for command in host.commands if command.kind == "guard"] == [0, None, 0]


def test_the_new_connection_may_log_in_with_the_key_that_the_change_authorizes(
    server: sshd.Server, tmp_path: Path
) -> None:
    book = opened(server, tmp_path)
    allowed = server.place / "authorized_keys"
    new = sshd.make_key(tmp_path / "new")
    before = allowed.read_text(encoding="ascii")
    operation = Guarded(str(tmp_path / "file"), new_key=str(new))
    try:
        allowed.write_text(new.with_suffix(".pub").read_text(encoding="ascii"), encoding="ascii")
        with pytest.raises(StepFailed):  # the first connection of the run has the inventory's key only
            book.step("Refused", operation)
        allowed.write_text(before, encoding="ascii")
        book = opened(server, tmp_path)
        book.step("Connect", Observe((Content(str(tmp_path / "file")),)))
        allowed.write_text(new.with_suffix(".pub").read_text(encoding="ascii"), encoding="ascii")
        assert book.step("Change", operation).status is Status.CHANGED
        book.close()
    finally:
        allowed.write_text(before, encoding="ascii")
