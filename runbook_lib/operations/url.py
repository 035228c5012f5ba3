"""URLs answer what they should."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.facts.url import UrlAnswer
from runbook_lib.file_contents import read_local
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.file_contents import LocalPath

__all__ = ["Answers", "answers"]


@dataclass(frozen=True)
class Answers(Probe):
    """A URL answers with a status code, and a text in its body. Make one with `answers`.

    Args:
        url: `http://` or `https://`. Redirects are not followed.
        status: The expected status code.
        contains: A text that the body must contain; empty: any body.
        address: Where to connect; empty: to the step's host, whatever the URL's name resolves to.
        asked_from: `here`: this machine asks, over the network; `host`: the step's host asks, with curl.
        authorities: Certificates of the authorities to trust, PEM; empty: those of the machine that asks.
        wait: Seconds until the URL must answer so.

    Raises:
        ParameterError: It is not a URL.
    """

    url: str
    status: int = 200
    contains: str = ""
    address: str = ""
    asked_from: Literal["here", "host"] = "here"
    authorities: str = field(default="", repr=False)
    wait: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what is not a URL."""
        self.facts()

    @property
    def settle(self) -> float:
        """A service that was just started may need some seconds."""
        return self.wait

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the answer."""
        return (UrlAnswer(self.url, self.address, self.asked_from, self.authorities),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check status code and body."""
        (fact,) = self.facts()
        answered = facts[fact]
        place = "this machine" if self.asked_from == "here" else "the host"
        checks = [
            Check(
                f"{self.url}, from {place}",
                str(self.status),
                str(answered.status or f"no answer: {answered.problem}"),
                answered.status == self.status,
                "url.status",
            )
        ]
        if self.contains:
            found = self.contains in answered.body
            observed = f"found in {len(answered.body)} characters" if found else excerpt(answered.body, 200)
            expected = f"contains {self.contains!r}"
            name = f"body of {self.url}"
            checks.append(Check(name, expected, observed or "empty", found, "url.body"))
        return checks


def answers(  # noqa: PLR0913 - all that can be asked of an answer
    url: str,
    *,
    status: int = 200,
    contains: str = "",
    address: str = "",
    asked_from: Literal["here", "host"] = "here",
    authorities: LocalPath | None = None,
    wait: float = 10.0,
) -> Answers:
    """Return the check that a URL answers as it should; arguments as those of `Answers`.

    Args:
        url: The URL.
        status: The expected status code.
        contains: A text that the body must contain.
        address: Where to connect.
        asked_from: Who asks.
        authorities: File of this machine with certificates of the authorities to trust, PEM.
        wait: Seconds until the URL must answer so.

    Raises:
        ParameterError: It is not a URL, or the file cannot be read.
    """
    trusted = read_local(authorities, "authorities").decode(errors="replace") if authorities else ""
    return Answers(url, status, contains, address, asked_from, trusted, wait)
