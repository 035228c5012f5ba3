"""`-p name=value` and `-p name value` are the same."""

from __future__ import annotations

import pytest

from runbook_lib.cli.parameter_option import split_pairs


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("-p|port=443", "-p|port|443"),
        ("-p|port|443", "-p|port|443"),
        ("-pport=443", "-p|port|443"),
        ("-p|text=", "-p|text|"),
        ("-p|text=a=b", "-p|text|a=b"),
        ("-p|text|a=b", "-p|text|a=b"),
        ("-p|text|-p|-p|port=1", "-p|text|-p|-p|port|1"),
        ("-p|text=a\nb", "-p|text|a\nb"),
        ("-p|=x", "-p|=x"),
        ("-p|a-b=x", "-p|a-b=x"),
        ("-p", "-p"),
        ("-p|port", "-p|port"),
        ("run|--|-p|port=1", "run|--|-p|port=1"),
        ("--parameters=1|port=1", "--parameters=1|port=1"),
    ],
)
def test_a_pair_in_one_word_is_split_at_its_first_equals_sign(given: str, meant: str) -> None:
    assert "|".join(split_pairs(given.split("|"))) == meant
