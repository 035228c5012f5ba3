"""What happens between two batches of hosts: too many failures, the pause, and the question to a person."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from runbook_lib.display import cards
from runbook_lib.errors import ParameterError
from runbook_lib.evidence import events
from runbook_lib.model.status import Mode, Status
from runbook_lib.runbook import run_errors
from runbook_lib.runbook.notebook import person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from runbook_lib.model.batches import Batch
    from runbook_lib.runbook.notebook.parent_process import ParentProcess
    from runbook_lib.runbook.rollout import Rollout
    from runbook_lib.runbook.run import Run

__all__ = ["check_pause", "loop", "refuse_without_person"]

_POLL = 0.1  # seconds between two looks at whether a pause is interrupted


def check_pause(seconds: float) -> None:
    """Refuse a pause that is not a number of seconds.

    Raises:
        ParameterError: It is negative, infinite or no number.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or seconds < 0:
        raise ParameterError(f"pause={seconds!r} is not a number of seconds", hint="give seconds from 0")


def refuse_without_person(parent: ParentProcess) -> None:
    """Refuse to ask where nobody can answer: under `runbook run`, papermill, pytest, or without a terminal.

    Raises:
        ParameterError: Nobody can.
    """
    if not person.can_answer(parent):
        raise ParameterError(
            "confirm=True asks a person before each further batch, and nobody can answer here",
            where="batches",
            hint="run the notebook by hand, or call batches with confirm=False: make it a parameter of the runbook",
        )


def loop(
    run: Run,
    rollout: Rollout,
    interruptible: Callable[[], AbstractContextManager[None]],
    pause: float,
    *,
    ask: bool,
) -> Iterator[Batch]:
    """Yield the batches of a rollout, one after another; see `Runbook.batches`.

    Args:
        run: The run.
        rollout: The loop's state.
        interruptible: Turns Ctrl-C into the run's interrupt while a block runs.
        pause: Seconds between two batches.
        ask: Whether a person confirms each batch but the first.
    """
    try:
        for batch in rollout.batches:
            with interruptible():
                _stop_if_failed(run, rollout)
                if rollout.current:
                    _pause(run, batch, pause)
            # Outside of the block: Ctrl-C must end the question.
            declined = ask and rollout.current is not None and not _confirm(run, rollout, batch)
            with interruptible():
                if declined:
                    _decline(run, batch)
                _begin(run, rollout)
            yield batch
    finally:
        rollout.left = True


def _stop_if_failed(run: Run, rollout: Rollout) -> None:
    """End the run if too many hosts of the current batch have failed. Modes that change nothing continue.

    Raises:
        StepFailed: Too many have, or the run has ended already.
    """
    batch, failed = rollout.current, rollout.failed()
    if (
        batch
        and not run.ended
        and run.context.parameters.run_mode is Mode.APPLY
        and len(failed) > rollout.max_failed
    ):
        run.finish(
            run.status,
            f"{batch.title}: {', '.join(failed)} failed, and max_failed is {rollout.max_failed}",
        )
    if run.ended:
        raise run_errors.no_further_batch(run.record, batch, run.directory)


def _pause(run: Run, batch: Batch, seconds: float) -> None:
    """Wait before a batch.

    Args:
        run: The run.
        batch: The batch that begins after the pause.
        seconds: How long.

    Raises:
        Interrupted: Ctrl-C, or the parent process has exited.
        StepFailed: The run's deadline has passed.
    """
    if not seconds:
        return
    cards.show_note(f"pause of {seconds:g} s before {batch.title}")
    events.pause_started(run.journal, batch.number, seconds)
    until = time.monotonic() + seconds
    context = run.context
    while (left := until - time.monotonic()) > 0:
        late = run.deadline is not None and run.deadline.passed
        if late or context.cancel.is_set() or context.parent.gone:
            events.pause_ended(run.journal, batch.number, complete=False)
            _stop_in_pause(run, batch)
        time.sleep(min(left, _POLL))
    events.pause_ended(run.journal, batch.number, complete=True)


def _stop_in_pause(run: Run, batch: Batch) -> None:
    where = f"in the pause before {batch.title}"
    if run.deadline is not None and run.deadline.passed and not run.context.cancel.is_set():
        run.finish(Status.FAILED, f"{where}: {run.deadline.message}")
        raise run_errors.deadline_in_pause(run.record)
    run.finish(Status.INTERRUPTED, f"interrupted {where}")
    raise run_errors.interrupted_in_pause(run.record, batch)


def _confirm(run: Run, rollout: Rollout, batch: Batch) -> bool:
    """Ask the person at the terminal or notebook whether a batch may begin; return whether it may.

    Raises:
        KeyboardInterrupt: Ctrl-C instead of an answer.
    """
    done = rollout.current
    question = f"{done.title if done else 'the steps before'}: done. Continue with {batch.title}?"
    events.confirmation_asked(run.journal, batch.number, question)
    answer = person.ask(question)
    events.confirmation_answered(run.journal, batch.number, answer, confirmed=answer in person.YES)
    return answer in person.YES


def _decline(run: Run, batch: Batch) -> None:
    """End the run because the person did not confirm a batch.

    Raises:
        Interrupted: Always.
    """
    run.finish(Status.INTERRUPTED, f"{run.record.operator or 'the operator'} did not confirm {batch.title}")
    raise run_errors.batch_not_confirmed(run.record)


def _begin(run: Run, rollout: Rollout) -> None:
    """Begin the next batch: record it and show it."""
    batch = rollout.begin_next()
    events.batch_started(run.journal, batch.number, batch.of, batch.hosts, rollout.max_failed)
    cards.show_note(batch.title)
