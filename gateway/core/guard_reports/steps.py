"""A guard's own report (上报): taken at once, told to the centre, and made an order by an act.

Rules for whoever edits this file:

1. Whatever a person or a radio sends unasked within a while is one report, never two.
2. What he wrote is kept as he wrote it; it is shown on one line, cut, and naming nobody.
3. An order comes of a report once, by a named person's act or by the settings' word for it.

Theory of operation. Rooms that hear somebody (``report_chat``, ``report_air``) say what they
heard as a :class:`Telling`. Here it becomes a report of its own or is added to the one he has
made. The centre, and the managers of his grid by a card with two buttons, are told at once and
reminded until somebody has dealt with it. Promoted, it becomes an alert like any other, which
he is on as its reporter: he has arrived, nobody calls him, and what he sends later is told
under the order.
"""

from dataclasses import replace
from typing import Final, Literal

from gateway.core.alert import Alert, AlertKind, Datum, Level, Position
from gateway.core.answers.replies import Action, code_digest
from gateway.core.answers.timeline import RANK, apply_reply
from gateway.core.calls.calling import US
from gateway.core.calls.convergence import CONVERGE
from gateway.core.calls.nearest import seen_at
from gateway.core.calls.rungs import call_ring
from gateway.core.effects import Receipt, ReportStatus
from gateway.core.guard_reports.cards import refresh, tell_managers, tell_reporter
from gateway.core.guard_reports.danger import in_danger
from gateway.core.guard_reports.report import GuardReport, ReportActed, Telling
from gateway.core.guard_reports.words import details, said_by
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.opening import open_order
from gateway.core.order import AlertKey, Assignment, Card, Order, OrderStatus, Timer
from gateway.core.places import grid_at, site_point
from gateway.core.policy.rights import lacking
from gateway.core.readiness.notices import no_grid
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# Under this name our own reports stand among the centre's alerts.
SENDER: Final = "guard-report"
# The managers are told so often that nobody has dealt with a report; the centre sees it open.
REMINDERS: Final = 5
# What was dealt with, and what nobody meant, is remembered so long.
KEPT_US: Final = 24 * 3600 * US
# So much of what somebody writes to one report is kept with it; the rows keep all.
LONGEST_TEXT: Final = 4000
CLOCK: Final = "report"
# Ids of reports begin so, those of orders never.
_REPORT_ID: Final = "r"

State = Literal["draft", "offered", "open"]


def tell(draft: Draft, telling: Telling, state: State = "open") -> GuardReport:
    """Take what somebody told: a report of its own, or more of the one he has made."""
    standing = report_of(draft, telling.source)
    if standing is None:
        return _begin(draft, telling, state)
    return add(draft, standing, telling, state)


def report_of(draft: Draft, source: str) -> GuardReport | None:
    """Return the report to which what a source sends now belongs, or None."""
    since_us = draft.now_us - draft.site.reports.repeat_s * US
    mine = [
        report
        for report in draft.state.each(GuardReport)
        if report.source == source and report.last_us >= since_us and _lives(draft, report)
    ]
    return max(mine, key=lambda report: report.last_us, default=None)


def anothers_call(draft: Draft, order: Order, person: str) -> bool:
    """Return whether an order is somebody else's call and this one has said nothing to it.

    Who then calls for help himself is in need where he is, not where the other is.
    """
    part = draft.find(Assignment, f"{order.id}/{person}")
    silent = part is None or not part.said
    return silent and order.alert.reporter not in (None, person)


def report_numbered(draft: Draft, number: str) -> GuardReport | None:
    """Return the report that people call so, or None."""
    return draft.find(GuardReport, number.lower())


def _lives(draft: Draft, report: GuardReport) -> bool:
    if report.state != "promoted":
        return report.state != "dismissed"
    order = draft.find(Order, report.order or "")
    return order is not None and order.open


# ---- a report comes in, and grows ----


def _begin(draft: Draft, telling: Telling, state: State) -> GuardReport:
    _sweep(draft)
    count = draft.next_id("guard_report")
    id_ = f"{_REPORT_ID}{count}"
    person = telling.person
    grid, post = _where(draft, telling)
    report = GuardReport(
        id=id_,
        number=f"R{count}",
        source=telling.source,
        state=state,
        emergency=telling.kind == "emergency",
        medium=telling.medium,
        assurance=telling.assurance,
        opened_us=draft.now_us,
        last_us=draft.now_us,
        person=None if person is None else person.id,
        channel=telling.channel,
        radio=telling.radio,
        text=telling.text[:LONGEST_TEXT],
        place=telling.place,
        grid=grid,
        post=post,
        media=telling.media,
        overs=() if telling.over is None else (telling.over,),
    )
    draft.put(report)
    _came_in(draft, report, telling)
    return draft.find(GuardReport, report.id) or report


def add(draft: Draft, report: GuardReport, telling: Telling, state: State) -> GuardReport:
    """Add to a report what its source sends now; one that was only asked about becomes one."""
    grown = _grown(draft, report, telling)
    waiting = report.state in ("draft", "offered")
    if waiting and state != "draft":
        grown = replace(grown, state=state)
    draft.put(grown)
    if waiting:
        whole = replace(telling, text=grown.text, place=grown.place, media=grown.media)
        _came_in(draft, grown, telling if grown.state == "offered" else whole)
        return draft.find(GuardReport, report.id) or grown
    node = "emergency" if telling.kind == "emergency" else "report_added"
    publish(draft, grown, node, telling)
    if grown.emergency and not report.emergency:
        _turned_emergency(draft, grown)
    return draft.find(GuardReport, report.id) or grown


def _grown(draft: Draft, report: GuardReport, telling: Telling) -> GuardReport:
    text = "\n".join(part for part in (report.text, telling.text) if part)
    overs = () if telling.over is None else (telling.over,)
    better = max(report.assurance, telling.assurance, key=RANK.__getitem__)
    grid, post = (report.grid, report.post)
    if telling.place is not None or grid is None:
        grid, post = _where(draft, telling)
    return replace(
        report,
        text=text[:LONGEST_TEXT],
        place=telling.place or report.place,
        grid=grid or report.grid,
        post=post or report.post,
        media=(*report.media, *telling.media),
        overs=tuple(dict.fromkeys((*report.overs, *overs))),
        assurance=better,
        emergency=report.emergency or telling.kind == "emergency",
        last_us=draft.now_us,
    )


def _where(draft: Draft, telling: Telling) -> tuple[str | None, str | None]:
    """Return grid and post: where he says he is, where he stands, where he serves."""
    person = telling.person
    post = draft.site.posts.get(person.post) if person and person.post else None
    if telling.place is not None:
        point = site_point(_position(telling.place), draft.site.datum)
        grid = grid_at(draft.site, *point)
        if grid is not None:
            return grid, post.id if post is not None and post.grid == grid else None
    if person is not None:
        seen = seen_at(draft, person)
        grid = grid_at(draft.site, *seen) if seen is not None else None
        if grid is not None and (post is None or post.grid != grid):
            return grid, None
    if post is not None:
        return post.grid, post.id
    if person is not None:
        return next((grid for grid in person.grids if grid in draft.site.grids), None), None
    heard_in = [g.id for g in draft.site.grids.values() if telling.channel == g.channel]
    return (heard_in[0] if telling.channel and len(heard_in) == 1 else None), None


def _position(place: str) -> Position:
    lat, lon = (int(part) for part in place.split(","))
    return Position(lat_udeg=lat, lon_udeg=lon, datum=Datum.WGS_84)


def _came_in(draft: Draft, report: GuardReport, telling: Telling) -> None:
    """Tell of a report that is one now, and see to it that somebody deals with it."""
    if report.state == "draft":
        return
    if report.state == "offered":
        publish(draft, report, "report_offered", telling)
        return
    publish(draft, report, "emergency" if report.emergency else "report", telling)
    if _becomes_order(draft, report):
        return
    refresh(draft, report)
    tell_managers(draft, report)
    draft.wake(CLOCK, report.id, draft.taken_us + draft.site.reports.escalate_s * US)


def _becomes_order(draft: Draft, report: GuardReport) -> bool:
    """Make an order of a report where the settings say so and it is known where."""
    policy = draft.site.reports
    word = policy.others
    if report.emergency:
        word = policy.unknown if report.person is None else policy.emergency
    if word == "offer":
        return False
    by = Wording(draft.site).text("report_by_policy")
    if promote(draft, report, by=by) is not None:
        return True
    detail = Wording(draft.site).text("detail_report_nowhere")
    draft.report(None, "warning", person=report.person, detail=f"{report.number}：{detail}")
    return False


def _turned_emergency(draft: Draft, report: GuardReport) -> None:
    if report.state == "open":
        draft.sleep(CLOCK, report.id)
        draft.put(report)
        if not _becomes_order(draft, report):
            tell_managers(draft, report)
            draft.wake(CLOCK, report.id, draft.taken_us + draft.site.reports.escalate_s * US)
        return
    order = draft.find(Order, report.order or "")
    if order is not None and report.person is not None:
        in_danger(
            draft, order, report.person, medium=report.medium, assurance=report.assurance
        )


def publish(draft: Draft, report: GuardReport, node: str, telling: Telling) -> None:
    """Tell the centre, with all that is known of who and where, what has just come."""
    order = draft.find(Order, report.order or "")
    recording = () if telling.recording is None else (telling.recording,)
    parts = details(draft, report, telling)
    draft.ask(
        ReportStatus(
            at_us=draft.now_us,
            order=None if order is None else order.id,
            number=report.number if order is None else order.number,
            node=node,
            person=report.person,
            medium=telling.medium.value,
            assurance=telling.assurance.value,
            detail=parts if order is None else f"{report.number}：{parts}",
            grid=report.grid,
            post=report.post,
            media=(*telling.media, *recording),
        )
    )


def _sweep(draft: Draft) -> None:
    """Forget reports that were dealt with, or never meant, a day ago."""
    for report in list(draft.state.each(GuardReport)):
        if report.state in ("open", "promoted") or draft.now_us - report.last_us < KEPT_US:
            continue
        for card in draft.of_order(Card, report.id):
            draft.drop(Card, card.key)
        draft.drop(GuardReport, report.key)
    for card in list(draft.state.each(Card)):
        # A report that became an order goes with the order's number.
        if _of_report(card) and draft.find(GuardReport, card.order) is None:
            draft.drop(Card, card.key)


def _of_report(card: Card) -> bool:
    return card.order.startswith(_REPORT_ID)


# ---- what becomes of it ----


def promote(
    draft: Draft, report: GuardReport, *, by: str, acted: ReportActed | None = None
) -> Order | None:
    """Make an order of a report; return it, or None when nobody knows in which grid."""
    alert = _alert_of(draft, report, acted)
    if alert.grid is None:
        return None
    flags = (CONVERGE,) if report.emergency else ()
    before = len(draft.effects)
    received = AlertReceived(at_us=draft.now_us, door=SENDER, alert=alert)
    open_order(draft, received, flags=flags)
    # No door waits for a receipt of what we have written ourselves.
    draft.effects[before:] = [e for e in draft.effects[before:] if not isinstance(e, Receipt)]
    key = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    order = draft.find(Order, key.order or "") if key else None
    assert order is not None
    _put_reporter_there(draft, order, report)
    order = draft.find(Order, order.id) or order
    urgent = report.emergency and order.alert.level is Level.ONE
    if urgent and order.status is not OrderStatus.HELD:
        call_ring(draft, order, 1)
    report = replace(report, state="promoted", order=order.id, by=by)
    draft.put(report)
    draft.sleep(CLOCK, report.id)
    detail = Wording(draft.site).text("detail_report_ordered", order=order.number, by=by)
    draft.report(
        order, "report_promoted", person=report.person, medium="centre", detail=detail
    )
    tell_reporter(draft, report, "report_became", order=order.number)
    refresh(draft, report)
    return draft.find(Order, order.id)


def _put_reporter_there(draft: Draft, order: Order, report: GuardReport) -> None:
    """Write down that who reported has acknowledged and arrived: he was there first."""
    if report.person is not None:
        apply_reply(
            draft, order, report.person, Action.ARRIVED, medium=report.medium,
            assurance=report.assurance,
        )  # fmt: skip


def _alert_of(draft: Draft, report: GuardReport, acted: ReportActed | None) -> Alert:
    """Return the alert that a report is, as far as an act does not say otherwise."""
    asked = acted or ReportActed(at_us=draft.now_us, report=report.number, act="promote", by="")
    level = asked.level or (1 if report.emergency else 2)
    post = draft.site.posts.get(report.post or "")
    here = asked.grid is None or asked.grid == report.grid
    alert = Alert(
        kind=AlertKind.ALERT,
        id=f"{report.number}-{draft.now_us // US}",
        sender=SENDER,
        sent_us=draft.now_us,
        category=asked.category or ("emergency" if report.emergency else "report"),
        level=Level(level),
        text=asked.text or said_by(draft, report),
        place=post.name if post is not None and here else None,
        location=_position(report.place) if report.place and here else None,
        grid=asked.grid or report.grid,
        needs=asked.needs or (draft.site.reports.needs if report.emergency else 1),
        attachments=tuple(path.rpartition(".")[0] for path in report.media),
        reporter=report.person,
    )
    return replace(alert, body_sha256=code_digest(repr(alert)))


def report_acted(draft: Draft, acted: ReportActed) -> None:
    """Do what a named person does about a report, and answer him by a receipt."""
    report = report_numbered(draft, acted.report)
    reason = _refused(draft, report, acted)
    if report is None or reason is not None:
        _answer(draft, acted, "refused", reason=reason)
        return
    if acted.act == "dismiss":
        dismiss(draft, report, by=acted.by, reason=acted.reason or "")
        _answer(draft, acted, "accepted")
        return
    order = draft.find(Order, report.order or "")
    if order is not None:
        _answer(draft, acted, "duplicate", order=order)
        return
    order = promote(draft, report, by=acted.by, acted=acted)
    assert order is not None
    _answer(draft, acted, "accepted", order=order)


def _refused(draft: Draft, report: GuardReport | None, acted: ReportActed) -> Worded | None:
    """Return why an act is not done, or None."""
    never_told = report is not None and report.state == "dismissed" and not report.by
    if report is None or report.state == "draft" or never_told:
        return because(draft.site, Why.NO_REPORT, report=acted.report)
    if (problem := lacking(draft, acted.by, "promote")) is not None:
        return problem
    if acted.act == "dismiss":
        if report.state in ("open", "offered"):
            return None
        done = Why.REPORT_ORDERED if report.order else Why.REPORT_DISMISSED
        return because(draft.site, done, number=report.number)
    if report.order is None and acted.grid is None and report.grid is None:
        return because(draft.site, Why.REPORT_NOWHERE, number=report.number)
    if acted.grid is not None and acted.grid not in draft.site.grids:
        return no_grid(draft, acted.grid)
    return None


def _answer(
    draft: Draft,
    acted: ReportActed,
    status: Literal["accepted", "duplicate", "refused"],
    *,
    order: Order | None = None,
    reason: Worded | None = None,
) -> None:
    draft.ask(
        Receipt(
            status=status,
            sender=acted.by,
            id=acted.report,
            order=None if order is None else order.id,
            number=None if order is None else order.number,
            reason=reason,
        )
    )


def dismiss(draft: Draft, report: GuardReport, *, by: str, reason: str) -> None:
    """Note that a report needs nobody, by whose word and why; the reporter is told."""
    report = replace(
        report, state="dismissed", last_us=draft.now_us, by=by, reason=reason
    )
    draft.put(report)
    draft.sleep(CLOCK, report.id)
    detail = Wording(draft.site).text("detail_report_dismissed", reason=reason, by=by)
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=None, number=report.number, node="report_dismissed",
            person=report.person, medium="centre", assurance="H", detail=detail,
            grid=report.grid, post=report.post,
        )
    )  # fmt: skip
    tell_reporter(draft, report, "report_ended", reason=reason)
    refresh(draft, report)


def never_meant(draft: Draft, report: GuardReport) -> None:
    """Forget what somebody says he did not mean as a report."""
    report = replace(report, state="dismissed", last_us=draft.now_us)
    draft.put(report)
    refresh(draft, report)


def report_due(draft: Draft, timer: Timer) -> None:
    """Remind the managers, the first one too, of a report that nobody has dealt with."""
    draft.drop(Timer, timer.key)
    report = draft.find(GuardReport, timer.order)
    if report is None or report.state != "open":
        return
    report = replace(report, reminded=report.reminded + 1)
    draft.put(report)
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=None, number=report.number, node="escalated",
            person=report.person, medium="clock",
            detail=Wording(draft.site).text("detail_report_late"),
            grid=report.grid, post=report.post,
        )
    )  # fmt: skip
    tell_managers(draft, report)
    if report.reminded < REMINDERS:
        draft.wake(CLOCK, report.id, draft.taken_us + draft.site.reports.escalate_s * US)
