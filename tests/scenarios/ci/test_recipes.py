"""The CI recipes are valid, and their shell lines do what they promise against a real SSH server."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.scenarios.ci.recipe import RECIPES, JobResult, fresh, github, gitlab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.connections import sshd

EACH = pytest.mark.parametrize("recipe", [github, gitlab], ids=["github", "gitlab"])


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github-actions.yml", ("vendor.github-workflows",)),
        ("gitlab-ci.yml", ("vendor.gitlab-ci", "--data-transform", "gitlab-ci")),
    ],
)
def test_a_recipe_is_valid_by_the_published_schema(name: str, schema: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(RECIPES / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def clone(tmp_path: Path, server: sshd.Server) -> Path:
    """Return a clone with the user's own parameters: all roles on one host."""
    checkout = fresh(tmp_path / "clone")
    mine = checkout / "params" / "mine"
    mine.mkdir()
    parameters = (checkout / "params" / "example" / "90_validate.yml").read_text(encoding="utf-8")
    (mine / "90_validate.yml").write_text(parameters, encoding="utf-8")
    host = {
        "address": "127.0.0.1",
        "port": server.port,
        "identity_file": "~/.ssh/id_ed25519",
        "variables": {"bridge_address": "192.168.7.31/20", "fixed_cidr": "192.168.8.0/24"},
    }
    groups = {name: ["server-1"] for name in ("docker", "server", "client")}
    inventory = {"hosts": {"server-1": host}, "groups": groups}
    (mine / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return checkout


def secrets(server: sshd.Server) -> dict[str, str]:
    return {
        "RUNBOOK_SSH_KEY": server.client_key.read_text(encoding="utf-8").rstrip("\n"),
        "RUNBOOK_KNOWN_HOSTS": server.known_hosts.read_text(encoding="utf-8").rstrip("\n"),
    }


@EACH
def test_a_failed_validation_fails_the_job_with_junit_and_evidence_and_leaves_no_key(
    recipe: Callable[[Path, dict[str, str]], JobResult], tmp_path: Path, server: sshd.Server
) -> None:
    """The server is this machine: it can be reached, but is not a host of the chapter."""
    given = secrets(server)
    done = recipe(clone(tmp_path, server), given)
    assert done.code == 1, done.output
    names = {path.name for path in done.artifacts}
    assert {"journal.jsonl", "notebook.ipynb", "parameters.yml", "junit.xml", "report.html"} <= names
    journal = next(path for path in done.artifacts if path.name == "journal.jsonl").read_text(
        encoding="utf-8"
    )
    assert '"event":"run_ended","status":"failed"' in journal
    assert done.left == []
    secret = given["RUNBOOK_SSH_KEY"].splitlines()[1]
    assert secret not in done.output
    assert not [path for path in done.artifacts if secret in path.read_text(encoding="utf-8")]


@EACH
@pytest.mark.parametrize("missing", ["RUNBOOK_SSH_KEY", "RUNBOOK_KNOWN_HOSTS"])
def test_a_secret_that_is_not_set_is_named_and_nothing_runs(
    recipe: Callable[[Path, dict[str, str]], JobResult], missing: str, tmp_path: Path, server: sshd.Server
) -> None:
    given = secrets(server)
    del given[missing]
    checkout = clone(tmp_path, server)
    done = recipe(checkout, given)
    assert done.code != 0
    assert f"{missing}: is not set" in done.output
    assert not (checkout / "runs").exists()


@EACH
def test_an_unknown_host_key_is_refused(
    recipe: Callable[[Path, dict[str, str]], JobResult], tmp_path: Path, server: sshd.Server
) -> None:
    given = {**secrets(server), "RUNBOOK_KNOWN_HOSTS": "# nobody yet"}
    done = recipe(clone(tmp_path, server), given)
    assert done.code == 3, done.output
    assert "the host key is unknown" in done.output
