"""pyinfra: some commands on each host."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pyinfra.operations import server

COMMANDS = json.loads((Path(os.environ["WORK"]) / "commands.json").read_text(encoding="utf-8"))
for number, command in enumerate(COMMANDS, start=1):
    server.shell(name=f"Command {number}", commands=[command])
