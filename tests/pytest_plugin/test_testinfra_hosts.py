"""Test files of testinfra, as they are, on the hosts of an inventory: one step per test and host, with evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.layout import ATTESTATION

if TYPE_CHECKING:
    from tests.pytest_plugin.practice import Project

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.fixture(scope="module")
def kernel(host):
    return host.check_output("uname -s")

def test_passwd(host):
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.user == "root"

def test_kernel(host, kernel):
    assert kernel == "Linux"

def test_wrong(host):
    assert host.user("root").uid == 4711

@pytest.mark.skip(reason="not today")
def test_skipped(host):
    assert host.run("false").rc == 0

def test_of_no_host():
    assert True

@pytest.fixture
def file(host, request):
    yield host.file(request.param)
    host.run("true")

class TestFiles:
    @pytest.mark.parametrize("path", ["/etc", "/usr-local"])
    @pytest.mark.parametrize("kind", ["is_directory"])
    def test_kind(self, host, path, kind):
        assert getattr(host.file(path), kind) is (path == "/etc")

    @pytest.mark.parametrize("file", ["/etc/passwd"], indirect=True)
    def test_fixture(self, file):
        assert file.contains("^root:")
"""


def test_every_test_on_every_host_is_a_step(project: Project) -> None:
    project.pytester.makepyfile(test_hosts=TESTS)
    result = project.run_with_testinfra("--hosts=runbook://all", "-v")
    result.assert_outcomes(passed=11, failed=2, skipped=2)
    result.stdout.fnmatch_lines(["*test_passwd[[]runbook://host-a[]] PASSED*", "*failed; evidence in *"])
    (record,) = project.records()
    assert (record.runbook, record.mode, record.status, record.incomplete) == (
        "testinfra",
        "validate",
        "failed",
        "",
    )
    found = {(step.title, step.hosts[0].host): step.hosts[0] for step in record.steps}
    assert {name: host.status for (name, where), host in found.items() if where == "host-b"} == {
        "test_hosts.py::test_passwd": "ok",
        "test_hosts.py::test_kernel": "ok",
        "test_hosts.py::test_wrong": "failed",
        "test_hosts.py::test_skipped": "skipped",
        "test_hosts.py::TestFiles::test_kind[is_directory-/etc]": "ok",
        "test_hosts.py::TestFiles::test_kind[is_directory-/usr-local]": "ok",
        "test_hosts.py::TestFiles::test_fixture[/etc/passwd]": "ok",
    }
    wrong = found["test_hosts.py::test_wrong", "host-a"]
    assert "assert 0 == 4711" in wrong.checks[0].observed
    assert "uname -s" in found["test_hosts.py::test_kernel", "host-a"].commands[0].text
    (attestation,) = (project.place / "runs").glob(f"*/{ATTESTATION}")
    assert attestation.stat().st_size


def test_hosts_named_in_the_test_file_and_another_inventory(project: Project) -> None:
    (project.place / "inventory.yml").rename(project.place / "other.yml")
    project.pytester.makepyfile(
        'testinfra_hosts = ["runbook://host-b"]\ndef test_one(host):\n    assert host.file("/").is_directory\n'
    )
    result = project.run_with_testinfra("--runbook-inventory", "other.yml")
    result.assert_outcomes(passed=1)
    assert [step.hosts[0].host for step in project.records()[0].steps] == ["host-b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hosts=runbook://host-z",), "*unknown host or group 'host-z'*"),
        (("--hosts=runbook://all", "--runbook-inventory", "none.yml"), "*none.yml: no such file*"),
    ],
)
def test_an_unknown_host_or_inventory_is_an_error_before_any_host_is_touched(
    project: Project, arguments: tuple[str, ...], message: str
) -> None:
    project.pytester.makepyfile("def test_one(host):\n    pass\n")
    result = project.run_with_testinfra(*arguments)
    assert result.ret != pytest.ExitCode.OK
    (result.stderr if result.stderr.lines else result.stdout).fnmatch_lines([message])
    assert not (project.place / "runs").exists()


def test_an_unreachable_host_fails_its_tests(project: Project) -> None:
    (project.place / "known_hosts").touch()
    known = str(project.place / "known_hosts")
    project.inventory({"host-a": {"address": "127.0.0.1", "port": 1, "user": "nobody", "known_hosts": known}})
    project.pytester.makepyfile("def test_one(host):\n    assert host.run('true').rc == 0\n")
    result = project.run_with_testinfra("--hosts=runbook://host-a")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nothing more is sent: host-a (127.0.0.1:1): *"])
    assert project.records()[0].status == "unreachable"


WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])


@WORKERS
def test_a_run_that_cannot_be_opened_is_not_green_though_no_test_asks_its_host(
    project: Project, workers: tuple[str, ...]
) -> None:
    (project.place / "runs").touch()
    project.pytester.makepyfile("def test_one(host):\n    pass\n")
    result = project.run_with_testinfra("--hosts=runbook://host-a", *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the evidence is not complete: *runs*"])


DAMAGE = """
import glob, os, resource, shutil, signal

def deleted():
    shutil.rmtree("runs")

def sealed_already():
    os.mkdir(glob.glob("runs/*")[0] + "/attestation.json")

def disk_full():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = os.path.getsize(glob.glob("runs/*/journal.jsonl")[0])
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def test_one(host):
    assert host.run("echo " + "x" * 50_000).rc == 0  # the journal is longer than what pytest prints to a file
    {damage}()
"""


@WORKERS
@pytest.mark.parametrize("damage", ["deleted", "sealed_already", "disk_full"])
def test_a_run_whose_evidence_is_damaged_is_not_green_and_has_no_traceback(
    project: Project, damage: str, workers: tuple[str, ...]
) -> None:
    project.pytester.makepyfile(DAMAGE.format(damage=damage))
    result = project.run_with_testinfra("--hosts=runbook://host-a", *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the evidence is not complete: *runs/*", "*; evidence in */runs/*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_what_goes_wrong_outside_of_the_library_is_reported_too(project: Project) -> None:
    project.pytester.makepyfile(
        """
        from runbook_lib.runbook.runbook import Runbook

        def broken(*_, **__):
            raise OSError("no more threads")

        Runbook.step = broken

        def test_one(host):
            pass
        """
    )
    result = project.run_with_testinfra("--hosts=runbook://host-a")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the evidence is not complete: OSError: no more threads"])


def test_with_xdist_the_evidence_of_each_worker_is_named(project: Project) -> None:
    project.pytester.makepyfile("def test_one(host):\n    assert host.file('/').is_directory\n")
    result = project.run_with_testinfra("--hosts=runbook://all", "-n", "2")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    named = [line for line in result.outlines if line.startswith("ok; evidence in ")]
    assert len(named) == len(project.records()) == 2


def test_pytest_of_a_project_with_testinfra_and_runbooks_selects_hosts_for_both(project: Project) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    result = project.run_with_testinfra("--runbooks", "notebooks/90_look.ipynb", "--hosts", "host-a")
    result.assert_outcomes(passed=3)
    assert project.records()[0].hosts == ["host-a"]
