"""The library without a notebook: ten recorded steps on all hosts. Arguments: inventory, runs directory."""

from __future__ import annotations

import sys

from benchmarks.trivial import Trivial
from runbook_lib import Runbook
from runbook_lib.operations.shell import Script


def main() -> None:
    """Run the ten steps."""
    book = Runbook.open(Trivial(inventory=sys.argv[1], hosts="all", runs=sys.argv[2]))
    for number in range(1, 11):
        book.step(f"Step {number}", Script("echo done"))
    book.close()


if __name__ == "__main__":
    main()
