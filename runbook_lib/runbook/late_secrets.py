"""Secrets that a run learns only after their values may have been recorded: found, journaled and shown.

What was recorded stays: the run says where, and masks the value in whatever it makes from then on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.display import cards
from runbook_lib.evidence import events
from runbook_lib.evidence.exposed_secrets import HINT
from runbook_lib.evidence.exposure_search import exposure_in_file, find_exposure
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.model.records import StepRecord

if TYPE_CHECKING:
    from runbook_lib.evidence.exposed_secrets import Exposure
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.runbook.run_context import RunContext

__all__ = ["LateSecrets"]


class LateSecrets:
    """Looks for each secret of a run, as soon as it is known, in what was recorded before.

    Args:
        context: What the run has in common with other runs of the session.
        journal: The run's.
        directory: Its directory.
        steps: The records of its steps so far: values in them are masked.
    """

    def __init__(
        self, context: RunContext, journal: Journal, directory: Path, steps: list[StepRecord]
    ) -> None:
        self._context = context
        self._journal = journal
        self._directory = directory
        self._steps = steps
        self._late: list[str] = []
        self._named: set[tuple[str, str]] = set()

    def check(self) -> None:
        """Look for the secrets that have become known since the last time."""
        secrets = self._context.secrets
        for reference in secrets.take_new():
            self._late.append(reference)
            exposure = find_exposure(
                self._directory, reference, secrets.mask_of(reference), self._context.ended_runs
            )
            if exposure.places:
                self._report(exposure)
                self._mask_steps()

    def without_values(self, step: StepRecord) -> StepRecord:
        """Look for secrets that a step has made known; return the step's record without their values."""
        self.check()
        return next((one for one in self._steps if one.number == step.number), step)

    def check_all(self, path: str) -> None:
        """Look for secrets at the end of the run, also in notebook files.

        Args:
            path: The notebook that a person runs by hand; empty if it is not known, or there is none.
        """
        self.check()
        secrets = self._context.secrets
        files = [(self._directory / NOTEBOOK, NOTEBOOK, self._late)]
        if path:
            files.append((Path(path), path, secrets.references))
        for file, name, references in files:
            for reference in references:
                exposure = exposure_in_file(file, reference, secrets.mask_of(reference), name)
                if exposure and (reference, name) not in self._named:
                    self._report(exposure)

    def _report(self, exposure: Exposure) -> None:
        self._named |= {(exposure.reference, place.file) for place in exposure.places}
        if exposure.samples:  # then the executed notebook gets the same mask at its end
            self._named.add((exposure.reference, NOTEBOOK))
        events.secret_exposed(self._journal, exposure)
        cards.show_html(
            "secret_exposed.html.j2", f"{exposure}; {HINT}", exposure=exposure, by_hand=self._context.by_hand
        )

    def _mask_steps(self) -> None:
        """Mask the steps in memory, from which a notebook may make reports and tables."""
        mask = self._context.secrets.mask_data
        self._steps[:] = [
            StepRecord.model_validate(mask(step.model_dump(mode="json"))) for step in self._steps
        ]
