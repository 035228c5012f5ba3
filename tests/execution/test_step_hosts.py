"""A step's hosts that can be known before the run are checked before the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from runbook_lib.errors import InputError
from runbook_lib.execution.step_hosts import check_step_hosts
from runbook_lib.host_settings import Host
from runbook_lib.inventory import Inventory
from runbook_lib.parameters import Parameters

HOSTS = {name: Host(name=name) for name in ("web-1", "web-2", "db")}
INVENTORY = Inventory(HOSTS, {"web": ["web-1", "web-2"]})
OPEN = "p = Two.collect(globals())\nbook = Runbook.open(p)"


class Two(Parameters):
    runbook: ClassVar[str] = "10_two"
    title: ClassVar[str] = "Two"

    server: str = "db"
    spare: str | None = None


def check(*sources: str, hosts: str = "all", **given: Any) -> None:  # noqa: ANN401 - any parameter
    parameters = Two.model_validate({"inventory": "i", "hosts": hosts, **given})
    cells = [{"cell_type": "code", "source": source} for source in (OPEN, *sources)]
    cells.insert(1, {"cell_type": "markdown", "source": 'book.step("x", y, hosts="nowhere")'})
    check_step_hosts(cells, parameters, INVENTORY, INVENTORY.select(hosts), Path("n.ipynb"))


@pytest.mark.parametrize(
    "source",
    [
        'book.step("x", y, hosts="web")',
        'book.step("x", y, hosts="web-*,!web-2")',
        'book.step("x", y, hosts=p.server)',
        'book.step("x", y, hosts=p.spare)',
        'book.step("x", y)',
        "%%on web\nuptime",
        "%%on {p.server}\nuptime",
        '%%bash\nbook.step("x", y, hosts="nowhere")',
        '!ls\nbook.step("x", y, hosts="web")',
        'if p.spare:\n    book.step("x", y, hosts=p.server + "9")',
        'if p.spare:\n    book.step("x", y, hosts="nowhere")',
        'for name in []:\n    book.step("x", y, hosts="nowhere")',
        'for batch in book.batches(hosts="web"):\n    book.step("x", y, hosts=batch)',
        'for later in [lambda: book.step("x", y, hosts="nowhere")]:\n    pass',
        'def later():\n    book.step("x", y, hosts="nowhere")',
        'book.step("x", y, hosts=f"{p.server}9")',
        'other.step("x", y, hosts="nowhere")',
        'book.unknown("x", hosts="nowhere")',
        "book.step(",
    ],
)
def test_hosts_that_exist_or_are_not_known_pass(source: str) -> None:
    check(source)


@pytest.mark.parametrize(
    ("source", "given", "message", "line"),
    [
        ('book.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 1),
        ('\nbook.facts("x", y, hosts="web,dbb")', {}, "unknown host or group 'dbb'", 2),
        ('b = book\nb.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 2),
        ('r = book.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 1),
        ('for batch in book.batches(hosts="wbe"):\n    pass', {}, "unknown host or group 'wbe'", 1),
        ('for n, b in enumerate(book.batches(hosts="wbe")):\n    pass', {}, "unknown host or group 'wbe'", 1),
        ("each = list(book.batches(hosts=p.server))", {"server": "dbb"}, "unknown host or group 'dbb'", 1),
        ('with book.transaction("t", hosts="wbe"):\n    pass', {}, "unknown host or group 'wbe'", 1),
        ('with quiet():\n    book.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 2),
        ('book.step("x", y, hosts=p.server)', {"server": "dbb"}, "unknown host or group 'dbb'", 1),
        ('book.step("x", y, hosts="")', {}, "selects no host", 1),
        ('book.shell("wbe", "uptime")', {}, "unknown host or group 'wbe'", 1),
        ('book.shell(hosts="wbe", script="uptime")', {}, "unknown host or group 'wbe'", 1),
        ('!ls\nbook.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 2),
        ('%%time\nbook.step("x", y, hosts="wbe")', {}, "unknown host or group 'wbe'", 2),
        ("%%on wbe\nuptime", {}, "unknown host or group 'wbe'", 1),
        ('book.step("x", y, hosts="db")', {"hosts": "web"}, "are not among this run's hosts (web-1, web-2)", 1),
        ('book.step("x", y, hosts=p.server)', {"hosts": "web"}, "'db', are not among this run's hosts", 1),
    ],
)  # fmt: skip
def test_hosts_that_do_not_exist_are_refused_with_their_place(
    source: str, given: dict[str, Any], message: str, line: int
) -> None:
    with pytest.raises(InputError) as refused:
        check(source, **given)
    assert message in refused.value.message
    assert refused.value.where == f"n.ipynb, cell 3, line {line}"
    assert refused.value.hint
    assert refused.value.exit_code == 2
