"""Runbooks as tests: `pytest --runbooks NOTEBOOK` runs it once; each step, host and check is a test.

Every pytest in an environment with this package imports this module. So it adds only options whose names begin
with `--runbook`, and imports the rest of the library only if `--runbooks` is given.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
    "pytest_testnodedown",
]

_PARAMETERS = {
    "dest": "runbook_params",
    "action": "append",
    "default": [],
    "metavar": "FILE",
    "help": "Parameters file: one for all runbooks, or one for each in their order. Short: --params.",
}
_HOSTS = {
    "dest": "runbook_hosts",
    "metavar": "PATTERN",
    "help": "Names, groups or patterns of hosts, separated by commas. Short: --hosts.",
}

_ONLY_WITH_RUNBOOKS = ("--runbook-params", "--runbook-mode", "--runbook-hosts", "--runbook-set")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, under names that are not used elsewhere."""
    group = parser.getgroup("runbooks", "executable runbooks")
    group.addoption(
        "--runbooks",
        action="append",
        default=[],
        metavar="RUNBOOK",
        help="Run this runbook (name or notebook) once, and report its steps, hosts and checks as tests. "
        "Repeatable. Other tests are collected only from paths given as arguments.",
    )
    group.addoption("--runbook-params", **_PARAMETERS)
    group.addoption(
        "--runbook-mode",
        choices=["plan", "apply", "validate"],
        default="validate",
        help="What the run may do. Default: validate, which changes nothing, whatever the parameters file says.",
    )
    group.addoption("--runbook-hosts", **_HOSTS)
    group.addoption(
        "--runbook-set",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="A parameter; overrides the file.",
    )
    group.addoption(
        "--runbook-inventory",
        default="inventory.yml",
        metavar="FILE",
        help="Inventory of the hosts of testinfra's tests: --hosts=runbook://PATTERN. Default: inventory.yml.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> Generator[None, None, None]:
    """Add the short names too, if runbooks are given and no plugin or conftest uses them."""
    yield
    if not any(arg.partition("=")[0] == "--runbooks" for arg in args):
        return
    group = parser.getgroup("runbooks")
    for name, about in (("--params", _PARAMETERS), ("--hosts", _HOSTS)):
        given = f"{name}=x"
        if given in parser.parse_known_and_unknown_args([given])[1]:
            group.addoption(name, **{**about, "help": f"Short for --runbook-{name.removeprefix('--')}."})


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest, if runbooks are given.

    Raises:
        UsageError: An option for runbooks was given, and no runbook: a job of CI that lost it must not be green.
    """
    if not config.getoption("runbooks"):
        # An option in a configuration file holds for those sessions that name a runbook.
        given = [str(argument).partition("=")[0] for argument in config.invocation_params.args]
        unused = next((option for option in given if option in _ONLY_WITH_RUNBOOKS), "")
        if unused:
            raise pytest.UsageError(
                f"{unused} was given, but no runbook\n  hint: --runbooks NOTEBOOK, with a name or a path"
            )
    else:
        plugin = importlib.import_module("runbook_lib.pytest_plugin.plugin").Plugin(config)
        config.pluginmanager.register(plugin, "runbook-runs")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let testinfra's tests use the inventory's hosts, if any of them names such a host: `runbook://PATTERN`."""
    if "_testinfra_host" not in metafunc.fixturenames:
        return
    given = metafunc.config.getoption("hosts", None)
    hosts = given.split(",") if given else getattr(metafunc.module, "testinfra_hosts", [])
    if any(str(host).startswith("runbook://") for host in hosts):
        importlib.import_module("runbook_lib.pytest_plugin.testinfra_hosts").start(metafunc.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist's
    """Report how the tests of testinfra on the inventory's hosts ended in a worker of pytest-xdist."""
    sent = getattr(node, "workeroutput", {}).get("runbook-testinfra")
    if sent:
        importlib.import_module("runbook_lib.pytest_plugin.testinfra_hosts").start(node.config).receive(sent)
