"""What the kernel can do for Docker's overlay networks, tried without changing the host's own network."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["EncryptsOverlays", "HasIpvs"]

_YES, _NO = "yes", "no"
# In a network namespace of its own, which ends with the command: the same kind of entry that the engine makes.
_TRY_ESP = """PATH=$PATH:/usr/sbin:/sbin
if unshare --net ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1 mode transport \
aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 64 2>/dev/null
then echo yes; else echo no; fi"""
# Loaded, or loadable; a kernel with ip_vs built in has the file as well.
_FIND_IPVS = """PATH=$PATH:/usr/sbin:/sbin
if [ -e /proc/net/ip_vs ] || modprobe --dry-run --quiet ip_vs 2>/dev/null; then echo yes; else echo no; fi"""


@dataclass(frozen=True)
class EncryptsOverlays(Fact[bool]):
    """Whether the kernel encrypts packets as encrypted overlay networks need it (ESP with AES-GCM).

    Without it the engine creates an encrypted network without an error, and every packet between hosts is lost.
    """

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _TRY_ESP), sudo=True)

    def parse(self, output: Output) -> bool:
        """Return whether it does."""
        return _is_yes(output)


@dataclass(frozen=True)
class HasIpvs(Fact[bool]):
    """Whether the kernel has ip_vs, which balances the virtual addresses and published ports of swarm services.

    Without it the engine creates such services without an error, and their virtual addresses do not answer.
    """

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _FIND_IPVS), sudo=True)

    def parse(self, output: Output) -> bool:
        """Return whether it has."""
        return _is_yes(output)


def _is_yes(output: Output) -> bool:
    answer = output.stdout.strip()
    if answer not in {_YES, _NO}:
        raise FactError(f"unexpected output {excerpt(answer, 80)!r}")
    return answer == _YES
