"""A command is shown without what runs it as root; its exact text is recorded."""

from __future__ import annotations

import pytest

from runbook_lib.connections.remote_shell import sudo_text
from runbook_lib.connections.shown_command import shown_command


@pytest.mark.parametrize("password", [False, True])
def test_what_is_sent_under_sudo_is_shown_as_the_command_and_a_mark(*, password: bool) -> None:
    shown = shown_command(sudo_text(("apt-get", "--quiet", "update"), password=password))
    assert (shown.text, shown.mark) == ("apt-get --quiet update", "as root")
    assert str(shown) == "as root: apt-get --quiet update"
    assert "whether sudo ran the command" in shown.note


@pytest.mark.parametrize(
    "text",
    [
        "sudo -n -- cat 'a b'",
        "sudo -S -k -p 2f6a1c: -- cat 'a b'",
        """sudo -n -- sh -c 'echo "ran:$0" >&2; exec "$@"' "$nonce" cat 'a b'""",
    ],
)
def test_texts_of_earlier_versions_are_shown_alike(text: str) -> None:
    assert str(shown_command(text)) == "as root: cat 'a b'"


@pytest.mark.parametrize(
    "text",
    [
        "cat 'a b'",
        "docker-api info",
        "sh -c 'sudo -n -- reboot'",
        "sudo -u postgres -- psql",
        "sudo reboot",
        "sudo -n -- ",
        "",
    ],
)
def test_any_other_text_is_shown_as_it_is(text: str) -> None:
    shown = shown_command(text)
    assert (shown.text, shown.mark, shown.note) == (text, "", "")
