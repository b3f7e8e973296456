"""What every test shares: deterministic chance, and skips that CI does not forgive."""

import gc
import os

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Examples are derived from the test itself, so that two runs are the same; the time limit of a
# single example would measure the machine, not the code.
settings.register_profile("gridcall", deadline=None, derandomize=True)
settings.load_profile("gridcall")


def pytest_collection_modifyitems(items):
    """Whoever may take longest begins first: no worker is left with a long story at the end."""

    def limit_s(item):
        mark = item.get_closest_marker("timeout")
        return mark.args[0] if mark else 0

    items.sort(key=limit_s, reverse=True)


# Tests that play sound in real time through processes of their own: a third of a processor each.
# More than three at once on two processors and frames come late, which is what some listen for.
REAL_TIME = (
    "tests/system/",
    "tests/config/test_technician_path.py",
    "tests/drivers/radio/test_patch_process.py",
    "tests/drivers/radio/test_process.py",
    "tests/drivers/radio/test_technician.py",
)
REAL_TIME_AT_ONCE = 3


class ByModule(LoadScopeScheduling):
    """A module's tests stay on one worker and share its set-up; real daemons share nothing.

    Three workers at most play in real time; the others have the rest meanwhile.
    """

    def _split_scope(self, nodeid):
        return nodeid if nodeid.startswith("tests/system/") else nodeid.partition("::")[0]

    def _assign_work_unit(self, node):
        players = {n for n, work in self.assigned_work.items() if self._plays(work)}
        if len(players - {node}) >= REAL_TIME_AT_ONCE:
            calm = next((s for s in self.workqueue if not s.startswith(REAL_TIME)), None)
            if calm is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(calm, last=False)
        super()._assign_work_unit(node)

    @staticmethod
    def _plays(work):
        """Return whether a worker still has a test to run that plays in real time."""
        return any(s.startswith(REAL_TIME) and not all(done.values()) for s, done in work.items())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Workers take module after module, in the order of collection."""
    config.option.loadscopereorder = False
    return ByModule(config, log)


def pytest_collection_finish():
    """What was imported and collected stays: no look through all of it halts a test's loop.

    That look took 90 ms, more than a jitter buffer holds, in the middle of a guard's digits.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With GRIDCALL_PEERS=required a program that is missing is a failure, not a skip."""
    outcome = yield
    report = outcome.get_result()
    missing = report.skipped and "is not installed" in str(report.longrepr)
    if missing and os.environ.get("GRIDCALL_PEERS") == "required":
        report.outcome = "failed"
        report.longrepr = f"skipped although every peer is required: {report.longrepr}"
