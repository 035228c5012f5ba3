"""Practice hosts with an object store, whose failures a test can produce."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.lab.services import object_store
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.testing import CONTAINERS
from tests.deadlines import wait_until
from tests.scenarios.practice import Practice

if TYPE_CHECKING:
    from runbook_lib.model.plans import Check

RUNBOOK = "50_registry_s3"
REGISTRY = "192.168.7.31:5000"


@dataclass(frozen=True)
class RegistryPractice(Practice):
    """The lab with its object store, and the parameters that are the lab's own."""

    @property
    def files(self) -> dict[str, Path]:
        """The files of the lab's keys and certificates, by parameter."""
        run = self.lab.paths.run
        return {
            "access_key": run / "store.access-key",
            "secret_key": run / "store.secret-key",
            "certificate_key": run / "tls" / "registry.key",
            "certificate": run / "tls" / "registry.crt",
            "authority": run / "tls" / "ca.crt",
            "store_authority": run / "tls" / "ca.crt",
        }

    def registry(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run the runbook with the lab's keys and certificates, and further arguments."""
        return self.run(*self.arguments(*arguments, **changed))

    def arguments(self, *arguments: str, **changed: str) -> tuple[str, ...]:
        """Return the runbook with the lab's keys and certificates, and further arguments."""
        values = {
            name: f"${{file:{path}}}" if name.endswith("_key") else str(path)
            for name, path in self.files.items()
        }
        given = [word for name, value in {**values, **changed}.items() for word in ("-p", name, value)]
        return (RUNBOOK, *arguments, *given)

    def failed(self) -> list[tuple[str, str]]:
        """Return title and message of each step of the last run that failed."""
        return [
            (step.title, host.message)
            for step in self.last().steps
            for host in step.hosts
            if not host.status.is_success
        ]

    def checks(self, *ids: str) -> list[Check]:
        """Return the checks of the last run that have one of these ids."""
        found = [check for step in self.last().steps for host in step.hosts for check in host.checks]
        return [check for check in found if check.id in ids]

    def stop_store(self) -> None:
        """Kill the store: its objects stay."""
        self.stop("weed")

    def stop(self, program: str) -> None:
        """Kill a service of the lab.

        Args:
            program: As `weed`, or `docker-registry`, which serves the lab's own images.
        """

        def gone() -> bool | None:
            running = self.processes(program)
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return not running or None

        wait_until(gone, f"the end of {program}", seconds=30)

    def start_services(self) -> None:
        """Start the lab's services that do not run, as `lab up` does."""
        self.lab.up(CONTAINERS)

    def restart_store(self) -> None:
        """Stop and start the store: it reads its certificate and its keys again."""
        self.stop_store()
        self.start_services()

    def fill_store(self, room: str) -> Path:
        """Restart the store on a file system of its own that has only little room; return its mount point."""
        self.stop_store()
        state = running_state(self.lab.paths)
        data = self.lab.paths.data / "_store"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "none", data], check=True)
        cgroups = Cgroup(self.lab.paths.name, "_control").create()
        object_store.start_store(self.lab.paths, state.topology, cgroups, least_free="1")
        self.lab.up(CONTAINERS)
        return data

    def processes(self, program: str) -> list[int]:
        """Return the ids of the processes of a service of the lab.

        Args:
            program: As `weed`.
        """
        found = []
        for process in Cgroup(self.lab.paths.name, "_control").processes():
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].rpartition(b"/")[2] == program.encode():
                found.append(process)
        return found
