"""Runs `runbook` for the shells of the documentation's sessions: each command in a fork of one process.

A process of its own for each command would spend most of its time on importing the same modules.
`python -m tests.docs.command_server REQUESTS ANSWERS`: paths of two FIFOs.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

__all__ = ["PROCESS_FUNCTION", "SHELL_FUNCTION"]

SHELL_FUNCTION = r"""
runbook() {
    local code
    printf '%s\n' "$BASHPID" "$PWD" "$({ env -0; } | base64 -w0)" "$(printf '%s\0' "$@" | base64 -w0)" > "$REQUESTS"
    read -r code < "$ANSWERS"
    return "$code"
}
python() { command "$PYTHON" "$@"; }
"""
"""What a shell sends: the process whose standard streams the command gets, directory, environment, arguments."""

PROCESS_FUNCTION = """
runbook() { command "$PYTHON" -m runbook_lib.cli.main "$@"; }
python() { command "$PYTHON" "$@"; }
"""
"""The same without a server: a lab's processes and threads need a process that nobody has forked."""

_PRELOADED = (
    "runbook_lib.cli.main",
    "runbook_lib.cli.run",
    "runbook_lib.cli.report",
    "runbook_lib.audit.verify.verify",
    "runbook_lib.execution.fleet.job_graph",
    "pandas",
)


def serve(requests: Path, answers: Path) -> None:
    """Carry out one command after another, until the file of the requests is empty: then nobody wants any more."""
    while True:
        words = requests.read_text(encoding="ascii").splitlines()
        if not words:
            return
        child = os.fork()
        if child == 0:
            _become(*words)
        _, status = os.waitpid(child, 0)
        answers.write_text(f"{os.waitstatus_to_exitcode(status) % 256}\n", encoding="ascii")


def _become(process: str, directory: str, environment: str, arguments: str) -> None:
    """Run the command line in this process, and end it."""
    import base64  # noqa: PLC0415 - in the fork only

    code = 70  # of sysexits.h: an error of the program itself
    try:
        for descriptor in (0, 1, 2):
            opened = os.open(
                f"/proc/{process}/fd/{descriptor}",
                os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_APPEND,
            )
            os.dup2(opened, descriptor)
            os.close(opened)
        pairs = base64.b64decode(environment).decode().split("\0")
        os.environ.clear()
        os.environ.update(dict(pair.split("=", 1) for pair in pairs if "=" in pair))
        os.chdir(directory)
        sys.path += [path for path in os.environ["PYTHONPATH"].split(":") if path not in sys.path]
        sys.argv = ["runbook", *base64.b64decode(arguments).decode().split("\0")[:-1]]
        from runbook_lib.cli.main import main  # noqa: PLC0415 - loaded by the parent

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - shown, as Python itself would
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in _PRELOADED:
        __import__(module)
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
