"""The command `runbook`: one file a verb, loaded only when that verb is asked for."""

from __future__ import annotations

import gc
import logging
import signal
import sys

import click

from runbook_lib import __version__
from runbook_lib.cli.lazy_group import Verbs
from runbook_lib.errors import RunbookError

__all__ = ["main"]

_VERBS = {
    "demo": "The whole chapter on practice hosts: lab up, every runbook, a report.",
    "lab": "Practice hosts on this machine: up, status, shell, break, repair, reset, down.",
    "list": "The runbooks: order, target, risk, last outcome.",
    "run": "Run runbooks headless.",
    "report": "A run as page, tables or JUnit.",
    "audit": "Runs read later: verified, listed, compared, searched, shown.",
    "doctor": "What this machine has and lacks, with the command that mends it.",
}


@click.command(
    cls=Verbs,
    package="runbook_lib.cli",
    verbs=_VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well, 1 a step or check failed, 2 bad input (nothing was touched), "
    "3 host unreachable, 4 interrupted or evidence incomplete.",
)
@click.version_option(__version__, prog_name="runbook")
@click.option("-v", "--verbose", is_flag=True, help="Tell what the library does, on standard error.")
def cli(verbose: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Executable runbooks: notebooks that carry out procedures on real hosts and leave evidence."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def main() -> None:
    """Run the command line and end with the exit code that README lists."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except RunbookError as problem:
        click.echo(f"{type(problem).__name__}: {problem}", err=True)
        code = problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it was heard; a second one would take our exit code
        click.echo("interrupted", err=True)
        code = 4
    gc.freeze()  # Python would look through all that lives once more on its way out: a tenth of a second
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
