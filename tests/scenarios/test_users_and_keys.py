"""examples/users-and-keys on two practice hosts: keys rotated, a key that does not fit, a broken sudoers file."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from runbook_lib.evidence.reader import read_journal
from runbook_lib.lint.lint import lint
from tests.deadlines import deadline
from tests.scenarios.practice import RUNBOOK, TOP, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import RunRecord

EXAMPLE = TOP / "examples" / "users-and-keys"
NOTEBOOK = EXAMPLE / "notebooks" / "10_users_and_keys.ipynb"
MOST_LINES = 45
STATE = """sudo sh -c '
sha256sum /home/*/.ssh/authorized_keys /etc/sudoers /etc/sudoers.d/* /etc/passwd
cat /etc/ssh/sshd_config.d/*
ls -A /home/*/.ssh /var/lib/runbook/network /etc/systemd/system | grep -i runbook
'"""


def test_the_notebook_is_short_and_needs_no_module_of_its_own() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [
        line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).split("\n")
    ]
    assert 0 < len([line for line in code if line.strip()]) <= MOST_LINES
    assert lint([EXAMPLE / "notebooks"]).findings == []
    assert list(EXAMPLE.rglob("*.py")) == []


@dataclass(frozen=True)
class Project:
    """A copy of the example with keys, and the hosts of a lab."""

    top: Path
    lab: Lab

    def run(self, **given: str) -> tuple[int, RunRecord]:
        """Run the notebook headless; return exit code and record."""
        before = set(self.top.glob("runs/*"))
        parameters = {"inventory": str(self.lab.inventory), "hosts": "host-a,host-b", **given}
        arguments = [word for name, value in parameters.items() for word in ("-p", name, value)]
        done = subprocess.run(
            [RUNBOOK, "run", NOTEBOOK.stem, *arguments],
            cwd=self.top,
            capture_output=True,
            text=True,
            timeout=deadline(240),
            check=False,
        )
        made = [path for path in set(self.top.glob("runs/*")) - before if (path / "journal.jsonl").exists()]
        assert len(made) == 1, done.stdout + done.stderr
        return done.returncode, read_journal(made[0])

    def inventory_with(self, key: str) -> str:
        """Write an inventory that logs in with another key, and return its path."""
        inventory = yaml.safe_load(self.lab.inventory.read_text(encoding="utf-8"))
        for host in inventory["hosts"].values():
            host["identity_file"] = str(self.top / key)
        path = self.top / f"{key.replace('/', '-')}.yml"
        path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return str(path)

    def states(self, key: Path | None = None) -> list[str]:
        """Return what both hosts have of accounts, rights and keys, read with a key that must be accepted."""
        found = []
        for host in ("host-a", "host-b"):
            ssh, *rest = self.lab.ssh_command(host, [STATE])
            command = [ssh, "-i", str(key), *rest] if key else [ssh, *rest]
            done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(60), check=False)
            assert "authorized_keys" in done.stdout, done.stderr
            found.append(done.stdout)
        return found


@pytest.fixture
def project(fresh_lab: Lab, tmp_path: Path) -> Project:
    top = tmp_path / "users-and-keys"
    shutil.copytree(EXAMPLE, top, ignore=shutil.ignore_patterns("runs", "deploy", "admin", "wrong", "*.pub"))
    subprocess.run([top / "make-keys"], check=True, timeout=deadline(30))
    return Project(top, fresh_lab)


@pytest.mark.lab
@pytest.mark.scenario
@pytest.mark.examples
def test_keys_are_rotated_and_whatever_goes_wrong_leaves_a_host_that_can_be_reached(project: Project) -> None:
    code, record = project.run(new_key="keys/wrong", revert_after="12")
    assert (code, record.status) == (1, "failed")
    key = next(step for step in record.steps if step.title == "Key of the administrators").hosts[0]
    assert "host rejects the login of user 'ops'" in key.message
    assert key.message.endswith("the change was rolled back")
    assert all(check.holds for check in key.checks if check.id == "commit_confirm.reverted")
    assert statuses(record, "host-b")[-1] == "skipped"
    before = project.states()
    assert "runbook-passwordauthentication" not in before[0]

    code, record = project.run(sudoers="templates/broken.sudoers.j2")
    assert (code, record.status) == (1, "failed")
    refused = next(step for step in record.steps if step.title == "Sudo rights").hosts[0]
    assert "visudo refuses the new file: /etc/sudoers.d/.deploy.runbook-new:1:" in refused.message
    assert project.states() == before

    code, record = project.run()
    assert (code, record.status) == (0, "changed")
    rotated = [step for step in record.steps if step.title == "Key of the administrators"]
    assert [host.status for step in rotated for host in step.hosts] == ["changed", "changed"]
    logins = [
        check
        for step in rotated
        for host in step.hosts
        for check in host.checks
        if check.id == "ssh_keys.login"
    ]
    assert [check.observed for check in logins] == ["accepted", "accepted"]
    with pytest.raises(AssertionError, match="Permission denied"):
        project.states()
    after = project.states(project.top / "keys/admin")
    assert all("\nPasswordAuthentication no\n" in state for state in after)
    left = [state for state in after if "runbook/network" in state or "runbook-" in state]
    assert left == [], "nothing is left of the timers"

    code, record = project.run(inventory=project.inventory_with("keys/admin"))
    assert (code, record.status) == (0, "ok")
    assert project.states(project.top / "keys/admin") == after
