"""Build the site into build/site: `python -m docs.site`; any warning of Sphinx and any broken link is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.site.accessibility import complete
from docs.site.check_built import problems
from docs.site.staging import stage

_TOP = Path(__file__).parents[2]
_SOURCE = _TOP / "build" / "site-source"
_SITE = _TOP / "build" / "site"


def main() -> int:
    """Build and check the site; return 0 if there is nothing to correct."""
    stage(_TOP, _SOURCE)
    shutil.rmtree(_SITE, ignore_errors=True)  # Sphinx would leave pages there that it no longer writes
    sphinx = [
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-E",
        "-j",
        "auto",
        "-c",
        str(Path(__file__).parent),
    ]
    built = subprocess.run([sys.executable, *sphinx, str(_SOURCE), str(_SITE)], cwd=_TOP, check=False)
    if built.returncode:
        return 1
    complete(_SITE)
    found = problems(_SITE)
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    if found:
        return 1
    sys.stdout.write(f"the site: {_SITE / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
