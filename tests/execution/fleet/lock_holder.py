"""A run that holds its host's lock for as long as a file is there.

`python -m tests.execution.fleet.lock_holder PLACE FILE PARAMETERS`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from runbook_lib import Runbook
from runbook_lib.errors import RunbookError
from tests.execution.fleet.killable_run import parameters
from tests.execution.fleet.practice_books import Lasting, Written


def main(place: Path, held_by: str, given: str) -> int:
    try:
        book = Runbook.open(parameters(place, **json.loads(given)))
        book.step("Hold", lambda host: Lasting(f"{place}/{host.name}.held", held_by=held_by))
        book.step("Write", lambda host: Written(f"{place}/{host.name}", "first"))
        book.close()
    except RunbookError as problem:
        sys.stderr.write(str(problem))
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
