"""What the runbook of the registry puts on its host: no key in the configuration, no key that a shell would misread."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import yaml

from runbook_lib.books.docker import registry_s3
from runbook_lib.books.docker.parameters import RegistryS3
from runbook_lib.errors import ParameterError
from runbook_lib.facts.object_store import Store
from runbook_lib.facts.registry import RegistryImage

if TYPE_CHECKING:
    from runbook_lib.model.records import StepRecord

TOP = Path(__file__).parents[3]
GIVEN = yaml.safe_load((TOP / "params" / "lab" / "50_registry_s3.yml").read_text(encoding="utf-8"))
DIGEST = f"sha256:{'1' * 64}"


def parameters(**changed: object) -> RegistryS3:
    return RegistryS3.model_validate({**GIVEN, **changed})


def test_the_configuration_has_no_key_and_is_that_of_the_book() -> None:
    settings = yaml.safe_load(registry_s3.configuration(parameters()).contents)
    s3 = settings["storage"]["s3"]
    assert (s3["bucket"], s3["region"], s3["rootdirectory"]) == ("acme-docker", "us-west-1", "/registry")
    assert not any("key" in name for name in s3)
    assert settings["storage"]["redirect"] == {"disable": True}
    assert settings["http"]["tls"]["certificate"].startswith("/etc/docker/registry/")


def test_keys_go_to_memory_in_the_form_that_a_shell_and_systemd_read() -> None:
    written = registry_s3.keys(parameters(), "AKIA+/=", "a+b/c=:%")
    assert written.path.startswith("/run/")
    assert written.mode == "0600"
    values = dict(word.split("=", 1) for word in shlex.split(written.contents))
    assert values["REGISTRY_STORAGE_S3_ACCESSKEY"] == "AKIA+/="
    assert values["REGISTRY_STORAGE_S3_SECRETKEY"] == "a+b/c=:%"
    assert values["SSL_CERT_FILE"] == registry_s3.store_authority(parameters(store_authority=__file__)).path
    without = registry_s3.keys(parameters(store_authority=None), "AKIA", "secret").contents
    assert "SSL_CERT_FILE" not in without


@pytest.mark.parametrize("key", ["x y-z", "x'y-z", 'x"y-z', "x\\y-z", "x$y-z", "x`y-z", "x\ny-z", "xé-z"])
def test_a_key_that_no_store_would_give_is_refused(key: str) -> None:
    with pytest.raises(ParameterError, match="secret_key: the value has a character") as caught:
        registry_s3.keys(parameters(), "AKIA", key)
    assert key not in str(caught.value)
    assert caught.value.hint


def test_mirrored_images_are_pushed_under_the_names_that_engines_ask_a_mirror_for() -> None:
    given = parameters(mirrored_images=["runbook/redis-cli:1", "redis:7"])
    assert given.mirrored == {
        "runbook/redis-cli:1": "192.168.7.31:5000/runbook/redis-cli:1",
        "redis:7": "192.168.7.31:5000/library/redis:7",
    }


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("registry.example.com/redis:7", "must not name a registry"),
        ("localhost/redis:7", "must not name a registry"),
        ("192.168.7.31:5000/redis:7", "must not name a registry"),
        ("runbook/redis-cli", "must have a tag"),
        (f"runbook/redis-cli@{DIGEST}", "must have a tag"),
        (f"runbook/redis-cli:1@{DIGEST}", "must have a tag"),
        ("192.168.7.31:5000/redis", "must have a tag"),
    ],
)
def test_an_image_that_no_mirror_is_asked_for_is_refused(image: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parameters(mirrored_images=[image])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_key", "AKIAIOSFODNN7EXAMPLE"),
        ("registry", "192.168.7.31"),
        ("registry", "https://192.168.7.31:5000"),
        ("store_endpoint", "192.168.7.254:9000"),
        ("store_endpoint", "https://192.168.7.254:9000/acme-docker"),
    ],
)
def test_parameters_that_cannot_be_right_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        parameters(**{name: value})


@pytest.mark.parametrize(
    ("endpoint", "bucket"),
    [
        ("https://s3.example.com/path", "b1c"),
        ("ftp://s3.example.com", "b1c"),
        ("https://s3.example.com", "Bucket_1"),
    ],
)
def test_a_store_is_a_url_without_a_path_and_a_buckets_name(endpoint: str, bucket: str) -> None:
    with pytest.raises(ParameterError):
        Store(endpoint, bucket, "us-west-1", "/run/keys")


def test_the_digest_that_was_read_replaces_the_tag() -> None:
    p = parameters()
    label = RegistryImage(p.pushed).label
    for facts, name in (
        ({label: {"digest": DIGEST, "problem": ""}}, f"192.168.7.31:5000/acme/redis-server@{DIGEST}"),
        ({label: {"digest": "", "problem": "manifest unknown"}}, "192.168.7.31:5000/acme/redis-server:1"),
        ({}, "192.168.7.31:5000/acme/redis-server:1"),
    ):
        step = SimpleNamespace(hosts=[SimpleNamespace(facts=facts)])
        assert registry_s3.by_digest(p, cast("StepRecord", step)) == name
