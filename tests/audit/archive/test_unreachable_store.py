"""A store whose library fails with an error of its own is one message and exit code 2."""

from __future__ import annotations

import fsspec
import pytest

from runbook_lib.audit.archive.location import location_of
from runbook_lib.errors import InputError


class NoCredentials(Exception):  # noqa: N818 - named as a store's library would
    """An error that is neither of Python's nor of ours."""


class Closed(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A store that cannot be used."""

    protocol = "closed"

    def info(self, path: str, **_: object) -> dict[str, object]:
        raise NoCredentials(f"no credentials for {path}\nand more lines")

    exists = info


def test_a_store_that_cannot_be_used_is_bad_input() -> None:
    fsspec.register_implementation("closed", Closed, clobber=True)
    with pytest.raises(InputError, match="cannot be reached: no credentials for") as caught:
        location_of("closed://bucket/runs")
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
