"""A value that several runbooks share is the same in all their parameter files."""

from __future__ import annotations

import pytest

from runbook_lib import Parameters
from runbook_lib.execution import catalog
from runbook_lib.yaml_files import load_yaml
from tests.execution.project import TOP

# What a runbook does not share with the others that have a parameter of that name.
OWN = {
    "10_kernel_upgrade": {"key"},  # the key that signs packages; elsewhere one of a redis
    "90_validate": {"revert_after"},  # it changes nothing
    "91_drill": {
        "revert_after",
        "also_validate",
        "second_interface",
        "store_endpoint",
    },  # of what it does not look at
}


@pytest.mark.parametrize("folder", ["example", "lab"])
def test_the_files_of_runbooks_agree_on_what_they_share(folder: str) -> None:
    """Models inherit parameters: 90 would validate what 40 has made by a default that 40's file overrides."""
    values: dict[str, dict[str, str]] = {}
    files = sorted((TOP / "params" / folder).glob("[0-9]*.yml"))
    assert len(files) > 10
    for file in files:
        entry = catalog.load(TOP / "notebooks" / f"{file.stem}.ipynb")
        given = load_yaml(file.read_text(encoding="utf-8"))
        parameters = entry.model.model_validate({**entry.defaults, **given})
        for name in set(entry.model.model_fields) - set(Parameters.model_fields) - OWN.get(file.stem, set()):
            values.setdefault(name, {})[file.stem] = repr(getattr(parameters, name))
    assert {name: found for name, found in values.items() if len(set(found.values())) > 1} == {}
