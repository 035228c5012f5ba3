"""A lesson in a real JupyterLab in a real browser: run, close, run on, light and dark: `make test-jupyterlab`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords
from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline, wait_until
from tests.learning.test_learn import start
from tests.programs import Programs
from tests.report import browser
from tests.report.accessibility import violations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.report.browser import Page

pytestmark = [pytest.mark.jupyterlab, pytest.mark.in_order]

CARDS = "[...document.querySelectorAll('.rb')]"
OVERFLOWING = f"""{CARDS}.filter(card => [...card.querySelectorAll("table")].some(table =>
  (table.closest(".scroll") ?? table).getBoundingClientRect().right > card.getBoundingClientRect().right)).length"""
# A color as a browser computes it may be of any kind: a canvas turns it into numbers.
CONTRASTS = """(() => {
  const pixel = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = (color) => {
    pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = color; pixel.fillRect(0, 0, 1, 1);
    const parts = [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255);
    const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const back = light(getComputedStyle(document.querySelector(".jp-Notebook")).backgroundColor);
  return [...document.querySelectorAll(".rb .st")].map(badge => {
    const front = light(getComputedStyle(badge).color);
    return Math.max(front, back) / Math.min(front, back);
  });
})()"""


class Lab:
    """JupyterLab in a browser."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self._base, _, rest = address.partition("lab/tree/")
        self._token = rest.partition("token=")[2]

    def open(self, notebook: str) -> None:
        self.page.ask(
            "Emulation.setDeviceMetricsOverride", width=1280, height=1000, deviceScaleFactor=1, mobile=False
        )
        self.page.ask("Page.navigate", url=f"{self._base}lab/tree/{notebook}?token={self._token}")
        wait_until(
            lambda: self.page.run("document.querySelectorAll('.jp-Notebook .jp-Cell').length") > 3, "cells"
        )
        wait_until(
            lambda: self.page.run(
                "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
            ),
            "the kernel",
        )

    def set(self, plugin: str, **values: Any) -> None:  # noqa: ANN401 - JSON
        given = {
            "method": "PUT",
            "body": json.dumps({"raw": json.dumps(values)}),
            "headers": {"Content-Type": "application/json", "Authorization": f"token {self._token}"},
        }
        done = self.page.run(
            f"(() => {{ const given = {json.dumps(given)};"
            "given.headers['X-XSRFToken'] = document.cookie.match(/_xsrf=([^;]+)/)[1];"
            f"return fetch('/lab/api/settings/@jupyterlab/{plugin}', given).then(answer => answer.status) }})()"
        )
        assert done == 204, done

    def click(self, selector: str) -> None:
        wait_until(lambda: self.page.run(f"!!document.querySelector({json.dumps(selector)})"), selector)
        x, y = self.page.run(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.page.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def run_all(self) -> None:
        """Restart the kernel and run all cells; the button does nothing until JupyterLab has loaded all of itself."""
        dialog = "!!document.querySelector('.jp-Dialog .jp-mod-accept')"

        def asked() -> bool:
            if not self.page.run(dialog):
                self.click(".jp-Notebook .jp-Cell")  # the buttons are for the notebook that has the focus
                time.sleep(0.5)
                self.click('[data-command="notebook:restart-run-all"]')
                time.sleep(1)
            return bool(self.page.run(dialog))

        wait_until(asked, "the question whether to restart")
        self.click(".jp-Dialog .jp-mod-accept")

    def cards(self) -> list[str]:
        found: list[str] = self.page.run(f"{CARDS}.map(card => card.innerText)")
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("learner")


@pytest.fixture(scope="module")
def lab(place: Path) -> Iterator[Lab]:
    if browser.installed() is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    programs = Programs()
    try:
        (place / "home").mkdir()  # the first lesson writes a file there
        _, address = start(place, programs, HOME=str(place / "home"))
        with browser.opened(place / "chromium") as page:
            page.ask("Page.navigate", url=address)
            wait_until(
                lambda: page.run("!!document.querySelector('.jp-RenderedMarkdown h1')"), "the first page"
            )
            made = Lab(page, address)
            made.set("notebook-extension:tracker", windowingMode="none")  # all cards are in the page at once
            yield made
    finally:
        programs.end()


def test_a_lesson_fits_a_narrow_window_because_the_list_of_files_is_closed(lab: Lab) -> None:
    lab.open("notebooks/01_first_steps.ipynb")
    lab.page.ask(
        "Emulation.setDeviceMetricsOverride", width=390, height=900, deviceScaleFactor=1, mobile=False
    )
    width = "document.querySelector('.jp-Notebook').getBoundingClientRect().width"
    wait_until(lambda: lab.page.run(width) < 390, "the narrow window")
    assert lab.page.run(width) > 300
    assert lab.page.run("!document.querySelector('#jp-left-stack:not(.lm-mod-hidden)')")


def test_a_lesson_is_run_and_its_end_seals_and_links_report_and_notebook(lab: Lab, place: Path) -> None:
    lab.open("notebooks/01_first_steps.ipynb")
    lab.run_all()
    wait_until(
        lambda: any("notebook with its outputs" in card for card in lab.cards()), "the last card", seconds=90
    )
    links = lab.page.run("[...document.querySelectorAll('.rb a')].map(link => [link.pathname, link.href])")
    assert [path.rpartition("/")[2] for path, _ in links] == [
        "report.html", "junit.xml", "attestation.json", "notebook.ipynb",
    ]  # fmt: skip
    (run,) = (place / "learn" / "runs").iterdir()
    for _, address in links:
        assert lab.page.run(f"fetch({json.dumps(address)}).then(answer => answer.status)") == 200
    found = verify_run(run)  # not `verified`: nobody signed it, and this folder is outside of git
    assert found.verdict != "altered"
    assert "sealed but unsigned" in {finding.message for finding in found.findings}
    # JupyterLab has saved no output yet; the copy of the notebook has them all the same.
    saved = Notebook.parse((place / "learn" / "notebooks" / "01_first_steps.ipynb").read_bytes(), "saved")
    copy = Notebook.parse((run / "notebook.ipynb").read_bytes(), "copy")
    embedded = [len(EmbeddedRecords.of(notebook).of_run(run.name).steps) for notebook in (saved, copy)]
    assert embedded == [0, len(read_journal(run).steps)]
    lab.page.screenshot(place / "light.png", whole=False)


def test_a_step_after_the_end_starts_a_new_run_and_says_so(lab: Lab, place: Path) -> None:
    (first,) = (place / "learn" / "runs").iterdir()
    lab.page.run(
        "[...document.querySelectorAll('.jp-CodeCell')].find(cell => cell.innerText.includes('What this machine is'))"
        ".querySelector('.cm-content').id = 'facts'"
    )
    lab.page.run("document.querySelector('#facts').scrollIntoView({block: 'center'})")
    lab.click("#facts")
    for kind in ("keyDown", "keyUp"):
        lab.page.ask(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            modifiers=8,
        )
    wait_until(lambda: len([*(place / "learn" / "runs").iterdir()]) == 2, "the second run")
    wait_until(lambda: any(first.name in card and "new run" in card for card in lab.cards()), "its card")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_everybody_can_read_the_cards(theme: str, lab: Lab, place: Path) -> None:
    lab.set("apputils-extension:themes", theme=theme)
    lab.click('[data-command="docmanager:save"]')
    time.sleep(2)  # JupyterLab writes it without a sign of its end that could be waited for
    lab.open("notebooks/01_first_steps.ipynb")
    wait_until(lambda: lab.page.run("document.body.dataset.jpThemeName") == theme, theme)
    wait_until(lambda: len(lab.cards()) > 5, "cards")
    assert violations(lab.page, "{include: [['.rb']]}") == []
    assert lab.page.run(OVERFLOWING) == 0
    contrasts = lab.page.run(CONTRASTS)
    assert contrasts
    assert min(contrasts) >= 4.5  # WCAG 2, text
    lab.page.run(f"{CARDS}.at(-1).scrollIntoView()")
    lab.page.screenshot(place / f"{theme}.png", whole=False)


def test_everybody_can_read_the_notebook_as_a_plain_page(lab: Lab, place: Path) -> None:
    saved = place / "learn" / "notebooks" / "01_first_steps.ipynb"
    assert "rb ok" in saved.read_text(encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(place), str(saved)],
        check=True,
        capture_output=True,
        timeout=deadline(120),
    )
    for width in (390, 1280, 1920):
        shown = lab.page.show(place / "01_first_steps.html", width=width)
        assert violations(shown, "{include: [['.rb']]}") == []
        assert re.search("01_first_steps", shown.run("document.title"))
        wide = f"{CARDS}.filter(card => card.getBoundingClientRect().right > {width}).length"
        assert shown.run(wide) == 0
        assert shown.run(OVERFLOWING) == 0
    lab.page.screenshot(place / "plain.png", whole=False)
