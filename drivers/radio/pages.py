"""Which pages have come to this radio process: none is ever spoken twice."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from gateway.core.calls.events import PageFailed, PageSpoken

# Some days of a busy site. Those under way are never forgotten.
PAGES_KEPT_MAX: Final = 10_000

PageEnd = PageSpoken | PageFailed


@dataclass(slots=True)
class _Page:
    channel: str
    outbox: set[int] = field(default_factory=set)
    end: PageEnd | None = None


class Pages:
    """What is known of each page: its channel, who waits for its end, and how it ended."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, _Page] = OrderedDict()

    def came(self, page_id: str, channel: str, outbox_id: int) -> bool:
        """Note a page; return whether it is new."""
        known = page_id in self._pages
        page = self._pages.setdefault(page_id, _Page(channel))
        page.outbox.add(outbox_id)
        self._forget_old()
        return not known

    def end(self, page_id: str) -> PageEnd | None:
        """Return how a known page ended; None while it waits or is being spoken."""
        return self._pages[page_id].end

    def channel(self, page_id: str) -> str | None:
        """Return the channel of a page that is not over, else None."""
        page = self._pages.get(page_id)
        return page.channel if page and page.end is None else None

    def ended(self, event: PageEnd) -> None:
        """Note how a page ended."""
        page = self._pages.get(event.page)
        if page is not None:
            page.end = event

    def settles(self, page_id: str) -> tuple[int, ...]:
        """Return the outbox ids that the page's end is the end of."""
        page = self._pages.get(page_id)
        return tuple(sorted(page.outbox)) if page else ()

    def _forget_old(self) -> None:
        excess = len(self._pages) - PAGES_KEPT_MAX
        if excess <= 0:
            return
        over = [page_id for page_id, page in self._pages.items() if page.end is not None]
        for page_id in over[:excess]:
            del self._pages[page_id]
