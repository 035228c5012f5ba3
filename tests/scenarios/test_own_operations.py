"""Files, services, ports, URLs, TLS and commands on a practice host: changed once, then in the desired state."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.integrations import pyinfra
from runbook_lib.operations import command, directory, files, ports, service, sshd, tls, url
from tests.certificates import Authority
from tests.deadlines import deadline, wait_until
from tests.runbook.practice import parameters
from tests.scenarios.practice import RUNBOOK, TOP

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.facts.base import Facts
    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.plans import Check

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.examples]

NAME = "www.example.org"
SITE = """server {
    listen 443 ssl;
    server_name {{ name }};
    ssl_certificate /etc/nginx/tls/site.pem;
    ssl_certificate_key /etc/nginx/tls/site.key;
    location / { return 200 "hello from {{ host }}\\n"; }
}
"""


def on_host(lab: Lab, script: str) -> str:
    ssh = lab.ssh_command("host-a", ["sudo sh -s"])
    done = subprocess.run(
        ssh, input=script, text=True, check=False, timeout=deadline(60), capture_output=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    authority = Authority("Example authority")
    authority.write(made, "site", NAME)
    authority.write(made, "next", NAME)
    (made / "ca.pem").write_text(authority.pem, encoding="ascii")
    (made / "site.conf.j2").write_text(SITE, encoding="utf-8")
    return made


def opened(lab: Lab, folder: Path, **more: object) -> Runbook:
    return Runbook.open(parameters(folder, inventory=str(lab.inventory), hosts="host-a", **more))


def set_up(book: Runbook, folder: Path, certificate: str) -> None:
    """A site with a certificate, and every kind of proof that it works."""
    book.step(
        "Install",
        pyinfra.apt.packages(
            packages=["nginx-light", "curl", "openssl"], update=True, cache_time=86400, _sudo=True
        ),
    )
    book.step("Directory", directory.present("/etc/nginx/tls", mode="0750"))
    book.step("Key", files.content("/etc/nginx/tls/site.key", secret=f"${{file:{folder}/{certificate}.key}}"))
    put = book.step(
        "Certificate", files.content("/etc/nginx/tls/site.pem", source=folder / f"{certificate}.pem")
    )
    book.step(
        "Site",
        lambda host: files.content(
            "/etc/nginx/conf.d/site.conf",
            template=folder / "site.conf.j2",
            variables={"name": NAME, "host": host.name},
        ),
    )
    book.step("No default", files.absent("/etc/nginx/nginx.conf.old"))
    book.step("Once", command.run("touch /var/lib/once", creates="/var/lib/once", sudo=True))
    book.step("Reload", service.reloaded("nginx", when=put))
    for place in ("here", "host"):
        book.step(f"Port from {place}", ports.answer(443, asked_from=place))
        book.step(
            f"Handshake from {place}",
            tls.served(
                NAME,
                issued_by=folder / "ca.pem",
                certificate=folder / f"{certificate}.pem",
                asked_from=place,
            ),
        )
        book.step(
            f"Page from {place}",
            url.answers(
                f"https://{NAME}/",
                contains="hello from host-a",
                authorities=folder / "ca.pem",
                asked_from=place,
            ),
        )


def statuses(book: Runbook) -> dict[str, str]:
    return {step.title: str(step.hosts[0].status) for step in book.record.steps}


def test_a_site_is_set_up_once_and_its_key_is_nowhere_in_the_evidence(
    fresh_lab: Lab, folder: Path, tmp_path: Path
) -> None:
    first = opened(fresh_lab, tmp_path)
    set_up(first, folder, "site")
    first.close()
    changed = {"Install", "Directory", "Key", "Certificate", "Site", "Once", "Reload"}
    found = {title for title, status in statuses(first).items() if status == "changed"}
    # Another test of these may have installed nginx already.
    assert found | {"Install"} == changed
    assert set(statuses(first).values()) == {"changed", "ok"}
    second = opened(fresh_lab, tmp_path)
    set_up(second, folder, "site")
    second.close()
    assert {title for title, status in statuses(second).items() if status != "ok"} == set()
    reload = next(step for step in second.record.steps if step.title == "Reload").hosts[0]
    assert "changed nothing: ok" in reload.checks[1].observed
    key = (folder / "site.key").read_text(encoding="ascii").splitlines()[1]
    for book in (first, second):
        assert read_journal(book.directory) == book.record
        evidence = [path for path in book.directory.rglob("*") if path.is_file()]
        assert [path for path in evidence if key in path.read_text(errors="replace")] == []
    stat = "stat --format='%U %G %a' /etc/nginx/tls/site.key /etc/nginx/tls"
    assert on_host(fresh_lab, stat).split() == ["root", "root", "600", "root", "root", "750"]


def test_a_file_that_is_not_proven_is_restored_with_owner_and_permissions(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    on_host(fresh_lab, "printf old > /srv/kept; chown www-data:adm /srv/kept; chmod 0640 /srv/kept")
    book = opened(fresh_lab, tmp_path)
    with pytest.raises(StepFailed, match="exited with 1"):
        book.step("Refused", files.content("/srv/kept", text="new", check=("grep", "-q", "old")))
    state = "cat /srv/kept; stat --format=' %U:%G %a' /srv/kept; ls -A /srv | grep kept"
    assert on_host(fresh_lab, state) == "old www-data:adm 640\nkept\n"
    kept = on_host(fresh_lab, "stat --format='%U %a' /var/lib/runbook/before; ls /var/lib/runbook/before")
    assert kept.splitlines()[0] == "root 700"


def test_a_rollback_restores_contents_or_absence_and_leaves_the_changes_of_others(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    book = opened(fresh_lab, tmp_path)
    # The check, which comes last, spoils the permissions: the verification fails, and the rollback runs.
    spoil = ("chmod", "0777")
    for path, before in (("/srv/one", "printf old > /srv/one"), ("/srv/two", "rm -f /srv/two")):
        on_host(fresh_lab, before)
        was = on_host(fresh_lab, f"cat {path} 2>&1; stat --format='%a' {path} 2>&1")
        with pytest.raises(StepFailed, match="the change was rolled back"):
            book.step("Spoiled", files.content(path, text="new", check=spoil))
        assert on_host(fresh_lab, f"cat {path} 2>&1; stat --format='%a' {path} 2>&1") == was

    class MeddledWith(files.Content):
        """A file whose checks wait, once it is there, until somebody else has changed it."""

        def verify(self, facts: Facts) -> list[Check]:
            checks = super().verify(facts)
            if checks[0].observed != "absent":
                wait_until(lambda: on_host(fresh_lab, f"cat {self.path}") == "mine\n")
            return checks

    once_there = "until grep -q new /srv/three; do sleep 0.1; done; echo mine > /srv/three"
    meddle = ("sh", "-c", f"chmod 0777 $0; ({once_there}) > /dev/null 2>&1 &")
    with pytest.raises(StepFailed, match=r"(?s)ROLLBACK FAILED.*changed by someone else"):
        book.step("Meddled with", MeddledWith("/srv/three", "new", check=meddle))
    assert on_host(fresh_lab, "cat /srv/three") == "mine\n"


def test_a_command_whose_test_still_fails_is_undone(fresh_lab: Lab, tmp_path: Path) -> None:
    book = opened(fresh_lab, tmp_path)
    operation = command.run("touch /srv/half", unless="test -e /srv/whole", undo="rm /srv/half", sudo=True)
    with pytest.raises(StepFailed, match="the change was rolled back"):
        book.step("Half", operation)
    assert on_host(fresh_lab, "ls /srv/half 2>/dev/null") == ""


def test_a_plan_shows_the_difference_and_sends_nothing(fresh_lab: Lab, tmp_path: Path) -> None:
    on_host(fresh_lab, "printf 'a\\n' > /srv/plan; rm -f /srv/absent")
    book = opened(fresh_lab, tmp_path, mode="plan")
    put = book.step("Text", files.content("/srv/plan", text="b\n"))
    book.step("Reload", service.reloaded("ssh", when=put))
    book.close()
    assert statuses(book) == {"Text": "planned", "Reload": "planned"}
    (change, *_) = put.hosts[0].changes
    assert (change.before, change.after) == ("a\n", "b\n")
    assert on_host(fresh_lab, "cat /srv/plan") == "a\n"


def test_a_secret_of_the_run_in_a_text_is_recorded_by_hash(
    fresh_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_PASSWORD", "correct-horse")
    on_host(fresh_lab, "printf 'password = battery-staple\\n' > /srv/secret")
    book = opened(fresh_lab, tmp_path)
    password = book.secret("${env:SITE_PASSWORD}")
    book.step("Password", files.content("/srv/secret", text=f"password = {password}\n"))
    book.close()
    journal = (book.directory / "journal.jsonl").read_text(encoding="utf-8")
    assert "correct-horse" not in journal
    assert "battery-staple" not in journal, "the former contents of a secret file are as secret"
    assert on_host(fresh_lab, "cat /srv/secret; stat --format=%a /srv/secret").split()[2:] == [
        "correct-horse",
        "600",
    ]


def test_an_option_of_sshd_is_set_once_and_one_that_locks_us_out_is_reverted(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    for status in ("changed", "ok"):
        book = opened(fresh_lab, tmp_path)
        book.step("Tries", sshd.option("MaxAuthTries", "4"))
        book.close()
        assert statuses(book) == {"Tries": status}
    state = "sha256sum /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*; sshd -T; ls -A /var/lib/runbook"
    before = on_host(fresh_lab, state)
    assert "maxauthtries 4\n" in before
    book = opened(fresh_lab, tmp_path)
    with pytest.raises(
        StepFailed, match="sshd on the host refuses `PermitRootLogin maybe`: unsupported option"
    ):
        book.step("Unknown value", sshd.option("PermitRootLogin", "maybe"))
    refused = book.record.steps[0].hosts[0]
    assert {command.kind for command in refused.commands} == {"fact"}
    book = opened(fresh_lab, tmp_path)
    with pytest.raises(StepFailed, match="rejects the login of user 'ops'; the change was rolled back"):
        book.step("Nobody", sshd.option("AllowUsers", "nobody", in_place=True, revert_after=10))
    assert on_host(fresh_lab, state) == before
    on_host(fresh_lab, "touch /etc/ssh/sshd_config")
    book = opened(fresh_lab, tmp_path)
    unread = "sshd has not read files that were changed: /etc/ssh/sshd_config at "
    with pytest.raises(StepFailed, match=unread):
        book.step("Not reloaded", sshd.option("MaxAuthTries", "4"))
    on_host(fresh_lab, "systemctl reload ssh")
    book = opened(fresh_lab, tmp_path)
    book.step("Tries", sshd.option("MaxAuthTries", "4"))
    book.close()
    assert statuses(book) == {"Tries": "ok"}


def test_the_guide_of_an_own_runbook_leads_to_a_green_run(fresh_lab: Lab, tmp_path: Path) -> None:
    guide = (TOP / "docs/own-runbook.md").read_text(encoding="utf-8")
    section = guide.split("## 2. A notebook", 1)[1].split("\n## ", 1)[0]
    blocks = [
        textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    ]
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "execution_count": None,
            "outputs": [],
            "source": block.strip(),
        }
        for number, block in enumerate(blocks)
    ]
    for number, cell in enumerate(cells):
        cell["metadata"] = {} if number else {"tags": ["parameters"]}
    heading = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A page"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [heading, *cells],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/page.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    given = ("-p", "inventory", str(fresh_lab.inventory), "-p", "hosts", "host-a")
    for status in ("changed", "ok"):
        done = subprocess.run(
            [RUNBOOK, "run", "page", *given],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=deadline(120),
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f" {status}, 4 steps" in done.stdout
