"""The page in a real browser: it shows the outcome, fits a phone, and runs nothing that a host printed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.remote_shell import sudo_text
from runbook_lib.errors import EvidenceError
from runbook_lib.model.plans import Change
from runbook_lib.model.records import CommandRecord, HostRecord
from runbook_lib.model.status import Status
from runbook_lib.report.html import page, write_html
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from tests.counted_calls import counted_calls
from tests.report import chapter, practice
from tests.report.accessibility import WIDTHS, violations

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord
    from tests.report.browser import Page

TEXT = "document.body.innerText"


def written(path: Path, *runs: RunRecord) -> Path:
    write_html(list(runs), path / "report.html", "A <title> of & our own")
    return path / "report.html"


def hostile(run: RunRecord) -> RunRecord:
    """Put markup into every text of a run's record."""
    evil = practice.EVIL
    record = json.loads(run.model_dump_json())

    def spoil(value: object) -> object:
        if isinstance(value, dict):
            return {key: spoil(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spoil(item) for item in value]
        fixed = value in {
            "apply",
            "failed",
            "changed",
            "ok",
            "skipped",
            "operation",
            "facts",
            "fact",
            "change",
        }
        return f"{value}{evil}" if isinstance(value, str) and not fixed and not _is_time(value) else value

    return type(run).model_validate(spoil(record))


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def test_nothing_that_a_host_printed_runs_and_nothing_is_loaded(
    chromium: Page, failed: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, failed, hostile(failed), hostile(chapter.run())))
    chromium.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert "owned" not in shown.run("document.title")
    assert shown.run("document.querySelectorAll('img, iframe, object, main script').length") == 0
    assert practice.EVIL in shown.run(TEXT)
    assert "␇␛[31mred" in shown.run(TEXT)
    assert [request for request in shown.requests if not request.startswith("file:")] == []
    assert shown.console == []


def test_the_policy_stops_an_injected_script(chromium: Page, failed: RunRecord, tmp_path: Path) -> None:
    path = written(tmp_path, failed)
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("<main id", f"{practice.EVIL}<main id", 1), encoding="utf-8")
    shown = chromium.show(path)
    assert "owned" not in shown.run("document.title")
    assert any("Content Security Policy" in line for line in shown.console)


def test_the_outcome_comes_first_in_words_that_a_newcomer_understands(
    chromium: Page, failed: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, failed))
    head = shown.run("document.querySelector('header').innerText")
    for part in ("Failed", "Step 6", "host-b", "root", "10_practice", "practice hosts", "UTC", "took"):
        assert part in head
    assert shown.run("document.title").startswith("✗")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_read_the_page(
    *, dark: bool, chromium: Page, failed: RunRecord, cut: RunRecord, tmp_path: Path
) -> None:
    path = written(tmp_path, failed, cut, chapter.run(broken=[3, 4]))
    for width in WIDTHS:
        shown = chromium.show(path, width=width, dark=dark)
        shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert violations(shown) == [], width
        assert shown.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_horizontally(
    width: int, *, dark: bool, chromium: Page, failed: RunRecord, tmp_path: Path
) -> None:
    long = chapter.run(broken=[3, 4], title="x" * 300, operator="y" * 200)
    shown = chromium.show(written(tmp_path, failed, long), width=width, dark=dark)
    shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert shown.run("document.documentElement.scrollWidth") <= width
    colours = shown.run("getComputedStyle(document.body).backgroundColor")
    assert (colours == "rgb(20, 23, 27)") is dark


def test_failures_come_first_and_expanded_and_the_rest_is_collapsed(
    chromium: Page, failed: RunRecord, well: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, well, failed))
    assert shown.run("document.querySelector('article').id") == "r2"
    steps = "[...document.querySelectorAll('#r2 details.step')]"
    assert shown.run(f"{steps}.map(d => d.open)") == [True] + [False] * 6
    assert shown.run(f"{steps}[0].innerText").startswith("6. Fail where asked to")
    assert "it broke" in shown.run(f"{steps}[0].innerText")
    assert shown.run("document.querySelectorAll('#r1 details.step[open]').length") == 0
    assert shown.run("[...document.querySelectorAll('#runs tbody tr')].length") == 2


def test_a_link_in_the_matrix_expands_its_step(chromium: Page, well: RunRecord, tmp_path: Path) -> None:
    shown = chromium.show(written(tmp_path, well), anchor="#r1-s3-host-b")
    assert shown.run("document.querySelector('#r1-s3').open")
    shown.run("document.querySelector('a[href=\"#r1-s2-host-a\"]').click()")
    shown.run("new Promise(done => setTimeout(done, 50))")
    assert shown.run("document.querySelector('#r1-s2').open")


def test_every_link_has_a_target_and_no_anchor_occurs_twice(
    chromium: Page, failed: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, failed, failed, chapter.run()))
    links = "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))"
    anchors = shown.run("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert set(shown.run(links)) <= set(anchors)
    assert len(anchors) == len(set(anchors))


def test_a_step_can_be_reached_and_expanded_with_the_keyboard(
    chromium: Page, well: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, well))
    for _ in range(60):
        shown.press("Tab", 9)
        if shown.run("document.activeElement.parentElement.matches('details.step')"):
            break
    assert not shown.run("document.activeElement.parentElement.open")
    shown.press("Enter", 13)
    assert shown.run("document.activeElement.parentElement.open")


def test_a_change_is_shown_as_a_diff(well: RunRecord) -> None:
    text = page([well], "A run")
    assert '<span class="added">+hello from host-a</span>' in text
    assert "before: did not exist" in text
    step = well.steps[0]
    edited = Change("/etc/network/interfaces", "auto lo\nauto em1\n", "auto lo\nauto br0\n")
    host = step.hosts[0].model_copy(update={"changes": [edited]})
    text = page([well.model_copy(update={"steps": [step.model_copy(update={"hosts": [host]})]})], "A run")
    assert '<span class="removed">-auto em1</span><span class="added">+auto br0</span>' in text


def test_a_run_without_a_recorded_end_is_not_proven(cut: RunRecord) -> None:
    text = page([cut], "A cut run")
    assert "Not proven" in text
    assert "cut off" in text
    assert "Success" not in text


def test_planned_commands_say_that_they_were_not_sent(planned: RunRecord) -> None:
    text = page([planned], "A plan")
    assert "Nothing was changed" in text
    assert "planned, not sent" in text


@pytest.mark.parametrize("status", list(Status))
def test_every_outcome_has_a_page(status: Status, well: RunRecord) -> None:
    run = well.model_copy(update={"status": status, "ended": datetime.now(UTC)})
    text = page([run], "One")
    assert ("Success" in text) is (status in {Status.OK, Status.CHANGED})
    assert ("What went wrong" in text) is (
        status in {Status.FAILED, Status.UNREACHABLE, Status.INTERRUPTED, Status.UNKNOWN}
    )
    assert "Success" in page([well, well], "Two")
    assert ("1 of 2 runs did not succeed" in page([well, run], "Two")) is ("What went wrong" in text)


def test_a_page_that_cannot_be_written_says_so_and_leaves_the_old_one(
    well: RunRecord, tmp_path: Path
) -> None:
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_html([well], tmp_path / "nowhere" / "report.html", "One")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_html([well], tmp_path / "report.html", "One")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_time_for_a_page_grows_with_its_steps_and_not_with_their_square() -> None:
    whole = chapter.run()

    def calls(steps: int) -> int:
        repeated = [whole.steps[1].model_copy(update={"number": n}) for n in range(1, steps + 1)]
        with counted_calls() as counts:
            page([whole.model_copy(update={"steps": repeated})], "Title")
        return counts["runbook_lib.report.html.RunView.hosts"]

    assert calls(5) == calls(50)


def test_the_lab_that_practice_hosts_belong_to_is_named_and_not_another_machine() -> None:
    real = chapter.run(lab=None, machine="prodbox")
    practised = chapter.run(lab="lesson-3", machine="labbox")
    for runs, where in (
        ([real, practised], "Some of these hosts belong to the practice lab lesson-3 on labbox;"),
        ([practised, practised], "These hosts belong to the practice lab lesson-3 on labbox;"),
        (
            [practised, practised.model_copy(update={"lab": "other", "machine": "vm-2"})],
            "These hosts belong to the practice labs lesson-3 on labbox, other on vm-2;",
        ),
    ):
        assert where in page(runs, "Title")


def as_root(run: RunRecord) -> RunRecord:
    """The run with a first step on host-a in which each command was sent under sudo, and was not accepted."""
    step = run.steps[0]
    texts = [sudo_text(("apt-get", word), password=False) for word in ("update", "check")]
    commands = [
        CommandRecord(
            number=number,
            kind="change",
            text=text,
            purpose="ask for packages",
            started=step.started,
            exit_code=100,
        )
        for number, text in enumerate(texts, start=1)
    ]
    host = HostRecord(
        host="host-a", address="h", kind="machine", status=Status.FAILED, message="no", commands=commands
    )
    return run.model_copy(
        update={"status": Status.FAILED, "steps": [step.model_copy(update={"hosts": [host]})]}
    )


def test_the_commands_of_root_are_shown_as_themselves_and_as_sent_on_demand(
    chromium: Page, well: RunRecord, tmp_path: Path
) -> None:
    run = as_root(well)
    shown = chromium.show(written(tmp_path, run))
    summaries = shown.run("[...document.querySelectorAll('details.command > summary')].map(s => s.innerText)")
    assert [line.partition(", ")[0] for line in summaries] == [
        f"ask for packages: apt-get {word} as root" for word in ("update", "check")
    ]
    exact = shown.run("[...document.querySelectorAll('pre.exact')].map(e => e.textContent)")
    assert exact == [command.text for command in run.steps[0].hosts[0].commands]
    assert "` as root: apt-get update `: exit 100" in markdown([run], "One")
    assert b"$ as root: apt-get update" in junit([run])


def test_printing_expands_the_page_and_leaves_the_screen_as_it_was(
    chromium: Page, failed: RunRecord, tmp_path: Path
) -> None:
    shown = chromium.show(written(tmp_path, failed))
    states = "[...document.querySelectorAll('main details')].map(d => d.open)"
    before = shown.run(states)
    shown.run("dispatchEvent(new Event('beforeprint'))")
    assert all(shown.run(states))
    shown.run("dispatchEvent(new Event('afterprint'))")
    assert shown.run(states) == before
    assert not all(before)


def test_the_matrix_says_on_a_phone_which_hosts_a_step_was_not_for_and_names_its_links(
    chromium: Page, well: RunRecord, tmp_path: Path
) -> None:
    step = well.steps[0]
    one = well.model_copy(update={"steps": [step.model_copy(update={"hosts": step.hosts[:1]})]})
    shown = chromium.show(written(tmp_path, one), width=390)
    absent = shown.run(
        "(e => [e.textContent, getComputedStyle(e, '::before').content, getComputedStyle(e).display])"
        "(document.querySelector('.matrix .absent'))"
    )
    assert absent == ["not targeted", '"\u2013"', "inline"]
    label = shown.run("document.querySelector('.matrix a.plain').ariaLabel")
    assert label == f"{step.hosts[0].status}: step 1 on {step.hosts[0].host}"
