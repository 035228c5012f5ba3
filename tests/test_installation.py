"""The commands that install more of this package work wherever it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runbook_lib.installation import Origin

GIT = {"vcs": "git", "commit_id": "0123abc", "requested_revision": "main"}


@pytest.mark.parametrize(
    ("record", "requirement", "command"),
    [
        (None, "runbook-lib[dask,lab]", "pip install 'runbook-lib[dask,lab]'"),
        (
            {"url": "https://example.org/runbooks.git", "vcs_info": GIT},
            "runbook-lib[dask,lab] @ git+https://example.org/runbooks.git@0123abc",
            "pip install 'runbook-lib[dask,lab] @ git+https://example.org/runbooks.git@0123abc'",
        ),
        (
            {"url": "ssh://git@example.org/all.git", "vcs_info": GIT, "subdirectory": "lib"},
            "runbook-lib[dask,lab] @ git+ssh://git@example.org/all.git@0123abc#subdirectory=lib",
            "pip install 'runbook-lib[dask,lab] @ git+ssh://git@example.org/all.git@0123abc#subdirectory=lib'",
        ),
        (
            {
                "url": "https://example.org/runbook_lib-1.0-py3-none-any.whl",
                "archive_info": {"hash": "sha256=00"},
            },
            "runbook-lib[dask,lab] @ https://example.org/runbook_lib-1.0-py3-none-any.whl",
            "pip install 'runbook-lib[dask,lab] @ https://example.org/runbook_lib-1.0-py3-none-any.whl'",
        ),
        (
            {"url": "file:///srv/it's%20here/runbook_lib-1.0-py3-none-any.whl", "archive_info": {}},
            None,
            """pip install '/srv/it'"'"'s here/runbook_lib-1.0-py3-none-any.whl[dask,lab]'""",
        ),
        ({"url": "file:///srv/clone", "dir_info": {}}, None, "pip install '/srv/clone[dask,lab]'"),
        (
            {"url": "file:///srv/clone", "dir_info": {"editable": True}},
            None,
            "pip install --editable '/srv/clone[dask,lab]'",
        ),
    ],
)
def test_extras_come_from_where_the_package_came_from(
    record: dict[str, object] | None, requirement: str | None, command: str
) -> None:
    origin = Origin.parse(None if record is None else json.dumps(record))
    assert origin.requirement("dask", "lab") == requirement
    assert origin.pip_install("dask", "lab") == command


@pytest.mark.parametrize(
    "record",
    ["", "{", "[]", "3", '{"url": 3}', '{"url": "https://[", "dir_info": 1}', '{"url": "x", "vcs_info": 7}'],
)
def test_a_record_that_cannot_be_read_counts_as_none(record: str) -> None:
    assert Origin.parse(record) == Origin()


def test_without_extras_no_brackets_are_written() -> None:
    assert Origin().requirement() == "runbook-lib"
    assert Origin(path=Path("/srv/clone")).pip_install() == "pip install /srv/clone"
