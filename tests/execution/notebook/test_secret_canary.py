"""No byte that a run writes, prints or starts a process with holds a secret, in any form, whatever printed it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import threading
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.status import Status
from tests.execution.notebook.secret_canary import Echoes
from tests.execution.project import finish
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from tests.connections.sshd import Server
    from tests.execution.project import Project

SECRET = "canary/Sings'in\"the=mine+7"  # noqa: S105 - a made-up one
PASSWORD = "another%canary~of-the&sudo"  # noqa: S105 - as above

IMPORTS = (
    "import os, sys, time, logging\nfrom runbook_lib import Runbook\n"
    "from tests.execution.notebook.secret_canary import Canary, Echoes"
)
CELLS = (
    "book = Runbook.open(Canary.collect(globals()))\nsecret = book.secret(token)",
    "print(secret)",
    "sys.stdout.write('in two ' + secret[:7]); sys.stdout.flush(); time.sleep(0.5)\nprint(secret[7:], 'pieces')",
    "logging.warning('logged %s', secret)",
    "import base64\nprint(base64.b64encode(('user:' + secret).encode()).decode())",
    "secret",
    "{'a dictionary': [secret]}",
    "silent = os.system('printf %s \"$CANARY\"')",
    "print(os.environ['CANARY_PASSWORD'])",
    'book.step(f"Echo {secret}", lambda host: Echoes(secret))',
    'book.step("Flood", lambda host: Echoes(secret, flood=True))',
    "raise ValueError(f'it holds {secret}')",
)


def forms(value: str) -> list[bytes]:
    """How a value may look: plain, percent-encoded, in JSON, and in base64 at each of its three alignments."""
    found = [value, urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1]]
    for before in range(3):
        whole = base64.b64encode(b"-" * before + value.encode()).decode()
        found.append(whole[4 : len(value) * 4 // 3])
    # Half of it, from either end, is too much as well.
    return [form.encode() for form in found] + [
        value[: len(value) // 2].encode(),
        value[len(value) // 2 :].encode(),
    ]


FORMS = [*forms(SECRET), *forms(PASSWORD)]


def found_in(data: bytes) -> list[bytes]:
    joined = data.replace(b"\n", b"").replace(b"\\n", b"")  # base64 may be broken into lines
    return [form for form in FORMS if form in data or form in joined]


class Watch:
    """Look at every process's command line, and at every file below some directories, until stopped."""

    def __init__(self, *places: Path) -> None:
        self._places = places
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.leaks: set[str] = set()
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.looks += 1
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self._judge(line)
            # Directories come and go meanwhile: `os.walk` skips those, and `Path.rglob` would raise.
            for top, _, names in itertools.chain.from_iterable(map(os.walk, self._places)):
                for path in (Path(top, name) for name in names):
                    with contextlib.suppress(OSError):
                        if path.is_file() and path.stat().st_size < 1_000_000:
                            self._judge(path)

    def _judge(self, path: Path) -> None:
        if found_in(path.read_bytes()):
            self.leaks.add(str(path))


def printed(notebook: str) -> str:
    """All that cells printed, one piece after another."""
    return "".join(
        piece
        for cell in json.loads(notebook)["cells"]
        for output in cell.get("outputs", [])
        for piece in output.get("text", [])
    )


def test_a_canary_is_nowhere_but_where_it_was_put(
    server: Server, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host, kept = server.host(), tmp_path_factory.mktemp("kept")
    (kept / "token").write_text(SECRET + "\n", encoding="utf-8")
    project.inventory.write_text(
        f"hosts:\n  host-a: {{address: 127.0.0.1, port: {host.port}, identity_file: {host.identity_file}, "
        f"known_hosts: {host.known_hosts}, sudo_password: '${{env:CANARY_PASSWORD}}'}}\n",
        encoding="utf-8",
    )
    reference = f"${{file:{kept / 'token'}}}"
    notebook = project.notebook(
        *CELLS, model="tests.execution.notebook.secret_canary:Canary", token=reference, imports=IMPORTS
    )
    with Watch(project.place, project.temporary) as watch:
        done = finish(project.runbook_run(notebook, CANARY=SECRET, CANARY_PASSWORD=PASSWORD))
    assert done.code == 1, done.output
    record = project.record
    assert [step.status for step in record.steps] == [Status.CHANGED, Status.CHANGED], done.output
    assert record.status is Status.FAILED, "the last cell raises"
    assert watch.looks > 10
    assert watch.leaks == set()
    assert found_in(done.output.encode()) == [], done.output
    leaks = {
        str(path): found_in(path.read_bytes())
        for place in (project.place, project.temporary)
        for path in place.rglob("*")
        if path.is_file()
    }
    assert {path: forms for path, forms in leaks.items() if forms} == {}
    # It was printed, and its reference stands in its place.
    executed = (project.run / "notebook.ipynb").read_text(encoding="utf-8")
    assert executed.count(reference) > 10
    assert f"in two {reference} pieces" in printed(executed)
    (flood,) = (project.run / "output").iterdir()
    assert flood.read_text(encoding="utf-8").count(reference) > 100_000
    assert record.message == f"a cell raised ValueError: it holds {reference}"


def test_a_secret_on_a_command_line_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", SECRET)
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    secret = book.secret("${env:CANARY}")
    with pytest.raises(StepFailed, match="would show a secret to every process on the host"):
        book.step("Shout", Does(("echo", secret)))
    assert book.record.steps[0].hosts[0].commands == []
    assert found_in(b"".join(path.read_bytes() for path in book.directory.iterdir())) == []


@pytest.mark.parametrize(
    ("token", "why"),
    [(SECRET, "must be a reference such as"), ("${env:RUNBOOK_TEST_NOT_SET}", "has no value")],
)
def test_a_secret_that_is_none_is_bad_input_and_not_shown(project: Project, token: str, why: str) -> None:
    notebook = project.notebook(
        *CELLS, model="tests.execution.notebook.secret_canary:Canary", token=token, imports=IMPORTS
    )
    done = finish(project.runbook_run(notebook))
    assert (done.code, why in done.output) == (2, True), done.output
    assert found_in(done.output.encode()) == []
    assert not project.runs.exists()


def test_echoes_says_it_in_all_forms_where_nobody_masks() -> None:
    """The canary test could not fail if its host kept silent."""
    import subprocess  # noqa: PLC0415 - only here

    (command,) = Echoes(SECRET).plan(None).commands  # type: ignore[arg-type]
    echoed = subprocess.run(command.argv, input=SECRET.encode(), capture_output=True, check=True)
    assert set(forms(SECRET)) == {
        form for form in found_in(echoed.stdout + echoed.stderr) if form in forms(SECRET)
    }
