"""The default boot entry when a kernel is installed; plans and checks are in KernelInstalled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.facts.base import Facts
from runbook_lib.facts.boot_loader import BootLoader, BootLoaderInfo
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change
from runbook_lib.operations import boot_loaders
from tests.operations.test_operation_cases import case, facts_of, make

if TYPE_CHECKING:
    import pytest

DEBIAN = case(Path(__file__).parent / "KernelInstalled" / "debian.json")
NEW = "6.12.117+deb12-cloud-amd64"


class Moved(boot_loaders.DebianGrub):
    """A boot loader of Debian whose packages make a new kernel the default."""

    def restore_default(self, loader: BootLoaderInfo, release: str) -> tuple[Command, ...]:  # noqa: ARG002 - see Backend
        return (Command(("set-default", release)),)


def test_a_boot_loader_says_what_restores_the_default_whatever_the_family(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boot_loaders, "BACKENDS", {**boot_loaders.BACKENDS, "grub2-debian": Moved()})
    operation = make(DEBIAN)
    *_, last = operation.plan(facts_of(operation, DEBIAN["facts"])).commands
    assert last.argv == ("set-default", "6.1.0-50-cloud-amd64")


def test_a_default_that_the_installation_has_moved_is_a_change() -> None:
    operation = make(DEBIAN)
    before = facts_of(operation, DEBIAN["facts"])
    loader = before[BootLoader()]
    moved = Facts({BootLoader(): replace(loader, default=NEW)})
    assert operation.observed_changes(before, before) == ()
    (change,) = operation.observed_changes(before, moved)
    assert change == Change("default boot entry", "6.1.0-50-cloud-amd64", NEW)
