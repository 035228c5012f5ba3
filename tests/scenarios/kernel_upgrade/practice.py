"""The lab's host `cloud`, on which the tests run the real command line and single steps."""

from __future__ import annotations

import base64
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, ClassVar

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.parameters import Parameters
from tests.deadlines import deadline
from tests.scenarios.practice import TOP, Practice

if TYPE_CHECKING:
    from runbook_lib.model.records import HostRecord
    from runbook_lib.operations.base import Operation

__all__ = ["PACKAGE", "UPGRADE", "Cloud", "One"]

UPGRADE = ("10_kernel_upgrade", "-f", "params/lab/10_kernel_upgrade.yml")
PACKAGE = "linux-image-6.12-cloud-amd64"
# Found before the real program, in sudo's secure_path and in root's PATH.
_FAKE_SHUTDOWN = "/usr/local/sbin/shutdown"


class One(Parameters):
    runbook: ClassVar[str] = "10_one_step"
    title: ClassVar[str] = "One step"


class Cloud(Practice):
    """The host `cloud`, with the actions that the tests need."""

    def upgrade(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the whole runbook, which takes minutes without hardware virtualization."""
        command = self.command(*UPGRADE, *arguments)
        return subprocess.run(
            command, cwd=TOP, capture_output=True, text=True, timeout=deadline(600), check=False
        )

    def step(self, operation: Operation) -> HostRecord:
        """Run one operation as a step; return its record, whether it passed or failed."""
        given = {"inventory": str(self.lab.inventory), "hosts": "cloud", "runs": str(self.runs)}
        book = Runbook.open(One.model_validate(given))
        try:
            book.step("One step", operation)
            book.close()
        except StepFailed:
            pass
        return book.record.steps[-1].hosts[0]

    def start_step(self, expression: str) -> subprocess.Popen[str]:
        """Start one operation in a separate process, which can be interrupted."""
        given = {"inventory": str(self.lab.inventory), "hosts": "cloud", "runs": str(self.runs)}
        program = (
            "from runbook_lib import Runbook\nfrom runbook_lib.operations import host\n"
            "from tests.scenarios.kernel_upgrade.practice import One\n"
            f"book = Runbook.open(One.model_validate({given}))\n"
            f"book.step('One step', {expression})\nbook.close()\n"
        )
        return self.programs.start([sys.executable, "-c", program], cwd=TOP)

    def root(self, script: str) -> str:
        """Run a script on the host as root, without a runbook."""
        return self.on("cloud", f"sudo sh -c {shlex.quote(script)}")

    def boot_id(self) -> str:
        return self.on("cloud", "cat /proc/sys/kernel/random/boot_id").strip()

    def kernel(self) -> str:
        return self.on("cloud", "uname -r").strip()

    def shutdown_does(self, script: str) -> None:
        """Replace the program that reboots the host by a script."""
        body = base64.b64encode(f"#!/bin/sh\n{script}\n".encode()).decode()
        self.root(f"echo {body} | base64 -d > {_FAKE_SHUTDOWN} && chmod 755 {_FAKE_SHUTDOWN}")

    def shutdown_works(self) -> None:
        self.root(f"rm -f {_FAKE_SHUTDOWN}")
