"""Every cause for which a registry on S3 fails, produced and named; and what others do to it (`make test-registry`).

Clients see "500" or "unknown" for nearly all of them. Each test leaves a registry that works.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.registry import failures
from runbook_lib.model.status import Status
from tests.certificates import Authority
from tests.deadlines import deadline, wait_until
from tests.scenarios.registry.practice import REGISTRY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.registry.practice import RegistryPractice


pytestmark = [pytest.mark.lab, pytest.mark.registry]

_IMAGE = f"{REGISTRY}/acme/redis-server"
_VALIDATE = ("90_validate", "-p", "also_validate", '["50_registry_s3"]')
_LOG = (
    "sudo journalctl --output=cat --no-pager "
    "_SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value docker-registry)"
)


def causes(practice: RegistryPractice) -> set[str]:
    """Return the ids of the failures that the log of the registry names now."""
    return {failure.id for failure in failures(practice.on("host-a", _LOG).splitlines())}


def pull(practice: RegistryPractice, name: str = f"{_IMAGE}:1") -> str:
    """Pull an image on host-b, which does not have it, and return what a person sees."""
    return practice.on(
        "host-b", f"sudo docker rmi -f {_IMAGE}:1 >/dev/null 2>&1; sudo docker pull {name} 2>&1 || true"
    )


def validated(practice: RegistryPractice) -> dict[str, str]:
    """Validate, and return what was observed by the failed checks of the registry, by their ids."""
    assert practice.run(*_VALIDATE).returncode == 1  # the bridge was never made: 30 is not applied here
    found = practice.checks("object_store.bucket", "object_store.owner", "registry.log", "registry.serves")
    assert found
    return {check.id: check.observed for check in found if not check.holds}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("access_key", "the store does not know the access key: InvalidAccessKeyId"),
        ("secret_key", "the secret key does not belong to the access key: SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_key_is_named_before_the_registry_gets_it(
    registry: RegistryPractice, name: str, cause: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("WRONGWRONGWRONG", encoding="ascii")
    assert registry.registry(**{name: f"${{file:{wrong}}}"}).returncode == 1
    ((title, message),) = registry.failed()
    assert title == "The bucket exists, and accepts the keys"
    assert cause in message
    assert "hint: correct the" in message


def test_a_key_that_the_store_has_revoked_is_named_by_the_log(registry: RegistryPractice) -> None:
    configuration = registry.lab.paths.run / "store.json"
    before = configuration.read_bytes()
    configuration.write_bytes(before.replace(registry.files["access_key"].read_bytes(), b"ANOTHERKEY"))
    try:
        registry.restart_store()
        assert "500" in pull(registry)
        assert causes(registry) == {"store.access-key"}
        observed = validated(registry)
        assert observed["registry.log"].startswith(
            "the store does not know the access key (s3aws: InvalidAccessKeyId"
        )
        assert "the store does not know the access key" in observed["object_store.bucket"]
    finally:
        configuration.write_bytes(before)
        registry.restart_store()
    assert validated(registry).keys() <= {"registry.log"}  # a pull has yet to succeed
    assert pull(registry)
    assert validated(registry) == {}


def test_a_missing_bucket_is_named_and_made_only_if_asked_for(registry: RegistryPractice) -> None:
    given = ("-p", "bucket", "no-bucket", "-p", "create_bucket", "false")
    assert registry.registry(*given).returncode == 1
    ((_, message),) = registry.failed()
    assert "the bucket does not exist: NoSuchBucket" in message


def test_a_stopped_store_is_named(registry: RegistryPractice) -> None:
    registry.stop_store()
    seen = pull(registry)
    assert "500" in seen
    assert causes(registry) == {"store.stopped"}
    observed = validated(registry)
    assert observed["registry.log"].startswith("nothing listens at the store's address")
    assert "nothing listens at the store's address" in observed["object_store.bucket"]
    assert registry.registry().returncode == 1
    ((title, message),) = registry.failed()
    assert title == "The bucket exists, and accepts the keys"
    assert "hint: start the store" in message


def test_a_store_that_fills_up_in_the_middle_of_a_push_is_named(registry: RegistryPractice) -> None:
    mounted = registry.fill_store("40m")
    try:
        registry.on("host-a", "sudo systemctl restart docker-registry")
        done = registry.registry("-p", "pushed_as", "acme/full:1")
        assert done.returncode == 1
        ((title, message),) = registry.failed()
        assert title == "Push it to the registry"
        assert "the store is full" in message
        assert "store.full" in causes(registry)
    finally:
        registry.stop_store()
        subprocess.run(["umount", "--lazy", mounted], check=True)
        registry.on(
            "host-a", "sudo systemctl restart docker-registry"
        )  # else the failure counts until a write


def test_the_stores_expired_certificate_is_named(registry: RegistryPractice) -> None:
    tls = registry.lab.paths.tls
    kept = {path: path.read_bytes() for path in (tls / "store.crt", tls / "store.key", tls / "ca.crt")}
    old = Authority("authority of the lab", days=-1)
    certificate, key = old.issue("store", "192.168.7.254")
    try:
        for path, text in zip(kept, (certificate, key, old.pem), strict=True):
            path.write_text(text, encoding="ascii")
        registry.restart_store()
        trusting = {"authority": str(tls / "kept.crt")}
        (tls / "kept.crt").write_bytes(kept[tls / "ca.crt"])
        assert registry.registry(**trusting).returncode == 1
        ((title, message),) = registry.failed()
        assert title == "The bucket exists, and accepts the keys"
        assert "the store's certificate has expired" in message
        registry.on("host-a", "sudo systemctl restart docker-registry")
        pull(registry)
        assert causes(registry) == {"store.certificate-expired"}
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
        (tls / "kept.crt").unlink()
        registry.restart_store()


def test_the_registrys_expired_certificate_is_named(registry: RegistryPractice, tmp_path: Path) -> None:
    old = Authority("an authority", days=-1)
    certificate, key = old.issue("registry", "192.168.7.31")
    for name, text in (("crt", certificate), ("key", key), ("ca", old.pem)):
        (tmp_path / name).write_text(text, encoding="ascii")
    changed = {"certificate": "crt", "certificate_key": "key", "authority": "ca"}
    paths = {name: str(tmp_path / file) for name, file in changed.items()}
    paths["certificate_key"] = f"${{file:{paths['certificate_key']}}}"
    assert registry.registry(**paths).returncode == 1
    ((title, message),) = registry.failed()
    assert title == "The registry shows a valid certificate"
    assert "certificate has expired" in message
    assert "x509: certificate has expired" in validated(registry)["registry.serves"]


def test_two_registries_on_one_bucket_are_refused(registry: RegistryPractice) -> None:
    second = ("-p", "registry", "192.168.7.32:5000", "-p", "server", "host-b", "-p", "client", "host-a")
    assert registry.registry(*second).returncode == 1
    ((title, message),) = registry.failed()
    assert title == "No other registry uses the folder"
    assert f"is used by the registry {REGISTRY}" in message
    assert registry.registry(*second, "-p", "folder", "second").returncode == 0, registry.failed()
    registry.on("host-b", "sudo systemctl disable --now docker-registry")


def test_an_image_deleted_while_it_is_pulled_comes_back_with_the_next_run(registry: RegistryPractice) -> None:
    name = registry.on("host-b", f"sudo docker images --digests --format '{{{{.Digest}}}}' {_IMAGE}").split()[
        0
    ]
    registry.on("host-b", "sudo docker rm -f registry-proof; sudo docker system prune -af")
    pulled = subprocess.Popen(
        registry.lab.ssh_command("host-b", [f"sudo docker pull {_IMAGE}@{name} 2>&1"]),
        stdout=subprocess.PIPE,
        text=True,
    )
    delete = f"sudo curl -sS --cacert /etc/docker/certs.d/{REGISTRY}/ca.crt -X DELETE https://{REGISTRY}/v2/acme/redis-server/manifests/{name}"
    registry.on("host-a", delete)
    output, _ = pulled.communicate(timeout=deadline(120))
    assert pulled.returncode == 0 or "unknown" in output, output
    assert "unknown" in pull(registry)  # by its tag: an engine that was quick enough has the digest already
    assert "manifest unknown" in validated(registry)["registry.serves"]
    assert registry.registry().returncode == 0
    assert validated(registry) == {}


def test_what_was_replaced_is_collected(registry: RegistryPractice) -> None:
    assert registry.registry("-p", "image", "runbook/redis-cli:1").returncode == 0, registry.failed()
    (collected,) = [step for step in registry.last().steps if step.title == "Collect the garbage"]
    assert [(host.status, host.changes[0].after) for host in collected.hosts] == [(Status.CHANGED, "deleted")]


def test_a_mirror_over_tls_serves_the_engine_and_a_broken_one_is_noticed(registry: RegistryPractice) -> None:
    given = ("-p", "registry_mirrors", f'["https://{REGISTRY}"]', "-p", "proof_image", "acme/redis-server:1")
    install = ("20_docker_install", "-p", "hosts", "host-b")
    assert registry.run(*install, *given).returncode == 0, registry.failed()
    try:
        registry.on("host-b", "sudo docker rm -f docker-proof; sudo docker rmi -f acme/redis-server:1")
        registry.on("host-b", f"sudo mv /etc/docker/certs.d/{REGISTRY} /etc/docker/certs.d/moved")
        seen = registry.on("host-b", "sudo docker pull acme/redis-server:1 2>&1 || true")
        assert "docker.io" in seen, "the engine complains of Docker's own registry, not of the mirror"
        assert registry.run(*install, *given).returncode == 1
        ((title, message),) = registry.failed()
        assert title == "The registry mirrors serve the engine"
        assert "x509: certificate signed by unknown authority" in message
    finally:
        registry.on("host-b", f"sudo mv /etc/docker/certs.d/moved /etc/docker/certs.d/{REGISTRY}")
        assert registry.run(*install).returncode == 0


def test_aws_ca_bundle_in_the_services_environment_is_unset(registry: RegistryPractice) -> None:
    registry.on(
        "host-a",
        "sudo sh -c 'systemctl set-environment AWS_CA_BUNDLE=/etc/ssl/ca.pem; systemctl restart docker-registry'",
    )
    wait_until(
        lambda: "acme/redis-server" in pull(registry, f"{_IMAGE}:1") or None,
        "the registry's answer",
        seconds=20,
    )
    registry.on("host-a", "sudo systemctl unset-environment AWS_CA_BUNDLE")
    assert causes(registry) == set()


def test_after_a_reboot_the_missing_keys_are_named_and_the_next_run_brings_them_back(
    registry: RegistryPractice,
) -> None:
    registry.lab.restart("host-a")
    assert validated(registry)["object_store.bucket"].startswith("the host has no keys")
    assert registry.registry().returncode == 0, registry.failed()
    assert validated(registry) == {}
