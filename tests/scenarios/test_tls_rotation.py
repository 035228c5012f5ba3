"""examples/tls-rotation on two practice hosts: a good certificate, the same again, and one of another authority."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.reader import read_journal
from runbook_lib.inventory import Inventory
from runbook_lib.lint.lint import lint
from tests.certificates import Authority
from tests.deadlines import deadline
from tests.scenarios.practice import RUNBOOK, TOP, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import RunRecord
    from tests.ipython_kernel import Kernel

EXAMPLE = TOP / "examples" / "tls-rotation"
NOTEBOOK = EXAMPLE / "notebooks" / "10_tls_rotation.ipynb"
NAME = "www.example.org"
MOST_LINES = 45
FILES = "/etc/nginx/tls/site.pem /etc/nginx/tls/site.key /etc/nginx/conf.d/site.conf"


def code_of_notebook() -> str:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def lines_of(code: str) -> int:
    """Count lines without blank ones and comments."""
    return len([line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")])


def docstrings_of(code: str) -> int:
    """Count the lines of a module's docstrings."""
    kinds = (ast.Module, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]
    return sum(len((ast.get_docstring(node) or "").splitlines()) for node in nodes)


def test_the_notebook_is_short_and_needs_no_module_of_its_own() -> None:
    assert 0 < lines_of(code_of_notebook()) <= MOST_LINES
    assert lint([EXAMPLE / "notebooks"]).findings == []
    assert [path.relative_to(EXAMPLE) for path in EXAMPLE.rglob("*.py") if path.parent.name != "peers"] == []


def test_the_page_counts_the_lines_of_all_three() -> None:
    playbook, deploy = ((EXAMPLE / "peers" / name).read_text() for name in ("playbook.yml", "deploy.py"))
    counted = [
        lines_of(code_of_notebook()),
        lines_of(playbook),
        lines_of(deploy) - docstrings_of(deploy),
    ]
    (row,) = re.findall(r"^\| lines .*", (EXAMPLE / "README.md").read_text(), re.MULTILINE)
    assert [int(cell) for cell in row.split("|")[2:5]] == counted


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with certificates: `site` of its authority, `other` of another one."""
    made = tmp_path_factory.mktemp("tls") / "tls-rotation"
    shutil.copytree(EXAMPLE, made, ignore=shutil.ignore_patterns("runs", "*.pem", "*.key", "*.srl"))
    authority = Authority("Example authority")
    (made / "certs/ca.pem").write_text(authority.pem, encoding="ascii")
    for issuer, stem in ((authority, "site"), (Authority("Another authority"), "other")):
        issuer.write(made / "certs", stem, NAME)
    return made


@pytest.fixture
def desk(kernel: Kernel, project: Path) -> Iterator[Kernel]:
    """A kernel as JupyterLab starts it for the notebook: in the notebook's own directory."""
    notebook = project / "notebooks" / NOTEBOOK.name
    (project / "inventory.yml").write_text(
        "hosts:\n  web-1: {connection: local}\ngroups:\n  web: [web-1]\n", encoding="utf-8"
    )
    kernel.run(
        "import os, sys\nos.environ['OLDPWD'] = os.getcwd()\n"
        f"os.chdir({str(notebook.parent)!r})\nos.environ['JPY_SESSION_NAME'] = {str(notebook)!r}\n"
        f"sys.path[:0] = [{str(TOP)!r}]"
    )
    yield kernel
    kernel.run(
        "import os, sys\nos.chdir(os.environ['OLDPWD'])\ndel os.environ['JPY_SESSION_NAME'], sys.path[0]"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="reads facts of this machine as root")
def test_in_jupyterlab_the_notebooks_paths_are_those_of_the_repository(desk: Kernel, project: Path) -> None:
    """Mode `plan` on this machine: as headless, files are found from the repository's directory."""
    before = set(project.glob("runs/*"))
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"]).replace('mode: str = "apply"', 'mode: str = "plan"')
        if "book.batches" in source:
            break  # what can be planned here depends on this machine
        if cell["cell_type"] == "code":
            desk.run(source)  # an error, if certificates, key or template were not found
    desk.execute("book.close()")
    (made,) = set(project.glob("runs/*")) - before
    record = read_journal(made)
    assert (record.inventory, record.hosts) == (str(project / "inventory.yml"), ["web-1"])


def rotate(lab: Lab, project: Path, certificate: str) -> tuple[int, RunRecord, str]:
    """Run the notebook headless; return exit code, record, and all of its evidence as text."""
    before = set(project.glob("runs/*"))
    given = {
        "inventory": str(lab.inventory),
        "hosts": "host-a,host-b",
        "certificate": f"certs/{certificate}.pem",
        "key": f"${{file:certs/{certificate}.key}}",
    }
    arguments = [word for name, value in given.items() for word in ("-p", name, value)]
    done = subprocess.run(
        [RUNBOOK, "run", NOTEBOOK.stem, *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=deadline(240),
        check=False,
    )
    made = [path for path in set(project.glob("runs/*")) - before if (path / "journal.jsonl").exists()]
    assert len(made) == 1, done.stdout + done.stderr
    evidence = [path for path in made[0].rglob("*") if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in evidence)
    return done.returncode, read_journal(made[0]), text


def on_host(lab: Lab, host: str, script: str) -> str:
    command = lab.ssh_command(host, [script])
    done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(120), check=True)
    return done.stdout


@pytest.mark.lab
@pytest.mark.scenario
@pytest.mark.examples
def test_a_good_certificate_is_rotated_and_one_of_another_authority_is_rolled_back(
    fresh_lab: Lab, project: Path
) -> None:
    code, record, evidence = rotate(fresh_lab, project, "site")
    assert (code, record.status) == (0, "changed")
    changes = ["changed"] * 6 + ["ok"]  # nginx, directory, certificate, key, site, reload; the handshake
    assert [statuses(record, host) for host in ("host-a", "host-b")] == [changes, changes]
    assert (project / "certs/site.key").read_text(encoding="ascii").split("\n")[1] not in evidence

    code, record, _ = rotate(fresh_lab, project, "site")
    assert (code, record.status) == (0, "ok")

    before = {host: on_host(fresh_lab, host, f"sudo sha256sum {FILES}") for host in ("host-a", "host-b")}
    code, record, _ = rotate(fresh_lab, project, "other")
    assert (code, record.status) == (1, "failed")
    after = {host: on_host(fresh_lab, host, f"sudo sha256sum {FILES}") for host in ("host-a", "host-b")}
    assert after == before
    first = next(step for step in record.steps if step.title.startswith("Handshake"))
    assert "issued by CN=Another authority" in first.hosts[0].message
    undone = next(step for step in record.steps if step.title == "Roll back: rotate").hosts[0]
    assert undone.message.endswith("rolled back: step 6 'Reload nginx', step 4 'Key', step 3 'Certificate'")
    assert all(check.holds for check in undone.checks)
    assert undone.checks
    assert statuses(record, "host-b")[-1] == "skipped"
    touched = [
        command.kind
        for step in record.steps
        for entry in step.hosts
        if entry.host == "host-b"
        for command in entry.commands
    ]
    assert set(touched) <= {"fact"}
    served = "openssl s_client -connect 127.0.0.1:443 < /dev/null 2>/dev/null | openssl x509 -noout -issuer"
    assert "Example authority" in on_host(fresh_lab, "host-a", served)


FRESH = """sudo rm -rf /etc/nginx/tls /etc/nginx/conf.d/site.conf /var/lib/tls-rotation
sudo apt-get -qq --error-on=any update
sudo apt-get -qq -y install --no-install-recommends python3 python3-apt > /dev/null  # Ansible needs them on a host
"""
PEERS = {
    "ansible": ("ansible-playbook", "-i", "hosts.ini", "peers/playbook.yml"),
    "pyinfra": ("pyinfra", "-y", "--serial", "--fail-percent", "0", "hosts.py", "peers/deploy.py"),
}
"""The same with others' tools: what the example's page says of them, they do."""


def write_inventories(lab: Lab, project: Path) -> list[str]:
    """Write the lab's hosts as Ansible and pyinfra take them; return what starts a program in the lab's network."""
    ansible, pyinfra = ["[web]"], []
    for host in Inventory.load(lab.inventory).select("host-a,host-b"):
        ansible.append(
            f"{host.name} ansible_host={host.address} ansible_port={host.port} ansible_user={host.user}"
            f" ansible_ssh_private_key_file={host.identity_file}"
            f" ansible_ssh_common_args='-o UserKnownHostsFile={host.known_hosts}'"
        )
        data = {
            "ssh_hostname": host.address,
            "ssh_port": host.port,
            "ssh_user": host.user,
            "ssh_key": host.identity_file,
            "ssh_known_hosts_file": host.known_hosts,
        }
        pyinfra.append((host.name, data))
    (project / "hosts.ini").write_text("\n".join(ansible) + "\n", encoding="utf-8")
    (project / "hosts.py").write_text(f"web = {pyinfra!r}\n", encoding="utf-8")
    return ["nsenter", f"--net={host.network_namespace}"]


@pytest.mark.lab
@pytest.mark.scenario
@pytest.mark.costly
@pytest.mark.parametrize("peer", PEERS)
def test_a_playbook_and_a_deploy_do_the_same(
    fresh_lab: Lab, project: Path, peer: str, tmp_path: Path
) -> None:
    hosts = ("host-a", "host-b")
    for host in hosts:
        on_host(fresh_lab, host, FRESH)
    made = tmp_path / "tls"
    shutil.copytree(project, made)
    program, *arguments = PEERS[peer]
    command = [*write_inventories(fresh_lab, made), str(Path(sys.executable).with_name(program)), *arguments]

    def carried_out(certificate: str) -> tuple[int, str]:
        if certificate != "site":  # the deploy has the path in its text
            for kind in ("pem", "key"):
                shutil.copy(made / f"certs/{certificate}.{kind}", made / f"certs/site.{kind}")
        done = subprocess.run(
            command, cwd=made, capture_output=True, text=True, timeout=deadline(300), check=False
        )
        assert (made / "certs/site.key").read_text(encoding="ascii").split("\n")[1] not in done.stdout
        return done.returncode, done.stdout + done.stderr

    code, shown = carried_out("site")
    assert code == 0, shown
    before = {host: on_host(fresh_lab, host, f"sudo sha256sum {FILES}") for host in hosts}
    code, shown = carried_out("other")
    assert code != 0, shown
    assert {host: on_host(fresh_lab, host, f"sudo sha256sum {FILES}") for host in hosts} == before
