"""Frames of one network arrive at an interface, and none of another network: captured on the host (book S5)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.answer import Answer
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.answer import Answered
    from runbook_lib.facts.base import Fact, Facts

__all__ = ["ANNOUNCEMENT_PORT", "Separated", "separated"]

ANNOUNCEMENT_PORT = 9
"""UDP port of the broadcasts by which a network's own frames are known: `discard`, which nobody answers."""

_LEAST, _CAPTURED, _SECONDS = 3, 5, 8
_FINISHED = {0, 124, 143}  # enough frames; ended by GNU's `timeout`, or by that of busybox
_FRAME = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5} > ")  # how tcpdump's line begins with -e
_ANNOUNCEMENT = re.compile(r": (\d+\.\d+\.\d+\.\d+)\.\d+ > \d+\.\d+\.\d+\.\d+\.(\d+): UDP")


@dataclass(frozen=True)
class Separated(Probe):
    """An interface carries frames of its own network, and not one of another network, tagged or untagged.

    Something in the own network has to broadcast a few times a second to `ANNOUNCEMENT_PORT`: those frames prove that
    the capture would have seen others. Frames are distinguished by the address that sent them, of IPv4 and ARP.

    Args:
        what: The networks, for the check's name, as `VLAN 101 and VLAN 102`.
        interface: As `em1`, or `em1.101`.
        own: The network that the interface is in, as `192.168.0.0/20`.
        foreign: The network that must not be there, as `10.102.0.0/24`.
        container: Container in the network namespace of the host, with tcpdump.
        id: The id of the check that there are no foreign frames.

    Raises:
        ParameterError: The networks overlap, or one is not an IPv4 network.
    """

    what: str
    interface: str
    own: str
    foreign: str
    container: str
    id: str = field(default="frames.foreign", repr=False)

    def __post_init__(self) -> None:
        """Refuse networks that addresses cannot distinguish."""
        where = f"frames.separated on {self.interface}"
        try:
            own, foreign = ipaddress.IPv4Network(self.own), ipaddress.IPv4Network(self.foreign)
        except ValueError as problem:
            raise ParameterError(str(problem), where=where, hint="as 192.168.0.0/20") from problem
        if own.overlaps(foreign):
            raise ParameterError(
                f"networks {own} and {foreign} overlap",
                where=where,
                hint="frames are distinguished by their addresses: give networks that do not overlap",
            )

    @property
    def settle(self) -> float:
        """What broadcasts may have been started a moment ago."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what tcpdump prints."""
        return (self._capture,)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that there are enough own frames and no foreign ones."""
        captured = facts[self._capture]
        problem = _problem(captured)
        frames = [line for line in captured.text.splitlines() if _FRAME.match(line)]
        foreign = [line for line in frames if not self._is_own(line)]
        own = len(frames) - len(foreign)
        enough = not problem and own >= _LEAST
        found = f"{len(foreign)} foreign frames"
        if foreign:
            found += f", as {excerpt(foreign[0], 160)}"
        elif not enough:
            found = f"unknown: {problem or f'only {own} own frames'}"
        return [
            Check(
                f"{self.interface} carries frames of {self.own}",
                f"{_LEAST} or more",
                problem or str(own) if not enough else f"{own} frames",
                enough,
                "frames.own",
            ),
            Check(
                f"{self.what} are separate on {self.interface}",
                "0 foreign frames",
                found,
                enough and not foreign,
                self.id,
            ),
        ]

    @property
    def _capture(self) -> Answer:
        announced = f"(src net {self.own} and udp dst port {ANNOUNCEMENT_PORT})"
        # `vlan` shifts what follows it by the length of a tag, so it comes last.
        wanted = f"{announced} or src net {self.foreign} or (vlan and src net {self.foreign})"
        # -p: the interface is a port of a bridge, which has it in promiscuous mode anyway.
        options = ("-n", "-e", "-t", "-l", "-p", "--immediate-mode", "-c", str(_CAPTURED))
        tcpdump = ("tcpdump", *options, "-i", self.interface, wanted)
        return Answer(("docker", "exec", self.container, "timeout", str(_SECONDS), *tcpdump))

    def _is_own(self, line: str) -> bool:
        found = _ANNOUNCEMENT.search(line)
        if not found or int(found[2]) != ANNOUNCEMENT_PORT:
            return False
        return ipaddress.ip_address(found[1]) in ipaddress.ip_network(self.own)


def _problem(captured: Answered) -> str:
    """Return why nothing could be captured; empty if something could."""
    if captured.exit_code in _FINISHED:
        return ""
    last = captured.text.splitlines()[-1:] or ["no output"]
    return f"exit code {captured.exit_code}: {excerpt(last[0], 160)}"


separated = Separated
