# ruff: noqa: S311, PLR2004 - part of a program, not a package; the random numbers protect nothing
"""A synthetic archive: invented runs in the files that real runs leave. No host was contacted."""

from __future__ import annotations

import html
import json
import os
import random
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.chain import FIRST, chain, seal
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.model.records import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["journals", "notebooks"]

Data = dict[str, Any]
_RUNBOOKS = ("00_preflight", "20_docker_install", "30_bridge_br0", "40_ambassador_redis", "90_validate")
_LAST = datetime(2026, 11, 1, tzinfo=UTC)
_STREAM = {"tail": "", "sha256": "5" * 64, "complete": True}


def journals(top: Path, count: int, steps: int = 25, hosts: int = 2) -> int:
    """Write run directories with sealed journals; return the bytes written."""
    return _spread(partial(_journals, top, steps, hosts), count)


def notebooks(top: Path, count: int, size: int = 71_000) -> int:
    """Write executed notebooks of about `size` bytes; return the bytes written."""
    return _spread(partial(_notebooks, top, size), count)


def _spread(write: Any, count: int) -> int:  # noqa: ANN401 - a function
    numbers = [range(start, min(start + 500, count)) for start in range(0, count, 500)]
    with ProcessPoolExecutor() as pool:
        return sum(pool.map(write, numbers))


def _run(number: int, hosts: int) -> Data:
    random_numbers = random.Random(number)
    began = _LAST - timedelta(minutes=5 * number)
    runbook = _RUNBOOKS[number % len(_RUNBOOKS)]
    names = [f"host-{random_numbers.randrange(200):03}" for _ in range(hosts)]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": f"{began:%Y%m%dT%H%M%SZ}_{runbook}_{number:06x}",
        "runbook": runbook,
        "title": "Synthetic: nothing was done",
        "mode": "validate" if runbook.startswith("9") else random_numbers.choice(["plan", "apply"]),
        "started": began.isoformat(),
        "operator": "benchmark",
        "machine": "synthetic",
        "pid": 1,
        "source": {"commit": f"{number:040x}", "uncommitted": number % 7 == 0},
        "versions": {"python": "3.11.2", "runbook-lib": "0.1.0"},
        "inventory": "params/example/inventory.yml",
        "hosts": list(dict.fromkeys(names)),
        "lab": None,
        "parameters": {"inventory": "params/example/inventory.yml", "hosts": "all", "mode": "apply"},
        "on_failure": "stop",
    }


def _host(run: Data, step: int, name: str, texts: int = 300) -> Data:
    """Return a record of a step on a host, with one command and one check."""
    random_numbers = random.Random(f"{run['run']} {step} {name}")
    began = datetime.fromisoformat(run["started"]) + timedelta(seconds=3 * step)
    ended = (began + timedelta(seconds=random_numbers.uniform(0.1, 2.5))).isoformat()
    bad = random_numbers.random() < 0.01
    answer = f"{name} step {step}\n" + "the service is active; " * (texts // 23)
    command = {
        "number": step,
        "kind": "fact",
        "text": f"systemctl show unit-{step}.service",
        "stdin": None,
        "purpose": "",
        "attempt": 1,
        "started": began.isoformat(),
        "ended": ended,
        "exit_code": 1 if bad else 0,
        "accepted": not bad,
        "problem": "",
        "stdout": {"head": answer, "size": len(answer), **_STREAM},
        "stderr": {"head": "", "size": 0, **_STREAM},
    }
    return {
        "host": name,
        "address": f"192.0.2.{step}",
        "kind": "machine",
        "operation": f"service.Active(name='unit-{step}')",
        "status": "failed" if bad else "ok",
        "message": "unexpected answer" if bad else "",
        "proven": "",
        "undoes": [],
        "attempt": 1,
        "started": began.isoformat(),
        "ended": ended,
        "changes": [],
        "checks": [
            {
                "name": "active",
                "expected": "yes",
                "observed": "no" if bad else "yes",
                "holds": not bad,
                "id": "",
            }
        ],
        "facts": {"Kernel": {"system": "Linux", "release": f"6.1.{step}", "machine": "x86_64"}},
        "commands": [command],
    }


def _step(run: Data, number: int, texts: int) -> Data:
    hosts = [_host(run, number, name, texts) for name in run["hosts"]]
    title = f"Step {number} of a synthetic run"
    return {
        "number": number,
        "title": title,
        "kind": "operation",
        "started": hosts[0]["started"],
        "ended": hosts[0]["ended"],
        "hosts": hosts,
    }


def _end(run: Data, steps: list[Data]) -> Data:
    bad = any(host["status"] == "failed" for step in steps for host in step["hosts"])
    ended = (datetime.fromisoformat(run["started"]) + timedelta(minutes=2)).isoformat()
    return {"status": "failed" if bad else "ok", "ended": ended, "steps": len(steps)}


def _journals(top: Path, steps: int, hosts: int, numbers: range) -> int:
    written = 0
    for number in numbers:
        run = _run(number, hosts)
        records = [_step(run, step, 60) for step in range(1, steps + 1)]
        path = top / run["run"]
        path.mkdir(parents=True)
        content = _chained(_entries(run, records))
        (path / "journal.jsonl").write_bytes(content)
        written += len(content)
    return written


def _entries(run: Data, steps: list[Data]) -> list[Data]:
    entries = [{"event": "run_started", **run}]
    for step in steps:
        place = {"step": step["number"]}
        about = {"title": step["title"], "kind": step["kind"], "started": step["started"]}
        entries.append({"event": "step_started", **place, **about, "hosts": run["hosts"]})
        for host in step["hosts"]:
            (command,) = host["commands"]
            sent = {**place, "host": host["host"], "command": command["number"]}
            before = ("kind", "text", "stdin", "purpose", "attempt", "started")
            entries.append({"event": "command_started", **sent, **{name: command[name] for name in before}})
            after = ("ended", "exit_code", "accepted", "problem", "stdout", "stderr")
            entries.append({"event": "command_ended", **sent, **{name: command[name] for name in after}})
            kept = {name: value for name, value in host.items() if name not in {"commands", "kind"}}
            rest = {"host_kind": host["kind"], "commands": [command["number"]], "planned": []}
            entries.append({"event": "host_ended", **place, **kept, **rest})
        entries.append({"event": "step_ended", **place, "status": "ok", "ended": step["ended"]})
    return [*entries, {"event": "run_ended", **_end(run, steps)}]


def _chained(entries: list[Data]) -> bytes:
    previous, lines = FIRST, []
    for number, entry in enumerate(entries, start=1):
        whole = {"n": number, "time": "2026-11-01T00:00:00+00:00", **entry, "previous": previous}
        line = seal(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())
        previous = chain(line)
        lines.append(line)
    return b"\n".join(lines) + b"\n"


def _notebooks(top: Path, size: int, numbers: range) -> int:
    """Write notebooks in which, as in real ones, a third of the bytes are records and the rest their cards."""
    written = 0
    for number in numbers:
        run = _run(number, 2)
        steps = [_step(run, place, 700) for place in range(1, 7)]
        outputs = [
            {RUN_MIME: {"event": "opened", **run, "status": "unknown", "ended": None, "incomplete": ""}}
        ]
        outputs += [
            {STEP_MIME: {"schema_version": SCHEMA_VERSION, "run": run["run"], **step}} for step in steps
        ]
        outputs += [{RUN_MIME: {"event": "ended", "run": run["run"], **_end(run, steps)}}]
        records = sum(len(json.dumps(output, indent=1)) for output in outputs)
        card = max(0, size - int(1.25 * records) - 9000) // len(outputs)
        content = json.dumps(_notebook(outputs, card), ensure_ascii=False, indent=1, sort_keys=True).encode()
        path = top / f"{run['run']}.ipynb"
        path.write_bytes(content + b"\n")
        os.utime(path, ns=(number * 10**9, number * 10**9))
        written += len(content) + 1
    return written


def _notebook(outputs: list[Data], card: int) -> Data:
    cells: list[Data] = []
    for number, output in enumerate(outputs):
        escaped = html.escape(json.dumps(output, ensure_ascii=False))
        row = f"<tr><td class='st'>✓</td><td><code>{escaped}</code></td></tr>"
        text = "".join([row] * (1 + card // len(row)))[:card]
        lines = [f"{text[start : start + 240]}\n" for start in range(0, len(text), 240)]
        data = {**output, "text/html": lines, "text/plain": ["a card\n", "✓ ok"]}
        times = {"start_time": "2026-11-01T00:00:00", "end_time": "2026-11-01T00:00:01", "duration": 1.0}
        prose = {
            "cell_type": "markdown",
            "id": f"prose-{number}",
            "metadata": {},
            "source": ["What the step is for.\n"],
        }
        cells += [
            prose,
            {
                "cell_type": "code",
                "execution_count": number + 1,
                "id": f"synthetic-{number}",
                "metadata": {"papermill": {"status": "completed", "exception": False, **times}, "tags": []},
                "outputs": [{"output_type": "display_data", "data": data, "metadata": {}}],
                "source": [f'book.step("Step {number}", ...)'],
            },
        ]
    metadata: Data = {"papermill": {"version": "2.7.0", "exception": None, "parameters": {}}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
