"""Whatever is checked before a kernel starts and the first host is touched: from the cells' syntax to hosts and keys.

A notebook that is opened by hand is checked by `Runbook.open()` instead, in `runbook/notebook_runs.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.connections.host_inputs import check_host_inputs, check_sudo_passwords
from runbook_lib.errors import InventoryError, ParameterError
from runbook_lib.execution.cell_syntax import check_syntax
from runbook_lib.execution.kernel_specs import check_kernel, runs_this_python
from runbook_lib.execution.step_hosts import check_step_hosts
from runbook_lib.inventory import Inventory
from runbook_lib.parameters.one_host import check_single_hosts
from runbook_lib.runbook.notebook.run_directory import check_parent
from runbook_lib.secrets import Secrets
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.host_settings import Host
    from runbook_lib.parameters import Parameters
    from runbook_lib.yaml_files import YamlFile

__all__ = ["check_input", "check_parameters"]


def check_parameters(
    entry: CatalogEntry, values: Mapping[str, Any], source: YamlFile | None, kernel: str = ""
) -> Parameters:
    """Return the checked parameters of a run; see `check_input`."""
    parameters, _ = check_input(entry, values, source, kernel)
    return parameters


def check_input(
    entry: CatalogEntry,
    values: Mapping[str, Any],
    source: YamlFile | None,
    kernel: str = "",
    *,
    listed_in: str = "",
) -> tuple[Parameters, list[Host]]:
    """Return the checked parameters of a run, and its hosts.

    Its kernel, the syntax of its cells, its inventory, keys and secrets are checked too.

    Args:
        entry: The runbook.
        values: Parameters beyond its defaults.
        source: The file that most of them come from, for error messages.
        kernel: The name of the kernel; empty: the one that the notebook names.
        listed_in: Where a file lists this run, for error messages; empty if none does.

    Raises:
        InputError: Any of them is wrong. No host was touched.
    """
    kernel_name = kernel or entry.notebook.kernel
    check_kernel(kernel_name, str(entry.path))
    if runs_this_python(kernel_name):  # another version may have other syntax
        check_syntax(entry.notebook.cells, entry.path)
    own = f"{listed_in}, parameters of {entry.name}" if listed_in else f"parameters of {entry.name}"
    where = str(source.path) if source else own
    hint = f"`runbook show {entry.name}` lists the parameters"
    given = {**entry.defaults, **values}
    parameters = validate(entry.model, given, ParameterError, where, source, hint=hint)
    Secrets().resolve_all(parameters)
    inventory = Inventory.load(parameters.inventory)
    hosts = _selected(inventory, parameters.hosts, own if listed_in else "")
    check_sudo_passwords(hosts, inventory.path, Secrets().resolve)
    check_step_hosts(entry.notebook.cells, parameters, inventory, hosts, entry.path)
    check_single_hosts(parameters.single_hosts, inventory.select, hosts, where=where, source=source)
    check_host_inputs(hosts, inventory.path)
    check_parent(parameters.runs, where)
    return parameters, hosts


def _selected(inventory: Inventory, pattern: str, where: str) -> list[Host]:
    """Return the hosts of a run; an error says which of a file's runs it is about."""
    try:
        return inventory.select(pattern)
    except InventoryError as problem:
        if not where:
            raise
        message = f"'hosts': {problem.message} in {problem.where}"
        raise InventoryError(message, where=where, hint=problem.hint) from problem
