"""What a URL answers."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import FactError, ParameterError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.facts.ports import bracketed
from runbook_lib.masking import excerpt, excerpt_of_end
from runbook_lib.model.commands import Command, NetworkQuery, Output

__all__ = ["UrlAnswer", "UrlAnswered", "curl_problem"]

_NOT_FOUND = 127  # exit code of a shell that does not find the program
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class UrlAnswered:
    """An HTTP answer.

    Args:
        status: The status code; None if there was no answer.
        body: The body as text, at most its first 1 MB.
        problem: Why there was no answer.
    """

    status: int | None
    body: str = ""
    problem: str = ""


@dataclass(frozen=True)
class UrlAnswer(Fact[UrlAnswered]):
    """What a GET request to a URL is answered. Redirects are not followed.

    Args:
        url: `http://` or `https://`; its host name is asked for and must be in the certificate.
        address: Where to connect; empty: to the step's host, whatever the name resolves to.
        asked_from: `here`: this machine connects, over the network; `host`: the host does, with curl.
        authorities: Certificates to trust, PEM; empty: those of the machine that asks.
        timeout: Whole seconds.

    Raises:
        ParameterError: The URL has no host name, or another scheme.
    """

    url: str
    address: str = ""
    asked_from: Literal["here", "host"] = "here"
    authorities: str = ""
    timeout: int = 10

    def __post_init__(self) -> None:
        """Refuse what is not a URL of HTTP."""
        try:
            parts = urllib.parse.urlsplit(self.url)
            good = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or not self.url.isprintable() or " " in self.url:
            raise ParameterError(f"{self.url!r} is not a URL", hint="as in https://www.example.org/health")

    def request(self) -> Command | NetworkQuery:
        """Return the query."""
        parts = urllib.parse.urlsplit(self.url)
        name = str(parts.hostname)
        if self.asked_from == "here":
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            return NetworkQuery(
                "http",
                parts.port or _DEFAULT_PORTS[parts.scheme],
                self.address,
                name,
                path,
                encrypted=parts.scheme == "https",
                authorities=self.authorities,
                timeout=float(self.timeout),
            )
        curl = (
            "curl",
            "--disable",  # what ~/.curlrc says, such as `insecure`; it has to be the first option
            "--globoff",
            "--noproxy",
            "*",
            "--silent",
            "--show-error",
            "--max-time",
            str(self.timeout),
            "--write-out",
            "\\n%{http_code}",
        )
        connect = ("--connect-to", f"::{bracketed(self.address or '127.0.0.1')}:")
        if self.authorities:
            # Debian's curl trusts its directory of authorities too, unless another one is named.
            script = 'cat | curl "$@" --cacert /dev/stdin --capath /dev/null'
            argv = ("sh", "-c", script, "sh", *curl[1:], *connect, self.url)
            return Command(argv, stdin=self.authorities, accept=tuple(range(256)))
        return Command((*curl, *connect, self.url), accept=tuple(range(256)))

    def parse(self, output: Output) -> UrlAnswered:
        r"""Return the answer: the last line is the status code.

        >>> UrlAnswer("http://www.example.org/").parse(Output(0, "hello\n200"))
        UrlAnswered(status=200, body='hello', problem='')
        """
        if output.exit_code is None:
            raise FactError(f"{self.label}: {output.problem}")
        if output.exit_code == _NOT_FOUND:
            raise FactError(f"{self.label}: curl is not installed on the host", hint="install curl there")
        if output.exit_code != 0:
            return UrlAnswered(None, problem=curl_problem(output))
        body, _, status = output.stdout.rpartition("\n")
        if not (status.isascii() and status.isdecimal()):
            raise FactError(f"{self.label}: unexpected output {excerpt_of_end(output.stdout, 80)!r}")
        return UrlAnswered(int(status), body)

    @property
    def label(self) -> str:
        """URL, address, and who asks."""
        where = f" at {self.address}" if self.address else ""
        return f"{self.id}({self.url}{where} from {self.asked_from})"


def curl_problem(output: Output) -> str:
    """Return why curl got no answer: the line with its error, which advice may follow.

    Args:
        output: Of a curl that has failed.
    """
    lines = lines_of(output.stderr.strip()) or [f"exit code {output.exit_code}"]
    return excerpt(next((line for line in lines if line.startswith("curl: (")), lines[-1]), 300)
