"""What every story shares: logs that nobody reads are not written."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def _quiet():
    """Logs of the engine are no part of a story; what is told to the centre is."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
