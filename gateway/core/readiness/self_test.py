"""The self-test (自检): a short page on each channel and a card in a group, every day.

All the way through journal, queue, keyer, chat platform and back, with the time each way took.
A way that did not work in time, or a tester who did not press, is raised. It waits while a live
order is open, and is given up, and said to be, when one stays open too long.
"""


from datetime import datetime, timedelta
from typing import Final

from gateway.core.calls.calling import US
from gateway.core.effects import Button, Receipt
from gateway.core.order import Order, Path, Timer
from gateway.core.people import Person
from gateway.core.readiness import notices
from gateway.core.readiness.events import SelfTestAsked
from gateway.core.readiness.settings import Notice, NoticeCard, NoticePage
from gateway.core.reasons import Why
from gateway.core.roster import local_moment
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

SCHEDULE: Final = "self_test"
_SITE: Final = "site"
_LATER: Final = "later"
# A live order goes first: the test is tried again after this, and so often.
WAIT_US: Final = 600 * US
MOST_WAITS: Final = 6


def self_test_asked(draft: Draft, event: SelfTestAsked) -> None:
    """Test the whole chain at somebody's word; answered by a receipt."""
    if _live(draft):
        reason = because(draft.site, Why.SELF_TEST_LIVE)
        draft.ask(Receipt(status="refused", sender=event.by, id=SCHEDULE, reason=reason))
        return
    notice = begin(draft, by=event.by)
    draft.ask(Receipt(status="accepted", sender=event.by, id=notice.id))


def _live(draft: Draft) -> bool:
    orders = (draft.find(Order, key) for key in draft.state.open_orders())
    return any(o is not None and o.open and not o.alert.exercise for o in orders)


def begin(draft: Draft, *, by: str) -> Notice:
    """Send the test out by every way; return it."""
    rule = draft.site.readiness.self_test
    known = [p for id_ in rule.people if (p := draft.find(Person, id_)) is not None]
    notice = notices.new_notice(
        draft,
        Notice(
            id="", kind="self_test", by=by, opened_us=draft.now_us,
            due_us=draft.now_us + rule.within_s * US,
            asked=tuple(person.id for person in known),
        ),
    )  # fmt: skip
    wording = Wording(draft.site)
    channels = rule.channels
    if channels is None:
        channels = tuple(c.id for c in draft.site.channels.values() if c.transmits)
    said = (wording.text("say_self_test"),)
    for channel in channels:
        notice = notices.speak(draft, notice, channel, (), lambda _: said)
    button = (Button(label=wording.text("button_self_test"), action="1"),)
    text = wording.text("card_self_test", by=notices.named(draft, by))
    for group in rule.chats:
        notice = notices.post_group(draft, notice, group, text, button)
    if not rule.chats:
        for person in known:
            notice = notices.post_private(draft, notice, person, text, button)
    return notice


def self_test_due(draft: Draft, notice: Notice) -> None:
    """Tell the centre how long each way took, and which did not work."""
    wording = Wording(draft.site)
    results: list[str] = []
    failed: list[str] = []
    ways: list[tuple[str, NoticePage | NoticeCard]] = [
        *((f"channel:{p.channel}", p) for p in notice.pages),
        *((f"chat:{c.chat}", c) for c in notice.cards),
    ]
    for name, way in ways:
        if way.state in ("spoken", "posted") and way.ended_us is not None:
            took_s = f"{(way.ended_us - way.asked_us) / US:.1f}"
            results.append(wording.text("self_test_ok", way=name, seconds=took_s))
        else:
            why = _why(draft, name, way)
            failed.append(wording.text("self_test_bad", way=name, reason=why))
    if notice.asked and not notice.present:
        failed.append(wording.text("self_test_nobody"))
    key = "detail_self_test_bad" if failed else "detail_self_test_ok"
    detail = wording.text(key, results=wording.listed([*failed, *results]))
    notices.report(draft, "self_test", detail=detail)
    if failed:
        notices.report(draft, "warning", detail=detail)
    notices.rewrite(draft, notice, detail)
    notices.close(draft, notice)


def _why(draft: Draft, name: str, way: NoticePage | NoticeCard) -> str:
    """Return why a way did not work: what was told of it, or of its path."""
    path = draft.find(Path, name)
    down = path.reason if path is not None and not path.up else None
    wording, said = Wording(draft.site), way.reason or down
    return wording.fault(said) if said else wording.text("self_test_late")


def maybe_done(draft: Draft, notice_id: str) -> None:
    """End a test before its time once nothing more is awaited of it."""
    notice = draft.find(Notice, notice_id)
    if notice is None or notice.kind != "self_test":
        return
    queued = any(p.state == "queued" for p in notice.pages)
    queued = queued or any(c.state == "queued" for c in notice.cards)
    if not queued and (notice.present or not notice.asked):
        self_test_due(draft, notice)


# ---- when ----


def keep_schedule(draft: Draft) -> None:
    """Ask to be woken for the next test of the settings, if they want one."""
    at_min = draft.site.readiness.self_test.at_min
    if at_min is None:
        draft.sleep(SCHEDULE, _SITE)
        return
    timer = draft.find(Timer, f"{SCHEDULE}/{_SITE}")
    if timer is not None and notices.just_rung(draft, timer):
        return
    local = local_moment(draft.now_us, draft.site.timezone)
    for day in (local, local + timedelta(days=1)):
        moment = datetime(
            day.year, day.month, day.day, at_min // 60, at_min % 60,
            tzinfo=draft.site.timezone,
        )  # fmt: skip
        if moment > local:
            draft.wake(SCHEDULE, _SITE, round(moment.timestamp()) * US)
            return


def schedule_due(draft: Draft, timer: Timer) -> None:
    """Begin the day's test; later where a live order is open, and not at all after an hour."""
    draft.drop(Timer, timer.key)
    begun_us = timer.due_us
    if timer.order.startswith(_LATER):
        begun_us = int(timer.order.removeprefix(f"{_LATER}/"))
    else:
        keep_schedule(draft)
    if not _live(draft):
        begin(draft, by="@plan")
    elif draft.now_us - begun_us >= MOST_WAITS * WAIT_US:
        detail = Wording(draft.site).text("detail_self_test_given_up")
        notices.report(draft, "self_test", detail=detail)
    else:
        draft.wake(SCHEDULE, f"{_LATER}/{begun_us}", draft.now_us + WAIT_US)
