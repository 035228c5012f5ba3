"""A lab that tests share is whole before each of them: one that fails must not make the next ones fail too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError
from tests.deadlines import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.lab import Lab

__all__ = ["made_whole", "wait_for_answers"]


def made_whole(lab: Lab, hosts: Sequence[str]) -> Lab:
    """Start what the test before has left off, repair its faults, and wait for each host's login.

    A lab with which that is not possible is taken down and made again; what was installed on its hosts is lost.

    Args:
        lab: The lab.
        hosts: The hosts that it was made with.
    """
    try:
        lab.up(hosts)
        lab.faults.repair()
        if not all(host.answers for host in lab.status().hosts):
            lab.wait()
    except RunbookError:
        lab.down()
        lab.up(hosts)
    return lab


def wait_for_answers(lab: Lab, *hosts: str) -> None:
    """Wait until these hosts of the lab answer, and no other: a busy host may take longer than one look does.

    Args:
        lab: The lab.
        hosts: Their names.
    """
    wait_until(
        lambda: {host.name for host in lab.status().hosts if host.answers} == {*hosts},
        f"an answer of {', '.join(hosts)} alone",
    )
