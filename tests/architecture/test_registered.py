"""What has to be listed in a second place is listed there, so that nobody has to know the second place."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner

import runbook_lib.facts
from runbook_lib import Parameters
from runbook_lib.audit.rules import registry as rules
from runbook_lib.books.docker.parameters import ValidateChapter
from runbook_lib.cli.audit import audit_command
from runbook_lib.cli.demo import CHAPTER, CLOUD
from runbook_lib.cli.main import ACTORS, READERS, cli
from runbook_lib.connections import registry as connections
from runbook_lib.evidence import layout
from runbook_lib.execution.step_calls import STEP_METHODS
from runbook_lib.facts.network_stack import CONFIGURING
from runbook_lib.facts.release import FAMILIES, ReleaseInfo
from runbook_lib.host_settings import ENDPOINT, Host
from runbook_lib.lab.hosts import registry as hosts
from runbook_lib.model.kinds import CHANGING, CommandKind
from runbook_lib.model.status import Status
from runbook_lib.operations import docker_engine_packages, firewall, firewalls, package_versions, packages
from runbook_lib.operations import registry as registries
from runbook_lib.operations.bridge import BACKENDS
from runbook_lib.operations.destructive import REMOVES_PACKAGES
from runbook_lib.operations.firewalls.firewall_backend import FirewallBackend
from runbook_lib.report import formats
from runbook_lib.runbook.runbook import Runbook
from runbook_lib.runbook.steps.resume import CHANGEABLE, OF_ONE_RUN

TOP = Path(__file__).parents[2]
WHAT_A_RUN_DOES = {"hosts", "inventory", "mode"}
NOT_CHANGING = {"fact", "rollback", "termination"}
NOT_ENDPOINT = {
    *("name", "kind", "console", "lab", "variables"),  # what the host is, not where its commands go
    *("identity_file", "known_hosts", "sudo_password", "connect_timeout"),  # how a login there succeeds
}
# Of the book's runbooks: what `runbook demo` leaves out, and what 90 validates on every host without being asked.
NOT_IN_THE_DEMO = {
    "01_first_steps": "needs no host but this machine",
    "50_registry_s3": "needs `runbook lab up --store`",
    "70_path_load": "measures, and changes nothing that lasts",
    "91_drill": "needs something broken",
    "95_audit": "reads what the others have left",
}
ALWAYS_VALIDATED = {"20_docker_install", "30_bridge_br0", "40_ambassador_redis"}
NOTHING_TO_VALIDATE = {"00_preflight", "10_kernel_upgrade", "90_validate", *NOT_IN_THE_DEMO} - {
    "50_registry_s3"
}
# By what each script of a fact asks the package manager of a family; None: there is nothing to ask.
ASKS_OF_PACKAGES: dict[str, dict[str, str | None]] = {
    "kernel._LIST": {"debian": "dpkg-query", "el": "rpm -qf"},
    "kernel._REQUIRED": {"debian": "/run/reboot-required", "el": "needs-restarting"},
    "kernel_package._QUERY": {"debian": "apt-cache", "el": "dnf"},
    "packages._LOCKS": {"debian": "/var/lib/(dpkg|apt|", "el": "/usr/lib/sysimage/rpm/"},
    "packages._VERSION": {"debian": "dpkg-query", "el": "rpm -q"},
    "packages._UNFINISHED": {"debian": "dpkg-query", "el": None},
    "packages._AGE": {"debian": "apt-get", "el": None},
}
FILES_OF_A_RUN = {layout.ATTESTATION, layout.NOTEBOOK, layout.OUTPUT}


@pytest.mark.parametrize(("folder", "group"), [("cli", cli), ("cli/audit", audit_command)])
def test_every_verb_that_has_a_module_is_a_command(folder: str, group: object) -> None:
    top = TOP / "runbook_lib" / folder
    texts = [
        path.read_text(encoding="utf-8") for path in [*top.glob("[a-z]*.py"), *top.glob("*/__init__.py")]
    ]
    verbs = {verb for text in texts for verb in re.findall(r"^def (\w+)_command\(", text, re.MULTILINE)}
    listed = CliRunner().invoke(group, ["--help"]).output  # type: ignore[arg-type] # a click group
    assert "list" in verbs
    assert [verb for verb in sorted(verbs) if not re.search(rf"^  {verb} ", listed, re.MULTILINE)] == []


def test_every_verb_either_reads_or_acts() -> None:
    assert not READERS & ACTORS
    assert set(cli.list_commands(click.Context(cli))) == READERS | ACTORS


@pytest.mark.parametrize(
    ("group", "built_in"),
    [
        (rules.GROUP, rules.BUILT_IN),
        (hosts.GROUP, hosts.BUILT_IN),
        (formats.GROUP, formats.BUILT_IN),
        (connections.GROUP, connections.BUILT_IN),
    ],
    ids=["audit-rules", "lab-hosts", "report-formats", "connections"],
)
def test_what_is_built_in_is_declared_in_pyproject(group: str, built_in: dict[str, str]) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][group] == built_in


def test_every_extension_point_is_in_the_architecture_page() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    groups = [group for group in project["entry-points"] if group.startswith("runbook_lib.")]
    assert [group for group in groups if f"| `{group}` |" not in page] == []


def test_the_help_lists_the_exit_codes_of_runs() -> None:
    text = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())
    listed = {int(code) for code in re.findall(r"\b(\d) [a-z]", text.split("Exit codes:", 1)[1])}
    assert listed == {0, 2} | {status.exit_code for status in Status}


def test_a_resumed_run_knows_of_every_parameter_whether_it_may_differ() -> None:
    """A new parameter of every runbook sets what a run does, or only how it proceeds: then it is `CHANGEABLE`."""
    assert set(Parameters.model_fields) == CHANGEABLE | WHAT_A_RUN_DOES
    assert OF_ONE_RUN < CHANGEABLE


def test_a_transaction_knows_of_every_kind_of_command_whether_it_may_change_a_host() -> None:
    """A kind that is missing from `CHANGING` is never rolled back."""
    assert set(get_args(CommandKind)) == CHANGING | NOT_CHANGING
    assert not CHANGING & NOT_CHANGING


def test_whatever_reads_a_notebook_knows_every_method_that_carries_out_a_step() -> None:
    """Lint, `runbook show`, `--resume` and the check of hosts look for these methods in a notebook's source."""
    methods = {
        name
        for name, method in inspect.getmembers(Runbook, inspect.isfunction)
        if not name.startswith("_") and method.__annotations__.get("return") == "StepRecord"
    }
    assert methods == STEP_METHODS


def test_every_file_of_a_run_directory_is_sealed_or_can_be_made_again() -> None:
    names = {getattr(layout, name) for name in layout.__all__ if not name.endswith("_MIME")}
    files = {name for name in names if isinstance(name, str)}
    assert files == layout.SEALED | layout.DERIVED | FILES_OF_A_RUN, (
        "a new file belongs in SEALED or in DERIVED"
    )


def test_every_setting_of_a_host_is_known_to_say_where_its_commands_go_or_not() -> None:
    """A setting that is missing from `ENDPOINT` is neither recorded by a run nor compared by an audit rule."""
    assert set(Host.model_fields) == set(ENDPOINT) | NOT_ENDPOINT


def test_the_policy_that_comes_with_the_package_names_every_rule() -> None:
    """A rule that needs a value of the user's own is a comment there."""
    text = (TOP / "params" / "audit" / "policy.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"^  (?:# )?([a-z-]+): ?\{?", text, re.MULTILINE)) == set(rules.BUILT_IN)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_of_distributions_has_a_package_manager_and_an_order_of_versions(family: str) -> None:
    release = ReleaseInfo("some", "9", "", "Some 9", family)
    assert packages.install(release, {family: ("curl",)})
    assert package_versions.compare(family, "1-1", "1-2") == -1


def test_a_person_is_asked_before_packages_of_any_family_are_removed() -> None:
    assert set(REMOVES_PACKAGES) >= FAMILIES


def scripts_about_packages() -> dict[str, str]:
    """Scripts of facts that name a package manager, or what one has left, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(runbook_lib.facts.__path__):
        loaded = importlib.import_module(f"runbook_lib.facts.{module.name}")
        for name, value in vars(loaded).items():
            script = isinstance(value, str) and name.isupper() and "\n" in value
            if script and re.search(
                r"\b(?:dpkg|apt|apt-get|apt-cache|rpm|dnf|yum|needs-restarting)\b", value
            ):
                found[f"{module.name}.{name}"] = value
    return found


def test_every_fact_about_packages_knows_each_family() -> None:
    """With a new family each of these scripts needs a branch, or a reason in `ASKS_OF_PACKAGES` why not."""
    scripts = scripts_about_packages()
    assert set(scripts) == set(ASKS_OF_PACKAGES)
    for name, asks in ASKS_OF_PACKAGES.items():
        assert set(asks) == FAMILIES, name
        assert [word for word in asks.values() if word and word not in scripts[name]] == [], name


@pytest.mark.parametrize(
    ("packaged", "elsewhere"),
    [
        (docker_engine_packages.PACKAGES, set()),
        (registries._PACKAGES, {"el"}),  # noqa: SLF001 - a new family must not be left out; EL has no such package
    ],
    ids=["docker", "registry"],
)
def test_what_is_installed_has_a_package_in_each_family(
    packaged: dict[str, object], elsewhere: set[str]
) -> None:
    families = {family.rstrip("0123456789") for family in packaged}
    assert families | elsewhere == FAMILIES
    assert not families & elsewhere


def test_every_runbook_of_the_book_is_in_the_demo_and_validated_or_it_is_known_why_not() -> None:
    runbooks = {path.stem for path in (TOP / "notebooks").glob("*.ipynb")}
    shown = set(CHAPTER) | set(CLOUD)
    assert shown | set(NOT_IN_THE_DEMO) == runbooks
    assert not shown & set(NOT_IN_THE_DEMO)
    (if_asked,) = get_args(ValidateChapter.model_fields["also_validate"].annotation)
    validated = set(get_args(if_asked)) | ALWAYS_VALIDATED
    assert validated | NOTHING_TO_VALIDATE == runbooks
    assert not validated & NOTHING_TO_VALIDATE
    text = (TOP / "notebooks" / "90_validate.ipynb").read_text(encoding="utf-8")
    assert [name for name in get_args(if_asked) if f'\\"{name}\\" in p.also_validate' not in text] == []


def test_every_software_that_can_configure_a_bridge_has_a_backend() -> None:
    """The preflight calls a host ready for a bridge if it has one of `CONFIGURING`."""
    assert {word.lower() for name in BACKENDS for word in name.split(" with ")} == CONFIGURING


def test_every_firewall_is_listed() -> None:
    """`BACKENDS` is what the choice on a host and the test of the order at boot know: see `commit_confirm_scripts`."""
    for module in pkgutil.iter_modules(firewalls.__path__, f"{firewalls.__name__}."):
        importlib.import_module(module.name)
    assert set(firewall.BACKENDS) == set(FirewallBackend.__subclasses__())
    assert [backend.title for backend in firewall.BACKENDS if not backend.files] == []
