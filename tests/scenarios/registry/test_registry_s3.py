"""A registry on S3: an image goes through the store to the other host; the tests build on each other.

What can go wrong is in test_registry_failures.py (`make test-registry`).
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status
from tests.books.docker.book_page import shown
from tests.scenarios.registry.practice import REGISTRY, RUNBOOK

if TYPE_CHECKING:
    from tests.scenarios.registry.practice import RegistryPractice

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.registry, pytest.mark.in_order]
_HOST_STATE = (
    "sudo sh -c 'dpkg -l | grep -c ^ii; docker ps -aq --no-trunc; docker images --digests -q; "
    "sha256sum /etc/docker/registry/* /run/runbook-registry/* 2>/dev/null; "
    "systemctl show --property=InvocationID docker-registry 2>/dev/null' || true"
)


def host_state(practice: RegistryPractice) -> list[str]:
    return [practice.on(host, _HOST_STATE) for host in ("host-a", "host-b")]


def assert_the_secrets_are_nowhere(practice: RegistryPractice) -> None:
    """Neither in the evidence nor in a file of a host, except in memory; they are searched for without naming them."""
    secrets = [
        *(practice.files[name].read_text(encoding="utf-8").strip() for name in ("access_key", "secret_key")),
        practice.files["certificate_key"].read_text(encoding="ascii").splitlines()[1],
    ]
    evidence = {path: path.read_bytes() for path in practice.runs.rglob("*") if path.is_file()}
    assert [
        path.name for path, data in evidence.items() for secret in secrets if secret.encode() in data
    ] == []
    assert any(b"store.secret-key" in data for data in evidence.values()), "the reference is in the evidence"
    # sudo writes command lines to the journal: they have the secrets in another form.
    encoded = base64.b64encode("\n".join(secrets).encode()).decode()
    places = "--exclude-dir=overlay2 /etc /var /run /home /root /tmp /opt /usr/local"
    search = f"sudo sh -c 'echo {encoded} | base64 -d | grep -rslaF -f - {places} || true'"
    for host, expected in (("host-a", {"keys.env", "registry.key"}), ("host-b", set[str]())):
        found = practice.on(host, search).split()
        assert {path.rpartition("/")[2] for path in found} == expected, (host, found)
        assert all(path.startswith("/run/runbook-registry/") for path in found)
    modes = practice.on(
        "host-a", "sudo sh -c 'cd /run/runbook-registry; stat -c \"%n %a %U:%G\" . *; stat -f -c %T .'"
    )
    assert modes.splitlines() == [
        ". 710 root:docker-registry",
        "keys.env 600 root:root",
        "registry.key 640 root:docker-registry",
        "tmpfs",
    ]


def test_an_image_goes_through_the_store_to_the_other_host(practice: RegistryPractice) -> None:
    done = practice.run("20_docker_install")
    assert done.returncode == 0, done.stdout + done.stderr
    done = practice.registry()
    assert done.returncode == 0, done.stdout + done.stderr
    record = practice.last()
    assert {host.status for step in record.steps for host in step.hosts} == {Status.OK, Status.CHANGED}
    passed = {
        check.id for step in record.steps for host in step.hosts for check in host.checks if check.holds
    }
    assert {entry.check for entry in shown() if entry.notebook == RUNBOOK} <= passed
    (objects,) = [
        host.facts for step in record.steps if step.title == "Objects of the registry" for host in step.hosts
    ]
    (listing,) = objects.values()
    assert f"registry/runbook-owner/{REGISTRY}" in listing["keys"]
    assert any(key.startswith("registry/docker/registry/v2/blobs/sha256/") for key in listing["keys"])
    assert practice.on("host-b", "sudo docker logs registry-proof").strip() == "pulled from the registry"
    assert "insecure" not in practice.on("host-b", "sudo cat /etc/docker/daemon.json")
    assert_the_secrets_are_nowhere(practice)


def test_neither_a_plan_nor_a_second_run_changes_anything(practice: RegistryPractice) -> None:
    before = host_state(practice)
    assert practice.registry("--mode", "plan").returncode == 0
    assert practice.registry().returncode == 0
    for record in practice.records():
        assert {host.status for step in record.steps for host in step.hosts} == {Status.OK}
    assert host_state(practice) == before


def test_the_images_of_other_runbooks_come_from_it_while_the_labs_own_registry_is_stopped(
    practice: RegistryPractice,
) -> None:
    for host in ("host-a", "host-b"):
        practice.on(host, "sudo sh -c 'docker ps -aq | xargs docker rm -f; docker image prune -af'")
        assert practice.on(host, "sudo docker images -q") == ""
    practice.stop("docker-registry")
    try:
        mirrored = ("-p", "registry_mirrors", f'["https://{REGISTRY}"]')
        done = practice.run("20_docker_install", *mirrored)
        assert done.returncode == 0, done.stdout + done.stderr
        done = practice.run("40_ambassador_redis")  # ends with a PONG
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        practice.start_services()
    done = practice.registry()
    assert done.returncode == 0, done.stdout + done.stderr
    pushed = {step.title: step for step in practice.last().steps if step.title.startswith("Push runbook/")}
    assert [(title, str(step.status)) for title, step in pushed.items()] == [
        (f"Push runbook/{name}:1 under its own name", "ok")  # the digest that the engine has pulled
        for name in ("redis-server", "redis-cli", "ambassador")
    ]


def test_the_store_shares_no_socket_with_the_store_of_another_lab(practice: RegistryPractice) -> None:
    """Its parts reach each other by sockets in /tmp, whose names are the same for every store."""
    (store,) = practice.processes("weed")
    own, shared = Path(f"/proc/{store}/root/tmp"), Path("/tmp")  # noqa: S108 - where the program has its sockets
    assert own.stat().st_dev != shared.stat().st_dev
    assert [path.name for path in own.iterdir() if "grpc" in path.name]
