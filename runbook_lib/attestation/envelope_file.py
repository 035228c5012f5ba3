"""`attestation.json`, without its signatures: they need libraries that take longer to load than a seal to be made."""

from __future__ import annotations

import base64
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runbook_lib import file_lock
from runbook_lib.atomic import replace_file
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION
from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PAYLOAD_TYPE", "locked", "payload", "unsigned", "write_content"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def payload(statement: dict[str, Any]) -> bytes:
    """Return the bytes of a statement that an envelope contains, and that are signed."""
    return utf8_bytes(json.dumps(statement, ensure_ascii=False))


def unsigned(statement: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an envelope of DSSE that has no signature."""
    encoded = base64.b64encode(payload(statement)).decode("ascii")
    return {"payload": encoded, "payloadType": PAYLOAD_TYPE, "signatures": []}


def write_content(directory: Path, content: dict[str, Any], name: str = ATTESTATION) -> Path:
    """Write the content of an envelope in one step; it is on disk when this returns.

    Args:
        directory: Where to write it.
        content: Payload, its type, and signatures.
        name: The name of the file.

    Raises:
        EvidenceError: The envelope cannot be written; an earlier one stays as it was.
    """
    path = directory / name
    try:
        replace_file(path, json.dumps(content, indent=1).encode() + b"\n", durable=True)
    except OSError as problem:
        raise EvidenceError(
            f"the attestation cannot be written: {problem.strerror or problem}", where=str(path)
        ) from problem
    return path


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time seal or sign a run; the others wait.

    Raises:
        EvidenceError: The directory cannot be opened.
    """
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        raise EvidenceError(f"cannot be opened: {problem.strerror}", where=str(directory)) from problem
    try:
        file_lock.acquire(handle)
        yield
    finally:
        os.close(handle)
