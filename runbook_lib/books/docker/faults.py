"""Faults that a drill puts into a practice host of the Docker book: what each breaks, and its repair. Data only.

Their scripts are in `fault_scripts`, unless they are short.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.books.docker.fault_scripts import (
    ACCEPT_REDIS,
    EXPIRE_CERTIFICATE,
    HOLD_LOCK,
    RAW_TABLE,
    REGISTRY,
    RELEASE_DIRECTORY,
    RENEW_CERTIFICATE,
)

__all__ = ["DRILL_GROUP", "HOST_FAULTS", "HostFault"]

DRILL_GROUP = "docker"
"""The inventory's group of the hosts at which `91_drill` looks: what is broken elsewhere, it does not find."""


@dataclass(frozen=True)
class HostFault:
    """A fault of one host.

    Args:
        name: For `runbook lab break`.
        group: The inventory's group whose hosts can have it.
        breaks: What is broken, for the table of drills and after the repair.
        cause: Id of the check, in `causes`, that is the first one not to hold.
        inject: Script that makes the fault.
        repair: Script that repairs it.
    """

    name: str
    group: str
    breaks: str
    cause: str
    inject: str
    repair: str


HOST_FAULTS = {
    fault.name: fault
    for fault in (
        HostFault(
            "bridge-port",
            "docker",
            "the interface em1 is not a port of the bridge br0: the host is cut off",
            "cause.peers",
            "need_bridge; ip link set em1 nomaster",
            "! ip link show br0 >/dev/null 2>&1 || ip link set em1 master br0; ip link set em1 up",
        ),
        HostFault(
            "duplicate-address",
            "client",
            "the host also has the address of the other one",
            "cause.extra-address",
            'need_bridge; ip address add "$OTHER/20" dev br0',
            'ip address del "$OTHER/20" dev br0 2>/dev/null || true; '
            '! ip -4 address show dev br0 2>/dev/null | grep -qF "inet $OTHER/"',
        ),
        HostFault(
            "netmask",
            "docker",
            "the address of br0 has the prefix length 24: containers on the other host are outside of the network",
            "cause.netmask",
            'need_bridge; ip address add "${OWN%/*}/24" dev br0; ip address del "$OWN" dev br0',
            'if ip link show br0 >/dev/null 2>&1; then ip address add "$OWN" dev br0 2>/dev/null || true; '
            'ip address del "${OWN%/*}/24" dev br0 2>/dev/null || true; restore_route; fi',
        ),
        HostFault(
            "gateway",
            "docker",
            "the default route is missing: nothing outside of the network is reached",
            "cause.gateway",
            "ip route del default",
            "restore_route",
        ),
        HostFault(
            "forwarding",
            "server",
            "the kernel forwards no packets from one network to another",
            "cause.forwarding",
            "sysctl -qw net.ipv4.ip_forward=0",
            "sysctl -qw net.ipv4.ip_forward=1",
        ),
        HostFault(
            "firewall",
            "server",
            "a firewall rule drops what arrives for redis",
            "cause.firewall",
            RAW_TABLE + 'raw -I PREROUTING -p tcp --dport "$PORT" -j DROP',
            RAW_TABLE + ACCEPT_REDIS,
        ),
        HostFault(
            "unbound",
            "docker",
            "Docker is not attached to br0: new containers get addresses of its own network",
            "cause.bridge-option",
            r"""edit_daemon 's/"(bridge|fixed-cidr)":\s*"[^"]*",?\s*//g'""",
            "restore_daemon",
        ),
        HostFault(
            "overlap",
            "client",
            "Docker hands out the addresses that the other host hands out too",
            "cause.fixed-cidr",
            r"""edit_daemon 's/("fixed-cidr":\s*)"[^"]*"/$1"192.168.8.0\/24"/'""",
            "restore_daemon",
        ),
        HostFault(
            "mirror",
            "docker",
            "the registry mirror has a wrong port: no image can be pulled",
            "cause.mirror",
            r"""edit_daemon 's/:5000/:5999/'""",
            "restore_daemon",
        ),
        HostFault(
            "disk",
            "docker",
            "Docker's directory for downloads is full",
            "cause.disk",
            "mkdir -p /var/lib/docker/tmp; mount -t tmpfs -o size=4m runbook-drill /var/lib/docker/tmp; "
            "dd if=/dev/zero of=/var/lib/docker/tmp/core.4711 bs=1M 2>/dev/null || true",
            RELEASE_DIRECTORY.replace("DIRECTORY", "/var/lib/docker/tmp"),
        ),
        HostFault(
            "boot",
            "docker",
            "/boot is full: no other kernel can be installed",
            "cause.boot",
            "mkdir -p /boot; mount -t tmpfs -o size=4m runbook-drill /boot; "
            "dd if=/dev/zero of=/boot/initrd.img-6.1.0-old bs=1M 2>/dev/null || true",
            RELEASE_DIRECTORY.replace("DIRECTORY", "/boot"),
        ),
        HostFault(
            "lock",
            "docker",
            "a process that hangs holds the lock of the package manager: nothing can be installed",
            "cause.lock",
            HOLD_LOCK,
            "for verb in stop reset-failed; do systemctl $verb runbook-drill-lock 2>/dev/null || true; done",
        ),
        HostFault(
            "redis-stopped",
            "server",
            "redis does not run",
            "cause.redis",
            "need_container redis-server; keep_greeting redis-stopped; docker stop --time 1 redis-server >/dev/null",
            "has_container redis-server || exit 0; docker start redis-server >/dev/null; "
            "restore_greeting redis-stopped",
        ),
        HostFault(
            "redis-protected",
            "server",
            "redis is in protected mode: it answers nobody outside of its own container",
            "cause.protected",
            "need_container redis-server; docker exec redis-server redis-cli CONFIG SET protected-mode yes >/dev/null",
            "has_container redis-server || exit 0; "
            "running=$(docker inspect --format '{{.State.Running}}' redis-server); "
            '[ "$running" != true ] || '  # a redis that has stopped has forgotten it
            "docker exec redis-server redis-cli CONFIG SET protected-mode no >/dev/null",
        ),
        HostFault(
            "name",
            "server",
            "redis is not in the network on which its ambassador looks its name up",
            "cause.name",
            "need_container redis-server; docker network disconnect redis-names redis-server",
            "has_container redis-server && docker network inspect redis-names >/dev/null 2>&1 || exit 0; "
            "docker network connect --alias redis redis-names redis-server 2>/dev/null || "
            "docker inspect --format '{{json .NetworkSettings.Networks}}' redis-server | grep -q '\"redis-names\"'",
        ),
        HostFault(
            "expose",
            "server",
            "the server-side ambassador got no variable, as by a link to an image without EXPOSE: it does not listen",
            "cause.ambassador",
            'replace_ambassador --publish "$PORT:6379"',
            "restore_ambassador",
        ),
        HostFault(
            "variable",
            "client",
            "the client-side ambassador's variable REDIS_PORT_6379_TCP names a wrong address",
            "cause.ambassador",
            "replace_ambassador --network-alias redis --env REDIS_PORT_6379_TCP=tcp://192.168.7.39:6379",
            "restore_ambassador",
        ),
        HostFault(
            "key",
            "server",
            "the data of redis are gone",
            "cause.key",
            "need_container redis-server; keep_greeting key; docker exec redis-server redis-cli FLUSHALL >/dev/null",
            "restore_greeting key",
        ),
        HostFault(
            "certificate",
            "server",
            "the certificate of the registry has expired: no engine pulls from it",
            "cause.certificate",
            REGISTRY + EXPIRE_CERTIFICATE,
            REGISTRY + RENEW_CERTIFICATE,
        ),
    )
}
"""By name; `cable`, `unplug`, `power` and `docker-down` are the lab's own."""
