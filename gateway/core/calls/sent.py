"""What became of pages and cards: waiting, on the air, spoken, posted, failed."""

from dataclasses import replace

from gateway.core.alert import Medium
from gateway.core.calls.calling import (
    end_deliveries,
    refresh_card,
    told,
)
from gateway.core.calls.events import (
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
)
from gateway.core.calls.ladder import medium_failed
from gateway.core.calls.moved_on import page_waits
from gateway.core.calls.spoken_again import speak_again
from gateway.core.calls.stand_down import told_late
from gateway.core.order import (
    Card,
    Order,
    OrderStatus,
    Page,
    Path,
)
from gateway.core.state import Draft
from gateway.core.talk.events import RecordingKept
from gateway.core.wording import Wording


def page_event(
    draft: Draft,
    event: PageWaited | PageStarted | PageSpoken | PageFailed | RecordingKept,
) -> None:
    """Note how far the page of an order has come, and speak again what was cut short."""
    key = event.what if isinstance(event, RecordingKept) else event.page
    page = draft.find(Page, key)
    order = draft.find(Order, page.order) if page else None
    if page is None or order is None:
        return
    wording = Wording(draft.site)
    match event:
        case PageWaited():
            if page.state == "on_air":
                # Level 1 broke it off, and it waits for its turn again.
                draft.put(replace(page, state="queued"))
            why = wording.text(f"waiting_{event.reason}")
            detail = wording.text("detail_waiting", reason=why)
            draft.report(order, "waiting", medium="radio", detail=detail)
            if not page.waited:
                page = draft.find(Page, page.id) or page
                draft.put(replace(page, waited=True))
                if order.open:
                    page_waits(draft, order)
        case PageStarted():
            if page.state in ("queued", "withdrawn"):
                draft.put(replace(page, state="on_air", started_us=event.at_us))
        case PageSpoken():
            if page.state != "spoken":
                _page_spoken(draft, order, page, event)
        case PageFailed():
            _page_failed(draft, order, page, event)
        case RecordingKept():
            draft.put(replace(page, recording=event.path))


def _page_spoken(draft: Draft, order: Order, page: Page, spoken: PageSpoken) -> None:
    draft.put(replace(page, state="spoken", ended_us=spoken.at_us, recording=spoken.recording))
    told(draft, order, page.id, Medium.RADIO)
    if order.status is OrderStatus.CANCELLED and page.purpose != "stand_down":
        # It had begun when we took it back: who heard it must hear that it is off.
        told_late(draft, order)


def _page_failed(draft: Draft, order: Order, page: Page, failed: PageFailed) -> None:
    if page.state in ("spoken", "failed", "expired"):
        return
    draft.put(replace(page, state=failed.state, ended_us=failed.at_us))
    end_deliveries(draft, order, page.id, failed.state, failed.reason)
    if failed.state == "withdrawn":
        return
    key = "detail_page_expired" if failed.state == "expired" else "detail_page_failed"
    wording = Wording(draft.site)
    detail = wording.text(key, reason=wording.fault(failed.reason))
    draft.report(order, "warning", medium="radio", detail=detail)
    path = draft.find(Path, f"channel:{page.channel}")
    cut_short = page.state == "on_air" and failed.state == "failed"
    if cut_short and (path is None or path.up):
        speak_again(draft, order, page)
    medium_failed(draft, order.id, Medium.RADIO)


def card_event(draft: Draft, event: CardPosted | CardFailed) -> None:
    """Note that a card of an order stands in its chat, or that it cannot."""
    card = draft.find(Card, event.card)
    order = draft.find(Order, card.order) if card else None
    if card is None or order is None:
        return
    if isinstance(event, CardPosted):
        card = replace(card, state="posted", message=event.message)
        draft.put(card)
        told(draft, order, card.id, Medium.CHAT)
        if order.status is OrderStatus.CANCELLED:
            told_late(draft, order)
        refresh_card(draft, order, card)
        return
    if card.state == "withdrawn":
        return
    if card.state == "queued":
        draft.put(replace(card, state=event.state))
        end_deliveries(draft, order, card.id, event.state, event.reason)
    wording = Wording(draft.site)
    why = wording.fault(event.reason)
    detail = wording.text(f"detail_card_{event.state}", reason=why)
    draft.report(order, "warning", person=card.person, medium="chat", detail=detail)
    medium_failed(draft, order.id, Medium.CHAT)
