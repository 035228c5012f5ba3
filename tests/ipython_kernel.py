"""A real IPython kernel for tests, started once a session and emptied before each test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT = 60.0  # seconds, on an idle machine


@dataclass(frozen=True)
class Kernel:
    """A real IPython kernel.

    Args:
        client: Its client.
        person: Whether a person sends the cells, as in JupyterLab, or a program such as nbclient.
    """

    client: Any
    person: bool = False

    def of_person(self) -> Kernel:
        """Return the same kernel, to which a person sends the cells."""
        return replace(self, person=True)

    def execute(self, code: str) -> list[dict[str, Any]]:
        """Run a cell and return all that it showed, in order."""
        shown: list[dict[str, Any]] = []
        self.client.execute_interactive(
            code, timeout=deadline(_WAIT), output_hook=shown.append, allow_stdin=self.person
        )
        return shown

    def run(self, code: str) -> str:
        """Run a cell that must not fail; return what it printed."""
        shown = self.execute(code)
        failed = [item["content"]["traceback"] for item in shown if item["msg_type"] == "error"]
        assert not failed, failed
        return "".join(item["content"]["text"] for item in shown if item["msg_type"] == "stream")

    def complete(self, code: str) -> list[str]:
        """Return what Tab offers at the end of a cell, without what another completer adds."""
        self.client.complete(code)
        reply = self.client.get_shell_msg(timeout=deadline(_WAIT))
        return [str(match) for match in reply["content"]["matches"]]

    def help(self, code: str) -> str:
        """Return the page that a cell such as `len?` shows."""
        reply = self.client.execute_interactive(code, timeout=deadline(_WAIT), output_hook=lambda _: None)
        return "".join(page["data"]["text/plain"] for page in reply["content"]["payload"])

    def fail(self, code: str) -> str:
        """Run a cell that must fail; return the traceback as shown."""
        (failed,) = [item["content"] for item in self.execute(code) if item["msg_type"] == "error"]
        return "\n".join(failed["traceback"])


@pytest.fixture(scope="session")
def started_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    sockets = tmp_path_factory.mktemp("kernel") / "socket"
    manager = KernelManager(transport="ipc", ip=str(sockets))
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=deadline(_WAIT))
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(started_kernel: Kernel) -> Kernel:
    """Return a kernel with nothing in it, as newly started."""
    started_kernel.run("%reset -f\n%reset -f in out")
    return started_kernel
