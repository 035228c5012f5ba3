"""A real headless Chromium, controlled through its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import websocket

from tests.deadlines import deadline, wait_until
from tests.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
_WAIT = 60.0  # seconds for an answer, on an idle machine


def installed() -> str | None:
    return shutil.which("chromium")


class Page:
    """One page; `requests` are the addresses it requested, `console` its messages and errors."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=deadline(_WAIT))
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        self.console: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - the protocol's JSON
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if message.get("method") == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))
        return message

    def show(self, path: Path, *, width: int = 1280, dark: bool = False, anchor: str = "") -> Self:
        """Load a file and wait until it is loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url="about:blank")
        self.requests.clear()
        self.console.clear()
        self.ask("Page.navigate", url=f"{path.as_uri()}{anchor}")
        wait_until(
            lambda: (
                self.run("document.readyState") == "complete" and self.run("location.protocol") == "file:"
            ),
            str(path),
        )
        return self

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Return the value of a piece of JavaScript."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a screenshot as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._socket.close()


@contextmanager
def opened(profile: Path) -> Iterator[Page]:
    """Start Chromium with its own profile, and stop it afterwards."""
    programs = Programs()
    process = programs.start(
        [installed() or "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        page = Page(wait_until(lambda: _address(profile), "Chromium's port"))
        yield page
        page.close()
        process.terminate()
        process.wait(deadline(_WAIT))
    finally:
        programs.end()


def _address(profile: Path) -> str | None:
    """Return the address of the first page, once the browser has written its port."""
    file = profile / "DevToolsActivePort"
    if not file.exists() or "\n" not in file.read_text():
        return None
    port = file.read_text().splitlines()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
        pages = [item for item in json.load(answer) if item["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"]) if pages else None
