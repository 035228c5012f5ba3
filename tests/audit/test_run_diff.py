"""Two runs compared: what differs is listed, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.run_diff import SECTIONS, compare, source_cells
from runbook_lib.connections.remote_shell import sudo_text
from runbook_lib.evidence.lookup import read_run
from runbook_lib.model.records import RunRecord
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive


@pytest.fixture
def runs(evidence: Path) -> list[RunRecord]:
    return [
        read_run(path)
        for path in sorted((evidence / "runs").iterdir(), key=lambda path: read_run(path).started)
    ]


# Fields of a run's record that no comparison shows, and why.
NOT_COMPARED = {
    **dict.fromkeys(("run", "started", "ended"), "each run has its own; they head the comparison"),
    **dict.fromkeys(("pid", "pid_began", "boot"), "about the process, not about what was done"),
    "title": "what people call the runbook",
    "schema_version": "follows from the version of runbook-lib",
    "on_failure": "is a parameter too",
    **dict.fromkeys(("resumes", "resumes_sha256"), "`resume` is a parameter"),
    "unit": "one id for each request of runs",
}
COMPARED: dict[str, Any] = {
    **dict.fromkeys(("runbook", "operator", "machine", "lab", "message"), "other"),
    **dict.fromkeys(("inventory", "inventory_kind", "inventory_sha256"), "other"),
    **dict.fromkeys(("incomplete", "exposed_secrets"), "other"),
    "mode": Mode.VALIDATE,
    "status": Status.UNKNOWN,
    "hosts": ["host-z"],
    "steps": [],
    **{name: {"new": "other"} for name in ("source", "versions", "parameters")},
    "endpoints": {"host-a": {"address": "192.0.2.99"}},
    "notebook_file": {"path": "/other.ipynb"},
}


def test_every_field_of_a_runs_record_is_compared_or_it_is_known_why_not(runs: list[RunRecord]) -> None:
    assert set(RunRecord.model_fields) == set(COMPARED) | set(NOT_COMPARED), "see audit/about_run.py"
    assert not set(COMPARED) & set(NOT_COMPARED)
    alike = [
        name
        for name, value in COMPARED.items()
        if compare(runs[1], runs[1].model_copy(update={name: value})).empty
    ]
    assert alike == []


def test_a_host_that_was_reached_elsewhere_and_another_inventory_and_notebook_are_shown(
    runs: list[RunRecord],
) -> None:
    before, after = (
        runs[1].model_copy(
            update={
                "endpoints": {"host-a": {"connection": "ssh", "address": address, "port": 22}},
                "inventory_sha256": digest * 64,
                "notebook_file": {"path": "/book.ipynb", "sha256": digest * 64, "source_sha256": source},
            }
        )
        for address, digest, source in (("192.0.2.1", "a", "c"), ("192.0.2.9", "b", "d"))
    )
    assert changes(before, after, "run") == [
        ("inventory SHA-256", "a" * 64, "b" * 64),
        ("notebook source SHA-256", "c", "d"),
        ("address", "192.0.2.1", "192.0.2.9"),
    ]
    (row,) = compare(before.model_copy(update={"endpoints": {}}), before).to_dict("records")
    assert (row["host"], row["name"], row["how"]) == ("host-a", "how the host is reached", "not compared")
    assert (row["before"], row["after"]) == (
        "not recorded",
        "connection: ssh, address: 192.0.2.1, port: 22",
    )


def changes(first: RunRecord, second: RunRecord, section: str) -> list[tuple[Any, Any, Any]]:
    frame = compare(first, second)
    rows = frame[frame["section"] == section]
    return [(row.name, row.before, row.after) for row in rows.itertuples(index=False)]


def test_a_run_and_itself_differ_in_nothing(runs: list[RunRecord]) -> None:
    frame = compare(runs[0], runs[0])
    assert frame.empty
    assert list(frame.columns) == ["section", "place", "host", "name", "how", "before", "after"]


def test_parameters_steps_commands_and_checks_that_differ_are_listed(runs: list[RunRecord]) -> None:
    _, well, failed = runs
    assert ("fail_on", "", "host-b") in changes(well, failed, "parameters")
    assert ("status", "changed", "failed") in changes(well, failed, "steps")
    endings = [row[1:] for row in changes(well, failed, "commands")]
    assert (None, "exit 3, not accepted") in endings
    assert set(compare(well, failed)["section"]) <= set(SECTIONS)


def test_facts_of_a_host_that_differ_are_drift(runs: list[RunRecord]) -> None:
    _, well, _ = runs
    text = well.model_dump_json()
    step = well.steps[0]
    kernels = (
        {"Kernel": {"release": "6.1", "machine": "x"}},
        {"Kernel": {"release": "6.12", "machine": "x"}},
    )
    both = [
        well.model_copy(
            update={
                "steps": [
                    step.model_copy(
                        update={
                            "hosts": [host.model_copy(update={"facts": facts}) for host in step.hosts[:1]]
                        }
                    )
                ]
            }
        )
        for facts in kernels
    ]
    assert changes(both[0], both[1], "facts") == [("Kernel.release", "6.1", "6.12")]
    assert well.model_dump_json() == text


def test_code_cells_are_compared_by_their_ids_and_injected_parameters_are_not(
    copied: Path, runs: list[RunRecord]
) -> None:
    notebook = json.loads((copied / "loose" / "out.ipynb").read_text(encoding="utf-8"))
    before = source_cells(copied / "loose" / "out.ipynb")
    notebook["cells"][2]["source"] = ["book.step('otherwise')"]
    notebook["cells"][3]["metadata"]["tags"] = ["injected-parameters"]
    (copied / "loose" / "out.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    after = source_cells(copied / "loose" / "out.ipynb")
    frame = compare(runs[1], runs[1], (before, after))
    assert [(row.name, row.how) for row in frame.itertuples()] == [
        ("cell-3", "changed"),
        ("cell-4", "removed"),
    ]
    assert source_cells(copied / "nowhere") is None
    assert before is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            [{"name": "a", "mtu": 1}, {"name": "a", "mtu": 2}],
            [{"name": "a", "mtu": 9}, {"name": "a", "mtu": 2}],
        ),
        ([{"name": "a", "mtu": 1}, {"name": "a", "mtu": 1}], [{"name": "a", "mtu": 1}]),
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": {"b": 1}, "a.b": 1}, {"a": {"b": 2}, "a.b": 1}),
        ({"port": 1}, {"port": "1"}),
        ({"on": None}, {"on": "null"}),
    ],
)
def test_facts_that_differ_are_never_without_a_difference(
    before: object, after: object, runs: list[RunRecord]
) -> None:
    def with_fact(value: object) -> RunRecord:
        (first, *steps) = runs[1].steps
        hosts = [first.hosts[0].model_copy(update={"facts": {"fact": value}}), *first.hosts[1:]]
        return runs[1].model_copy(update={"steps": [first.model_copy(update={"hosts": hosts}), *steps]})

    def rows(one: object, other: object) -> list[str]:
        return list(compare(with_fact(one), with_fact(other), ({}, {}))["section"])

    assert "facts" in rows(before, after)
    assert rows(before, before) == []


def test_the_order_of_named_items_is_no_difference(runs: list[RunRecord]) -> None:
    items = [{"name": "a", "mtu": 1}, {"name": "b", "mtu": 2}]
    one = runs[1].model_copy(update={"parameters": {"items": items}})
    other = runs[1].model_copy(update={"parameters": {"items": items[::-1]}})
    assert compare(one, other, ({}, {})).empty


def test_code_that_cannot_be_compared_is_a_row(runs: list[RunRecord]) -> None:
    rows = compare(runs[1], runs[1], ({}, None)).to_dict("records")
    assert [(row["section"], row["name"], row["how"]) for row in rows] == [
        ("source", "not compared: B has no notebook that can be read", "not compared")
    ]
    ((_, name, how),) = [
        (row["section"], row["name"], row["how"])
        for row in compare(runs[1], runs[1], (None, None)).to_dict("records")
    ]
    assert (name, how) == ("not compared: A and B have no notebook that can be read", "not compared")


def test_code_that_reads_like_a_missing_notebook_is_compared(runs: list[RunRecord]) -> None:
    before, after = {"a": "no notebook that can be read"}, {"a": "x = 1", "b": "no notebook that can be read"}
    rows = compare(runs[1], runs[1], (before, after)).to_dict("records")
    assert [(row["name"], row["how"]) for row in rows] == [("a", "changed"), ("b", "added")]


def test_cells_with_the_same_id_are_compared_one_by_one(tmp_path: Path, runs: list[RunRecord]) -> None:
    def cells(name: str, *sources: str) -> dict[str, str] | None:
        made = [{"id": "same", "cell_type": "code", "metadata": {}, "source": [source]} for source in sources]
        (tmp_path / name).write_text(json.dumps({"cells": made}), encoding="utf-8")
        return source_cells(tmp_path / name)

    both = cells("a.ipynb", "harmless = 1", "last = 1"), cells("b.ipynb", "harmful = 1", "last = 1")
    rows = compare(runs[1], runs[1], both).to_dict("records")
    assert [(row["name"], row["before"], row["after"]) for row in rows] == [
        ("same", "harmless = 1", "harmful = 1")
    ]


@pytest.mark.parametrize("form", ["table", "csv", "json", "html"])
def test_the_command_line_prints_differences_in_every_format(
    form: str, evidence: Path, tmp_path: Path
) -> None:
    first, second = sorted((evidence / "runs").iterdir(), key=lambda path: read_run(path).started)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "runbook_lib.cli.main", "audit", "diff", str(first), second.name,
         "--archive", str(evidence), "--cache", str(tmp_path), "--format", form],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fail_on" in done.stdout
    if form == "table":
        assert "difference" in done.stdout


def test_an_unknown_run_is_refused(evidence: Path, tmp_path: Path, archive: Archive) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runbook_lib.cli.main", "audit", "diff", "nothing", "last",
         "--archive", str(evidence), "--cache", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no such run in the archive" in done.stderr
    assert "Traceback" not in done.stderr
    assert archive.find("last")


def test_commands_are_compared_as_they_are_shown_whatever_ran_them_as_root(runs: list[RunRecord]) -> None:
    _, well, _ = runs
    step = well.steps[0]
    command = next(one for one in step.hosts[0].commands if one.kind == "change")
    texts = ["sudo -n -- apt-get update", sudo_text(("apt-get", "update"), password=False), "apt-get update"]
    earlier, current, plain = (
        well.model_copy(
            update={
                "steps": [
                    step.model_copy(
                        update={
                            "hosts": [
                                step.hosts[0].model_copy(
                                    update={"commands": [command.model_copy(update={"text": text})]}
                                )
                            ]
                        }
                    )
                ]
            }
        )
        for text in texts
    )
    assert changes(earlier, current, "commands") == []
    assert [name for name, *_ in changes(current, plain, "commands")] == [
        "as root: apt-get update",
        "apt-get update",
    ]
