"""`runbook lint`: each rule finds its violation, in its place, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError
from runbook_lib.lint.lint import lint
from runbook_lib.lint.rules import RULES
from tests.deadlines import deadline
from tests.lint.author import CLOSE, OPEN, PARAMETERS, STEP, Author, code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def put(number: int, source: str) -> Callable[[Author], None]:
    """Return a change that gives one cell another source."""

    def change(author: Author) -> None:
        author.cells[number]["source"] = source

    return change


def add(number: int, source: str) -> Callable[[Author], None]:
    """Return a change that inserts a code cell."""

    def change(author: Author) -> None:
        author.cells.insert(number, code(source))

    return change


def step(source: str) -> Callable[[Author], None]:
    """Return a change that adds a line to the cell with the step."""
    return put(
        STEP, f"from runbook_lib.facts.kernel import Kernel\n\nbook.facts('Kernel', Kernel())\n{source}"
    )


def declare(**changes: Any) -> Callable[[Author], None]:  # noqa: ANN401 - of any type
    def change(author: Author) -> None:
        author.notebook.metadata["runbook"].update(changes)

    return change


def set_cell(number: int, name: str, value: Any) -> Callable[[Author], None]:  # noqa: ANN401 - of any type
    def change(author: Author) -> None:
        author.cells[number][name] = value

    return change


def untag(author: Author) -> None:
    del author.cells[PARAMETERS].metadata["tags"]


def tag_twice(author: Author) -> None:
    author.cells[2].metadata["tags"] = ["parameters"]


def tag(number: int, name: str) -> Callable[[Author], None]:
    def change(author: Author) -> None:
        author.cells[number].metadata["tags"] = [name]

    return change


def drop(number: int) -> Callable[[Author], None]:
    def change(author: Author) -> None:
        del author.cells[number]

    return change


OUTPUT = [{"output_type": "stream", "name": "stdout", "text": "hello"}]

# what is changed, rule, cell (from 1) and line in it, part of the message
CASES: list[tuple[Callable[[Author], None], str, tuple[int, int], str]] = [
    (put(0, "What it is for."), "prose", (1, 1), "does not begin with a heading"),
    (drop(4), "prose", (5, 3), "no prose introduces"),
    (untag, "parameters-cell", (0, 1), "no cell is tagged"),
    (tag_twice, "parameters-cell", (3, 1), "another cell"),
    (add(1, "import json"), "parameters-cell", (3, 1), "not the first code cell"),
    (
        put(PARAMETERS, 'inventory = "inventory.yml"\nhosts = "we" + "b"'),
        "literal-parameters",
        (2, 2),
        "only literal values",
    ),
    (
        put(PARAMETERS, 'inventory = "inventory.yml"\nhosts = "web"\nprint(hosts)'),
        "literal-parameters",
        (2, 3),
        "print",
    ),
    (
        put(PARAMETERS, 'inventory = "inventory.yml"\nhosts = "web"\nleest_disk = 3'),
        "known-parameters",
        (2, 3),
        "did you mean 'least_disk'",
    ),
    (
        put(PARAMETERS, 'inventory = "inventory.yml"\nhosts = "web"\nleast_disk = "3"'),
        "known-parameters",
        (2, 3),
        "least_disk",
    ),
    (put(PARAMETERS, 'inventory = "inventory.yml"\nhosts = "wob"'), "step-hosts", (2, 2), "wob"),
    (set_cell(STEP, "outputs", OUTPUT), "outputs", (6, 1), "1 output"),
    (set_cell(STEP, "execution_count", 7), "execution-count", (6, 1), "count 7"),
    (set_cell(STEP, "id", "10-03"), "cell-id", (6, 1), "that of cell 4 too"),
    (put(STEP, "book.facts('Kernel')\nif book:"), "syntax", (6, 2), "not valid Python"),
    (add(STEP, "\n".join(f"x{n} = {n}" for n in range(9))), "cell-size", (6, 1), "9 lines"),
    (add(STEP, "x = 1\ndef run(): pass"), "definition", (6, 2), "'run'"),
    (add(STEP, "class Own: pass"), "definition", (6, 1), "class 'Own'"),
    (add(STEP, "from runbook_lib import Runbok"), "import", (6, 1), "runbook_lib has no Runbok"),
    (add(STEP, "import runbook_lib.nothing"), "import", (6, 1), "runbook_lib.nothing"),
    (add(STEP, "x = 1\n!ls"), "raw-shell", (6, 2), "shell command"),
    (add(STEP, "files = !ls"), "raw-shell", (6, 1), "shell command"),
    (add(STEP, "%%bash\nls"), "raw-shell", (6, 1), "%bash"),
    (add(STEP, "%sx ls"), "raw-shell", (6, 1), "%sx"),
    (put(STEP, "\n\nbook.facts('Kernel', Kernel())\n!ls"), "raw-shell", (6, 4), "shell command"),
    (add(STEP, "%%time\n!ls"), "raw-shell", (6, 2), "shell command"),
    (add(STEP, "%%capture out\n%%time\nx = 1\nfiles = !ls"), "raw-shell", (6, 4), "shell command"),
    (add(STEP, "%%prun\nimport os\nos.system('ls')"), "raw-shell", (6, 3), "os.system"),
    (add(STEP, "x = 1\n%time !ls"), "raw-shell", (6, 2), "shell command"),
    (add(STEP, "if hosts:\n    %timeit -n 1 import subprocess"), "raw-shell", (6, 2), "import subprocess"),
    *(
        (add(STEP, source), "raw-shell", (6, line), said)
        for source, line, said in (
            ("import os\nos.execle('/bin/sh', 'sh', {})", 2, "`os.execle`"),
            ("import os\nos.spawnlp(0, 'ls', 'ls')", 2, "`os.spawnlp`"),
            ("import os\nos.posix_spawnp('ls', [], {})", 2, "`os.posix_spawnp`"),
            ("from os import execvpe, path", 1, "`from os import execvpe`"),
            ("from os import *", 1, "`from os import *`"),
            ("import os as o\no.system('ls')", 2, "`o.system`"),
            ("import asyncio as a\nawait a.create_subprocess_shell('ls')", 2, "create_subprocess_shell"),
            ("import importlib\nimportlib.import_module('subprocess')", 2, "import_module('subprocess')"),
            ("__import__('pty')", 1, "__import__('pty')"),
            ("import asyncio.subprocess", 1, "asyncio.subprocess"),
            ("from asyncio import subprocess", 1, "from asyncio import subprocess"),
            ("import multiprocessing.pool", 1, "multiprocessing.pool"),
            ("from concurrent.futures import ProcessPoolExecutor", 1, "import ProcessPoolExecutor"),
            ("from concurrent import futures\nfutures.ProcessPoolExecutor()", 2, "futures.ProcessPool"),
            (
                "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
                2,
                "concurrent.futures.ProcessPool",
            ),
            ("%pip install x", 1, "%pip"),
            ("%conda install x", 1, "%conda"),
            ("%uv pip install x", 1, "%uv"),
            ("from fabric import Connection", 1, "from fabric import Connection"),
        )
    ),
    (add(STEP, "%%python3\nimport os"), "raw-shell", (6, 1), "%python3"),
    (add(STEP, "%%time\nx = ("), "syntax", (6, 2), "not valid Python"),
    (add(STEP, "if hosts:\n    return"), "syntax", (6, 2), "'return' outside function"),
    (add(STEP, "!ls\ncontinue"), "syntax", (6, 2), "not properly in loop"),
    (add(STEP, "%%time\n" + "\n".join(f"x{n} = {n}" for n in range(9))), "cell-size", (6, 1), "9 lines"),
    (add(STEP, "import subprocess as sp"), "raw-shell", (6, 1), "import subprocess"),
    (add(STEP, "from os import system"), "raw-shell", (6, 1), "system"),
    (add(STEP, "import os\nos.system('ls')"), "raw-shell", (6, 2), "os.system"),
    (add(STEP, "import os\nfor x in os.popen('ls'):\n    x"), "raw-shell", (6, 2), "os.popen"),
    (drop(CLOSE), "close", (6, 1), "does not end with `close()`"),
    (add(7, "print('closed')"), "close", (8, 1), "does not end"),
    (step("book.step('', Kernel())"), "step-title", (6, 4), "empty"),
    (step("book.step()"), "step-title", (6, 4), "no title"),
    (step("book.step(7, Kernel())"), "step-title", (6, 4), "not a text"),
    (step("book.step(hosts, Kernel())"), "step-title", (6, 4), "is not written out in the source"),
    (step("book.step(f'{hosts}', Kernel())"), "step-title", (6, 4), "consists of variables only"),
    (step("book.step('Kernel', Kernel())"), "step-title", (6, 4), "cell 6 too"),
    (step("with book.transaction(''):\n    pass"), "step-title", (6, 4), "the transaction's name is empty"),
    (
        step("with book.transaction(hosts='web'):\n    pass"),
        "step-title",
        (6, 4),
        "the transaction has no name",
    ),
    (
        step("with book.transaction(hosts):\n    pass"),
        "step-title",
        (6, 4),
        "the transaction's name is not written out",
    ),
    (
        step("with book.transaction('rotate'):\n    pass\nwith book.transaction(name='rotate'):\n    pass"),
        "step-title",
        (6, 6),
        "the name 'rotate' is that of a transaction in cell 6 too",
    ),
    (step("book.facts('Again', Kernel(), hosts='wob')"), "step-hosts", (6, 4), "wob"),
    (step("book.check('Again', bool, hosts='wob')"), "step-hosts", (6, 4), "wob"),
    (step("with book.transaction('rotate', hosts='wob'):\n    pass"), "step-hosts", (6, 4), "wob"),
    (
        add(STEP, "from runbook_lib.operations import command\ncommand.run('true', unless='false')"),
        "unused-operation",
        (6, 2),
        "`command.run(…)` alone only makes an operation: nothing is done",
    ),
    (
        add(
            STEP, "from runbook_lib.operations.directory import present as there\nif hosts:\n    there('/x')"
        ),
        "unused-operation",
        (6, 3),
        "`there(…)` alone",
    ),
    (
        add(STEP, "import runbook_lib.operations.files as f\n[f.content(path, 'x') for path in hosts]"),
        "unused-operation",
        (6, 2),
        "`f.content(…)` alone",
    ),
    (
        add(STEP, "from runbook_lib import operations\n1, operations.service.restarted('x')"),
        "unused-operation",
        (6, 2),
        "`operations.service.restarted(…)` alone",
    ),
    (
        add(STEP, "from runbook_lib.integrations.pyinfra import server\nserver.shell(commands=['true'])"),
        "unused-operation",
        (6, 2),
        "`server.shell(…)` alone",
    ),
    (
        add(STEP, "Kernel()"),
        "unused-operation",
        (6, 1),
        "`Kernel(…)` alone only names a fact: nothing is read",
    ),
    (
        add(STEP, "from runbook_lib.operations import command\nmade = command.run('true', unless='false')"),
        "unused-operation",
        (6, 2),
        "`command.run(…)` alone only makes an operation: nothing is done, and no cell uses 'made'",
    ),
    (
        add(STEP, "kernels: list[Kernel] = [Kernel() for _ in hosts]"),
        "unused-operation",
        (6, 1),
        "nothing is read, and no cell uses 'kernels'",
    ),
    (add(STEP + 1, "b = book\nc = b\nc.facts('Kernel', Kernel())"), "step-title", (7, 3), "cell 6 too"),
    (add(STEP + 1, "b = book\nb.facts('Again', Kernel(), hosts='wob')"), "step-hosts", (7, 2), "wob"),
    (add(STEP + 1, "x = 1\nexit()"), "close", (7, 2), "`exit` ends the notebook"),
    (add(STEP + 1, "import sys\nsys.exit(0)"), "close", (7, 2), "`sys.exit` ends the notebook"),
    (add(STEP + 1, "if hosts:\n    raise SystemExit(1)"), "close", (7, 2), "`SystemExit` ends"),
    (add(STEP + 1, "raise SystemExit"), "close", (7, 1), "`SystemExit` ends"),
    (tag(STEP, "skip-execution"), "cell-tags", (6, 1), "a runbook's cells are all executed"),
    (tag(STEP, "raises-exception"), "cell-tags", (6, 1), "after an error in the cell"),
    (add(2, "mode = 'apply'"), "assigned-parameter", (3, 1), "'mode' is given another value"),
    (
        put(OPEN, "\nhosts = 'web'; p = Preflight.collect(globals()); hosts = 1\nbook = Runbook.open(p)"),
        "assigned-parameter",
        (4, 2),
        "'hosts'",
    ),
    (declare(risk=""), "declaration", (0, 1), "runbook.risk"),
    (declare(needs=["05_nothing"]), "declaration", (0, 1), "05_nothing"),
    (declare(parameters="nowhere:Model"), "declaration", (0, 1), "nowhere"),
]


@pytest.mark.parametrize(
    ("change", "rule", "place", "message"), CASES, ids=[f"{case[1]}-{case[3]}" for case in CASES]
)
def test_a_rule_finds_its_violation_in_its_place(
    author: Author, change: Callable[[Author], None], rule: str, place: tuple[int, int], message: str
) -> None:
    change(author)
    (found,) = author.findings()
    assert (found.rule, (found.cell, found.line)) == (rule, place)
    assert message in found.message
    assert found.hint


def test_every_rule_has_a_case() -> None:
    assert {case[1] for case in CASES} == set(RULES)


def test_a_runbook_in_order_has_no_findings(author: Author) -> None:
    assert author.findings() == []


@pytest.mark.parametrize(
    "source",
    [
        "book.step(f'Put it on {hosts}', Kernel())",
        "with book:\n    book.step('Inside', Kernel())",
        "for batch in hosts:\n    book.facts('In turn', Kernel(), hosts=batch)",
        "wanted = Kernel()\nbook.facts('Later', wanted)",
        "from runbook_lib.operations import files\nfiles = list(hosts)\nfiles.sort()",
        "from runbook_lib.evidence.lookup import read_run\nread_run('x')",
        "book.step('Both', lambda host: Kernel())",
        "mode = 'plan'",
        "a = b = Kernel()\nbook.facts('Later', b)",
    ],
)
def test_what_is_only_unusual_is_not_found(author: Author, source: str) -> None:
    step(source)(author)
    assert author.findings() == []


def test_a_recorded_cell_magic_may_be_long(author: Author) -> None:
    add(STEP, "%%on web\n" + "date\n" * 12)(author)
    assert author.findings() == []


def test_the_line_in_the_file_is_that_of_the_source(author: Author) -> None:
    add(STEP, "x = 1\n\nimport subprocess")(author)
    (found,) = author.findings()
    assert "import subprocess" in author.path.read_text(encoding="utf-8").splitlines()[found.file_line - 1]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("hosts: web\nleest_disk: 3\n", 2, "did you mean 'least_disk'"),
        ("least_disk: much\n", 1, "least_disk"),
        ("# a comment\n\nhosts: wob\n", 3, "wob"),
        ("hosts: [\n", 1, "malformed YAML"),
        ("inventory: other.yml\nmode: aply\n", 2, "mode"),
    ],
)
def test_a_parameters_file_is_checked_with_its_runbook(
    author: Author, text: str, line: int, message: str
) -> None:
    author.params(text)
    (found,) = author.findings()
    assert found.path == "params/own/10_practice.yml"
    assert (found.cell, found.line, found.file_line) == (0, line, line)
    assert message in found.message


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.path.exists('/') and os.getpid()",
        "from os import environ, path",
        "import asyncio as a\nawait a.sleep(0)",
        "import importlib\nimportlib.import_module('json')",
        "import shlex as os_\nos_.quote('exec')",
        "import shutil",
    ],
)
def test_what_starts_no_process_is_no_finding(author: Author, source: str) -> None:
    add(STEP, source)(author)
    assert author.findings() == []


def test_an_inventory_that_does_not_exist_yet_is_no_finding(author: Author) -> None:
    author.params("inventory: later.yml\nhosts: nobody\n")
    assert author.findings() == []


def test_a_parameter_without_value_may_come_from_a_file(author: Author) -> None:
    author.cells[PARAMETERS]["source"] = 'inventory = "inventory.yml"'
    author.params("hosts: web\n")
    assert author.findings() == []


def test_notebooks_that_are_not_runbooks_are_counted_and_not_checked(author: Author) -> None:
    del author.notebook.metadata["runbook"]
    author.notebook.cells = [code("x = 1")]
    author.write()
    result = lint([author.place])
    assert (result.findings, result.checked) == ([], [])
    assert result.others == [author.path]


def test_a_notebook_that_opens_a_run_without_saying_so_is_found(author: Author) -> None:
    del author.notebook.metadata["runbook"]
    (found,) = author.findings()
    assert found.rule == "declaration"
    assert "collects the parameters with a model, and the metadata does not name" in found.message


def test_a_notebook_without_a_model_is_checked_by_its_parameters_cell(author: Author) -> None:
    del author.notebook.metadata["runbook"]
    author.cells[PARAMETERS].source += "\nfrom typing import Literal\nport: int = 443  # where TLS is served"
    author.cells[OPEN].source = "book = Runbook.open()"
    assert author.findings() == []
    author.cells[PARAMETERS].source += "\nhash = 'sha256'"
    (found,) = author.findings()
    assert "line 6: 'hash' is the name of a Python builtin" in found.message


def test_a_finding_about_the_declaration_has_the_hint_of_what_is_wrong(author: Author) -> None:
    del author.notebook.metadata["runbook"]
    (found,) = author.findings()
    assert found.hint.startswith("set runbook.parameters in the metadata to module:Class")


def test_executed_notebooks_and_checkpoints_below_a_directory_are_left_out(author: Author) -> None:
    author.write()
    run = author.place / "runs" / "one"
    checkpoints = author.place / "notebooks" / ".ipynb_checkpoints"
    for folder in (run, checkpoints):
        folder.mkdir(parents=True)
        (folder / "notebook.ipynb").write_bytes(author.path.read_bytes())
    (run / "journal.jsonl").touch()
    assert lint([author.place]).checked == [author.path]


def test_a_directory_without_notebooks_is_bad_input_and_not_without_findings(author: Author) -> None:
    author.write()
    empty = author.place / "empty"
    (empty / ".ipynb_checkpoints").mkdir(parents=True)
    (empty / ".ipynb_checkpoints" / "one-checkpoint.ipynb").write_bytes(author.path.read_bytes())
    for given in ([empty], [author.place, empty]):
        with pytest.raises(InputError, match="no notebooks in this directory") as refused:
            lint(given)
        assert refused.value.where == str(empty)


def test_a_directory_that_cannot_be_read_is_bad_input(author: Author) -> None:
    author.write()
    closed = author.place / "notebooks" / "closed"
    closed.mkdir()
    program = "import sys\nfrom pathlib import Path\nfrom runbook_lib.lint.lint import lint\nlint([Path(sys.argv[1])])"
    # Root may read everything, unless it has given that up.
    as_others = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    closed.chmod(0)
    done = subprocess.run(
        [*as_others, sys.executable, "-c", program, str(author.place)],
        check=False,
        capture_output=True,
        text=True,
        timeout=deadline(60),
    )
    closed.chmod(0o700)
    assert "closed: cannot be read: Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.ipynb", None, "no such file"),
        ("notes.txt", "hello", "not a notebook"),
        ("broken.ipynb", "{", "not a notebook"),
        ("old.ipynb", '{"nbformat": 3}', "format 4"),
    ],
)
def test_what_is_no_notebook_is_bad_input(
    author: Author, name: str, content: str | None, message: str
) -> None:
    path = author.place / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        lint([path])


def test_the_exit_code_says_whether_anything_was_found(author: Author) -> None:
    author.write()
    clean = CliRunner().invoke(cli, ["lint"], standalone_mode=False)
    assert clean.return_value == 0
    assert clean.output == "0 findings in 1 notebook\n"
    add(STEP, "x = 1\n!ls " + "a" * 100)(author)
    author.write()
    found = CliRunner().invoke(cli, ["lint", "notebooks"], standalone_mode=False)
    assert found.return_value == 1
    assert "10_practice.ipynb, cell 6 (" in found.output
    assert "hint: use a step" in found.output
    assert all(len(line) <= 80 for line in found.output.splitlines()[1:])
    ignored = CliRunner().invoke(cli, ["lint", "--ignore", "raw-shell"], standalone_mode=False)
    assert ignored.return_value == 0


def test_an_unknown_rule_and_no_notebooks_are_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(cli, ["lint"]).exception, InputError)
    (tmp_path / "notebooks").mkdir()
    assert isinstance(CliRunner().invoke(cli, ["lint", "--ignore", "shell"]).exception, InputError)


def test_programs_read_the_findings_as_json_and_sarif(author: Author) -> None:
    add(STEP, "x = 1\n!ls")(author)
    author.write()
    (found,) = json.loads(CliRunner().invoke(cli, ["lint", "--format", "json"], standalone_mode=False).output)
    assert (found["rule"], found["cell"], found["line"]) == ("raw-shell", 6, 2)
    sarif = json.loads(CliRunner().invoke(cli, ["lint", "--format", "sarif"], standalone_mode=False).output)
    (result,) = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert result["ruleId"] == sarif["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
    assert place == {
        "artifactLocation": {"uri": "notebooks/10_practice.ipynb"},
        "region": {"startLine": found["file_line"]},
    }


def test_the_rules_are_listed() -> None:
    listed = CliRunner().invoke(cli, ["lint", "--rules"], standalone_mode=False).output
    assert [line for line in listed.splitlines() if not line.startswith(" ")] == list(RULES)
