"""Measure how long `verify_run` takes for a run of many commands, compared with SHA-256 of the same bytes.

    python -m benchmarks.verify PLACE PROGRAM

`PLACE` was written by `prepare`. The evidence is as a run leaves it (journal lines chained and sealed, records in the
notebook next to the cards that a reader sees, long outputs in files named by their SHA-256), but is written without
flushing each line to disk. All times are the least of several with the files in the page cache, so they compare the
work and not the disk. SHA-256 is Python's, from OpenSSL, which uses the processor's instructions for it, and that of
the command `sha256sum`, which often does not.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from benchmarks.measured import least, report
from runbook_lib.attestation import seal_run
from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.display.cards import templates
from runbook_lib.evidence import events, layout
from runbook_lib.evidence.chain import FIRST, chain
from runbook_lib.evidence.chain import seal as sealed_line
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.model.records import (
    SCHEMA_VERSION,
    CommandRecord,
    HostRecord,
    RunRecord,
    StepRecord,
    StreamRecord,
)
from runbook_lib.model.status import SYMBOLS, Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable

_HOSTS = 10
_TIMES = 7
_PER_HOST = 20  # commands of a step on a host
_START = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
_RUN = "20261122T150000Z_10_practice_000000"
_BOOK = {"name": "10_practice", "title": "Many commands"}


class _Journal(Journal):
    """The lines of a journal, kept in memory: nothing is written or flushed."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._previous = FIRST
        self._at = _START

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        self._at += timedelta(milliseconds=7)
        entry = {
            "n": len(self.lines) + 1,
            "time": self._at.isoformat(),
            "event": event,
            **data,
            "previous": self._previous,
        }
        line = sealed_line(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        self.lines.append(line)
        self._previous = chain(line)

    def append_nowait(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        self.append(event, **data)


def _stream(text: str, store: OutputStore) -> StreamRecord:
    whole = text.encode()
    if len(text) <= 8192:  # noqa: PLR2004 - as the recorder's head and tail
        return StreamRecord(head=text, size=len(whole), sha256=store.digest(whole))
    return StreamRecord(
        head=text[:4096], tail=text[-4096:], size=len(whole), sha256=store.put(whole), complete=False
    )


def _command(number: int, store: OutputStore) -> CommandRecord:
    at = _START + timedelta(milliseconds=14 * number)
    lines = 2000 if number % 500 == 0 else number % 12
    return CommandRecord(
        number=number,
        kind="change" if number % 4 == 0 else "fact",
        text=f"sudo -n docker inspect --format '{{{{.State.Status}}}}' container-{number}",
        purpose="see whether the container is running",
        started=at,
        ended=at + timedelta(milliseconds=11),
        exit_code=0,
        accepted=True,
        stdout=_stream(f"{number}: running since this morning\n" * lines, store),
        stderr=_stream("", store),
    )


def _step(number: int, journal: _Journal, store: OutputStore) -> StepRecord:
    names = [f"host-{index}" for index in range(_HOSTS)]
    step = StepRecord(number=number, title="Look", started=_START)
    events.step_started(journal, step, names)
    hosts = []
    for index, name in enumerate(names):
        first = ((number - 1) * _HOSTS + index) * _PER_HOST + 1
        commands = [_command(first + offset, store) for offset in range(_PER_HOST)]
        for command in commands:
            events.command_started(journal, command, number, name)
            events.command_ended(journal, command, number, name)
        host = HostRecord(
            host=name, address=f"192.168.7.{index}", kind="machine", operation="container.running",
            status=Status.OK, started=_START, ended=_START, commands=commands,
            facts={"Containers": [{"name": command.text, "up": True} for command in commands[:8]]},
        )  # fmt: skip
        events.host_ended(journal, number, host)
        hosts.append(host)
    step = step.model_copy(update={"ended": _START, "hosts": hosts})
    events.step_ended(journal, step)
    return step


def _cell(source: str, *bundles: dict[str, Any], tags: list[str] | None = None) -> dict[str, Any]:
    outputs = [{"output_type": "display_data", "metadata": {}, "data": bundle} for bundle in bundles]
    return {
        "cell_type": "code", "id": source[:8].strip(), "metadata": {"tags": tags or []},
        "execution_count": 1, "outputs": outputs, "source": source.splitlines(keepends=True),
    }  # fmt: skip


def _card(step: StepRecord) -> dict[str, Any]:
    html = templates.get_template("step.html.j2").render(
        symbols=SYMBOLS, step=step, mode=Mode.APPLY,
        changing_commands=lambda host: [command for command in host.commands if command.kind != "fact"],
        read_only_commands=lambda host: [command for command in host.commands if command.kind == "fact"],
    )  # fmt: skip
    data = {"schema_version": SCHEMA_VERSION, "run": _RUN, **step.model_dump(mode="json")}
    return {"text/plain": step.title, "text/html": html, layout.STEP_MIME: data}


def make(top: Path, commands: int) -> tuple[Path, Path]:
    """Write a sound run of about as many commands; return its directory and that of the approved notebooks."""
    run, approved = top / _RUN, top / "approved"
    run.mkdir(parents=True)
    approved.mkdir()
    journal, store = _Journal(), OutputStore(run / "output")
    parameters = {"inventory": "inventory.yml", "hosts": "all"}
    record = RunRecord(
        run=_RUN, runbook=_BOOK["name"], title=_BOOK["title"], mode=Mode.APPLY, started=_START,
        source={"commit": "0" * 40, "uncommitted": False}, parameters=parameters,
        endpoints={f"host-{index}": {"connection": "local"} for index in range(_HOSTS)},
    )  # fmt: skip
    events.run_started(journal, record)
    opened = {"event": "opened", **record.model_dump(mode="json", exclude={"steps", "exposed_secrets"})}
    cells = [
        _cell('inventory = "inventory.yml"\nhosts = "all"', tags=["parameters"]),
        _cell("book = Runbook.open(p)", {layout.RUN_MIME: opened}),
    ]
    count = max(1, commands // (_HOSTS * _PER_HOST))
    steps = [_step(number, journal, store) for number in range(1, count + 1)]
    cells += [_cell(f"book.step({step.number})", _card(step)) for step in steps]
    events.run_ended(
        journal, record.model_copy(update={"status": Status.OK, "ended": _START, "steps": steps})
    )
    ended = {"event": "ended", "run": _RUN, "status": "ok", "ended": _START.isoformat(), "steps": count}
    cells.append(_cell("book.close()", {layout.RUN_MIME: ended}))
    _write(run, journal.lines, cells, parameters)
    bare = [{**cell, "outputs": [], "execution_count": None} for cell in cells]
    (approved / "10_practice.ipynb").write_text(_notebook(bare), encoding="utf-8")
    return run, approved


def _write(run: Path, lines: list[bytes], cells: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
    (run / "journal.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (run / "notebook.ipynb").write_text(_notebook(cells), encoding="utf-8")
    text = yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True)
    (run / "parameters.yml").write_text(text, encoding="utf-8")


def _notebook(cells: list[dict[str, Any]]) -> str:
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)  # as nbformat writes it


def prepare(place: Path, commands: int) -> None:
    """Write and seal a sound run, for `main`.

    Args:
        place: A directory.
        commands: Its number of commands, about.
    """
    run, _ = make(place, commands)
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "key.pem").write_bytes(private)
    seal_run(run, [CryptoSigner(key)])


def _verifies(place: Path) -> Callable[[], object]:
    private = load_pem_private_key((place / "key.pem").read_bytes(), None)
    signer = CryptoSigner(cast("Ed25519PrivateKey", private))
    trust = Trust({signer.public_key.keyid: signer.public_key}, {})
    approval = Approval(directory=place / "approved")
    verdict = verify_run(place / _RUN, trust=trust, approved=approval)
    if verdict.verdict != "verified":
        sys.exit(f"the verdict on the benchmark's own run is {verdict.verdict}: {verdict.findings[:3]}")
    return lambda: verify_run(place / _RUN, trust=trust, approved=approval)


def _hash_all(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def main(place: Path, program: str) -> None:
    """Measure one program on a prepared run, and report its least time."""
    files = sorted(path for path in (place / _RUN).rglob("*") if path.is_file())
    sums = ["sha256sum", *map(str, files)]
    programs: dict[str, Callable[[], object]] = {
        "sha256sum": lambda: subprocess.run(sums, check=True, capture_output=True),
        "hashlib": lambda: _hash_all(files),
    }
    report(least(_verifies(place) if program == "runbook" else programs[program], _TIMES))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
