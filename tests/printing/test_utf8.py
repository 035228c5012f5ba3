"""Text that UTF-8 has no form for is written all the same, and as Jupyter shows it."""

from __future__ import annotations

import json

import pytest
from jupyter_client.session import json_packer, json_unpacker

from runbook_lib.printing.utf8 import encodable_json, utf8_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 😀", "plain é 😀"),
        ("na\udcefve.cfg", "na�ve.cfg"),
        ("\udce2\udc82\udcac", "€"),  # bytes that are UTF-8 after all
        ("x\ud83dy", "x�y"),
        ("\ud83d\udce9", "��"),
        ("", ""),
    ],
)
def test_half_characters_are_replaced(text: str, shown: str) -> None:
    assert utf8_bytes(text).decode() == shown
    if "\ud83d" not in text:  # Jupyter refuses the other half characters
        assert json_unpacker(json_packer({"text": text})) == {"text": shown}


def test_json_data_stays_the_same_object_unless_it_has_half_characters() -> None:
    data = {"a": ["b", 1, None, "ü"]}
    assert encodable_json(data) is data
    sent_by_a_host = json.loads('{"label \\udfff": ["\\ud800", {"deep": "\\udcff\\n"}]}')
    assert encodable_json(sent_by_a_host) == {"label �": ["�", {"deep": "�\n"}]}
