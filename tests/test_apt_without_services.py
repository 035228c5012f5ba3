"""Packages are installed without starting services, also if the installation is interrupted or killed.

Everything is below a directory of the test, and apt-get is a script: this machine is not changed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    from tests.programs import Programs

TOP = Path(__file__).parents[1]
# Notes what the policy answers to a package's script; waits, if the test says so, until it may exit.
APT_GET = """#!/bin/sh
root=$(dirname "$0")/..
case "$*" in *--download-only*) part=download ;; *\\ update*) part=update ;; *) part=install ;; esac
echo "$part" >>"$root/begun"
[ ! -e "$root/usr/sbin/policy-rc.d" ] || "$root/usr/sbin/policy-rc.d" ssh start
answer=$?
[ $part != install ] || { echo $answer >>"$root/answers"; touch "$root/lib/systemd/system/ssh.service"; }
[ ! -e "$root/wait-in-$part" ] || while [ ! -e "$root/go" ]; do sleep 0.05; done
echo "$part" >>"$root/finished"
"""
INSTALL = """
import logging, pathlib, sys
from runbook_lib.apt_without_services import install_packages
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
try:
    install_packages(["web"], root=pathlib.Path(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(4)
"""


class Machine:
    """A directory with apt-get and systemctl."""

    def __init__(self, root: Path, programs: Programs) -> None:
        self.root = root
        self.policy = root / "usr" / "sbin" / "policy-rc.d"
        self._programs = programs
        for directory in ("bin", "run", "usr/sbin", "lib/systemd/system"):
            (root / directory).mkdir(parents=True)
        for name, text in (("apt-get", APT_GET), ("systemctl", f'#!/bin/sh\necho "$@" >>{root}/systemctl\n')):
            (root / "bin" / name).write_text(text, encoding="utf-8")
            (root / "bin" / name).chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        path = f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return self._programs.start(
            [sys.executable, "-c", INSTALL, self.root],
            env={**os.environ, "PYTHONPATH": str(TOP), "PATH": path},
        )

    def lines(self, file: str) -> list[str]:
        path = self.root / file
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def wait_for(self, part: str) -> None:
        """Wait until apt-get is in the part that the file `wait-in-PART` makes it wait in."""
        wait_until(lambda: part in self.lines("begun"), f"apt-get {part}")

    def release(self) -> None:
        (self.root / "go").touch()

    def allows_services(self) -> bool:
        return subprocess.run([self.policy, "ssh", "start"], check=False).returncode == 0


@pytest.fixture
def machine(tmp_path: Path, programs: Programs) -> Machine:
    return Machine(tmp_path / "machine", programs)


def output_of(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=deadline(60))
    return output


def test_services_are_not_started_and_not_enabled(machine: Machine) -> None:
    process = machine.start()
    assert process.wait(deadline(60)) == 0, output_of(process)
    assert machine.lines("finished") == ["update", "download", "install"]
    assert machine.lines("answers") == ["101"]
    assert machine.lines("systemctl") == ["disable", "--quiet", "ssh.service"]
    assert not machine.policy.exists()


def test_a_policy_of_the_administrator_stays_in_force(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 104\n", encoding="utf-8")
    machine.policy.chmod(0o755)
    assert machine.start().wait(deadline(60)) == 0
    assert machine.lines("answers") == ["104"]
    assert machine.policy.read_text(encoding="utf-8") == "#!/bin/sh\nexit 104\n"


def test_a_killed_installation_leaves_a_policy_that_forbids_nothing(machine: Machine) -> None:
    (machine.root / "wait-in-install").touch()
    process = machine.start()
    machine.wait_for("install")
    process.kill()
    process.wait(deadline(60))
    assert not machine.allows_services()  # its apt-get is running
    machine.release()
    wait_until(machine.allows_services, "the end of apt-get")
    assert machine.start().wait(deadline(60)) == 0
    assert machine.lines("answers") == ["101", "101"]
    assert not machine.policy.exists()


def test_of_two_installations_at_once_one_waits(machine: Machine) -> None:
    (machine.root / "wait-in-update").touch()
    first = machine.start()
    machine.wait_for("update")
    second = machine.start()
    assert second.stdout
    assert second.stdout.readline() == "waiting for another process that installs packages\n"
    assert machine.lines("begun") == ["update"]
    machine.release()
    assert (first.wait(deadline(60)), second.wait(deadline(60))) == (0, 0)
    assert machine.lines("answers") == ["101", "101"]
    assert not machine.policy.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_does_not_interrupt_apt_get_while_it_installs(
    machine: Machine, number: signal.Signals
) -> None:
    (machine.root / "wait-in-install").touch()
    process = machine.start()
    machine.wait_for("install")
    os.killpg(process.pid, number)  # as the terminal does it
    assert process.stdout
    assert any("packages would be left half installed" in line for line in process.stdout)
    os.killpg(process.pid, number)
    machine.release()
    assert process.wait(deadline(60)) == 4
    assert machine.lines("finished")[-1] == "install"
    assert machine.lines("systemctl")
    assert not machine.policy.exists()


@pytest.mark.parametrize("part", ["update", "download"])
def test_a_signal_interrupts_apt_get_before_it_installs(machine: Machine, part: str) -> None:
    (machine.root / f"wait-in-{part}").touch()
    process = machine.start()
    machine.wait_for(part)
    process.send_signal(signal.SIGTERM)
    assert process.wait(deadline(60)) == 4, output_of(process)
    assert part not in machine.lines("finished")
    assert "install" not in machine.lines("begun")
    assert not machine.policy.exists()


def test_the_end_of_what_apt_get_printed_is_in_the_message(machine: Machine) -> None:
    (machine.root / "bin" / "apt-get").write_text("#!/bin/sh\necho no such mirror\nexit 100\n")
    process = machine.start()
    output = output_of(process)
    assert process.returncode == 1
    assert "update --quiet` failed with exit code 100: no such mirror" in output
    assert not machine.policy.exists()
