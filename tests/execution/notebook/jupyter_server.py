"""A real Jupyter server, used over its REST API and its web socket as JupyterLab uses it."""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

from websocket import create_connection

from tests.deadlines import deadline, wait_until
from tests.execution.project import TOP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs

__all__ = ["JupyterServer", "OpenNotebook"]

_TOKEN = "by-hand"  # noqa: S105 - of a server that lives as long as a test


class JupyterServer:
    """A server for one directory.

    Args:
        root: The directory.
        runtime: Where it keeps its own files; a short path.
        programs: Ends it with the test.
    """

    def __init__(self, root: Path, runtime: Path, programs: Programs) -> None:
        options = ("ServerApp.port=0", f"ServerApp.root_dir={root}", f"IdentityProvider.token={_TOKEN}")
        more = (
            "ServerApp.allow_root=True",
            "ServerApp.open_browser=False",
            "ServerApp.use_redirect_file=False",
        )
        own = {name: str(runtime / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
        with (runtime / "log").open("w") as log:
            process = programs.start(
                [sys.executable, "-m", "jupyter_server", *(f"--{option}" for option in (*options, *more))],
                cwd=root,
                env={**os.environ, **own, "PYTHONPATH": str(TOP), "JUPYTER_RUNTIME_DIR": str(runtime)},
                stdout=log,
            )

        def address() -> str:
            for path in runtime.glob(f"jpserver-{process.pid}.json"):
                found = json.loads(path.read_text(encoding="utf-8") or "{}")
                with socket.socket() as probe:  # the file is there before the server listens
                    listens = "port" in found and probe.connect_ex(("127.0.0.1", found["port"])) == 0
                return str(found.get("url", "")) if listens else ""
            assert process.poll() is None, (runtime / "log").read_text(encoding="utf-8")
            return ""

        self.url = wait_until(address, "Jupyter's server")

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request to the REST API and return its answer."""
        request = urllib.request.Request(  # noqa: S310 - http to this machine
            f"{self.url}api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"token {_TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=deadline(30)) as answer:  # noqa: S310 - as above
            text = answer.read()
        return json.loads(text) if text else None


class OpenNotebook:
    """A notebook that is open, with its kernel.

    Args:
        server: The server.
        path: The notebook, from the server's directory.
    """

    def __init__(self, server: JupyterServer, path: str) -> None:
        self._server = server
        self._path = path
        self.content = server.ask("GET", f"contents/{path}?type=notebook")["content"]
        session = {
            "path": path,
            "name": path.rpartition("/")[2],
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        self._session = server.ask("POST", "sessions", session)
        self._connect()

    def _connect(self) -> None:
        kernel, client = self._session["kernel"]["id"], uuid.uuid4().hex
        address = f"{self._server.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
        self._socket = create_connection(
            f"{address}?session_id={client}&token={_TOKEN}", timeout=deadline(60)
        )

    def run(self, *positions: int) -> None:
        """Run code cells by their position, from 0, and put what they show into the open notebook."""
        code = [cell for cell in self.content["cells"] if cell["cell_type"] == "code"]
        for position in positions:
            cell = code[position]
            cell["outputs"], cell["execution_count"] = self._execute("".join(cell["source"]))
            cell["metadata"] |= {"trusted": True, "collapsed": False}

    def _execute(self, source: str) -> tuple[list[Any], int | None]:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "", "version": "5.3"}
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": True}
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        self._socket.send(json.dumps(message))
        outputs: list[Any] = []
        count, idle = None, False
        while not (idle and count is not None):
            answer = json.loads(self._socket.recv())
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, given = answer["msg_type"], answer["content"]
            if kind == "execute_reply":
                count = given["execution_count"]
            elif kind == "status":
                idle = given["execution_state"] == "idle"
            elif kind in {"display_data", "execute_result", "stream", "error"}:
                given.pop("transient", None)
                outputs.append({"output_type": kind, **given})
        return outputs, count

    def save(self) -> None:
        """Save the notebook, as JupyterLab writes it."""
        self.content["metadata"]["language_info"] = {
            "name": "python",
            "version": sys.version.partition(" ")[0],
        }
        body = {"type": "notebook", "format": "json", "content": self.content}
        self._server.ask("PUT", f"contents/{self._path}", body)

    def restart(self) -> None:
        """Restart the kernel, as the button does."""
        self._socket.close()
        self._server.ask("POST", f"kernels/{self._session['kernel']['id']}/restart")
        self._connect()

    def close(self) -> None:
        """Close the notebook and shut its kernel down."""
        self._socket.close()
        self._server.ask("DELETE", f"sessions/{self._session['id']}")
