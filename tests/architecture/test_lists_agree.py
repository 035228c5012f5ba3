"""Where the same things are listed twice, both lists agree: a test names the list that was forgotten."""

from __future__ import annotations

import ast
import inspect
import re
from typing import get_args, get_type_hints

import pytest

from runbook_lib import system_requirements
from runbook_lib.attestation import statement
from runbook_lib.books.docker.parameters import Preflight
from runbook_lib.books.docker.readiness import readiness
from runbook_lib.cli import run_progress
from runbook_lib.connections import network_query
from runbook_lib.evidence import journal_view
from runbook_lib.execution.notebook import execution_end, kernel_process
from runbook_lib.execution.step_calls import STEP_METHODS, TITLES, WITH_HOSTS
from runbook_lib.execution.step_hosts import HOSTS_COME_FIRST
from runbook_lib.facts.boot_loader import BootLoaderKind
from runbook_lib.facts.network_stack import CONFIGURING
from runbook_lib.lab.hosts import network_files
from runbook_lib.lab.topology import HostPlan, NetworkStackName
from runbook_lib.model import status
from runbook_lib.model.commands import NetworkQuery
from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.status import BAD, SYMBOLS, Status
from runbook_lib.operations import boot_loaders, service
from runbook_lib.operations.bridge import BACKENDS
from runbook_lib.parameters import annotations as cell_annotations
from runbook_lib.parameters import type_text
from runbook_lib.report import formats, junit, summary, topology
from runbook_lib.runbook import run
from runbook_lib.runbook.notebook import run_directory
from runbook_lib.runbook.notebook.parent_process import PARENT_PROCESS
from runbook_lib.runbook.notebook.refused_steps import counted
from runbook_lib.runbook.runbook import Runbook
from tests.architecture.package_source import MODULES, PACKAGE, TOP, parsed
from tests.fuzz.parsers import NO_TARGET, TARGETS

# Runbooks of the book of which the preflight says nothing: whether a host is ready for them is not known before.
NOT_IN_THE_PREFLIGHT = {
    "00_preflight": "says it of the others",
    "01_first_steps": "needs no host but this machine",
    "70_path_load": "needs what 40 has left",
    "91_drill": "needs something broken",
    "95_audit": "touches no host",
}
DECODES = re.compile(
    r"(?:json|orjson)\.loads?|.*\.model_validate_json|yaml\.(?:safe_load|load|compose|scan|parse)|load_yaml|YamlFile|"
    r"ast\.(?:parse|literal_eval)|base64\.\w*decode\w*|(?:serialization\.)?load_(?:pem|der|ssh)_\w+|shlex\.split|"
    r"nbformat\.reads?|tomllib\.loads?"
)


def public_methods() -> list[str]:
    methods = inspect.getmembers(Runbook, inspect.isfunction)
    return [name for name, _ in methods if not name.startswith("_")]


def text_of(path: str) -> str:
    return (TOP / path).read_text(encoding="utf-8")


def test_each_network_stack_with_a_backend_is_one_that_practice_hosts_can_have() -> None:
    stacks = get_args(NetworkStackName)
    names = {name.lower().replace("systemd-", "") for name in BACKENDS}
    assert {stack.replace("netplan-", "netplan with ") for stack in stacks} == names
    assert set(network_files.STACK_PACKAGES) == set(network_files._FILES) == set(stacks)  # noqa: SLF001 - its files
    hosts = text_of("params/lab/networks.yml")  # what `make test-networks` tries
    assert [stack for stack in stacks if stack != "ifupdown" and f"network_stack: {stack}" not in hosts] == []


def test_each_boot_loader_that_is_detected_can_be_set() -> None:
    assert set(boot_loaders.BACKENDS) == set(get_args(BootLoaderKind)) - {"none"}


def test_the_preflight_says_of_each_runbook_whether_a_host_is_ready_for_it() -> None:
    host = HostRecord(host="host-a", address="192.0.2.1", kind="machine")
    step = StepRecord.model_validate(
        {"number": 1, "title": "x", "started": "2026-11-26T00:00:00Z", "hosts": [host]}
    )
    (row,) = readiness(step, Preflight(inventory="inventory.yml", hosts="all"))
    runbooks = {path.stem for path in (TOP / "notebooks").glob("*.ipynb")}
    assert set(row) - {"host"} == runbooks - set(NOT_IN_THE_PREFLIGHT)
    assert set(NOT_IN_THE_PREFLIGHT) < runbooks


def test_each_status_has_a_symbol_a_rank_and_words() -> None:
    for known in (SYMBOLS, status._FROM_BEST, summary.MEANINGS):  # noqa: SLF001 - part of the same file, or of words
        assert set(known) == set(Status)
    assert set(summary._HAPPENED) == BAD  # noqa: SLF001 - as above
    assert set(summary._TALLY) == set(Status) - BAD  # noqa: SLF001 - as above


def test_each_status_is_a_success_a_warning_or_a_failure_everywhere() -> None:
    assert set(Status) - BAD == statement._PASSED | statement._WARNED  # noqa: SLF001 - which of them a seal passes
    assert not statement._PASSED & statement._WARNED  # noqa: SLF001 - as above
    assert set(Status) - BAD == journal_view._GOOD_ENDS  # noqa: SLF001 - what may be the end of a run
    assert {one for one in Status if one.is_success} | {Status.SKIPPED} == set(Status) - BAD
    assert {one for one in Status if one.exit_code} == BAD | {Status.SKIPPED}
    assert set(junit._RESULTS) == BAD | {Status.SKIPPED}  # noqa: SLF001 - which of them does not pass in CI
    assert set(run_progress._COLORS) == set(Status) - BAD  # noqa: SLF001 - all others are bold and red
    assert set(execution_end._ENDS) == BAD - {Status.UNKNOWN}  # noqa: SLF001 - how a run ends a notebook


@pytest.mark.parametrize(
    ("listed", "others"),
    [
        (
            service._CHANGES,  # noqa: SLF001 - of which steps a service is reloaded
            BAD | {Status.OK, Status.SKIPPED},
        ),
        (
            run._NOTHING_DONE,  # noqa: SLF001 - after which steps a transaction has nothing to roll back
            BAD | {Status.CHANGED, Status.PLANNED},
        ),
        (
            topology._CHECKED,  # noqa: SLF001 - of which steps the checks were carried out
            (BAD - {Status.FAILED}) | {Status.PLANNED, Status.SKIPPED},
        ),
    ],
    ids=["service", "run", "topology"],
)
def test_a_list_of_some_statuses_knows_of_each_other_one_that_it_does_not_belong(
    listed: set[Status], others: set[Status]
) -> None:
    assert listed | others == set(Status), "decide where the status belongs"
    assert not listed & others


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("report/templates/style.css", "--{}:"),
        ("report/templates/style.css", ".{} {{"),
        ("display/templates/style.html.j2", ".rb.{}"),
        ("audit/site/templates/overview.js", '{}: "{}"'),
    ],
)
def test_each_status_has_a_style(page: str, form: str) -> None:
    text = text_of(f"runbook_lib/{page}")
    assert [one for one in Status if form.format(one, SYMBOLS[one]) not in text] == []


def test_whatever_reads_a_notebook_knows_the_first_argument_of_each_method() -> None:
    """Of some it is the hosts, of the others the title: lint, `--resume` and the check of hosts rely on it."""
    first = {name: list(inspect.signature(getattr(Runbook, name)).parameters)[1] for name in STEP_METHODS}
    assert {name for name, argument in first.items() if argument == "hosts"} == HOSTS_COME_FIRST
    titled = {name: argument for name, argument in first.items() if name not in HOSTS_COME_FIRST}
    assert {name: title for name, title in TITLES.items() if name in STEP_METHODS} == titled


def test_whatever_reads_a_notebook_knows_every_method_that_can_be_given_hosts() -> None:
    """A method that is missing is not shown by `runbook show`, and its wrong hosts are refused only during the run."""
    assert {
        name for name in public_methods() if "hosts" in inspect.signature(getattr(Runbook, name)).parameters
    } == (WITH_HOSTS)


def test_each_method_that_can_be_given_hosts_counts_what_it_refuses() -> None:
    """Without `@counted` a notebook could catch a refusal, and its run would be green."""
    of_the_decorator = counted(lambda _: None).__code__
    assert [
        name for name in sorted(WITH_HOSTS) if getattr(Runbook, name).__code__ is not of_the_decorator
    ] == []


def test_a_kernel_inherits_no_variable_that_is_for_the_kernel_around_it() -> None:
    """`runbook run` in a cell would write into the files of the outer run."""
    variables = {
        node.value
        for path in (PACKAGE / "runbook" / "notebook").glob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and re.fullmatch(r"RUNBOOK_[A-Z_]+", str(node.value))
    }
    of_the_engine = {run_directory.JOB}  # set in its own environment, for the kernels that it starts
    always_set = {PARENT_PROCESS}
    withheld = {name for name in kernel_process._NOT_INHERITED if name.startswith("RUNBOOK_")}  # noqa: SLF001 - the list
    assert withheld == variables - of_the_engine - always_set
    with kernel_process.Kernel() as kernel:
        assert always_set <= set(kernel._environment)  # noqa: SLF001 - as above


def test_each_query_of_this_machine_has_an_answer() -> None:
    methods = set(get_args(get_type_hints(NetworkQuery)["method"]))
    assert {*network_query._ANSWERS, "login"} == methods  # noqa: SLF001 - `login` is the connection's own


def test_each_part_of_the_programs_is_installed_before_the_tests_that_need_it() -> None:
    parts = set(system_requirements.PARTS)
    assert set(system_requirements.OPTIONAL) == parts - {"lab"}, "say in OPTIONAL what the part is for"
    makefile = text_of("Makefile")
    for target, others in (("test", {"vm"}), ("test-scenarios", {"vm"}), ("test-python", {"vm", "lab"})):
        recipe = makefile.split(f"\n{target}:", 1)[1].split("\n\n", 1)[0]
        installed = re.findall(r"system_requirements --install (.+)", recipe)
        assert [set(names.split()) for names in installed] == [parts - others], target


def test_every_target_of_tests_for_this_interpreter_is_one_of_test_all() -> None:
    makefile = text_of("Makefile")
    targets = set(re.findall(r"^(test-[a-z]+)[ a-z-]*:", makefile, re.MULTILINE))
    listed = re.search(r"^EACH_TEST := (.+)$", makefile, re.MULTILINE)
    assert listed
    others = {"test-python", "test-lowest"}  # other interpreters, other versions of packages
    in_random = {"test-scenarios"}  # by test-random
    assert targets - others - in_random - {"test-all", "test-newest"} == set(listed[1].split())


def test_the_page_on_parameters_lists_all_that_a_cell_may_say() -> None:
    page = text_of("docs/parameters.md")
    names = {name for _, known in cell_annotations._MODULES.values() for name in known}  # noqa: SLF001 - the only list
    older = {
        "Dict",
        "List",
        "Optional",
        "Union",
    }  # spellings of what the page lists as list, dict, None and unions
    limits = cell_annotations._FIELD - {"allow_inf_nan"}  # noqa: SLF001 - as above
    assert [name for name in sorted((names - older) | limits) if f"`{name}`" not in page] == []
    shown = set(type_text._CONSTRAINTS)  # noqa: SLF001 - what `runbook show` says of them
    assert shown == limits - {"description"}


def test_the_page_on_topologies_lists_all_that_a_file_may_say_of_a_host() -> None:
    page = text_of("docs/lab-topologies.md")
    assert [key for key in HostPlan.model_fields if key != "name" and f"`{key}`" not in page] == []
    values = [*get_args(NetworkStackName), *get_args(HostPlan.model_fields["distribution"].annotation)]
    assert [value for value in values if f"`{value}`" not in page] == []


def test_each_page_on_networks_names_every_software_that_a_bridge_can_be_made_with() -> None:
    (sentence,) = [
        text for text in text_of("docs/lab.md").split("\n\n") if "A container's `network_stack` is" in text
    ]
    assert [stack for stack in get_args(NetworkStackName) if f"`{stack}`" not in sentence] == []
    requirements = text_of("docs/own-hosts.md").split("\n\n")[1].lower()
    assert [name for name in sorted(CONFIGURING) if name not in requirements] == []
    rows = re.findall(r"^\| ([^|]+) \| [^|]*`", text_of("docs/networks.md"), re.MULTILINE)
    names = {name.lower().replace("systemd-", "") for name in BACKENDS}
    assert {row.lower().replace("systemd-", "").replace(", renderer ", " with ") for row in rows} == names


def test_the_page_on_seals_lists_all_that_a_seal_says() -> None:
    from runbook_lib.audit.verify import attestation_check  # noqa: PLC0415 - what verification knows of

    section = text_of("docs/audit.md").split("## What the seal says", 1)[1].split("\n## ", 1)[0]
    fields = attestation_check._PREDICATE_FIELDS | {"subject"}  # noqa: SLF001 - what verification knows of
    assert [name for name in sorted(fields) if f"`{name}`" not in section] == []


def test_the_page_on_reports_names_every_format() -> None:
    page = text_of("docs/reports.md")
    assert [name for name in formats.BUILT_IN if f"`{name}`" not in page] == []


def decoding_modules() -> set[str]:
    """Modules that decode a text, but for facts, which are all fuzzed."""
    found = set()
    for path in MODULES:
        calls = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
        if any(DECODES.fullmatch(ast.unparse(call.func)) for call in calls):
            found.add(path.relative_to(PACKAGE).as_posix())
    return {module for module in found if not module.startswith("facts/")}


def test_each_parser_has_a_fuzz_target_or_it_is_known_why_not() -> None:
    assert decoding_modules() == set(TARGETS) | set(NO_TARGET), "see tests/fuzz/parsers.py"
    assert not set(TARGETS) & set(NO_TARGET)
    targets = {
        name
        for path in (TOP / "tests" / "fuzz").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert set(TARGETS.values()) <= targets
