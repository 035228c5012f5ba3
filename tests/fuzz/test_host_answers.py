"""What hosts answer: each fact's parser returns a value of its type, or says that the output is not what it expects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_type_hints

from hypothesis import strategies as st
from pydantic import TypeAdapter

from runbook_lib.errors import FactError
from runbook_lib.facts.base import as_plain
from runbook_lib.model.commands import Command, Output
from tests.facts.test_fact_cases import CASES, answer, case, make
from tests.fuzz.harness import fuzzed, one_message
from tests.fuzz.mutations import JUNK, mutated_json, mutated_text

if TYPE_CHECKING:
    from runbook_lib.facts.base import Fact

SEEDS = [(make(loaded), answer(loaded)) for loaded in map(case, CASES) if "output" in loaded]
GARBAGE = st.one_of(
    st.sampled_from(
        [
            "Welcome to this host!\n",
            "sh: 1: x: not found\n",
            "<html></html>",
            "{}",
            '{"a": 1}',
            "[[]]",
            "a b\nc d\n",
        ]
    ),
    st.lists(st.from_regex(r"[b-z]{2,9}", fullmatch=True), min_size=1, max_size=6).map(" ".join),
)
# A file's text and the answer to any command are whatever they are. These look at the exit code of a command that
# prints nothing, and that the connection has proved to have run; or at whether anything was printed.
_ANYTHING = {
    "Answer",
    "FileText",
    "Login",
    "NetplanProblem",
    "PendingChange",
    "Profile",
    "RegistryLog",
    "Sudo",
}
_ANYTHING |= {"TlsHandshake", "UnfinishedPackages"}  # the value says that there was no handshake


@st.composite
def answers(draw: st.DrawFn) -> tuple[Fact[Any], Output]:
    fact, output = draw(st.sampled_from(SEEDS))
    text = output.stdout
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    changed = mutated_json(value).map(json.dumps) if value and draw(st.booleans()) else mutated_text([text])
    request = fact.request()
    accept = request.accept if isinstance(request, Command) else (0,)
    return fact, Output(draw(st.sampled_from(accept)), draw(changed), draw(JUNK | st.just(output.stderr)))


@fuzzed(150, drawn=answers())
def test_a_changed_answer(drawn: tuple[Fact[Any], Output]) -> None:
    fact, output = drawn
    try:
        value = fact.parse(output)
    except FactError as problem:
        one_message(problem)
        return
    kind = TypeAdapter(get_type_hints(type(fact).parse)["return"])
    assert kind.validate_json(json.dumps(as_plain(value)), strict=True) == value
    assert fact.parse(output) == value


@fuzzed(100, seed=st.sampled_from(SEEDS), text=GARBAGE)
def test_garbage_is_never_a_value(seed: tuple[Fact[Any], Output], text: str) -> None:
    fact, output = seed
    if fact.id in _ANYTHING:
        return
    try:
        value = fact.parse(Output(output.exit_code, text, output.stderr))
    except FactError as problem:
        one_message(problem)
    else:
        assert output.exit_code, f"{fact.label} is {value!r}"
