"""Bare Fabric in threads: ten commands on each host, no evidence. Arguments: a file of settings (JSON)."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fabric
import paramiko

AT_ONCE = 32


def work(address: str, told: dict[str, Any], config: Any) -> None:  # noqa: ANN401 - fabric is untyped
    """Send the commands to one host over one connection."""
    with fabric.Connection(
        address,
        user=told["user"],
        port=told["port"],
        config=config,
        connect_kwargs={"key_filename": told["key"], "allow_agent": False, "look_for_keys": False},
    ) as connection:
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        connection.client.load_host_keys(told["known_hosts"])
        for _ in range(10):
            result = connection.run("echo done", hide=True)
            if result.stdout != "done\n":
                sys.exit(f"{address} said {result.stdout!r}")


def main() -> None:
    """Work on all hosts."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    config = fabric.Config()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for future in [threads.submit(work, address, told, config) for address in told["addresses"]]:
            future.result()


if __name__ == "__main__":
    main()
