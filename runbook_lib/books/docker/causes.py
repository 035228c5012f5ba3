"""What can be wrong with a host of the chapter, from the disk up to redis: the first check that fails is the cause.

Each check says what repairs it: a runbook, or a command for the host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.books.docker.ambassador import NETWORK
from runbook_lib.books.docker.carried_out import NAMES, carried_out
from runbook_lib.books.docker.dropping_rules import dropping
from runbook_lib.books.docker.engine_answers import is_known, undecided
from runbook_lib.facts.answer import Answer
from runbook_lib.facts.interfaces import DefaultRoute, Interfaces, Reachable
from runbook_lib.facts.packages import LockHolder
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe
from runbook_lib.operations.docker_engine import DAEMON_FILE, DAEMON_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.books.docker.parameters import ValidateChapter
    from runbook_lib.facts.answer import Answered
    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.interfaces import Interface
    from runbook_lib.host_settings import Host

__all__ = ["REPAIRS", "Causes", "causes"]

_RUN_20 = "`runbook run 20_docker_install`"
_RUN_30 = "`runbook run 30_bridge_br0`"
_RUN_40 = "`runbook run 40_ambassador_redis`"
_RUN_50 = "`runbook run 50_registry_s3`"
_DOCKER_FILES, _BOOT = "/var/lib/docker/tmp", "/boot"
_LEAST_FREE = 64  # MiB: a layer of an image, or a kernel with its initial RAM disk

REPAIRS = {
    "cause.disk": f"on the host, find what fills {_DOCKER_FILES} (`du -a {_DOCKER_FILES}`), and delete that; if a "
    f"small file system covers the directory (`findmnt {_DOCKER_FILES}`), `umount` it",
    "cause.boot": "on the host, find what fills /boot (`du -a /boot`), and delete that; old kernels: "
    "`apt-get autoremove`; if a small file system covers the directory (`findmnt /boot`), `umount` it",
    "cause.lock": "on the host, end the named process if it hangs",
    "cause.carrier": "plug the cable in",
    "cause.port": f"at the host's console: `ip link set em1 master br0`; or {_RUN_30}",
    "cause.netmask": "on the host: `ip address add` the expected address, then `ip address del` the other one",
    "cause.extra-address": "on the host: `ip address del` the address that is not its own",
    "cause.gateway": "on the host: `ip route replace default via` the gateway",
    "cause.forwarding": "on the host: `sysctl -w net.ipv4.ip_forward=1`",
    "cause.firewall": "on the host: delete the rule, as `iptables -t raw -D` and the rest of its line",
    "cause.engine": f"{_RUN_20}, then {_RUN_40}",  # redis forgets its data when it stops
    "cause.bridge-option": f"{_RUN_30}, then {_RUN_40}",
    "cause.fixed-cidr": f"{_RUN_30}, then {_RUN_40}",
    "cause.mirror": f"{_RUN_20}, then {_RUN_40}",
    "cause.peers": "check that host: its power and its cable, and at its console that em1 is a port of br0",
    "cause.redis": _RUN_40,
    "cause.protected": "on the host: `docker exec redis-server redis-cli CONFIG SET protected-mode no`",
    "cause.name": _RUN_40,
    "cause.ambassador": f"on the host: `docker rm -f redis_ambassador`, then {_RUN_40}",
    "cause.key": _RUN_40,
    "cause.certificate": f"{_RUN_50}, with a valid certificate as its parameter `certificate`",
}
"""Id of each check -> what repairs its cause."""


@dataclass(frozen=True)
class Causes(Probe):
    """Nothing that is known to break the chapter is wrong with the host; causes come before their effects.

    Args:
        p: The runbook's parameters.
        address: The host's address, with its prefix length.
        fixed_cidr: The range of addresses of its containers.
        peers: Name and address of each other host.
        server: Whether redis is on this host.
        client: Whether the client is.
    """

    p: ValidateChapter
    address: str
    fixed_cidr: str
    peers: tuple[tuple[str, str], ...]
    server: bool
    client: bool

    def facts(self) -> Sequence[Fact[Any]]:
        """Return all that the checks compare."""
        found: list[Fact[Any]] = [
            _free(_DOCKER_FILES),
            _free(_BOOT),
            LockHolder(),
            Interfaces(),
            DefaultRoute(),
        ]
        found += [_FORWARDING, _RULES, _ENGINE, _OPTIONS, *(Reachable(address) for _, address in self.peers)]
        found += [_REDIS, _PROTECTED, self._key] * self.server + [_AMBASSADOR] * (self.server or self.client)
        found += [_certificate(self.p.registry)] * self._asks_registry
        return [*found, NAMES] if self.p.also_validate else found

    def verify(self, facts: Facts) -> list[Check]:
        """Return one check per cause, in the order of their effects."""
        others = carried_out(self.p, facts, server=self.server) if self.p.also_validate else ()
        return [*self._host(facts), *self._engine(facts), *self._path(facts), *others]

    def describe(self) -> str:
        """Return what is compared; the parameters are in the run's own record."""
        return f"causes.Causes(address={self.address!r}, fixed_cidr={self.fixed_cidr!r})"

    @property
    def _asks_registry(self) -> bool:
        """Whether the host of the registry is this one."""
        return self.server and bool(self.p.registry)

    @property
    def _key(self) -> Answer:
        return Answer(("docker", "exec", "redis-server", "redis-cli", "GET", self.p.key))

    def _host(self, facts: Facts) -> Iterator[Check]:
        """Yield the checks of the disk and the network."""
        for cause, directory in (("cause.disk", _DOCKER_FILES), ("cause.boot", _BOOT)):
            answer = facts[_free(directory)]
            free = (answer.text.splitlines() or ["unknown"])[-1].strip()
            # Without Docker there is no such directory: another check says so.
            room = (free.isdecimal() and int(free) >= _LEAST_FREE) or "No such file" in answer.text
            yield _check(cause, f"MiB free in {directory}", f"{_LEAST_FREE} or more", free, room)
        found = (f"{holder.program} (process {holder.process})" for holder in facts[LockHolder()])
        holders = ", ".join(dict.fromkeys(found)) or "nobody"
        yield _same("cause.lock", "who holds the package manager's lock", "nobody", holders)
        interfaces = {interface.name: interface for interface in facts[Interfaces()]}
        port, bridge = interfaces.get(self.p.card), interfaces.get(self.p.bridge)
        yield _same("cause.carrier", f"cable of {self.p.card}", "UP", port.state if port else "missing")
        master = port.master if port else None
        yield _same("cause.port", f"bridge of {self.p.card}", self.p.bridge, master or "no bridge")
        yield from self._addresses(bridge)
        route = facts[DefaultRoute()]
        gateway = (route.gateway if route else None) or "none"
        yield _same("cause.gateway", "default route", self.p.gateway or "none", gateway)
        yield _same("cause.forwarding", "packets are forwarded", "1", facts[_FORWARDING].text)
        rules = dropping(facts[_RULES].text, (self.p.port, self.p.published_port))
        observed = facts[_RULES].failure or "; ".join(rules) or "none"
        yield _same("cause.firewall", "firewall rules that drop redis", "none", observed)

    def _addresses(self, bridge: Interface | None) -> Iterator[Check]:
        found = bridge.addresses if bridge else ()
        own = [address for address in found if address.partition("/")[0] == self.address.partition("/")[0]]
        peers = {address for _, address in self.peers}
        other = [address for address in found if address.partition("/")[0] in peers]
        name = f"address of {self.p.bridge}"
        yield _same("cause.netmask", name, self.address, ", ".join(own) or "none")
        yield _same(
            "cause.extra-address",
            f"addresses of other hosts on {self.p.bridge}",
            "none",
            ", ".join(other) or "none",
        )

    def _engine(self, facts: Facts) -> Iterator[Check]:
        """Yield the checks of Docker, and of the other hosts."""
        yield _same("cause.engine", "docker.service", "active", facts[_ENGINE].text)
        options = _object(facts[_OPTIONS].text)
        bridge, cidr = options.get("bridge", "none"), options.get("fixed-cidr", "none")
        yield _same("cause.bridge-option", "Docker's option bridge", self.p.bridge, str(bridge))
        yield _same("cause.fixed-cidr", "Docker's option fixed-cidr", self.fixed_cidr, str(cidr))
        mirrors = _list(options.get("registry-mirrors"))
        missing = [mirror for mirror in self.p.registry_mirrors if mirror not in mirrors]
        yield _same("cause.mirror", "missing registry mirrors", "none", ", ".join(missing) or "none")
        for name, address in self.peers:
            reply = "a reply" if facts[Reachable(address)] else "no reply"
            yield _same("cause.peers", f"ping to {name} at {address}", "a reply", reply)

    def _path(self, facts: Facts) -> Iterator[Check]:
        """Yield the checks of redis and its ambassadors, as far as they are on this host."""
        if self.server:
            yield from self._redis(facts)
        if self.server or self.client:
            yield self._ambassador(facts[_AMBASSADOR])
        if self.server:
            name, answer = f"the key {self.p.key}", facts[self._key]
            if answer.exit_code == 0:
                yield _same("cause.key", name, self.p.value, answer.text or "none")
            else:
                yield undecided("cause.key", name, self.p.value, answer)
        if self._asks_registry:
            answer = facts[_certificate(self.p.registry)]
            end = answer.text.partition("notAfter=")[2].partition("\n")[0]
            expired = bool(end) and answer.exit_code != 0
            observed = f"{'expired on' if expired else 'valid until'} {end}" if end else "no registry answers"
            if answer.exit_code == _NOT_FOUND:  # nobody has asked
                observed = answer.failure
            name = f"certificate of the registry {self.p.registry}"
            # Practice hosts may have no registry: then nothing has expired, and the check says why it holds.
            holds = not expired and answer.exit_code != _NOT_FOUND
            yield _check("cause.certificate", name, "not expired, or no registry answers", observed, holds)

    def _redis(self, facts: Facts) -> Iterator[Check]:
        answer = facts[_REDIS]
        redis = _object(answer.text)
        if is_known(answer):
            yield _same("cause.redis", "redis-server", "running", str(redis.get("state", "missing")))
        else:
            yield undecided("cause.redis", "redis-server", "running", answer)
        answered = facts[_PROTECTED]
        name = "redis in protected mode"
        if answered.exit_code == 0:
            protected = answered.text.splitlines()[-1:]
            yield _same("cause.protected", name, "no", protected[0] if protected else "unknown")
        else:
            yield undecided("cause.protected", name, "no", answered)
        if self.p.wiring != "network":
            return
        name = f"redis-server is in the network {NETWORK}"
        if is_known(answer):
            joined = "yes" if NETWORK in _dict(redis.get("networks")) else "no"
            yield _same("cause.name", name, "yes", joined)
        else:
            yield undecided("cause.name", name, "yes", answer)

    def _ambassador(self, answer: Answered) -> Check:
        target = "redis:6379" if self.server else f"{self.p.server_address}:{self.p.port}"
        id_, name, expected = "cause.ambassador", "redis_ambassador relays to", f"tcp://{target}, running"
        if not is_known(answer):
            return undecided(id_, name, expected, answer)
        ambassador = _object(answer.text)
        word = "REDIS_PORT_6379_TCP="
        variables = [str(item) for item in _list(ambassador.get("env"))]
        found = [item.removeprefix(word) for item in variables if item.startswith(word)]
        observed = f"{found[0] if found else 'no variable'}, {ambassador.get('state', 'missing')}"
        return _same(id_, name, expected, observed)


def causes(p: ValidateChapter, host: Host, hosts: Sequence[Host]) -> Causes:
    """Return the causes to look for on a host.

    Args:
        p: The runbook's parameters.
        host: The host.
        hosts: All hosts of the run.
    """
    peers = tuple(
        (other.name, str(other["bridge_address"]).partition("/")[0])
        for other in hosts
        if other.name != host.name
    )
    address = str(host["bridge_address"])
    server = address.partition("/")[0] == p.server_address
    return Causes(p, address, str(host["fixed_cidr"]), peers, server=server, client=not server)


_NOT_FOUND = 127
_FORWARDING = Answer(("cat", "/proc/sys/net/ipv4/ip_forward"))
_RULES = Answer(("iptables-save",))
_ENGINE = Answer(("systemctl", "is-active", "docker.service"))
_OPTIONS = Answer(("cat", DAEMON_FILE), secret_values=DAEMON_SECRET)
_INSPECT = '{"state":{{json .State.Status}},"networks":{{json .NetworkSettings.Networks}},"env":{{json .Config.Env}}}'
_REDIS = Answer(("docker", "inspect", "--format", _INSPECT, "redis-server"))
_AMBASSADOR = Answer(("docker", "inspect", "--format", _INSPECT, "redis_ambassador"))
_SHOWN = 'timeout 5 openssl s_client -connect "$0" </dev/null 2>/dev/null | openssl x509 -noout -enddate -checkend 0'
_PROTECTED = Answer(("docker", "exec", "redis-server", "redis-cli", "CONFIG", "GET", "protected-mode"))


def _certificate(registry: str) -> Answer:
    """Return the fact with the end of the certificate that a registry shows; exit code 1 if it has expired."""
    return Answer(("sh", "-c", _SHOWN, registry))


def _free(directory: str) -> Answer:
    """Return the fact with the room of a directory's file system, in MiB."""
    return Answer(("df", "--output=avail", "--block-size=1M", "--", directory))


def _object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else, such as an error message."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _dict(found)


def _dict(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - as above
    return value if isinstance(value, list) else []


def _same(id_: str, name: str, expected: str, observed: str) -> Check:
    return _check(id_, name, expected, observed, expected == observed)


def _check(id_: str, name: str, expected: str, observed: str, holds: bool) -> Check:  # noqa: FBT001 - the check's outcome
    return Check(name, expected, observed if holds else f"{observed}; repair: {REPAIRS[id_]}", holds, id_)
