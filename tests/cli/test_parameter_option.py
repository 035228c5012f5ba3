"""`-p name=value` and `-p name value` are the same."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from runbook_lib.cli.parameter_option import split_pairs
from runbook_lib.cli.run import run_command


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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("-p", "-p names no parameter: write -p NAME=VALUE"),
        ("-p|--mode|plan", "-p names no parameter"),
        ("-p|port", "-p port has no value: write -p port=VALUE"),
        ("-p|port|--mode|plan", "-p port has no value"),
        ("-p|port|-p|other=1", "-p port has no value"),
        ("-p|a=1|-p|b", "-p b has no value"),
    ],
)
def test_a_name_without_a_value_is_refused_in_words(given: str, said: str) -> None:
    done = CliRunner().invoke(run_command, ["hello", *given.split("|")])
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize("value", ["-5", "--", "-", "--unknown", "a -p b"])
def test_a_value_may_look_like_an_option(value: str) -> None:
    context = run_command.make_context("run", ["hello", "-p", "text", value])
    assert context.params["pairs"] == (("text", value),)
