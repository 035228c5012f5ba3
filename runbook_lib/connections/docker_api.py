"""The docker SDK over a byte stream to a host's engine (`docker system dial-stdio`), never over a TCP port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import FactUnavailable
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.model.commands import DockerQuery

__all__ = ["DIAL", "DockerApi"]

DIAL = ("docker", "system", "dial-stdio")
"""Docker's own bridge from standard input and output to the engine's socket."""

_BASE = "http://localhost:2375"  # only a key in requests' adapter table; nothing connects there
_VERSION_QUERY = (
    "1.44"  # the oldest API version that engines from 29 on accept; used only to query the version
)


class DockerApi:
    """Queries to one Docker engine.

    Args:
        dial: Opens a socket-like stream to the engine; called for every query.
    """

    def __init__(self, dial: Callable[[], Any]) -> None:
        self._dial = dial
        self._version: str | None = None

    def query(self, query: DockerQuery) -> Output:
        """Return the answer as JSON in `stdout`; if the object does not exist, exit code 1 and the engine's message.

        Raises:
            FactUnavailable: No engine answers.
        """
        # The SDK takes 0.15 s to import, and most runs do not need it.
        import docker.errors  # noqa: PLC0415 - slow to import
        import requests.exceptions  # noqa: PLC0415 - part of the SDK's dependencies

        try:
            client = self._client(query.timeout)
            answer = getattr(client, query.method)(*query.arguments)
        except docker.errors.NotFound as missing:
            return Output(exit_code=1, stdout="null", stderr=str(missing.explanation))
        except (docker.errors.DockerException, requests.exceptions.RequestException) as problem:
            self._version = None
            raise FactUnavailable(
                f"the Docker engine does not answer: {_reason(problem)}",
                hint="check that Docker is installed and running on the host: `systemctl status docker`",
            ) from problem
        return Output(exit_code=0, stdout=json.dumps(answer))

    def _client(self, timeout: float) -> Any:  # noqa: ANN401 - docker.APIClient, whose stubs lack the methods by name
        if self._version is None:
            self._version = self._make(_VERSION_QUERY, timeout).version(api_version=False)["ApiVersion"]
        return self._make(self._version, timeout)

    def _make(self, version: str, timeout: float) -> Any:  # noqa: ANN401 - see above
        import docker  # noqa: PLC0415 - slow to import, see `query`

        from runbook_lib.connections.docker_adapter import Adapter  # noqa: PLC0415 - as above

        client = docker.APIClient(base_url=_BASE, version=version, timeout=int(timeout))
        client.mount(_BASE, Adapter(self._dial, timeout))
        return client


def _reason(problem: BaseException) -> str:
    while problem.__cause__ or problem.__context__:
        problem = problem.__cause__ or problem.__context__ or problem
    return str(problem) or type(problem).__name__
