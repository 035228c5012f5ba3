"""pyinfra: ten commands on each host."""

from __future__ import annotations

from pyinfra.operations import server

for number in range(1, 11):
    server.shell(name=f"Command {number}", commands=["echo done"])
