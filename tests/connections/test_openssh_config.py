"""ssh_config means for us what it means for OpenSSH, whose client is asked about the same files."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections import ssh_config
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.connections.ssh_config import read_ssh_config
from runbook_lib.errors import HostKeyError, InventoryError, UnreachableError
from runbook_lib.host_settings import Host
from runbook_lib.model.commands import Command
from runbook_lib.secrets import Secrets
from tests.connections import sshd
from tests.connections.test_ssh_config import NEVER, configure, echo, home, stanza

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connections.sshd import Server

__all__ = ["home"]

CONFIGS: dict[str, str | bytes] = {
    "hostname": "Host web1\n  HostName 192.0.2.7\n",
    "hostname token": "Host web*\n  HostName %h.example.org\n",
    "port": "Host web1\n  Port 2222\n",
    "equals sign": "Host=web1\n  Port=2200\n  User = me\n",
    "no blanks before": "Host web1\nPort 2201\nUser\tyou\n",
    "quotes": 'Host "web1"\n  User "some one"\n  HostKeyAlias "an alias"\n',
    "case": "hOsT web1\n  pOrT 2202\n",
    "comments": "# Host web1\nHost web1 # the web server\n  Port 2203 # odd\n  # Port 2204\n",
    "first value wins": "Host web1\n  Port 2205\nHost *\n  Port 2206\n  User all\n",
    "before any host": "User early\nHost web1\n  User late\n",
    "pattern": "Host we?[0-9]\n  Port 2207\nHost we?1\n  Port 2208\n",
    "several patterns": "Host db web* mail\n  Port 2209\n",
    "negated": "Host web* !web1\n  Port 2210\nHost *\n  Port 2211\n",
    "negated alone": "Host !db\n  Port 2212\n",
    "include": "Include {place}/more\nHost web1\n  Port 2213\n",
    "include in host": "Host other\n  Include {place}/more\nHost web1\n  Port 2214\n",
    "include glob": "Include {place}/mo* {place}/none*\n",
    "match host": "Match host web1\n  Port 2215\nMatch host other\n  Port 2216\n",
    "match hostname": "Host web1\n  HostName a.example\nMatch host *.example\n  Port 2217\n",
    "match originalhost": "Host web1\n  HostName a.example\nMatch originalhost web1\n  Port 2218\n",
    "match user": "Match user ops\n  Port 2219\nMatch user other\n  Port 2220\n",
    "match localuser": "Match localuser {me}\n  Port 2221\n",
    "match exec": 'Match exec "test %n = web1"\n  Port 2222\nMatch exec false\n  User never\n',
    "match final": "Match final\n  Port 2223\nHost web1\n  User me\n",
    "match all": "Host web1\n  Port 2224\nMatch all\n  User everyone\n",
    "match negated": "Match !host db host web*\n  Port 2225\n",
    "match several": "Match host web1 user ops exec true\n  Port 2226\n",
    "proxy jump": "Host web1\n  ProxyJump jump\n",
    "proxy jump chain": "Host web1\n  ProxyJump a@one:2022,two,b@[2001:db8::1]:2023\n",
    "proxy jump none": "Host web1\n  ProxyJump none\nHost *\n  ProxyJump jump\n",
    "proxy command": 'Host web1\n  ProxyCommand ssh -W "%h:%p" jump 2>/dev/null\n',
    "proxy command none": "Host web1\n  ProxyCommand none\nHost *\n  ProxyCommand false\n",
    "proxy command before jump": "Host web1\n  ProxyCommand false\n  ProxyJump jump\n",
    "known hosts": "Host web1\n  UserKnownHostsFile /one /two\n  GlobalKnownHostsFile /three\n",
    "known hosts token": "Host web1\n  UserKnownHostsFile /known/%h\n",
    "known hosts none": "Host web1\n  UserKnownHostsFile none\n  GlobalKnownHostsFile none\n",
    "identities only": "Host web1\n  IdentitiesOnly yes\n  IdentityAgent none\n",
    "alias": "Host web1\n  HostKeyAlias the-web\n  Port 2227\n",
    "canonical": "CanonicalizeHostname no\nMatch canonical\n  Port 2228\nHost web1\n  Port 2229\n",
    "windows": "Host web1\r\n  Port 2230\r\n",
    "not UTF-8": b"# caf\xe9\nHost web1\n  Port 2231\n",
    "empty": "\n\n",
}


def write(place: Path, text: str | bytes) -> Path:
    (place / "more").write_text("Host web1\n  Port 2299\n  User included\n", encoding="ascii")
    raw = text if isinstance(text, bytes) else text.encode()
    raw = raw.replace(b"{place}", str(place).encode()).replace(
        b"{me}", pwd.getpwuid(os.getuid()).pw_name.encode()
    )
    path = place / ".ssh" / "config"
    path.write_bytes(raw)
    return path


def openssh(config: Path, *options: str) -> dict[str, str]:
    done = subprocess.run(
        ["ssh", "-T", "-F", str(config), "-G", *options, "web1"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = (line.partition(" ") for line in done.stdout.decode().splitlines())
    return {key: "" if value == "none" else value for key, _, value in lines}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("user", "port"), [(None, None), ("ops", 4444)], ids=["plain", "given"])
def test_ssh_config_is_read_as_openssh_reads_it(
    name: str, user: str | None, port: int | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_config, "_SYSTEM", home / "no-such-file")
    path = write(home, CONFIGS[name])
    theirs = openssh(path, *(["-l", user, "-p", str(port)] if user else []))
    ours = read_ssh_config("web1", "web1", user, port)
    assert (ours.host, str(ours.port), ours.user) == (theirs["hostname"], theirs["port"], theirs["user"])
    assert ours.host_key_alias == theirs.get("hostkeyalias", "")
    assert ours.proxy_jump == theirs.get("proxyjump", "")
    assert ours.proxy_command == theirs.get("proxycommand", "")
    assert ours.identities_only == (theirs["identitiesonly"] == "yes")
    assert ours.agent == (theirs.get("identityagent", "SSH_AUTH_SOCK") != "")
    own_home = pwd.getpwuid(os.getuid()).pw_dir
    known = f"{theirs['userknownhostsfile']} {theirs['globalknownhostsfile']}".split()
    assert [str(path).replace(str(home), own_home) for path in ours.known_hosts] == known


def test_the_machines_ssh_config_comes_after_the_users(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = home / "system"
    system.write_text("Port 2300\nUser everyone\n", encoding="ascii")
    monkeypatch.setattr(ssh_config, "_SYSTEM", system)
    configure(home, "Host web1\n  Port 2301\nHost db\n")
    found = read_ssh_config("web1", "web1")
    assert (found.port, found.user) == (2301, "everyone")


def test_identity_files_are_those_that_exist_with_tokens_replaced(home: Path) -> None:
    for name in ("id_ops", "id ed"):
        (home / ".ssh" / name).touch()
    lines = ("id_%r", "missing", '"~/.ssh/id ed"')
    paths = "".join(f"  IdentityFile {line if '~' in line else f'~/.ssh/{line}'}\n" for line in lines)
    configure(home, f"Host web1\n  User ops\n{paths}")
    found = read_ssh_config("web1", "web1").identity_files
    assert found == (f"{home}/.ssh/id_ops", f"{home}/.ssh/id ed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Host web1\n  Colour red\n", "line 2: Bad configuration option: colour"),
        ("Host web1\n  Port many\n", "line 2: Bad"),
        ("Match nonsense\n  Port 1\n", "line 1: Bad Match condition"),
        ("Include {place}/.ssh/config\n", "Too many recursive"),
        ("Host web1\n  RevokedHostKeys /revoked\n", "RevokedHostKeys is not supported: /revoked"),
        ("Host web1\n  KnownHostsCommand /bin/echo x\n", "KnownHostsCommand is not supported"),
        ("Host web1\n  IdentityAgent /run/agent\n", "IdentityAgent is not supported: /run/agent"),
        ("Host web1\n  IdentityFile /keys/%q\n", "unknown token %q"),
    ],
)
def test_what_is_malformed_or_not_supported_is_named(text: str, message: str, home: Path) -> None:
    write(home, text)
    with pytest.raises(InventoryError) as refused:
        read_ssh_config("web1", "web1")
    assert message in refused.value.message
    assert refused.value.hint


def test_without_an_ssh_program_only_a_config_that_is_there_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_config, "_SYSTEM", home / "no-such-file")
    monkeypatch.setenv("PATH", str(home))
    configure(home, "# nothing\n\n")
    found = read_ssh_config("web1", "web1", "ops")
    assert (found.host, found.port, found.user) == ("web1", 22, "ops")
    assert found.known_hosts[0] == home / ".ssh" / "known_hosts"
    configure(home, "Port 3\n")
    with pytest.raises(InventoryError, match="the program ssh is not installed"):
        read_ssh_config("web1", "web1")


def test_a_proxy_command_is_run_by_a_shell_with_its_tokens_replaced(server: Server, home: Path) -> None:
    seen = f'printf %%s "%n %h %p %r" >{home}/seen'
    command = f"  ProxyCommand sh -c '{seen}; exec socat - TCP:%h:%p' 2>/dev/null\n"
    configure(home, stanza("web1", server, command + "  User root\n"))
    assert echo(server) == "hello\n"
    assert (home / "seen").read_text(encoding="ascii") == f"web1 127.0.0.1 {server.port} root"
    with pytest.raises(InventoryError, match="unknown token %q"):
        echo(server, proxy_command="nc %q")


def test_the_known_hosts_files_of_ssh_config_are_used(server: Server, home: Path) -> None:
    user, system = home / "user", home / "system"
    key = server.known_hosts.read_text(encoding="ascii").split(" ", 1)[1]
    files = f"  UserKnownHostsFile {home}/missing {user}\n  GlobalKnownHostsFile {system}\n"
    configure(home, stanza("web1", server, files))
    user.write_text(f"other {key}", encoding="ascii")
    with pytest.raises(HostKeyError, match="is unknown"):
        echo(server, known_hosts=None)
    for file in (user, system):
        file.write_text(f"{server.name_in_known_hosts} {key}", encoding="ascii")
        assert echo(server, known_hosts=None) == "hello\n"
        file.write_text("", encoding="ascii")
    system.write_text(f"{server.name_in_known_hosts} {key}", encoding="ascii")
    user.write_text(f"@revoked * {key}", encoding="ascii")
    with pytest.raises(HostKeyError, match="is revoked"):
        echo(server, known_hosts=None)
    configure(home, stanza("web1", server, files + "  HostKeyAlias the-web\n"))
    user.write_text(f"the-web {key}", encoding="ascii")
    assert echo(server, known_hosts=None) == "hello\n"
    configure(home, stanza("web1", server, f"  UserKnownHostsFile {home}/a\n  GlobalKnownHostsFile none\n"))
    with pytest.raises(HostKeyError, match="known_hosts cannot be read: "):
        echo(server, known_hosts=None)


def test_a_host_with_room_for_one_session_runs_commands_and_a_further_one_is_refused_by_name(
    tmp_path: Path,
) -> None:
    with sshd.running(tmp_path / "one", "MaxSessions 1\n") as narrow:
        connection = SshConnection(
            Host.model_validate({**narrow.host().model_dump(), "user": "root"}), Secrets()
        )
        try:
            for text in ("first", "second"):
                assert connection.run(Command(("echo", text)), NEVER).stdout == f"{text}\n"
            _, kept = connection.start_persistent(
                Command(("sh", "-c", "echo 1; echo .; read -r word")), NEVER
            )
            assert kept is not None
            with pytest.raises(UnreachableError, match="allows no further session") as refused:
                connection.run(Command(("true",)), NEVER)
            assert "MaxSessions" in str(refused.value.hint)
            kept.release()
            assert connection.run(Command(("echo", "third")), NEVER).stdout == "third\n"
        finally:
            connection.close()


@pytest.mark.parametrize(
    ("included", "port"),
    [
        ("", 22),
        ("# Port 2230\nHost *\n  SendEnv LANG\n", 22),
        ("Port 2230\n", 2230),
        ("Include {place}/*.conf", 0),
    ],
)
def test_debians_own_file_needs_no_ssh_program_per_host_unless_it_includes_a_setting(
    included: str, port: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, place = home / "system", home / "system.d"
    place.mkdir(parents=True)
    if included:
        (place / "own.conf").write_text(included.replace("{place}", str(place)), encoding="utf-8")
    own = "Host *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n    GSSAPIAuthentication yes\n"
    system.write_text(f"# comment\nInclude {place}/*.conf\n\n{own}", encoding="utf-8")
    monkeypatch.setattr(ssh_config, "_SYSTEM", system)
    if port:
        assert read_ssh_config("web1", "web1").port == port
    monkeypatch.setenv("PATH", str(home))
    if port == 22:
        assert read_ssh_config("web1", "web1").port == port
    else:
        with pytest.raises(InventoryError, match="the program ssh is not installed"):
            read_ssh_config("web1", "web1")
