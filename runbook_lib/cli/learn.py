"""`runbook learn`: lessons in JupyterLab, on practice hosts."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import click

from runbook_lib import extras
from runbook_lib.cli.completed_names import complete_lessons
from runbook_lib.cli.run import run_in_turn
from runbook_lib.errors import InputError, RequirementError, StepFailed
from runbook_lib.learning.jupyter_server import JupyterServer
from runbook_lib.learning.lessons import default_hosts, find_lesson, lessons, preparation
from runbook_lib.learning.start_page import start_page
from runbook_lib.learning.workspace import START, Workspace
from runbook_lib.project import NOTEBOOKS, notebooks_folder
from runbook_lib.signal_handlers import STOP_SIGNALS, interrupting_once, signal_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.lab import Lab
    from runbook_lib.learning.lessons import Lesson

__all__ = ["learn_command"]

_DEFAULT_PORT = 8888
_STOPPING = (*STOP_SIGNALS, signal.SIGHUP)
_LESSON_NEEDS_NONE = "This lesson needs no hosts; `runbook learn` without a lesson starts the practice hosts."
_NO_LESSON_NEEDS_ANY = "No lesson needs hosts from the start."


@click.command("learn")
@click.argument("lesson", required=False, shell_complete=complete_lessons)
@click.option("--fresh", is_flag=True, help="Begin the lesson again: reset hosts, a new working copy.")
@click.option("--lab/--no-lab", default=True, show_default=True, help="Start practice hosts.")
@click.option("--keep-lab", is_flag=True, help="Leave the practice hosts up at the end.")
@click.option("--name", default="default", show_default=True, help="The lab's name.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULT_PORT,
    show_default=True,
    help="JupyterLab's TCP port, or the next free one; 0: any free one.",
)
@click.option(
    "--browser/--no-browser", default=None, help="Open a browser.  [default: if there is a display]"
)
def learn_command(  # noqa: PLR0913, PLR0917 - click passes each option by name
    lesson: str | None,
    fresh: bool,  # noqa: FBT001 - as above
    lab: bool,  # noqa: FBT001 - as above
    keep_lab: bool,  # noqa: FBT001 - as above
    name: str,
    port: int,
    browser: bool | None,  # noqa: FBT001 - as above
) -> int:
    """Open the lessons in JupyterLab, on practice hosts on this machine.

    LESSON is a notebook's name or the beginning of it, such as 20; without it the first page opens. The notebooks are
    working copies in the folder learn/. JupyterLab answers on this machine only, and needs the token in the address
    that is printed. Ctrl-C ends it, and the practice hosts if this command has started them.
    """
    extras.load("jupyterlab")
    workspace = Workspace.locate()
    os.chdir(
        workspace.project
    )  # the originals are the project's, also if this is called in the learner's folder
    known = lessons()
    if not known:
        raise InputError(
            "there are no lessons: no notebook is a runbook",
            where=str(notebooks_folder()),
            hint="`runbook new NAME` makes a runbook; a directory without notebooks/ has this package's lessons",
        )
    chosen = find_lesson(lesson, known) if lesson else None
    with contextlib.ExitStack() as ending:
        ending.enter_context(interrupting_once(*_STOPPING))
        ending.enter_context(workspace.locked())
        for path in workspace.prepare(known, fresh=[chosen.name] if chosen and fresh else ()):
            click.echo(f"the earlier working copy is kept as {path.relative_to(workspace.project)}")
        hosts = _Hosts(name, workspace, known, fresh=fresh, keep=keep_lab)
        if lab:
            hosts.start(chosen, ending)
        page = start_page(known, hosts.running, hosts.reason, lab=name, hosts_end=hosts.end_with_learner)
        workspace.write_start_page(page)
        click.echo("JupyterLab: starting")
        unable = chosen is not None and lab and bool(chosen.hosts) and not hosts.running
        first = f"{NOTEBOOKS}/{chosen.name}.ipynb" if chosen and not unable else START
        with JupyterServer(workspace, port=port, open_browser=_opens(browser), first=first) as server:
            _serve(server, hosts)
    return 0


class _Hosts:
    """The practice hosts of a learner.

    Args:
        name: The lab's name.
        workspace: The learner's folder.
        lessons: All lessons.
        fresh: Reset hosts that are up.
        keep: Leave them up at the end.
    """

    def __init__(
        self, name: str, workspace: Workspace, lessons: Sequence[Lesson], *, fresh: bool, keep: bool
    ) -> None:
        self._name = name
        self._workspace = workspace
        self._lessons = lessons
        self._fresh = fresh
        self._keep = keep
        self.running: list[str] = []
        self.reason = "The hosts were not started (`--no-lab`)."
        self.end_with_learner = False

    def start(self, lesson: Lesson | None, ending: contextlib.ExitStack) -> None:
        """Start the practice hosts, and bring them to where a lesson begins.

        Args:
            lesson: The lesson; None: no particular one.
            ending: Gets what ends them.

        Raises:
            LabError: They could not be started.
            StepFailed: A lesson that comes before could not be carried out.
        """
        needed = lesson.hosts if lesson else default_hosts(self._lessons)
        if not needed:
            self.reason = _LESSON_NEEDS_NONE if lesson else _NO_LESSON_NEEDS_ANY
            return
        try:
            with extras.named_extras():
                from runbook_lib.cli.lab_interrupts import interruptible_change  # noqa: PLC0415 - an extra
                from runbook_lib.cli.lab_progress import lab_progress  # noqa: PLC0415 - as above
                from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - as above
                from runbook_lib.lab.status import Started  # noqa: PLC0415 - as above
        except RequirementError as problem:
            self._explain(problem)
            return
        lab = Lab.open(self._name)
        if lab.status().phase != "up":
            click.echo("practice hosts: starting (the first start builds them and takes minutes)")
        try:
            with interruptible_change(lab), lab_progress():
                started = lab.up(needed)
        except RequirementError as problem:
            self._explain(problem)
            return
        # Not from the status before: somebody else may have started it meanwhile.
        new = started is Started.LAB
        if new and not self._keep:
            self.end_with_learner = True
            ending.callback(_end, lab)
        own = self._workspace.link_inventory(lab.inventory)
        if own:
            click.echo(f"your inventory is kept as {own.relative_to(self._workspace.project)}")
        if self._fresh and not new:
            click.echo("practice hosts: resetting")
            with interruptible_change(lab), lab_progress():
                lab.reset(lesson.hosts if lesson else None)
        if lesson and (new or self._fresh):
            self._carry_out(preparation(lesson, self._lessons), lab)
        elif not new and not self._fresh:
            click.echo("practice hosts: up, as they were left; --fresh resets them")
        self.running = [host.name for host in lab.status().hosts if host.running]
        click.echo(f"practice hosts: {', '.join(self.running)} are up")

    def _explain(self, problem: RequirementError) -> None:
        """Say, here and on the first page, why there are no practice hosts."""
        self.reason = f"The reason: {problem.message}."
        without = ", ".join(lesson.name for lesson in self._lessons if not lesson.hosts)
        click.echo(f"no practice hosts: {problem}\nlessons that need no hosts: {without}")

    def _carry_out(self, names: Sequence[str], lab: Lab) -> None:
        """Run lessons headless, so that the hosts are as the next one expects them."""
        if not names:
            return
        click.echo(f"running the earlier lessons: {', '.join(names)}")
        pairs = [("inventory", str(lab.inventory)), ("runs", str(self._workspace.runs))]
        paths = {lesson.name: str(lesson.path) for lesson in self._lessons}
        outcomes = run_in_turn([paths[name] for name in names], pairs, {})
        bad = [outcome for outcome in outcomes if outcome.status.exit_code]
        if bad or len(outcomes) < len(names):
            raise StepFailed(
                f"an earlier lesson is {bad[-1].status if bad else 'missing'}: the hosts are not prepared",
                where=self._name,
                hint="begin with fresh hosts: add --fresh",
            )


def _serve(server: JupyterServer, hosts: _Hosts) -> None:
    """Say where the server is, and wait until it ends or is interrupted."""
    try:
        click.echo(f"\nopen in a browser: {server.url}\n")
        click.echo("Ctrl-C ends JupyterLab" + (" and the practice hosts" if hosts.end_with_learner else ""))
        server.wait()
        click.echo("JupyterLab has ended")
    except KeyboardInterrupt:
        click.echo("\nending JupyterLab")
        server.stop_kernels(click.echo)


def _end(lab: Lab) -> None:
    """End the practice hosts, also if the learner presses Ctrl-C once more: half of them would be left."""
    click.echo("ending the practice hosts; this takes some seconds")
    with signal_handler(signal.SIG_IGN, *_STOPPING):
        lab.down()


def _opens(browser: bool | None) -> bool:  # noqa: FBT001 - an option of three values
    """Return whether to open a browser: if there is a display, unless the option says otherwise."""
    return (
        bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) if browser is None else browser
    )
