"""The scripts of the Docker book's faults, and the functions that they share.

Scripts are for the host's `sh -e`, as root. They get OWN (the host's address, with its prefix length), OTHER (the other
host's address), GATEWAY (empty if it has none), PORT (redis), EXPIRED (an expired certificate for the key of the lab's
registry, PEM; empty if the lab has no object store), and the functions of `PREAMBLE`. A repair also succeeds on a host
that the learner has repaired already, that was rebooted, or on which the fault could not be made, or only in part.
"""

from __future__ import annotations

__all__ = [
    "ACCEPT_REDIS",
    "EXPIRE_CERTIFICATE",
    "HOLD_LOCK",
    "PREAMBLE",
    "RAW_TABLE",
    "REGISTRY",
    "RELEASE_DIRECTORY",
    "RENEW_CERTIFICATE",
]

PREAMBLE = r"""
cd /; kept=/var/lib/runbook-drill; mkdir -p "$kept"
exec 9>"$kept/lock" # a script that was given up goes on for a while
flock -w 150 9 || { echo 'another script of a fault is running on this host' >&2; exit 1; }
need() { eval "$1" >/dev/null 2>&1 || { echo "this fault needs $2" >&2; exit 1; }; }
need_bridge() { need 'ip link show br0' 'the bridge br0: runbook run 30_bridge_br0'; }
need_container() { need "docker inspect $1" "the container $1: runbook run 40_ambassador_redis"; }
has_container() { # without Docker the host has none; that an engine does not answer proves nothing
  command -v docker >/dev/null || return 1
  found=$(docker ps --all --quiet --filter "name=^$1\$") || { echo 'the Docker engine does not answer' >&2; exit 1; }
  [ -n "$found" ]
}
edit_daemon() { # the engine's options, by a perl expression; the containers that run are started again
  need 'test -s /etc/docker/daemon.json' 'a configured engine: runbook run 20_docker_install 30_bridge_br0'
  need 'docker ps' 'a Docker engine that runs'
  [ -e "$kept/daemon.json" ] || cp /etc/docker/daemon.json "$kept/daemon.json"
  perl -0pi -e "$1; s/,(\s*\})/\$1/" /etc/docker/daemon.json
  restart_engine
}
restore_daemon() {
  [ -e "$kept/daemon.json" ] || return 0
  cp "$kept/daemon.json" /etc/docker/daemon.json
  restart_engine
  rm "$kept/daemon.json"
}
keep_greeting() { # FAULT: redis forgets it when it stops; another fault may be in effect, so each keeps its own
  said=$(docker exec redis-server redis-cli --raw GET greeting 2>/dev/null) || return 0
  [ -z "$said" ] || printf '%s\n' "$said" >"$kept/greeting.$1"
}
restore_greeting() { # FAULT: to a redis that the learner has stopped or removed, nothing is to be restored
  file=$kept/greeting.$1
  [ -s "$file" ] || return 0
  for try in 1 2 3 4 5 6 7 8 9; do
    if docker exec redis-server redis-cli PING >/dev/null 2>&1; then
      docker exec redis-server redis-cli SET greeting "$(cat "$file")" >/dev/null
      rm "$file"; return 0
    fi
    has_container redis-server || break
    sleep 1
  done
  running=$(docker inspect --format '{{.State.Running}}' redis-server 2>/dev/null) || running=false
  [ "$running" != true ] || { echo 'redis does not answer: its data are not restored' >&2; return 1; }
  rm "$file"
}
restore_route() { # one that leads to the gateway stays, with what else the host has set for it
  [ -z "$GATEWAY" ] || ip route show default | grep -qF "via $GATEWAY " || ip route replace default via "$GATEWAY"
}
restart_engine() { # the containers that ran are started again, also those that ran before an attempt that was cut off
  keep_greeting restart
  docker ps --quiet >>"$kept/running" 2>/dev/null || true
  systemctl reset-failed docker.service; systemctl restart docker.service
  for container in $(sort -u "$kept/running"); do
    ! docker inspect "$container" >/dev/null 2>&1 || docker start "$container" >/dev/null
  done
  rm -f "$kept/running"
  restore_greeting restart
}
replace_ambassador() { # by one with other variables
  need_container redis_ambassador
  docker rename redis_ambassador redis_ambassador.before
  docker stop --time 1 redis_ambassador.before >/dev/null
  docker run --detach --name redis_ambassador --network redis-names "$@" runbook/ambassador:1 >/dev/null
}
restore_ambassador() {
  has_container redis_ambassador.before || return 0
  docker rm --force redis_ambassador >/dev/null 2>&1 || true
  docker rename redis_ambassador.before redis_ambassador
  docker start redis_ambassador >/dev/null
}
"""

HOLD_LOCK = """
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
REGISTRY = r"""
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
EXPIRE_CERTIFICATE = r"""
need 'systemctl is-active docker-registry && test -s "$crt"' \
  'a registry that runs: runbook lab up --store, then runbook run 50_registry_s3'
need 'test -n "$EXPIRED"' 'an expired certificate, which this lab was made without: runbook lab down and up --store'
printf '%s\n' "$EXPIRED" >"$kept/registry.expired.crt"
key() { openssl x509 -noout -pubkey -in "$1"; }
need '[ "$(key "$crt")" = "$(key "$kept/registry.expired.crt")" ]' "the registry's certificate to be that of the lab"
cmp -s "$crt" "$kept/registry.expired.crt" || cp "$crt" "$kept/registry.crt"
show "$kept/registry.expired.crt"
"""
RENEW_CERTIFICATE = """
[ -e "$kept/registry.crt" ] || exit 0
if cmp -s "$crt" "$kept/registry.expired.crt"; then show "$kept/registry.crt"; fi
rm "$kept/registry.crt" "$kept/registry.expired.crt"
"""

RAW_TABLE = 'raw() { iptables -w 10 -t raw "$@"; }; '
# That the rule cannot be deleted does not prove that it is gone: another program may hold the lock of iptables.
ACCEPT_REDIS = r"""
command -v iptables >/dev/null || exit 0
while raw -D PREROUTING -p tcp --dport "$PORT" -j DROP 2>/dev/null; do :; done
left=$(raw -S PREROUTING) || [ $? -eq 3 ] # a kernel without the table
case $left in *"--dport $PORT -j DROP"*) echo 'the firewall rule cannot be deleted' >&2; exit 1;; esac
"""
# Only what the fault has mounted: /boot can be a file system of its own.
RELEASE_DIRECTORY = "while grep -q '^runbook-drill DIRECTORY ' /proc/mounts; do umount DIRECTORY; done"
