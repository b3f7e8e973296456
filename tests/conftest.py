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


class ByModule(LoadScopeScheduling):
    """A module's tests stay on one worker and share its set-up; real daemons share nothing."""

    def _split_scope(self, nodeid):
        return nodeid if nodeid.startswith("tests/system/") else nodeid.partition("::")[0]


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
