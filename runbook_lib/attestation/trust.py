"""The public keys an auditor trusts: files in a folder, each named after its holder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import SSlibKey

from runbook_lib.errors import InputError
from runbook_lib.project import project_top, usable_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["DIRECTORY", "Trust", "public_key"]

DIRECTORY = "trusted_keys"
"""The project's folder of trusted public keys."""


@dataclass(frozen=True)
class Trust:
    """Trusted public keys by their id, and the names of their holders.

    Args:
        keys: By key id; the id is computed from the key itself.
        names: The holder's name by key id: the name of the file, without `.pub`.
        paths: The files and folders that the keys come from.
        project: The project whose keys these are, because none were named; None if they were named.
        refused: The folder whose keys do not count, because it comes with the evidence; empty if there is none.
    """

    keys: dict[str, SSlibKey] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()
    project: Path | None = None
    refused: str = ""

    @classmethod
    def load(cls, *paths: str | Path) -> Trust:
        """Return the keys of files, and of all `*.pub` files of directories.

        Raises:
            InputError: A path does not exist, a folder has no key, or a file is not a public Ed25519 key.
        """
        keys: dict[str, SSlibKey] = {}
        names: dict[str, str] = {}
        found = tuple(usable_path(path) for path in paths)
        for path in found:
            for file in _files(path):
                key = _read(file)
                keys[key.keyid] = key
                names.setdefault(key.keyid, file.name.removesuffix(".pub").removesuffix(".pem"))
        return cls(keys, names, found)

    @classmethod
    def of_project(cls) -> Trust:
        """Return the keys in the project's `trusted_keys`; no key is trusted if there is no such folder."""
        folder = project_top() / DIRECTORY
        if not (folder.is_dir() and any(folder.glob("*.pub"))):
            return cls()
        return replace(cls.load(folder), project=project_top())

    def for_evidence(self, path: Path) -> Trust:
        """Return the keys that count for a run: a project's own do not for what is in that project, or around it.

        A tree that was handed over could bring the keys that it was signed with. Keys that were named always count.
        """
        if self.project is None:
            return self
        evidence, project = path.resolve(), self.project.resolve()
        if evidence.is_relative_to(project) or project.is_relative_to(evidence):
            return Trust(refused=str(self.project / DIRECTORY))
        return self

    def __str__(self) -> str:
        """Return where the keys come from, and whose they are."""
        if not self.keys:
            return f"none ({self.refused} does not count without --trust)" if self.refused else "none"
        holders = ", ".join(sorted(set(self.names.values())))
        return f"{holders} from {', '.join(map(str, self.paths))}"


def public_key(carried: Any) -> SSlibKey | None:  # noqa: ANN401 - whatever a signature carries
    """Return the Ed25519 key that a signature carries; None if that is not one.

    The key's id is computed again: a key that merely claims a trusted key's id is not taken for it.
    """
    try:
        raw = bytes.fromhex(carried["keyval"]["public"])
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
    except (KeyError, TypeError, ValueError):
        return None


def _files(path: Path) -> Sequence[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.pub"))
        if not found:
            raise InputError(
                "contains no public key", where=str(path), hint="put the signers' NAME.pub files there"
            )
        return found
    if not path.is_file():
        raise InputError(
            "no such file or folder of trusted keys",
            where=str(path),
            hint="name the .pub file that `runbook audit keygen` made, or a folder of them",
        )
    return [path]


def _read(path: Path) -> SSlibKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as problem:
        raise InputError(
            "not a public key in PEM", where=str(path), hint="name the .pub file, not the private key"
        ) from problem
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("not an Ed25519 key", where=str(path))
    return SSlibKey.from_crypto(key)
