"""Faults that a drill puts into a practice host of the Docker book: what each breaks, and its repair. Data only.

Scripts are for the host's `sh -e`, as root. They get OWN (the host's address, with its prefix length), OTHER (the other
host's address), GATEWAY, PORT (redis), EXPIRED (an expired certificate for the key of the lab's registry, PEM; empty if
the lab has no object store), and the functions of `PREAMBLE`. A repair also succeeds on a host that the learner has
repaired already, or that was rebooted.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DRILL_GROUP", "HOST_FAULTS", "PREAMBLE", "HostFault"]

DRILL_GROUP = "docker"
"""The inventory's group of the hosts at which `91_drill` looks: what is broken elsewhere, it does not find."""

PREAMBLE = r"""
cd /; kept=/var/lib/runbook-drill; mkdir -p "$kept"
need() { eval "$1" >/dev/null 2>&1 || { echo "this fault needs $2" >&2; exit 1; }; }
need_bridge() { need 'ip link show br0' 'the bridge br0: runbook run 30_bridge_br0'; }
need_container() { need "docker inspect $1" "the container $1: runbook run 40_ambassador_redis"; }
edit_daemon() { # the engine's options, by a perl expression; the containers that run are started again
  need 'test -s /etc/docker/daemon.json' 'a configured engine: runbook run 20_docker_install 30_bridge_br0'
  [ -e "$kept/daemon.json" ] || cp /etc/docker/daemon.json "$kept/daemon.json"
  perl -0pi -e "$1; s/,(\s*\})/\$1/" /etc/docker/daemon.json
  restart_engine
}
restore_daemon() {
  [ -e "$kept/daemon.json" ] || return 0
  mv "$kept/daemon.json" /etc/docker/daemon.json
  restart_engine
}
keep_greeting() { # redis forgets it when it stops
  [ -s "$kept/greeting" ] ||
    docker exec redis-server redis-cli --raw GET greeting >"$kept/greeting" 2>/dev/null || true
}
restore_greeting() {
  [ -s "$kept/greeting" ] || return 0
  for try in 1 2 3 4 5 6 7 8 9; do docker exec redis-server redis-cli PING >/dev/null 2>&1 && break; sleep 1; done
  docker exec redis-server redis-cli SET greeting "$(cat "$kept/greeting")" >/dev/null
  rm "$kept/greeting"
}
restart_engine() {
  keep_greeting
  running=$(docker ps --quiet)
  systemctl reset-failed docker.service; systemctl restart docker.service
  for container in $running; do docker start "$container" >/dev/null; done
  restore_greeting
}
replace_ambassador() { # by one with other variables
  need_container redis_ambassador
  docker rename redis_ambassador redis_ambassador.before
  docker stop --time 1 redis_ambassador.before >/dev/null
  docker run --detach --name redis_ambassador --network redis-names "$@" runbook/ambassador:1 >/dev/null
}
restore_ambassador() {
  docker inspect redis_ambassador.before >/dev/null 2>&1 || return 0
  docker rm --force redis_ambassador >/dev/null 2>&1 || true
  docker rename redis_ambassador.before redis_ambassador
  docker start redis_ambassador >/dev/null
}
"""


_HOLD_LOCK = """
cat >"$kept/dpkg-hangs.pl" <<'END'
use Fcntl;
open(F, "+<", "/var/lib/dpkg/lock-frontend") or die;
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $lock) or die;
sleep;
END
systemctl reset-failed runbook-drill-lock 2>/dev/null || true
systemd-run --quiet --unit=runbook-drill-lock --service-type=exec perl "$kept/dpkg-hangs.pl"
sleep 1; systemctl is-active --quiet runbook-drill-lock
"""

# The service reads its certificate when it starts. What is wrong is what it shows, so it is waited for.
_REGISTRY = r"""
crt=/etc/docker/registry/registry.crt
port=$(sed -n "s/^ *addr: .*:\([0-9]*\)'*$/\1/p" /etc/docker/registry/config.yml 2>/dev/null || true)
shown() { timeout 5 openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509; }
show() { # the certificate of a file
  cat "$1" >"$crt"; systemctl try-restart docker-registry
  systemctl is-active --quiet docker-registry || return 0 # after a reboot the host has no keys, and no registry runs
  for try in 1 2 3 4 5 6 7 8 9; do [ "$(shown 2>/dev/null)" != "$(openssl x509 -in "$1")" ] || return 0; sleep 1; done
  echo 'the registry does not show the certificate: systemctl status docker-registry' >&2; return 1
}
"""
_EXPIRE = r"""
need 'systemctl is-active docker-registry && test -s "$crt"' \
  'a registry that runs: runbook lab up --store, then runbook run 50_registry_s3'
need 'test -n "$EXPIRED"' 'an expired certificate, which this lab was made without: runbook lab down and up --store'
printf '%s\n' "$EXPIRED" >"$kept/registry.expired.crt"
key() { openssl x509 -noout -pubkey -in "$1"; }
need '[ "$(key "$crt")" = "$(key "$kept/registry.expired.crt")" ]' "the registry's certificate to be that of the lab"
cmp -s "$crt" "$kept/registry.expired.crt" || cp "$crt" "$kept/registry.crt"
show "$kept/registry.expired.crt"
"""
_RENEW = """
[ -e "$kept/registry.crt" ] || exit 0
if cmp -s "$crt" "$kept/registry.expired.crt"; then show "$kept/registry.crt"; fi
rm "$kept/registry.crt" "$kept/registry.expired.crt"
"""


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
            'ip address del "$OTHER/20" dev br0 2>/dev/null || true',
        ),
        HostFault(
            "netmask",
            "docker",
            "the address of br0 has the prefix length 24: containers on the other host are outside of the network",
            "cause.netmask",
            'need_bridge; ip address add "${OWN%/*}/24" dev br0; ip address del "$OWN" dev br0',
            'if ip link show br0 >/dev/null 2>&1; then ip address add "$OWN" dev br0 2>/dev/null || true; '
            'ip address del "${OWN%/*}/24" dev br0 2>/dev/null || true; ip route replace default via "$GATEWAY"; fi',
        ),
        HostFault(
            "gateway",
            "docker",
            "the default route is missing: nothing outside of the network is reached",
            "cause.gateway",
            "ip route del default",
            'ip route replace default via "$GATEWAY"',
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
            'iptables -t raw -I PREROUTING -p tcp --dport "$PORT" -j DROP',
            'while iptables -t raw -D PREROUTING -p tcp --dport "$PORT" -j DROP 2>/dev/null; do :; done',
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
            "while mountpoint -q /var/lib/docker/tmp; do umount /var/lib/docker/tmp; done",
        ),
        HostFault(
            "boot",
            "docker",
            "/boot is full: no other kernel can be installed",
            "cause.boot",
            "mkdir -p /boot; mount -t tmpfs -o size=4m runbook-drill /boot; "
            "dd if=/dev/zero of=/boot/initrd.img-6.1.0-old bs=1M 2>/dev/null || true",
            "while mountpoint -q /boot; do umount /boot; done",
        ),
        HostFault(
            "lock",
            "docker",
            "a process that hangs holds the lock of the package manager: nothing can be installed",
            "cause.lock",
            _HOLD_LOCK,
            "for verb in stop reset-failed; do systemctl $verb runbook-drill-lock 2>/dev/null || true; done",
        ),
        HostFault(
            "redis-stopped",
            "server",
            "redis does not run",
            "cause.redis",
            "need_container redis-server; keep_greeting; docker stop --time 1 redis-server >/dev/null",
            "docker inspect redis-server >/dev/null 2>&1 || exit 0; "
            "docker start redis-server >/dev/null; restore_greeting",
        ),
        HostFault(
            "redis-protected",
            "server",
            "redis is in protected mode: it answers nobody outside of its own container",
            "cause.protected",
            "need_container redis-server; docker exec redis-server redis-cli CONFIG SET protected-mode yes >/dev/null",
            "! docker inspect redis-server >/dev/null 2>&1 || "
            "docker exec redis-server redis-cli CONFIG SET protected-mode no >/dev/null",
        ),
        HostFault(
            "name",
            "server",
            "redis is not in the network on which its ambassador looks its name up",
            "cause.name",
            "need_container redis-server; docker network disconnect redis-names redis-server",
            "! docker inspect redis-server >/dev/null 2>&1 || "
            "docker network connect --alias redis redis-names redis-server 2>/dev/null || true",
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
            "need_container redis-server; keep_greeting; docker exec redis-server redis-cli FLUSHALL >/dev/null",
            "restore_greeting",
        ),
        HostFault(
            "certificate",
            "server",
            "the certificate of the registry has expired: no engine pulls from it",
            "cause.certificate",
            _REGISTRY + _EXPIRE,
            _REGISTRY + _RENEW,
        ),
    )
}
"""By name; `cable`, `unplug`, `power` and `docker-down` are the lab's own."""
