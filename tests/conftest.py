"""What every test shares: deterministic chance, and skips that CI does not forgive."""

import gc
import os

import pytest
from hypothesis import settings

# Examples are derived from the test itself, so that two runs are the same; the time limit of a
# single example would measure the machine, not the code.
settings.register_profile("gridcall", deadline=None, derandomize=True)
settings.load_profile("gridcall")


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
