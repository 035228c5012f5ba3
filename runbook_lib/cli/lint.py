"""`runbook lint`: what is wrong with notebooks, before they run."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["lint_command"]


@click.command("lint")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="sarif: for code hosts and editors.",
)
@click.option("--ignore", multiple=True, metavar="RULE", help="A rule to leave out; can be repeated.")
@click.option("--rules", is_flag=True, help="List the rules, and check nothing.")
def lint_command(
    paths: tuple[str, ...],
    form: str,
    ignore: tuple[str, ...],
    rules: bool,  # noqa: FBT001 - click passes options by name
) -> int:
    """Check notebooks without running them; no host is touched.

    PATH is a notebook, or a directory to search. Default: the project's notebooks. Notebooks that are not runbooks
    are not checked. A runbook's parameters files, params/**/NAME.yml, are checked with it.

    Exit codes: 0 nothing was found, 1 something was found, 2 bad input.
    """
    from runbook_lib.errors import InputError  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.lint.formats import FORMATS  # noqa: PLC0415 - as above
    from runbook_lib.lint.lint import lint  # noqa: PLC0415 - as above
    from runbook_lib.lint.rules import RULES  # noqa: PLC0415 - as above
    from runbook_lib.printing.standard_streams import print_document  # noqa: PLC0415 - as above
    from runbook_lib.printing.visible_text import in_json, visible  # noqa: PLC0415 - as above
    from runbook_lib.project import NOTEBOOKS, project_top, shown_path  # noqa: PLC0415 - as above

    if rules:
        for name, rule in RULES.items():
            click.echo(f"{name}\n    {rule.summary}")
        return 0
    default = project_top() / NOTEBOOKS
    if not paths and not default.is_dir():
        raise InputError(
            "no notebooks here: there is no folder `notebooks`, neither here nor in a directory above",
            where=str(Path.cwd()),
            hint="name notebooks or directories",
        )
    result = lint([Path(path) for path in paths] or [shown_path(default)], ignore)
    text = FORMATS[form](result)
    print_document(in_json(text) if form in {"json", "sarif"} else text)
    if form == "json":  # a list of findings
        for item in result.unchecked:
            click.echo(visible(str(item)), err=True)
    return 1 if result.findings else 0
