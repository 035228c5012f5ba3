"""Change evidence as somebody could who knows its format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.chain import FIRST, chain, seal
from runbook_lib.evidence.layout import RUN_MIME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.audit.verify.findings import Finding
    from runbook_lib.audit.verify.verdict import Verdict

Data = dict[str, Any]


def journal(run: Path) -> list[bytes]:
    return (run / "journal.jsonl").read_bytes().splitlines()


def put_journal(run: Path, lines: list[bytes]) -> None:
    (run / "journal.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def forge_journal(run: Path, change: Callable[[list[Data]], None]) -> None:
    """Change a journal's entries, and chain and seal all of them again: the journal itself does not show it."""
    entries = [json.loads(line) for line in journal(run)]
    change(entries)
    lines: list[bytes] = []
    previous = FIRST
    for number, entry in enumerate(entries, start=1):
        entry.pop("seal")
        entry |= {"n": number, "previous": previous}
        lines.append(seal(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()))
        previous = chain(lines[-1])
    put_journal(run, lines)


def kill_before_end(run: Path) -> None:
    """Leave of a run what it had left if its process had been killed just before its end was recorded."""
    put_journal(run, journal(run)[:-1])
    for name in ("attestation.json", "junit.xml", "report.html"):
        (run / name).unlink(missing_ok=True)
    edit_notebook(run, forget_end)


def forget_end(content: Data) -> None:
    """Remove the record of the run's end from a notebook."""
    for one in content["cells"]:
        one["outputs"] = [
            output
            for output in one.get("outputs", [])
            if output.get("data", {}).get(RUN_MIME, {}).get("event") != "ended"
        ]


def edit_notebook(path: Path, change: Callable[[Data], None]) -> None:
    file = path / "notebook.ipynb" if path.is_dir() else path
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")


def cell(content: Data, identifier: str) -> Data:
    return next(item for item in content["cells"] if item["id"] == identifier)


def lie_in_cell(content: Data) -> None:
    """Change the code of a cell of the practice notebook."""
    cell(content, "wait")["source"] = ['book.step("Wait", practice.waiting(0))\n', "harmless = 1"]


def found(verdict: Verdict, part: str, text: str) -> Finding:
    """Return the one finding about a part whose place or message contains a text."""
    (one,) = [
        item for item in verdict.findings if item.part == part and text in f"{item.where}: {item.message}"
    ]
    return one
