"""known_hosts, ssh_config and what a host answers before its command: as OpenSSH's own programs read them."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.remote_shell import RemoteOutput
from runbook_lib.connections.ssh_config import read_ssh_config
from runbook_lib.errors import InventoryError
from runbook_lib.host_settings import Host
from tests.deadlines import deadline
from tests.fuzz.harness import fuzzed, one_message
from tests.fuzz.mutations import JUNK, mutated_bytes, mutated_text

if TYPE_CHECKING:
    from pathlib import Path


def key(number: int, kind: str = "ssh-ed25519") -> bytes:
    parts = (kind.encode(), bytes([number]) * 32)
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts))


KEYS = st.sampled_from([key(number) for number in range(3)])
NAMES = [
    b"web1",
    b"WEB1",
    b"web*",
    b"web?",
    b"*",
    b"!web1",
    b"[web1]:2222",
    b"10.0.0.7",
    b"[10.0.0.7]:2222",
    b"other",
]
LINES = st.one_of(
    st.builds(
        lambda marker, names, text, comment: marker + b",".join(names) + b" ssh-ed25519 " + text + comment,
        st.sampled_from([b"", b"", b"", b"@revoked ", b"@cert-authority ", b"  "]),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
        KEYS,
        st.sampled_from([b"", b" caf\xe9", b" a comment", b"\t\xff"]),
    ),
    st.sampled_from(
        [b"", b"# comment", b"web1", b"web1 ssh-ed25519 AAAA!", b"@odd web1 ssh-ed25519 AAAA", b"\0"]
    ),
    st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")),
)
HOSTS = st.sampled_from([("web1", 22), ("web1", 2222), ("10.0.0.7", 22), ("10.0.0.7", 2222), ("mars", 22)])
CONFIG = """\
Host web* !web9
    HostName 10.0.0.7
    Port 2222
    User ops
    IdentityFile ~/.ssh/id_ed25519
Host bastion
    HostName=bastion.example.org
Match host 10.0.0.7 user ops
    ProxyJump "bastion"
    StrictHostKeyChecking yes
Include conf.d/*
Host *
    ServerAliveInterval 30
    HostKeyAlias %n.example.org
    UserKnownHostsFile ~/.ssh/known_hosts ~/.ssh/more
"""


def openssh_keys(file: Path, name: str) -> set[bytes]:
    """Return the keys that OpenSSH knows for a name."""
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, check=False, timeout=deadline(60)
    )
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith(b"#")]
    whole = {
        key(number) for number in range(3)
    }  # ssh-keygen prints a malformed key too; ssh itself ignores it
    return {
        base64.b64decode(words[2]) for words in lines if words[2] in whole and not words[0].startswith(b"@")
    }


@fuzzed(20, lines=st.lists(LINES, max_size=6), host=HOSTS)
def test_known_hosts(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], host: tuple[str, int]
) -> None:
    file = tmp_path_factory.mktemp("ssh") / "known_hosts"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    name, port = host
    known = known_host([file], name, port, "host-a")
    expected = openssh_keys(file, name if port == 22 else f"[{name}]:{port}")
    if not expected and port != 22:
        expected = openssh_keys(file, name)
    assert known.keys == expected


@fuzzed(60, data=st.lists(LINES, max_size=6).map(b"\n".join).flatmap(mutated_bytes), host=HOSTS)
def test_any_bytes_in_known_hosts(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, host: tuple[str, int]
) -> None:
    file = tmp_path_factory.mktemp("ssh") / "known_hosts"
    file.write_bytes(data)
    known = known_host([file], *host, "host-a")
    assert all(base64.b64encode(found) in data for found in known.keys | known.revoked)
    assert known.key_types <= {"ssh-ed25519"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@fuzzed(
    15,
    text=mutated_text([CONFIG]).filter(lambda text: "exec" not in text.lower()),
    host=st.sampled_from(["web1", "web9", "bastion", "10.0.0.7", "None"]) | JUNK,
)
def test_an_ssh_config(home: Path, text: str, host: str) -> None:
    try:
        Host(name="host-a", address=host)
    except ValueError:
        return  # an inventory with such an address is refused
    file = home / ".ssh" / "config"
    file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        config = read_ssh_config(host, "host-a")
    except InventoryError as problem:
        one_message(problem)
        return
    asked = subprocess.run(
        ["ssh", "-G", "-F", str(file), "--", host], capture_output=True, check=False, timeout=deadline(60)
    )
    if asked.returncode or not text.strip():
        return
    printed = dict(line.partition(b" ")[::2] for line in reversed(asked.stdout.splitlines()))
    assert (config.host.encode(errors="surrogateescape"), config.port) == (
        printed[b"hostname"],
        int(printed[b"port"]),
    )
    assert config.user.encode(errors="surrogateescape") == printed[b"user"]
    assert config.proxy_jump.encode(errors="surrogateescape") == printed.get(b"proxyjump", b"")


def answer(nonce: str, drawn: list[str]) -> bytes:
    """Return a stream made of pieces, of which some are what the host's shell prints."""
    known = {"nonce": f"begin:{nonce}\n", "proof": f"ran:{nonce}\n", "prompt": f"{nonce}:", "half": nonce[:9]}
    return "".join(known.get(piece, piece) for piece in drawn).encode(errors="surrogatepass")


PIECES = st.lists(
    st.sampled_from(["nonce", "proof", "prompt", "half", "\n", "greeting\n"]) | JUNK, max_size=6
)


@fuzzed(
    80,
    out=PIECES,
    err=PIECES,
    cuts=st.lists(st.integers(0, 80), max_size=6),
    sudo=st.booleans(),
    password=st.sampled_from([None, "secret"]),
)
def test_an_answer_means_the_same_however_it_is_cut_into_packets(
    out: list[str],
    err: list[str],
    cuts: list[int],
    sudo: bool,  # noqa: FBT001 - drawn
    password: str | None,
) -> None:
    results = []
    for ends in ([], sorted(cuts)):
        stdout: list[bytes] = []
        stderr: list[bytes] = []
        remote = RemoteOutput(stdout.append, stderr.append, sudo=sudo, password=password)
        for add, drawn in ((remote.add_stdout, out), (remote.add_stderr, err)):
            data = answer(remote.nonce, drawn)
            for start, end in zip([0, *ends], [*ends, len(data)], strict=True):
                add(data[start:end])
        remote.finish()
        texts = [b"".join(pieces).decode(errors="replace") for pieces in (stdout, stderr)]
        said = (*texts, remote.preamble, remote.refusal(1, "ops"))
        results.append(
            (
                [text.replace(remote.nonce, "NONCE").replace(remote.nonce[:9], "HALF") for text in said],
                (remote.ran, remote.reached_shell, remote.waits_for_sudo, remote.password_refused),
            )
        )
        if remote.ran:
            assert "proof" in err if sudo else {"nonce", "proof"} & {*out}
    assert results[0] == results[1]
