"""Secret values that were recorded before the run knew that they are secret: where they are, and who hides them.

A journal is never rewritten. Its entry `secret_exposed` says which reference stands for the value, which files have
it, and at which positions of the journal; the entry does not repeat the value. Every reader of a journal reads the
value there, and masks it: nothing that is made from the evidence repeats it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.regular_file import read
from runbook_lib.masking import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.evidence.chain import JournalEntry

__all__ = ["ANY_TYPE", "EVENT", "HINT", "ExposedSecrets", "Exposure", "Place", "Sample", "is_structure"]

EVENT = "secret_exposed"
"""The event in a journal."""
HINT = "rotate the secret: what was recorded stays there"
"""What to do about it."""

_STRUCTURE = frozenset(
    [
        "n",
        "time",
        "event",
        "previous",
        "seal",
        "sha256",
        "schema_version",
        "run",
        "runbook",
        "mode",
        "status",
        "kind",
        "host_kind",
        "host",
        "hosts",
        "started",
        "ended",
        "resumes",
        "resumes_sha256",
        "proven",
        "boot",
        "commit",
        "inventory_sha256",
        "source_sha256",
        "inventory_kind",
        "on_failure",
    ]
)
"""Fields whose values come from the library, or name runs, runbooks and hosts: masked, a record could not be read, or
would belong to another run. `tests/evidence/test_exposed_secrets.py` compares them with the records."""
ANY_TYPE = frozenset({"facts", "parameters"})
"""Fields with data of any shape: a number in them may be replaced by a text, and no name in them is structure."""
_SHORTEST = 4  # as in `Secrets`
_SHOWN_PLACES = 6


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Args:
        file: Relative to the run directory; outside of it an absolute path.
        step: Number of the step that recorded it; 0 if it was no step, or it is not known which.
        host: The host of that step; empty as above.
    """

    file: str
    step: int = 0
    host: str = ""

    def __str__(self) -> str:
        """Return the place for a message."""
        return f"{self.file} (step {self.step} on {self.host})" if self.step and self.host else self.file


@dataclass(frozen=True)
class Sample:
    """One position of the journal with a value in one of its forms, from which a reader learns the value.

    Args:
        line: Number of the line.
        path: Keys and positions that lead to the text in the line's JSON.
        start: Position of the first character of the value in that text.
        end: Position after the last one.
    """

    line: int
    path: list[str | int]
    start: int
    end: int


@dataclass(frozen=True)
class Exposure:
    """The places at which the value of one reference was recorded in plain text.

    Args:
        reference: The reference.
        places: The places; not all of them if there are very many.
        samples: Where a reader of the journal finds the value; none if the journal does not have it.
    """

    reference: str
    places: list[Place] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def as_fields(self) -> dict[str, Any]:
        """Return the fields of the event."""
        return asdict(self)

    @classmethod
    def of(cls, entry: JournalEntry) -> Exposure:
        """Read the event.

        Raises:
            LookupError: A field is missing; likewise `TypeError` and `ValueError`: it is not one that a run writes.
        """
        places = [
            Place(str(place["file"]), int(place["step"]), str(place["host"])) for place in entry["places"]
        ]
        return cls(str(entry["reference"]), places, [Sample(**sample) for sample in entry["samples"]])

    def __str__(self) -> str:
        """Return a sentence for a report."""
        shown = ", ".join(map(str, self.places[:_SHOWN_PLACES]))
        more = len(self.places) - _SHOWN_PLACES
        return (
            f"the value of {self.reference} was recorded in plain text before the run knew that it is a secret: "
            f"{shown}{f' and {more} more' if more > 0 else ''}"
        )


class ExposedSecrets:
    """The exposures that a journal names; masks their values.

    Args:
        exposures: The exposures.
        values: The reference that replaces each value.
    """

    def __init__(self, exposures: Sequence[Exposure] = (), values: dict[str, str] | None = None) -> None:
        self.exposures = list(exposures)
        self._mask = Mask(values) if values else None

    @classmethod
    def of(cls, entries: Sequence[JournalEntry]) -> ExposedSecrets:
        """Return the exposures that valid entries of a journal name.

        Raises:
            ValueError: An entry names a position that the journal does not have.
        """
        exposures = [Exposure.of(entry) for entry in entries if entry.get("event") == EVENT]
        values: dict[str, str] = {}
        for exposure in exposures:
            for sample in exposure.samples:
                value = _text_at(entries[sample.line - 1], sample.path)[sample.start : sample.end]
                if sample.line < 1 or len(value) < _SHORTEST:
                    raise ValueError(f"{EVENT}: no value at the position of line {sample.line}")
                values[value] = exposure.reference
        return cls(exposures, values)

    @classmethod
    def of_run(cls, directory: Path) -> ExposedSecrets:
        """Return the exposures that a run's journal names; none if it cannot be read, which its other readers say."""
        try:
            data = read(directory / JOURNAL)
            return cls.of(read_lines(data).entries) if EVENT.encode() in data else cls()
        except (EvidenceError, ArithmeticError, ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.exposures)

    def __str__(self) -> str:
        """Return all of them for a report; empty if there are none."""
        text = "; ".join(map(str, self.exposures))
        return f"{text}; {HINT}" if text else ""

    def mask(self, text: str) -> str:
        """Return a text without the values."""
        return self._mask(text) if self._mask else text

    def mask_data(self, data: Any) -> Any:  # noqa: ANN401 - JSON
        """Return JSON data without the values; what is not text of a host or a person stays."""
        return data if self._mask is None else self._masked(data, any_type=False)

    def _masked(self, data: Any, *, any_type: bool) -> Any:  # noqa: ANN401 - JSON
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, list):
            return [self._masked(value, any_type=any_type) for value in data]
        if isinstance(data, dict):
            return {
                self.mask(key): value
                if not any_type and is_structure(key, value)
                else self._masked(value, any_type=any_type or key in ANY_TYPE)
                for key, value in data.items()
            }
        if any_type and isinstance(data, int | float) and not isinstance(data, bool):
            masked = self.mask(str(data))
            return data if masked == str(data) else masked
        return data

    def may_be_same(self, masked: str, plain: str) -> bool:
        """Return whether a text is another one in which references of exposed secrets stand for their values.

        For a text whose value the journal does not have: then any text may be the value.

        Args:
            masked: The text with references.
            plain: The other one.
        """
        references = {exposure.reference for exposure in self.exposures if exposure.reference in masked}
        if not references:
            return masked == plain
        split = re.compile("|".join(map(re.escape, sorted(references, key=len, reverse=True))))
        expected = f".{{{_SHORTEST},}}".join(map(re.escape, split.split(masked)))
        return re.fullmatch(expected, plain) is not None


def is_structure(key: str, value: object) -> bool:
    """Return whether a field of the evidence has no text of a host or a person: nothing in it is taken for a secret."""
    parts = value if isinstance(value, list) else [value]
    return key in _STRUCTURE and not any(isinstance(part, dict) for part in parts)


def _text_at(data: Any, path: Sequence[str | int]) -> str:  # noqa: ANN401 - JSON
    for key in path:
        data = data[key]
    return str(data)
