"""Signing keys: only their owner's, never overwritten, never shown."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from runbook_lib.attestation.keys import generate, load, signers
from runbook_lib.attestation.trust import Trust
from runbook_lib.errors import InputError, SecretError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.audit.project import Project


def test_a_key_pair_is_its_owners_and_its_public_half_is_what_auditors_trust(tmp_path: Path) -> None:
    key = generate(tmp_path / "me")
    assert (tmp_path / "me").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "me.pub").stat().st_mode & 0o777 == 0o644 & ~os_umask()
    assert load(str(tmp_path / "me")).public_key == key
    trust = Trust.load(tmp_path)
    assert (trust.keys, trust.names) == ({key.keyid: key}, {key.keyid: "me"})


def os_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_openssl_reads_both_halves(tmp_path: Path) -> None:
    generate(tmp_path / "me")
    for arguments in (["-in", "me"], ["-pubin", "-in", "me.pub"]):
        done = subprocess.run(
            ["openssl", "pkey", *arguments, "-noout", "-text"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "ED25519" in done.stdout


@pytest.mark.parametrize("there", ["me", "me.pub"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match="never overwritten"):
        generate(tmp_path / "me")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [
        (there, "precious")
    ]


def test_a_directory_that_does_not_exist_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    generate(tmp_path / "home" / "me")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"me", "me.pub"}


def test_a_place_that_cannot_be_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        generate(tmp_path / "file" / "me")


def test_an_encrypted_key_needs_its_passphrase_by_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHRASE", "correct horse battery")
    monkeypatch.setenv("WRONG", "another phrase")
    path = tmp_path / "me"
    key = generate(path, "${env:PHRASE}")
    assert b"ENCRYPTED" in path.read_bytes()
    assert load(str(path), "${env:PHRASE}").public_key == key
    for passphrase, message in [
        (None, "no passphrase is given"),
        ("${env:WRONG}", "the passphrase is wrong"),
    ]:
        with pytest.raises(SecretError, match=message):
            load(str(path), passphrase)
    with pytest.raises(SecretError, match="not a valid secret reference") as problem:
        load(str(path), "correct horse battery")
    assert "horse" not in str(problem.value)
    generate(tmp_path / "open")
    with pytest.raises(SecretError, match="not encrypted"):
        load(str(tmp_path / "open"), "${env:PHRASE}")


def test_a_key_comes_from_a_file_a_reference_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "me"
    key = generate(path)
    monkeypatch.setenv("THE_KEY", path.read_text(encoding="utf-8"))
    monkeypatch.delenv("RUNBOOK_SIGNING_KEY", raising=False)
    assert signers() == []
    for reference in (str(path), f"${{file:{path}}}", "${env:THE_KEY}"):
        (given,) = signers(reference)
        assert given.public_key == key
        monkeypatch.setenv("RUNBOOK_SIGNING_KEY", reference)
        (given,) = signers()
        assert given.public_key == key


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "me"
    generate(path)
    path.chmod(0o640)
    for reference in (str(path), f"${{file:{path}}}"):
        with pytest.raises(InputError, match="other users can read"):
            load(reference)


def test_what_is_no_signing_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    generate(tmp_path / "me")
    text = (tmp_path / "me").read_text(encoding="utf-8")
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "curve").write_bytes(curve)
    (tmp_path / "half").write_text(text[: len(text) // 2], encoding="utf-8")
    for path in (tmp_path / "curve", tmp_path / "half"):
        path.chmod(0o600)
    given = [
        text,
        text.splitlines()[1],
        str(tmp_path / "nothing"),
        *(str(tmp_path / name) for name in ("curve", "half")),
    ]
    for key in [*given, str(tmp_path)]:
        with pytest.raises(InputError) as problem:
            load(key)
        assert text.splitlines()[1][:16] not in str(problem.value)
    with pytest.raises(InputError, match="not the private key"):
        Trust.load(tmp_path / "me")


def test_the_private_key_is_nowhere_in_what_is_left_or_said(
    project: Project, run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "canary"
    generate(path)
    text = path.read_text(encoding="utf-8")
    raw = load_pem_private_key(text.encode(), None).private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    output = b""
    for verb in (
        ["seal", str(run)],
        ["countersign", str(run)],
        ["verify", str(run), "--json"],
        ["seal", str(run)],
    ):
        done = project.runbook("-v", "audit", *verb, RUNBOOK_SIGNING_KEY="${env:CANARY}", CANARY=text)
        output += (done.stdout + done.stderr).encode()
    output += b"".join(file.read_bytes() for file in run.rglob("*") if file.is_file())
    assert b"signatures" in output
    body = re.sub(r"-----.*?-----|\s", "", text).encode()
    for canary in (body, body[-24:], raw, raw.hex().encode(), raw.hex().upper().encode()):
        assert canary not in output
