"""environment.yml and pyproject.toml name the same packages with the same floors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

TOP = Path(__file__).parents[2]


def of_pyproject() -> list[str]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *optional["test"], *optional["lint"]]


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
    wanted = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert f"python{wanted}" in conda


def test_every_package_that_is_imported_is_named() -> None:
    """By the top module's name; where it differs from the package's it stands here."""
    named = {"yaml": "pyyaml", "IPython": "ipykernel", "nbclient": "papermill", "jupyter_client": "ipykernel"}
    named |= {
        "jupyter_core": "ipykernel",
        "requests": "docker",
        "urllib3": "docker",
        "websocket": "websocket-client",
        "xdist": "pytest-xdist",
        "markupsafe": "jinja2",
        "dask": "distributed",
        "detect_secrets": "detect-secrets",
        "cryptography": "securesystemslib",
        "annotated_types": "pydantic",
        "pydantic_core": "pydantic",
        "testinfra": "pytest-testinfra",
    }
    ours = {parted(requirement)[0] for requirement in of_pyproject()}
    for path in [*(TOP / "runbook_lib").rglob("*.py"), *(TOP / "tests").rglob("*.py")]:
        for match in re.finditer(
            r"^\s*(?:import|from) ([A-Za-z_0-9]+)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            module = match[1]
            if is_installed(module):
                assert named.get(module, module).lower() in ours, f"{path}: {module}"


def is_installed(module: str) -> bool:
    """Whether a module comes from an installed package, not from Python itself or this project."""
    import importlib.util  # noqa: PLC0415 - only here

    if module in {"runbook_lib", "tests"}:
        return False
    found = importlib.util.find_spec(module)
    return found is not None and "site-packages" in str(found.origin)
