"""CAP 1.2: messages of the centre in it, and our answers and reports in it."""

from typing import Final

from drivers.cap.codec import CapFormat
from gateway.settings.cap import CapSettings

__all__ = ["CapFormat", "format_of"]


def format_of(settings: CapSettings, site: str, timezone: str) -> CapFormat:
    """Return the reader and writer of CAP messages for a site."""
    return CapFormat(settings, site, timezone)


CONTENT_TYPE: Final = CapFormat.content_type
