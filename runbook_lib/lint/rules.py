"""The rules, and the findings that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RULES", "Finding", "NotChecked", "Rule"]


@dataclass(frozen=True)
class Rule:
    """What a rule demands, and how to satisfy it.

    Args:
        summary: The rule, as a sentence.
        hint: What to do about a finding.
    """

    summary: str
    hint: str


@dataclass(frozen=True)
class Finding:
    """A violation of a rule.

    Args:
        path: The file.
        rule: The rule's id, a key of `RULES`.
        message: What is wrong.
        cell: Ordinal number of the cell, from 1; 0 if the finding is not about a cell.
        cell_id: The cell's id, if it has one.
        line: Line in the cell; in the file if `cell` is 0; from 1.
        file_line: Line in the file, from 1.
        own_hint: What to do about it, if the rule's hint does not fit.
    """

    path: str
    rule: str
    message: str
    cell: int = 0
    cell_id: str = ""
    line: int = 1
    file_line: int = 1
    own_hint: str = ""

    @property
    def hint(self) -> str:
        """What to do about it."""
        return self.own_hint or RULES[self.rule].hint

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        if not self.cell:
            return f"{self.path}, line {self.line}"
        name = f" ({self.cell_id})" if self.cell_id else ""
        return f"{self.path}, cell {self.cell}{name}, line {self.line}"


@dataclass(frozen=True)
class NotChecked:
    """A rule that was not applied.

    Args:
        rule: The rule's id, a key of `RULES`.
        what: What it was not applied to, such as an inventory.
        why: The reason.
    """

    rule: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule} was not checked with {self.what}: {self.why}"


RULES: dict[str, Rule] = {
    "assigned-parameter": Rule(
        "No cell gives a parameter another value before the run opens.",
        "assign the parameter in the parameters cell only, and give another value another name",
    ),
    "cell-id": Rule(
        "Every cell has an id of its own.", "open the notebook in JupyterLab, save it, and rename copied ids"
    ),
    "cell-size": Rule(
        "A code cell holds one idea, in at most 8 lines; imports and parameters may be longer.",
        "split the cell, with a sentence above each part",
    ),
    "cell-tags": Rule(
        "No tag has a cell skipped, or the next cells executed after its error.",
        "remove the tag, or the cell",
    ),
    "close": Rule(
        "The last code cell closes the run, and no cell ends the kernel before that.",
        "end the notebook with a cell `book.close()`",
    ),
    "declaration": Rule(
        "The notebook's metadata declares the runbook.", "correct `runbook` in the notebook's metadata"
    ),
    "definition": Rule(
        "A notebook defines no functions or classes.", "move the definition to a module, and import it"
    ),
    "execution-count": Rule("No execution counts are committed.", "clear all outputs, and save the notebook"),
    "import": Rule(
        "What a notebook imports from runbook_lib exists.",
        "correct the import; see the public names in the docs",
    ),
    "known-parameters": Rule(
        "The parameters cell and every parameters file fit the runbook's parameters.",
        "correct the name or the value, or add the parameter to the runbook",
    ),
    "literal-parameters": Rule(
        "The parameters cell consists of assignments of literal values and imports of types.",
        "move the code to the next cell; write a secret as a reference such as ${env:NAME}",
    ),
    "outputs": Rule("No outputs are committed.", "clear all outputs, and save the notebook"),
    "parameters-cell": Rule(
        "Exactly one cell is tagged `parameters`, and it is the first code cell.",
        "tag the first code cell, and only that one, `parameters`",
    ),
    "prose": Rule(
        "The notebook begins with a heading, and prose introduces its steps.",
        "write above the step what it does, and what success looks like",
    ),
    "raw-shell": Rule(
        "No cell starts processes past the record.",
        "use a step, or `book.shell(hosts, script)` or `%%on HOSTS`, which are recorded",
    ),
    "step-hosts": Rule(
        "The hosts that a run and its steps name are in the inventory.",
        "correct the name, or add the host or group to the inventory",
    ),
    "step-title": Rule(
        "Every step and every transaction has a title of its own, visible in the source.",
        "give the step or transaction a short title of its own, as its first argument",
    ),
    "syntax": Rule(
        "Every code cell is valid Python.", "run the cell in JupyterLab to see the error in place"
    ),
    "unused-operation": Rule(
        "Every operation and every fact is given to a step.",
        "write book.step(title, operation), or book.facts(title, fact)",
    ),
}
"""Rule id -> rule."""
