"""The command `runbook`: one module per subcommand, imported only when it is used."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.cli.lazy_group import LazyGroup
from runbook_lib.errors import EvidenceError, InputError, RunbookError
from runbook_lib.extras import missing_extra
from runbook_lib.garbage_collection import freeze_objects
from runbook_lib.printing.standard_streams import (
    filtered,
    install,
    open_standard_descriptors,
    output_problems,
)
from runbook_lib.signal_handlers import surviving_hangup

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_SUMMARIES = {
    "demo": "Run the whole chapter on practice hosts: start the lab, run every runbook, write a report.",
    "learn": "Open the lessons in JupyterLab, on practice hosts.",
    "progress": "Show how far learners are in the lessons.",
    "lab": "Manage practice hosts on this machine: up, status, shell, break, repair, reset, down.",
    "list": "List the runbooks: order, target, risk, last outcome.",
    "show": "Show a runbook: what it does, its parameters, its steps, its last outcome.",
    "run": "Run runbooks headless.",
    "report": "Export a run as a page, tables or JUnit.",
    "audit": "Verify, list, compare, search and publish past runs.",
    "new": "Make a runbook of your own that runs at once, with all that its repository needs.",
    "lint": "Check notebooks and their parameters files without running them.",
    "doctor": "Check what this machine has and lacks, with the commands that install what is missing.",
}


# What readers print is their result; the others have work to complete even if nobody reads what they print.
READERS = frozenset({"list", "progress", "show", "report", "audit", "lint", "doctor"})
ACTORS = frozenset({"demo", "lab", "learn", "run", "new"})
_LAB_READER = "status"  # of the commands of `lab`


class _Commands(LazyGroup):
    """All commands; whatever they print passes the filter, also what they raise."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:  # noqa: ANN401 - click's
        """Run one command, or answer the shell that completes one; see `click.Command.main`."""
        with filtered():
            if request := os.environ.get("_RUNBOOK_COMPLETE"):
                from runbook_lib.cli.completion import answer  # noqa: PLC0415 - only a shell needs it

                return answer(self, request)
            try:
                return super().main(args, *others, **options)
            except OSError as problem:
                unusable = _unusable(problem, sys.argv[1:] if args is None else args)
                if unusable is None:
                    raise
                raise unusable from problem


@click.command(
    cls=_Commands,
    package="runbook_lib.cli",
    summaries=_SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a step or check failed, 2 bad input (no host was touched), "
    "3 host unreachable, 4 interrupted or evidence incomplete, 5 every step was skipped.",
)
@click.version_option(package_name="runbook-lib", prog_name="runbook")
@click.option("-v", "--verbose", is_flag=True, help="Log what the library does to standard error.")
def cli(verbose: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Executable runbooks: notebooks that run procedures on real hosts and leave evidence."""
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    else:  # a warning names its subject, not the module that found it
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def _unusable(problem: OSError, words: Sequence[str]) -> InputError | None:
    """Return the error for a path of the command line that cannot even be looked at; None for any other problem.

    Each command says for itself that a path does not exist or is malformed. That a directory above it is closed to this
    user, or that no file can have such a name, shows at whatever looks at the path first.

    Args:
        problem: What was raised.
        words: The command line.
    """
    path = problem.filename
    if problem.errno not in {errno.EACCES, errno.ENAMETOOLONG} or not isinstance(path, str):
        return None
    texts = {text for word in words for text in (word, word.partition("=")[2], *word.split(",")) if text}
    given = {os.path.abspath(text) for text in texts}  # noqa: PTH100 - looks at no file
    asked = os.path.abspath(path)  # noqa: PTH100 - as above
    if not any(asked == one or asked.startswith(f"{one}/") for one in given):
        return None
    from runbook_lib.project import unusable  # noqa: PLC0415 - the command line itself loads nothing slow

    return unusable(path, problem)


def main() -> None:
    """Run the command line and exit with one of the exit codes that the README lists."""
    open_standard_descriptors()
    install()
    with surviving_hangup() if _acts_on_hosts(sys.argv[1:]) else contextlib.nullcontext():
        code = _run()
    problems = output_problems()
    for problem in problems:
        click.echo(problem, err=True)
    if problems and not code and not _acts_on_hosts(sys.argv[1:]):
        code = EvidenceError.exit_code  # what the command was to show is incomplete
    freeze_objects()  # otherwise Python scans all live objects once more on exit: a tenth of a second
    sys.exit(code)


def _acts_on_hosts(arguments: Sequence[str]) -> bool:
    """Return whether a command line has work to complete even if nobody reads what it prints."""
    words = [word for word in arguments if not word.startswith("-")]
    meant = [name for name in _SUMMARIES if words and name.startswith(words[0])]
    command = words[0] if words and words[0] in _SUMMARIES else meant[0] if len(meant) == 1 else ""
    if command == "lab" and words[1:] and _LAB_READER.startswith(words[1]):
        return False
    return command in ACTORS


def _run() -> int:
    """Run the command line, print what went wrong, and return the exit code."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except RunbookError as problem:
        click.echo(f"{type(problem).__name__}: {problem}", err=True)
        code = problem.exit_code
    except ModuleNotFoundError as problem:
        missing = missing_extra(problem)
        if missing is None:
            raise
        click.echo(f"{type(missing).__name__}: {missing}", err=True)
        code = missing.exit_code
    except (KeyboardInterrupt, click.Abort):
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # already handled; a second one would replace the exit code
        click.echo("interrupted", err=True)
        code = 4
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
