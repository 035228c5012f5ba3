"""`runbook demo` in another project, without a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.cli.demo import _cloud_run
from runbook_lib.lab.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOPOLOGY = """
control: {vlan: 101, address: 192.168.7.254/20}
hosts:
  host-a: {kind: container, distribution: bookworm, interfaces: {em1: {vlan: 101, address: 192.168.7.31/20}}}
  host-b: {kind: container, distribution: bookworm, interfaces: {em1: {vlan: 101, address: 192.168.7.32/20}}}
"""


def test_without_the_virtual_machine_in_the_topology_the_kernel_upgrade_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params" / "lab").mkdir(parents=True)
    (tmp_path / "params" / "lab" / "topology.yml").write_text(TOPOLOGY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    run = _cloud_run(Lab.open("never-started"), "runs")
    assert run._command[-2:] == ["hosts", "host-a,host-b"]  # noqa: SLF001 - it is not started here
    printed = capsys.readouterr().out
    assert "cloud cannot be started; the kernel upgrade will be skipped" in printed
    assert "unknown host 'cloud'" in printed
