"""Look for a secret value, once it is known, in everything that was recorded before."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.exposed_secrets import ANY_TYPE, EVENT, Exposure, Place, Sample, is_structure
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, NOTEBOOK, OUTPUT
from runbook_lib.evidence.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.masking import Mask

__all__ = ["exposure_in_file", "find_exposure"]

_MOST_PLACES = 50
_MOST_SAMPLES = 50
_PIECE = 1 << 20  # characters of a file that are searched at once
_OVERLAP = 1 << 16  # characters of the piece before that are searched again
_DIGEST = 64  # characters of the name of a complete output


def find_exposure(directory: Path, reference: str, mask: Mask, ended_runs: Sequence[Path] = ()) -> Exposure:
    """Look for a value in everything that a run, and others before it, have recorded.

    Args:
        directory: The run's directory.
        reference: The reference to the value.
        mask: A mask of the value.
        ended_runs: Directories of earlier runs, whose evidence this run depends on or its notebook shows.
    """
    places, samples, outputs = _in_journal(directory / JOURNAL, mask)
    for file in _files(directory):
        name = file.relative_to(directory).as_posix()
        # With our engine the executed notebook gets the same mask at its end as all that is made from the journal.
        if name == JOURNAL or (name == NOTEBOOK and samples) or not _has_value(file, mask):
            continue
        places += [Place(name, *where) for where in outputs.get(file.name, [(0, "")])]
    for ended in ended_runs:
        if not _is_known(ended / JOURNAL, reference):
            places += [Place(path_text(str(file))) for file in _files(ended) if _has_value(file, mask)]
    return Exposure(reference, places[:_MOST_PLACES], samples)


def exposure_in_file(file: Path, reference: str, mask: Mask, name: str) -> Exposure | None:
    """Return the exposure of a value by one file; None if the file does not have it.

    Args:
        file: The file.
        reference: The reference to the value.
        mask: A mask of the value.
        name: What to call the file.
    """
    return Exposure(reference, [Place(name)]) if _has_value(file, mask) else None


def _in_journal(
    journal: Path, mask: Mask
) -> tuple[list[Place], list[Sample], dict[str, list[tuple[int, str]]]]:
    """Return the places and the samples of a value in a journal, and the steps and hosts of each stored output."""
    places: dict[Place, None] = {}
    samples: dict[str, Sample] = {}
    outputs: dict[str, list[tuple[int, str]]] = {}
    with journal.open("rb") as lines:
        for line in lines:
            text = line.decode("utf-8", "replace")
            stored = '"complete":false' in text
            if not stored and not mask.spans(text):
                continue
            entry = json.loads(text)
            if entry["event"] == EVENT:
                continue
            where = (int(entry.get("step") or 0), str(entry.get("host") or ""))
            for stream in ("stdout", "stderr") if stored else ():
                if isinstance(entry.get(stream), dict):
                    outputs.setdefault(str(entry[stream].get("sha256")), []).append(where)
            for path, found in _texts(entry, []):
                for start, end in [*mask.spans(found), *_cut_spans(found, path, mask)]:
                    places[Place(JOURNAL, *where)] = None
                    if path and len(samples) < _MOST_SAMPLES:
                        samples.setdefault(found[start:end], Sample(entry["n"], path, start, end))
    return list(places), list(samples.values()), outputs


def _cut_spans(text: str, path: Sequence[str | int], mask: Mask) -> Iterator[tuple[int, int]]:
    """Yield start and end of the part of a value at which an output was cut for its record."""
    if path[-1:] == ["head"]:
        size = mask.begun_at_end(text)
        if size:
            yield len(text) - size, len(text)
    elif path[-1:] == ["tail"]:
        size = mask.ended_at_start(text)
        if size:
            yield 0, size


def _texts(data: Any, path: list[str | int]) -> Iterator[tuple[list[str | int], str]]:  # noqa: ANN401 - JSON
    """Yield each text of an entry that may have a value, with the path to it; none for a name, as of a fact."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _texts(value, [*path, position])
    elif isinstance(data, dict):
        for key, value in data.items():
            any_type = ANY_TYPE & set(path)
            if any_type:
                yield [], key
            if any_type or not is_structure(key, value):
                yield from _texts(value, [*path, key])
    elif isinstance(data, int | float) and not isinstance(data, bool) and ANY_TYPE & set(path):
        yield path, str(data)


def _all_texts(data: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for value in data:
            yield from _all_texts(value)
    elif isinstance(data, str):
        yield data


def _files(directory: Path) -> Iterator[Path]:
    """Yield the files of a run that are complete: evidence, and what was made from it."""
    for parent, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            partial = file.parent.name == OUTPUT and len(name) != _DIGEST
            if not partial and name != ATTESTATION and file.is_file() and not file.is_symlink():
                yield file


def _has_value(file: Path, mask: Mask) -> bool:
    """Return whether a file has a value; a file that cannot be read has none that anybody reads."""
    if file.suffix == ".ipynb":
        # Code has a value as Python writes it, and the file that code as JSON: the two together are not a form.
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return any(mask.spans(text) for text in _all_texts(json.loads(file.read_bytes())))
    before = ""
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as text:
            while piece := text.read(_PIECE):
                if mask.spans(before + piece):
                    return True
                before = piece[-_OVERLAP:]
    except OSError:
        return False
    return False


def _is_known(journal: Path, reference: str) -> bool:
    """Return whether a journal names an exposure of a reference itself."""
    try:
        with journal.open("rb") as lines:
            return any(
                f'"event":"{EVENT}"'.encode() in line and json.loads(line)["reference"] == reference
                for line in lines
            )
    except (OSError, ValueError, LookupError):
        return False
