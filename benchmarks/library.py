"""The library without a notebook: recorded steps on all hosts. Arguments: inventory, runs directory, commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.trivial import Trivial
from runbook_lib import Runbook
from runbook_lib.operations.shell import Script


def main() -> None:
    """Run one step per command."""
    book = Runbook.open(Trivial(inventory=sys.argv[1], hosts="all", runs=sys.argv[2]))
    for number, command in enumerate(json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")), start=1):
        book.step(f"Step {number}", Script(command))
    book.close()


if __name__ == "__main__":
    main()
