"""In which order tests run, and which of them have to run in one process.

The order is by module: after what is quick, what takes minutes, so that at the end nobody waits for one process, then
the rest. With `--shuffle SEED` modules, and the tests inside each, come in a random order instead: no test may depend
on another's leftovers. A module whose tests build on each other says so with `pytest.mark.in_order`.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest
    from xdist.workermanage import WorkerController

__all__ = ["APART", "LONG", "QUICK", "Groups", "arrange", "group_of"]

# Quick and pure: what is wrong there is seen within the first half minute.
QUICK = ("tests/architecture/", "tests/facts/", "tests/model/", "tests/operations/")
# Seconds of a module where it runs next to others on 2 cores; of one whose tests are apart, what decides its place.
# Other modules follow, mixed.
LONG = {
    "tests/scenarios/test_chapter.py": 460,
    "tests/scenarios/test_network_change.py": 220,
    "tests/scenarios/test_failures.py": 190,
    "tests/scenarios/test_chapter_killed.py": 160,
    "tests/connections/test_silent_hosts.py": 95,
    "tests/lab/test_lifecycle.py": 95,
    "tests/execution/notebook/test_deadlines.py": 85,
    "tests/scenarios/test_firewall.py": 80,
    "tests/lab/test_hosts.py": 75,
    "tests/scenarios/test_command_termination.py": 60,
    "tests/execution/fleet/test_fleets.py": 60,
    "tests/scenarios/test_pyinfra.py": 55,
    "tests/docs/test_sessions.py": 55,
    "tests/lab/test_failed_faults.py": 50,
    "tests/scenarios/test_tls_rotation.py": 50,
    "tests/test_benchmarks.py": 50,
    "tests/scenarios/test_own_operations.py": 48,
    "tests/runbook/steps/test_resume.py": 47,
    "tests/pytest_plugin/test_plugin.py": 46,
    "tests/execution/notebook/test_honest_ends.py": 45,
    "tests/execution/fleet/test_job_graph.py": 43,
    "tests/lab/test_whose_lab.py": 41,
    "tests/scenarios/test_users_and_keys.py": 41,
    "tests/cli/test_quiet_success.py": 40,
    "tests/execution/notebook/test_engine.py": 39,
    "tests/evidence/test_old_archive.py": 36,
    "tests/cli/test_audience.py": 36,
    "tests/lab/test_interrupted_up.py": 35,
    "tests/pytest_plugin/test_bad_input.py": 34,
    "tests/evidence/test_notebook_records.py": 33,
    "tests/docs/test_lab_session.py": 32,
    "tests/test_running_the_tests.py": 31,
    "tests/audit/verify/test_bad_input.py": 30,
    "tests/scenarios/test_no_host_touched.py": 30,
    "tests/report/test_report_command.py": 29,
    "tests/scenarios/ci/test_recipes.py": 28,
    "tests/lab/test_package_cache.py": 25,
    "tests/scenarios/el/test_kernel_packages.py": 20,
}
# Modules whose tests share nothing that is costly to make, and take long: each test goes where there is room.
APART = (
    "tests/connections/",
    "tests/evidence/test_notebook_records.py",
    "tests/execution/",
    "tests/pytest_plugin/",
    "tests/runbook/",
    "tests/scenarios/ci/",
    "tests/scenarios/test_bad_input.py",
    "tests/scenarios/test_chapter_killed.py",
    "tests/test_running_the_tests.py",
)


def group_of(nodeid: str) -> str:
    """Return the name of the group of tests that one process runs: the test's module, or the test itself."""
    module = _module(nodeid)
    return nodeid if module.startswith(APART) else module


class Groups(LoadScopeScheduling):  # type: ignore[misc] # it ships no type information
    """Give each process a group of tests whenever it has run those that it had.

    Used for `--dist loadscope`. pytest-xdist's own groups (`loadgroup`) are lost on the way with newer versions of
    pytest, without a word.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Hand out the next group, but no long one to a process that still has another: it would wait behind that.

        A process always holds one group more than it runs: pytest needs to know which test comes next.
        """
        assigned = self.assigned_work.get(node, {})
        if any(_is_long(group) and not all(tests.values()) for group, tests in assigned.items()):
            short = next((group for group in self.workqueue if not _is_long(group)), None)
            if short:
                self.workqueue.move_to_end(short, last=False)
        super()._assign_work_unit(node)


def _is_long(group: str) -> bool:
    """Whether a group takes minutes: a long module, or a test of one whose tests are that long."""
    return group in LONG or _module(group) == "tests/scenarios/test_chapter_killed.py"


def arrange(items: list[pytest.Item], seed: str | None) -> None:
    """Put collected tests in order."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(_module(item.nodeid), []).append(item)
    items[:] = _flat(_long_first(modules) if seed is None else _shuffled(modules, seed))


def _module(nodeid: str) -> str:
    return nodeid.split("::", maxsplit=1)[0]


def _flat(modules: Iterable[list[pytest.Item]]) -> list[pytest.Item]:
    return [item for module in modules for item in module]


def _long_first(modules: dict[str, list[pytest.Item]]) -> list[list[pytest.Item]]:
    return [modules[name] for name in sorted(modules, key=_place)]


def _place(module: str) -> float:
    if module.startswith(QUICK):
        return float("-inf")
    # Neighbours are mixed, always in the same way: the tests of connections and of labs wait, those of other folders
    # compute, and one after another they would leave the cores idle or be in each other's way.
    mixed = int.from_bytes(hashlib.sha256(module.encode()).digest()[:4]) / 2**32
    return -LONG[module] if module in LONG else mixed


def _shuffled(modules: dict[str, list[pytest.Item]], seed: str) -> list[list[pytest.Item]]:
    # Text as a seed: the same in every process, whatever its hash seed.
    dice = random.Random(seed)  # noqa: S311 - an order, not a secret
    shuffled = list(modules.values())
    dice.shuffle(shuffled)
    for tests in shuffled:
        if not tests[0].get_closest_marker("in_order"):
            dice.shuffle(tests)
    return shuffled
