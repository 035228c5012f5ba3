"""A run that is cut off after it has written new keys, and before it has restarted the registry."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import CONTAINERS
from runbook_lib.model.status import Status
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.registry.practice import RegistryPractice

pytestmark = [pytest.mark.lab, pytest.mark.registry]

_STARTED = "systemctl show --property=InvocationID --value docker-registry"
_KEY_IN_USE = (
    "sudo cat /proc/$(systemctl show --property=MainPID --value docker-registry)/environ | tr '\\0' '\\n' "
    "| sed -n 's/^REGISTRY_STORAGE_S3_ACCESSKEY=//p'"
)


def test_the_next_run_restarts_the_registry_with_the_new_keys_and_the_one_after_it_changes_nothing(
    registry: RegistryPractice, tmp_path: Path
) -> None:
    old = registry.files["access_key"].read_text(encoding="ascii").strip()
    new = {"access_key": "SECONDKEYOFTHELAB", "secret_key": "second-secret-of-the-lab"}
    for name, value in new.items():
        (tmp_path / name).write_text(value, encoding="ascii")
    given = {name: f"${{file:{tmp_path / name}}}" for name in new}
    configuration = registry.lab.paths.run / "store.json"
    before = configuration.read_bytes()
    identities = json.loads(before)
    credentials = identities["identities"][0]["credentials"]
    credentials.append({"accessKey": new["access_key"], "secretKey": new["secret_key"]})
    configuration.write_text(json.dumps(identities), encoding="ascii")
    registry.stop_store()  # so that the run cannot come to the restart, however late it is killed
    try:
        process = registry.start(*registry.arguments(**given))
        registry.wait_for("step_started", "Write the certificate's key into it")
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=deadline(60))
        registry.start_services()
        started = registry.on("host-a", _STARTED)
        assert registry.on("host-a", _KEY_IN_USE).strip() == old
        assert "SECONDKEY" in registry.on("host-a", "sudo cat /run/runbook-registry/keys.env")

        registry.lab.up(CONTAINERS)
        done = registry.registry(**given)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = {step.title: step.hosts[0] for step in registry.last().steps}
        assert steps["Write the keys into it"].status is Status.OK
        restart = steps["Restart it after a change"]
        assert restart.status is Status.CHANGED
        *_, command = [command for command in restart.commands if command.kind == "change"]
        assert "changed and not read: /run/runbook-registry/keys.env at 20" in command.purpose
        assert registry.on("host-a", _STARTED) != started
        assert registry.on("host-a", _KEY_IN_USE).strip() == new["access_key"]

        started = registry.on("host-a", _STARTED)
        assert registry.registry(**given).returncode == 0
        assert {host.status for step in registry.last().steps for host in step.hosts} == {Status.OK}
        assert registry.on("host-a", _STARTED) == started
    finally:
        registry.stop_store()
        configuration.write_bytes(before)
