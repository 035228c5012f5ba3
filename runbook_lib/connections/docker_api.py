"""The docker SDK over a byte stream to a host's engine (`docker system dial-stdio`), never over a TCP port."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.output_buffer import MAX_BUFFERED_BYTES
from runbook_lib.errors import FactError, FactUnavailable
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.model.commands import DockerQuery

__all__ = ["DIAL", "DockerApi"]

DIAL = ("docker", "system", "dial-stdio")
"""Docker's own bridge from standard input and output to the engine's socket."""

_BASE = "http://localhost:2375"  # only a key in requests' adapter table; nothing connects there
_API_VERSION = re.compile(r"\d{1,4}\.\d{1,4}", re.ASCII)
_VERSION_QUERY = (
    "1.44"  # the oldest API version that engines from 29 on accept; used only to query the version
)


class DockerApi:
    """Queries to one Docker engine.

    Args:
        dial: Opens a socket-like stream to the engine, within a wait; called for every query.
    """

    def __init__(self, dial: Callable[[CommandWait], Any]) -> None:
        self._dial = dial
        self._version: str | None = None

    def query(self, query: DockerQuery, wait: CommandWait, limit: OutputLimit | None = None) -> Output:
        """Return the answer as JSON in `stdout`; if the object does not exist, exit code 1 and the engine's message.

        Of environment variables only the names are returned: what is read is recorded, and many values are passwords.

        Args:
            query: The query.
            wait: When to give up; for the connection to the engine and the complete answer.
            limit: How large the answer may be; never more than `MAX_BUFFERED_BYTES`.

        Raises:
            FactUnavailable: No engine answers in time, or the engine refuses the query.
            FactError: The answer is too large, or is not an engine's.
        """
        # The SDK takes 0.15 s to import, and most runs do not need it.
        import docker.errors  # noqa: PLC0415 - slow to import
        import requests.exceptions  # noqa: PLC0415 - part of the SDK's dependencies

        limit = limit or OutputBudget(MAX_BUFFERED_BYTES, MAX_BUFFERED_BYTES).limit()
        with contextlib.ExitStack() as streams:
            try:
                client = self._client(wait, limit, streams)
                answer = getattr(client, query.method)(*query.arguments, **_options(query))
                text = json.dumps(_without_values_of_environments(answer))
            except docker.errors.NotFound as missing:
                return Output(exit_code=1, stdout="null", stderr=str(missing.explanation))
            except (
                docker.errors.DockerException,
                requests.exceptions.RequestException,
                RecursionError,
                LookupError,
                TypeError,
                ValueError,
                AttributeError,
            ) as problem:
                if query.method == "inspect_distribution" and isinstance(problem, docker.errors.APIError):
                    # The engine does answer: with the registry's own message.
                    return Output(exit_code=1, stdout="null", stderr=str(problem.explanation))
                self._version = None
                raise _refusal(problem, limit) from problem
        return Output(exit_code=0, stdout=text)

    def _client(self, wait: CommandWait, limit: OutputLimit, streams: contextlib.ExitStack) -> Any:  # noqa: ANN401 - docker.APIClient, whose stubs lack the methods by name
        if self._version is None:
            client = self._make(_VERSION_QUERY, wait, limit, streams)
            self._version = _checked(client.version(api_version=False)["ApiVersion"])
        return self._make(self._version, wait, limit, streams)

    def _make(
        self, version: str, wait: CommandWait, limit: OutputLimit, streams: contextlib.ExitStack
    ) -> Any:  # noqa: ANN401 - see above
        import docker  # noqa: PLC0415 - slow to import, see `query`

        from runbook_lib.connections.docker_adapter import Adapter, BoundedStream  # noqa: PLC0415 - as above

        def dial() -> BoundedStream:
            stream = self._dial(wait)
            streams.callback(stream.close)
            return BoundedStream(stream, wait, limit)

        client = docker.APIClient(base_url=_BASE, version=version)
        # The engine is the host's: no proxy and no login of this machine's ~/.netrc is for it.
        client.trust_env = False
        client.mount(_BASE, Adapter(dial))
        return client


def _without_values_of_environments(answer: object) -> object:
    """Return an answer whose lists `Env`, of containers, images and services, have names of variables only."""
    if isinstance(answer, list):
        return [_without_values_of_environments(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        key: [str(item).partition("=")[0] for item in value]
        if key == "Env" and isinstance(value, list)
        else _without_values_of_environments(value)
        for key, value in answer.items()
    }


def _options(query: DockerQuery) -> dict[str, Any]:
    """Return what else a method gets: the SDK would send the logins in this machine's ~/.docker to the host."""
    return {"auth_config": {}} if query.method == "inspect_distribution" else {}


def _checked(version: object) -> str:
    """Return the version of its API that an engine names; any other text would make docker connect by itself."""
    if isinstance(version, str) and _API_VERSION.fullmatch(version):
        return version
    raise TypeError(f"not the version of an API: {excerpt(repr(version), 40)}")


def _refusal(problem: Exception, limit: OutputLimit) -> FactError:
    import docker.errors  # noqa: PLC0415 - slow to import, see `DockerApi.query`
    import requests.exceptions  # noqa: PLC0415 - as above

    if limit.cut:
        return FactError(
            f"the answer of the Docker engine is too large: {limit.cut}",
            hint="on the host, see what the engine holds: `docker ps --all`, `docker network ls`",
        )
    refused = (requests.exceptions.InvalidHeader, requests.exceptions.InvalidJSONError)
    known = isinstance(problem, docker.errors.DockerException | requests.exceptions.RequestException)
    if not known or isinstance(problem, refused):
        return FactError(
            f"the answer did not come from a Docker engine: {type(problem).__name__}: {problem}",
            hint="on the host, see what listens on /var/run/docker.sock",
        )
    if isinstance(problem, docker.errors.APIError):
        # The URL in the SDK's own message names an address at which nothing listens.
        explanation = problem.explanation or getattr(problem.response, "reason", "no explanation")
        return FactUnavailable(
            f"the Docker engine refused the query with status {problem.status_code}: {excerpt(str(explanation), 300)}",
            hint="on the host, see what the engine says: `docker info`, `journalctl --unit docker`",
        )
    return FactUnavailable(
        f"the Docker engine does not answer: {_reason(problem)}",
        hint="check that Docker is installed and running on the host: `systemctl status docker`",
    )


def _reason(problem: BaseException) -> str:
    while problem.__cause__ or problem.__context__:
        problem = problem.__cause__ or problem.__context__ or problem
    return str(problem) or type(problem).__name__
