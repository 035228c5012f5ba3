"""The lab's container images, built once from `images/*/Dockerfile` without a Docker engine."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.lab.services.image_registry import PORT, registry_configuration
from runbook_lib.lab.system.apt_sources import machine_proxy
from runbook_lib.lab.system.build_cache import built_once
from runbook_lib.lab.system.debian_bootstrap import bootstrap
from runbook_lib.lab.system.stages import detail
from runbook_lib.lab.system.subprocesses import in_cgroups, run
from runbook_lib.project import find_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["IMAGES", "image_storage"]

IMAGES = ("redis-server", "redis-cli", "ambassador")
_BASE = "base"
_DISTRIBUTION = "bookworm"  # of the images, whatever the hosts run: every engine runs the same ones
_STEP_TIMEOUT = 900  # seconds
_USUALLY = 45.0  # seconds


def image_storage() -> Path:
    """Return a registry's storage with the lab's images, building it on the first call (about 45 s).

    Raises:
        InputError: No directory `images` was found, here or in a parent directory.
        LabError: A build failed.
    """
    folder = find_shipped("images")
    if not (folder / _BASE / "Dockerfile").is_file():
        raise InputError(
            "the Dockerfiles of the lab's images were not found",
            where=str(folder),
            hint="run this command in the project's directory",
        )
    sources = {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for name in (_BASE, *IMAGES)
        for file in sorted((folder / name).iterdir())
    }
    recipe = {"distribution": _DISTRIBUTION, "sources": sources}

    def build(directory: Path, cgroups: Sequence[Path]) -> None:
        _build(folder, directory, cgroups)

    return built_once("images", recipe, build, what="container images", usually=_USUALLY) / "storage"


def _build(folder: Path, directory: Path, cgroups: Sequence[Path]) -> None:
    work = directory / "work"
    (work / "archives").mkdir(parents=True)
    bootstrap(_DISTRIBUTION, work / "base.tar", cgroups)
    (work / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["bash"]\n', encoding="utf-8")
    build = _buildah(work, cgroups)
    build("seed", work, None)
    build(_BASE, folder / _BASE, "seed")
    for number, name in enumerate(IMAGES, start=1):
        detail(f"image {name} ({number} of {len(IMAGES)})")
        build(name, folder / name, _BASE)
    detail("registry")
    script = work / "push.sh"
    script.write_text(
        resources.files("runbook_lib.lab").joinpath("recipes", "push.sh").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    configuration = work / "registry.json"
    configuration.write_text(
        registry_configuration(directory / "storage", f"127.0.0.1:{PORT}", read_only=False), encoding="utf-8"
    )
    run(
        *in_cgroups("unshare", "--net", "sh", script, configuration, work / "archives", cgroups=cgroups),
        what="push the images into the registry's storage",
        timeout=_STEP_TIMEOUT,
    )
    run("rm", "-rf", work, what="remove the files of the image build")


def _buildah(work: Path, cgroups: Sequence[Path]) -> Callable[[str, Path, str | None], None]:
    """Return a function that builds one image, in plain directories and chroot: root suffices, also in a container."""
    store = in_cgroups(
        *("buildah", f"--root={work / 'store'}", f"--runroot={work / 'runroot'}", "--storage-driver=vfs"),
        cgroups=cgroups,
    )
    proxy = machine_proxy()

    def build(name: str, folder: Path, base: str | None) -> None:
        run(
            *(*store, "build", "--quiet", "--pull-never", "--isolation", "chroot", "--network", "host"),
            *(["--build-arg", f"BASE=localhost/{base}:1"] if base else []),
            *(["--build-arg", f"http_proxy={proxy}"] if proxy else []),
            *("--tag", f"localhost/{name}:1", "--file", folder / "Dockerfile", folder),
            what=f"build the image {name}",
            timeout=_STEP_TIMEOUT,
        )
        if name in IMAGES:
            archive = work / "archives" / f"{name}.tar"
            run(
                *(*store, "push", "--quiet", f"localhost/{name}:1", f"oci-archive:{archive}"),
                what=f"store the image {name}",
                timeout=_STEP_TIMEOUT,
            )

    return build
