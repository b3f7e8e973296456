"""Structured logs, one JSON object a line on standard error, with one redaction filter.

Bot tokens stand in URLs, bearer tokens in headers: whatever logs an exception or an address
may carry them. Nothing goes out before :func:`redact` has seen it.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRETS = (
    re.compile(r"\b\d{6,}:[A-Za-z0-9_-]{20,}"),  # a bot token, as it stands in URLs
    re.compile(r"/bot[^/\s]{10,}"),  # whatever stands where a bot token would
    re.compile(r"gwk_[A-Za-z0-9_.-]+_[A-Za-z0-9_-]{8,}"),  # our own bearer tokens
    re.compile(r"(?i)(password|secret|authorization|token)(\"?\s*[:=]\s*\"?)[^\s\",}]+"),
)


def redact(text: str) -> str:
    """Return text with everything that looks like a secret taken out."""
    for pattern in _SECRETS:
        text = pattern.sub("[secret]", text)
    return text


def _render(logger: object, name: str, event: MutableMapping[str, Any]) -> str:
    line = structlog.processors.JSONRenderer(ensure_ascii=False)(logger, name, event)
    return redact(line if isinstance(line, str) else line.decode())


def _keep_short(
    _: object, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut over-long values: a log line is for people."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) > 4000:
            event[key] = value[:4000] + "…"
    return event


class _Redacting(logging.Formatter):
    """The same filter for lines of libraries that use the standard library's logging."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one redacted line."""
        return redact(super().format(record))


def configure_logs() -> None:
    """Send every log line, ours and the libraries', to standard error as redacted lines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _keep_short,
            _render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
