"""Who holds the lock of the package manager, asked of the kernel: on an overlay file system lslocks(8) has no path."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runbook_lib.facts.packages import Holder, LockHolder
from runbook_lib.model.commands import Output
from tests.deadlines import deadline

# In a mount namespace of its own /var/lib/dpkg gets an overlay, in which a process locks the file as dpkg does.
_SCRIPT = r"""set -eu
mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work /mnt/lower; : >/mnt/lower/lock-frontend
mkdir -p /var/lib/dpkg
mount -t overlay none -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /var/lib/dpkg
exec 3<&0
"$1" -c '
import fcntl, sys
file = open("/var/lib/dpkg/lock-frontend", "r+")
if sys.argv[1] == "held": fcntl.lockf(file, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()' "$3" <&3 | {
  read -r ready
  sh -c "$2"
}
"""


@pytest.mark.lab
@pytest.mark.parametrize("held", [True, False], ids=["held", "only open"])
def test_a_lock_on_an_overlay_is_found_with_its_holder(*, held: bool) -> None:
    # In a container lslocks finds nothing of it; here it may, so it is left out.
    script = LockHolder().request().argv[-1].replace("lslocks", "no-such-program", 1)
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", sys.executable, script, "held" if held else "open"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    text = "".join(iter(process.stdout.readline, "end\n")) + "end\n"
    process.communicate(timeout=deadline(30))
    found = LockHolder().parse(Output(0, text, ""))
    assert [(holder.program, holder.path) for holder in found] == (
        [(found[0].program, "/var/lib/dpkg/lock-frontend")] if held else []
    )
    assert all(isinstance(holder, Holder) and holder.program.startswith("python") for holder in found)
