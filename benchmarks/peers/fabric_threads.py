"""Bare Fabric in threads: some commands on each host, no evidence. Argument: a JSON file with settings."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fabric
import paramiko

THREADS = 32


def work(address: str, settings: dict[str, Any], config: Any) -> None:  # noqa: ANN401 - fabric is untyped
    """Send the commands to one host over one connection."""
    with fabric.Connection(
        address,
        user=settings["user"],
        port=settings["port"],
        config=config,
        connect_kwargs={"key_filename": settings["key"], "allow_agent": False, "look_for_keys": False},
    ) as connection:
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        connection.client.load_host_keys(settings["known_hosts"])
        for command in settings["commands"]:
            result = connection.run(command, hide=True)
            if command == "echo done" and result.stdout != "done\n":
                sys.exit(f"{address} printed {result.stdout!r}")


def main() -> None:
    """Send the commands to all hosts."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    config = fabric.Config()
    with ThreadPoolExecutor(THREADS) as threads:
        for future in [threads.submit(work, address, settings, config) for address in settings["addresses"]]:
            future.result()


if __name__ == "__main__":
    main()
