"""What alarm hosts say: alarms become orders, a storm of them few orders, the rest is noted.

Theory of operation. An alarm opens an order as any alert does, unless (in this order)

1. the same zone gave alarm a moment ago: it is the same alarm;
2. its host has an open order: the second zone raises that order's level, as somebody moves; so
   does any that is more urgent; the rest join it;
3. all hosts together, or this one, gave more alarms within a minute than are taken one by one:
   it joins the open order of its host, or that of its own grid. A grid without one gets one,
   so that no storm hides a grid, and so does an alarm more urgent than that order.

What was merged is in the journal one by one and on the order's timeline; its people are told
once a minute how much it was. Tests, restored zones and troubles call nobody. A host that has
tested once and does not again is told to the centre.
"""

from dataclasses import replace
from typing import Literal

from gateway.core.alert import Alert, Level, MachineEvent, MachineSignal
from gateway.core.calls.calling import US, expired, tell_people
from gateway.core.calls.first_call import grids_meant
from gateway.core.intake.amending import amend
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.machines import (
    ALARMS_REMEMBERED,
    DIGEST,
    TEST_DUE,
    WHOLE_SITE,
    MachineHost,
    Merged,
    ZoneAlarm,
)
from gateway.core.intake.opening import answer_message, open_order
from gateway.core.intake.placing import place
from gateway.core.order import AlertKey, Order, OrderStatus, Timer
from gateway.core.reasons import Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording

_NAMED_IN_DIGEST = 8
# That a host's test stays away is told once; so long it is known that it was.
MISSED_KEPT_US = 7 * 86_400 * US
_MAX_TEXT_CHARS = 500


def machine_noted(draft: Draft, received: AlertReceived) -> bool:
    """Write down what a host says that calls nobody; return False where it is an alarm."""
    alert = received.alert
    if alert.machine is None or alert.machine.event is MachineEvent.ALARM:
        return False
    host = _host(draft, alert, alert.machine)
    node = "warning" if alert.machine.event is MachineEvent.TROUBLE else "machine"
    window_s = draft.site.machines.zones_window_s
    order = _within(draft, alert, host, window_s, zone=alert.machine.zone)
    if alert.machine.event is MachineEvent.TEST:
        _tested(draft, host)
        order = None
    detail = _words(draft, f"detail_machine_{alert.machine.event}", alert.machine, alert.text)
    draft.report(order, node, medium="centre", assurance="M", detail=detail)
    _remember_message(draft, alert, order, what="noted")
    answer_message(draft, alert, "accepted", order=order, reason=detail)
    return True


def machine_alarm(draft: Draft, received: AlertReceived) -> None:
    """Open an order for an alarm, or take it into the one it belongs to."""
    alert, rules = received.alert, draft.site.machines
    assert alert.machine is not None
    host = _host(draft, alert, alert.machine)
    again = _within(draft, alert, host, rules.repeat_s, zone=alert.machine.zone)
    near = again or _within(draft, alert, host, rules.zones_window_s)
    if near is not None and (
        alert.level < near.alert.level or _second(draft, host, near, alert)
    ):
        _raise_level(draft, alert, near)
    elif near is not None:
        key = "detail_machine_zone" if again is None else "detail_machine_again"
        _merge(draft, alert, near, key)
    elif (order := _in_storm(draft, alert, host)) is not None:
        _merge(draft, alert, order, "detail_machine_storm")
    else:
        open_order(draft, received, flags=())
    _remember_alarm(draft, alert)


def _second(draft: Draft, host: MachineHost, order: Order, alert: Alert) -> bool:
    """Return whether this is the second zone of a host in an order."""
    assert alert.machine is not None
    recent = _since(draft, host, draft.site.machines.zones_window_s)
    zones = {a.zone for a in recent if a.order == order.id}
    return len(zones) == 1 and alert.machine.zone not in zones


def digest_due(draft: Draft, timer: Timer) -> None:
    """Tell an order's people how many alarms were merged into it since the last time."""
    draft.drop(Timer, timer.key)
    order, merged = draft.find(Order, timer.order), draft.find(Merged, timer.order)
    if order is None or merged is None or not merged.untold:
        return
    draft.put(replace(merged, untold=0, hosts=()))
    hosts = "、".join(merged.hosts)
    if order.open and not expired(draft, order):
        tell_people(
            draft, order, "note_machines", privately=False, count=merged.untold, hosts=hosts
        )
        detail = Wording(draft.site).text(
            "detail_machine_digest", count=merged.untold, hosts=hosts
        )
        draft.report(order, "machine", medium="clock", detail=detail)


def missed_test_due(draft: Draft, timer: Timer) -> None:
    """Tell the centre that a host has not tested in time; once, until it tests again."""
    draft.drop(Timer, timer.key)
    host = draft.find(MachineHost, timer.order)
    if host is None or host.missed or not draft.site.machines.test_every_h:
        return
    draft.put(replace(host, missed=True))
    hours = draft.site.machines.test_every_h
    detail = Wording(draft.site).text("detail_machine_missed", host=host.host, hours=hours)
    draft.report(None, "warning", medium="clock", detail=detail)


def _tested(draft: Draft, host: MachineHost) -> None:
    draft.put(replace(host, tested_us=draft.now_us, missed=False))
    hours = draft.site.machines.test_every_h
    if hours:
        draft.wake(TEST_DUE, host.key, draft.now_us + hours * 3600 * US)


# ---- what is known of hosts ----


def _host(draft: Draft, alert: Alert, machine: MachineSignal) -> MachineHost:
    key = f"{alert.sender}\n{machine.host}"
    found = draft.find(MachineHost, key)
    if found is None:
        _forget_quiet_hosts(draft)
    return found or MachineHost(host=machine.host, sender=alert.sender)


def _forget_quiet_hosts(draft: Draft) -> None:
    """Forget hosts of which nothing is known that still counts: names can be made up."""
    rules = draft.site.machines
    alarm_us = draft.now_us - max(60, rules.repeat_s, rules.zones_window_s) * US
    test_us = draft.now_us - MISSED_KEPT_US
    for host in list(draft.state.each(MachineHost)):
        quiet = all(alarm.at_us < alarm_us for alarm in host.alarms)
        given_up = host.tested_us is None or (host.missed and host.tested_us < test_us)
        if quiet and given_up:
            draft.drop(MachineHost, host.key)


def _site(draft: Draft) -> MachineHost:
    found = draft.find(MachineHost, f"\n{WHOLE_SITE}")
    return found or MachineHost(host=WHOLE_SITE)


def _remember_alarm(draft: Draft, alert: Alert) -> None:
    """Note that a zone gave alarm, and into which order that went."""
    assert alert.machine is not None
    key = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    assert key is not None, "every way an alarm takes leaves its key"
    rules = draft.site.machines
    alarm = ZoneAlarm(zone=alert.machine.zone, at_us=draft.now_us, order=key.order or "")
    host, kept_s = _host(draft, alert, alert.machine), max(rules.repeat_s, rules.zones_window_s)
    for known, seconds, most in (
        (host, max(60, kept_s), ALARMS_REMEMBERED),
        (_site(draft), 60, rules.site_alarms),
    ):
        alarms = [*_since(draft, known, seconds), alarm]
        draft.put(replace(known, alarms=tuple(alarms[-most:])))


def _since(draft: Draft, host: MachineHost, seconds: int) -> list[ZoneAlarm]:
    from_us = draft.now_us - seconds * US
    return [a for a in host.alarms if from_us <= a.at_us <= draft.now_us]


def _within(
    draft: Draft, alert: Alert, host: MachineHost, seconds: int, *, zone: str | None = None
) -> Order | None:
    """Return the open order of the host's latest alarm within a time, of a zone or of any."""
    for alarm in reversed(_since(draft, host, seconds)):
        order = draft.find(Order, alarm.order)
        if zone not in (None, alarm.zone) or order is None or not order.open:
            continue
        if zone is None and order.status is OrderStatus.HELD:
            continue
        if order.alert.exercise is alert.exercise:
            return order
    return None


# ---- merging ----


def _in_storm(draft: Draft, alert: Alert, host: MachineHost) -> Order | None:
    """Return the order that an alarm joins because there are too many of them, or None."""
    rules = draft.site.machines
    if len(_since(draft, host, 60)) >= rules.host_alarms:
        order = _within(draft, alert, host, 60)
        if order is not None and order.alert.level <= alert.level:
            return order
    if len(_since(draft, _site(draft), 60)) < rules.site_alarms:
        return None
    found = place(draft.site, alert).grids
    grid = next(iter(grids_meant(draft, alert, found)), None)
    for order_id in draft.state.open_orders():
        order = draft.find(Order, order_id)
        if order is not None and _can_join(draft, order, alert, grid):
            return order
    return None


def _can_join(draft: Draft, order: Order, alert: Alert, grid: str | None) -> bool:
    """Return whether an order is a machine's, of this grid, and as urgent as the alarm.

    What guards are not told of hides no alarm that they may hear of.
    """
    return (
        order.open
        and order.status is not OrderStatus.HELD
        and order.alert.machine is not None
        and order.alert.exercise is alert.exercise
        and order.alert.level <= alert.level
        and (order.grids[0] if order.grids else None) == grid
        and not expired(draft, order)
    )


def _merge(draft: Draft, alert: Alert, order: Order, key: str) -> None:
    """Take an alarm into an order without calling anybody again."""
    assert alert.machine is not None
    name = f"{alert.machine.host}/{alert.machine.zone}"
    merged = draft.find(Merged, order.id) or Merged(order=order.id)
    hosts = tuple(dict.fromkeys((*merged.hosts, name)))[:_NAMED_IN_DIGEST]
    draft.put(
        replace(merged, untold=merged.untold + 1, total=merged.total + 1, hosts=hosts)
    )
    if draft.find(Timer, f"{DIGEST}/{order.id}") is None:
        draft.wake(DIGEST, order.id, draft.now_us + draft.site.machines.digest_s * US)
    if "merged" not in order.flags:
        order = replace(order, flags=(*order.flags, "merged"))
        draft.put(order)
    detail = _words(draft, key, alert.machine, alert.text)
    draft.report(order, "machine", medium="centre", assurance="M", detail=detail)
    _remember_message(draft, alert, order, what="alert")
    answer_message(draft, alert, "accepted", order=order, reason=detail)


def _raise_level(draft: Draft, alert: Alert, order: Order) -> None:
    """Make an order one level more urgent, or as urgent as the alarm, and tell its people."""
    assert alert.machine is not None
    level = Level(max(1, min(alert.level, order.alert.level - 1)))
    detail = _words(draft, "detail_machine_zone", alert.machine, alert.text)
    _remember_message(draft, alert, order, what="alert")
    text = f"{order.alert.text}；{detail}"[:_MAX_TEXT_CHARS]
    amend(draft, order, replace(order.alert, level=level, text=text))
    order = draft.find(Order, order.id) or order
    answer_message(draft, alert, "accepted", order=order, reason=detail)


def _remember_message(
    draft: Draft, alert: Alert, order: Order | None, *, what: Literal["alert", "noted"]
) -> None:
    """Put the key of a message; without ``sent``, as its word is not that of the order."""
    draft.put(
        AlertKey(
            sender=alert.sender, id=alert.id, sha256=alert.body_sha256,
            order=None if order is None else order.id,
            number=None if order is None else order.number,
            at_us=draft.now_us, what=what,
        )
    )  # fmt: skip


def _words(draft: Draft, key: str, machine: MachineSignal, text: str) -> Worded:
    return Wording(draft.site).text(key, host=machine.host, zone=machine.zone, text=text)
