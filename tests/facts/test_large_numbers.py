"""A number of a host that readers of the evidence would round is recorded as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from runbook_lib.facts.base import Fact, Facts
from runbook_lib.model.commands import Command


@dataclass(frozen=True)
class Counters(Fact[Any]):
    """Counters of a host."""

    def request(self) -> Command:
        return Command(("true",))

    def parse(self, output: object) -> Any:  # noqa: ANN401 - not used
        raise NotImplementedError(output)


def test_only_numbers_of_more_than_64_bits_become_text_and_none_is_rounded() -> None:
    values = {"small": [7, -(2**63), 2**64 - 1, 2.5, True], "large": [{"n": 2**64}, -(2**63) - 1, 10**22]}
    plain = Facts({Counters(): values}).plain()
    recorded = {
        **values,
        "large": [{"n": "18446744073709551616"}, "-9223372036854775809", "10000000000000000000000"],
    }
    assert list(plain.values()) == [recorded]
    assert orjson.loads(orjson.dumps(plain)) == plain
