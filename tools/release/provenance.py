"""Who built a release, from what: an in-toto statement in a DSSE envelope, as the seal of a run is."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation.envelope import check, open_envelope, sign, wrap, write
from runbook_lib.attestation.statement import STATEMENT_TYPE
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.regular_file import digest
from runbook_lib.project import operator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from runbook_lib.attestation.trust import Trust
    from tools.release.tree import Tree

__all__ = ["PROVENANCE", "Verified", "attest", "verify"]

PROVENANCE = "provenance.json"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD_TYPE = "urn:runbook-lib:make-release:v1"


class Verified:
    """What a release turned out to be.

    Args:
        version: As it says itself; vouched for by the signatures.
        commit: Likewise.
        names: The files, in order.
        signers: The holders of trusted keys that signed.
        findings: What is wrong; empty: the release may be used.
    """

    def __init__(
        self, version: str, commit: str, names: list[str], signers: list[str], findings: list[str]
    ) -> None:
        self.version = version
        self.commit = commit
        self.names = names
        self.signers = signers
        self.findings = findings


def attest(tree: Tree, version: str, target: Path, signers: Sequence[CryptoSigner]) -> Path:
    """Write the statement about all files of a directory; return its path.

    Args:
        tree: What was built.
        version: Of the package.
        target: The directory with the files.
        signers: Who signs; none: the statement is unsigned.

    Raises:
        EvidenceError: A file cannot be read, or the statement not be written.
    """
    envelope = wrap(_statement(tree, version, {path.name: digest(path) for path in sorted(target.iterdir())}))
    sign(envelope, signers)
    path = write(target, envelope, PROVENANCE)
    path.chmod(0o644)  # for everybody, unlike the evidence of a run
    return path


def _statement(tree: Tree, version: str, subjects: dict[str, str]) -> dict[str, Any]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()],
        "predicateType": _PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"version": version, "tag": tree.tag},
                "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": tree.commit}}],
            },
            "runDetails": {
                "builder": {
                    "id": f"{operator()}@{platform.node()}",
                    "version": {"python": platform.python_version()},
                },
                "metadata": {
                    "finishedOn": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
                },
            },
        },
    }


def verify(directory: Path, trust: Trust) -> Verified:
    """Compare a directory with its statement, and the statement with the keys of people who may release.

    Args:
        directory: The files of a release.
        trust: The keys.

    Raises:
        EvidenceError: There is no statement, or it cannot be read.
    """
    envelope, statement = open_envelope(directory, PROVENANCE)
    try:
        kind = str(statement["predicateType"])
        stated = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
        definition = statement["predicate"]["buildDefinition"]
        version = str(definition["externalParameters"]["version"])
        commit = str(definition["resolvedDependencies"][0]["digest"]["gitCommit"])
    except (LookupError, TypeError, ValueError) as problem:
        message = f"not a statement about a release: {type(problem).__name__}: {problem}"
        raise EvidenceError(message[:300], where=str(directory / PROVENANCE)) from problem
    findings = _compare(directory, stated)
    if kind != _PREDICATE:
        findings.append(f"{PROVENANCE}: the predicate is {kind}")
    signers = []
    for signature in check(envelope, trust):
        if signature.trusted:
            signers.append(signature.name)
        elif signature.valid is False:
            findings.append(f"the signature of key {signature.key_id[:12]} is invalid")
    if not signers:
        findings.append("not signed by a key that you trust")
    return Verified(version, commit, sorted(stated), sorted(set(signers)), findings)


def _compare(directory: Path, stated: dict[str, str]) -> list[str]:
    """Return a line for each file that is not as stated, is missing, or is not stated."""
    present = {path.name for path in directory.iterdir()} - {PROVENANCE}
    findings = [f"{name}: missing" for name in sorted(set(stated) - present)]
    findings += [f"{name}: not in the statement" for name in sorted(present - set(stated))]
    return findings + [
        f"{name}: content does not match the SHA-256 in the statement"
        for name in sorted(present & set(stated))
        if digest(directory / name) != stated[name]
    ]
