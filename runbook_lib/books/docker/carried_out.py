"""Whether the runbooks that `90_validate` is to validate as well were carried out at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.books.docker import overlay, published_redis, vlans
from runbook_lib.facts.answer import Answer
from runbook_lib.model.plans import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.books.docker.parameters import ValidateChapter
    from runbook_lib.facts.base import Facts

__all__ = ["NAMES", "carried_out"]

NAMES = Answer(("docker", "ps", "--all", "--format", "{{.Names}}"))
"""The names of all containers of a host, running or not."""


def carried_out(p: ValidateChapter, facts: Facts, *, server: bool) -> Iterator[Check]:
    """Yield a check per runbook that is validated only if it is named: a container that only it makes is on the host.

    A runbook that was never carried out makes many checks fail, none of which says so. `50_registry_s3` leaves no
    container, and has no check here. While the engine does not answer, there is no check: others say so.

    Args:
        p: The runbook's parameters.
        facts: The host's; the names of its containers are among them.
        server: Whether the host is the server's; otherwise it is the client's.
    """
    if facts[NAMES].exit_code != 0:
        return
    # The redis of 25 is made by 40 as well, so only the client shows that 25 was carried out.
    left = {"35_two_vlans": vlans.capturer(p).name}
    if server:
        left["60_overlay_names"] = overlay.redis(p, p.names).name
    else:
        left["25_published_ports"] = published_redis.client(p).name
    for runbook in p.also_validate:
        if runbook not in left:
            continue
        id_, name, expected = f"carried_out.{runbook}", f"{runbook} was carried out", "yes"
        found = left[runbook] in facts[NAMES].text.split()
        repair = f"repair: `runbook run {runbook}`, or leave it out of the parameter `also_validate`"
        observed = expected if found else f"no: the host has no container {left[runbook]}; {repair}"
        yield Check(name, expected, observed, found, id_)
