"""Everything at once, in any order: the promises hold whatever happens.

Each rule is one event of the outside world, sensible or not. The desk checks every step
(``check_step``); here stand the checks that need a memory, and that the same event twice is
harmless.
"""

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core.after.events import OrderActed
from gateway.core.alert import AlertKind, Level
from gateway.core.answers.events import ButtonPressed, DigitsHeard, OverHeard, TextReceived
from gateway.core.answers.replies import code_digest
from gateway.core.calls.events import (
    CalledOff,
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
)
from gateway.core.calls.owner import DESK
from gateway.core.dispatch import step
from gateway.core.effects import AnswerOver, AnswerPress, ReportStatus
from gateway.core.events import PathChanged, Started, TimerFired
from gateway.core.order import (
    AlertKey,
    Assignment,
    Card,
    Counter,
    Delivery,
    Drop,
    NumberLease,
    Order,
    OrderStatus,
    Page,
    Put,
    Timer,
)
from gateway.core.people import Contact, Person
from gateway.core.register.events import EnrolmentIssued, PersonLeft, RegisterSeeded
from gateway.core.state import PAGES_REMEMBERED, Draft, State
from tests.core.site_for_tests import (
    ACCOUNTS,
    NOON_US,
    PEOPLE,
    US,
    Desk,
    entities,
    guard,
    make_site,
)

IDS = st.sampled_from(["a", "b", "c"])
GRIDS = st.sampled_from(["G1", "G1", "G2", "G3", "G4", "G5", "nowhere", None])
LEVELS = st.sampled_from(list(Level))
WHO = st.sampled_from([*PEOPLE])
ACTIONS = st.sampled_from("012345")
TEXTS = st.sampled_from(
    ["收到", "到了", "不能去", "增援", "完成", "10 收到", "11 到了", "吃饭了", "ABCD2345", "{}\n@all"]
)
CODES = [p.guard_code for p in PEOPLE.values() if p.guard_code] + ["555"]
LONG = ("10", "11", "12", "99")


class Days(RuleBasedStateMachine):
    """A district over some hours, with everybody doing as they please."""

    def __init__(self):
        super().__init__()
        # Few people, so that everybody's word matters.
        self.desk = Desk("zhang", "wang", "chen", "sun", "wu")
        self.seen: dict[tuple[str, str], str] = {}
        self.statuses: dict[str, OrderStatus] = {}
        self.done: dict[str, tuple] = {}
        self.counter = 0

    def happen(self, event):
        """Let it happen, and once more: the second time nothing but an answer comes of it."""
        self.desk.take(event)
        if isinstance(event, REPEATABLE):
            before = entities(self.desk.state)
            again = self.desk.take(event)
            assert _without_tries(entities(self.desk.state)) == _without_tries(before)
            reports = [e for e in again if isinstance(e, ReportStatus)]
            assert all(r.node in HARMLESS for r in reports), reports

    def next(self) -> str:
        self.counter += 1
        return f"x{self.counter}"

    # ---- the centre ----

    @initialize(level=LEVELS, needs=st.integers(1, 2))
    def first_alert(self, level, needs):
        """Most stories begin with an order in which people have a part."""
        self.message("a", "G1", level, needs, 0, None, AlertKind.ALERT, "有人打架")

    @rule(id_=IDS, grid=GRIDS, level=LEVELS, needs=st.integers(1, 3),
          late_s=st.integers(-40, 40), expires_s=st.none() | st.integers(-5, 900), text=TEXTS)
    def raised(self, id_, grid, level, needs, late_s, expires_s, text):  # fmt: skip
        self.message(id_, grid, level, needs, late_s, expires_s, AlertKind.ALERT, text)

    @rule(id_=IDS, grid=GRIDS, level=LEVELS, needs=st.integers(1, 3), text=TEXTS,
          expires_s=st.none() | st.integers(-5, 900))
    def amended(self, id_, grid, level, needs, text, expires_s):  # fmt: skip
        self.message(id_, grid, level, needs, 0, expires_s, AlertKind.UPDATE, text)

    @rule(id_=IDS, sure=st.integers(0, 3))
    def called_off(self, id_, sure):
        if sure == 0:
            self.message(id_, None, Level.THREE, 1, 0, None, AlertKind.CANCEL, "误报")

    def message(self, id_, grid, level, needs, late_s, expires_s, kind, text):
        now_us = self.desk.now_us
        expires_us = None if expires_s is None else now_us + expires_s * US
        received = self.desk.message(
            kind, id=id_, grid=grid, level=level, needs=needs, sent_us=now_us - late_s * US,
            expires_us=expires_us, text=text,
        )  # fmt: skip
        first = self.desk.send(received)
        before = entities(self.desk.state)
        second = self.desk.send(received)
        assert entities(self.desk.state) == before, "the same message twice is one"
        assert second.order == first.order
        assert (first.status, second.status) in {
            ("accepted", "duplicate"), ("accepted", "accepted"), ("conflict", "conflict"),
            ("duplicate", "duplicate"), ("refused", "refused"),
        }  # fmt: skip
        if (first.status, second.status) == ("accepted", "accepted"):
            assert first.order is None, "only a tombstone is buried twice"

    @precondition(lambda self: self.orders())
    @rule(data=st.data(),
          act=st.sampled_from(["close", "stand_down", "confirm", "confirm", "confirm"]),
          node=st.sampled_from(["acknowledged", "en_route", "arrived", "done"]))  # fmt: skip
    def dispatcher(self, data, act, node):
        order, person = data.draw(st.sampled_from(self.parts()))
        self.happen(
            OrderActed(
                at_us=self.desk.now_us, order=order, act=act, by="x", person=person, node=node
            )
        )

    @precondition(lambda self: self.orders())
    @rule(data=st.data(), grid=st.none() | st.sampled_from(["G1", "G2", "G3"]))
    def one_called_off(self, data, grid):
        order, person = data.draw(st.sampled_from(self.parts()))
        self.happen(
            CalledOff(
                at_us=self.desk.now_us, order=order, person=None if grid else person,
                grid=grid, reason="另有任务", by="x",
            )
        )  # fmt: skip

    @precondition(lambda self: self.orders())
    @rule(id_=IDS, who=st.sampled_from(["zhang", "chen", "head"]))
    def named(self, id_, who):
        update = self.desk.message(
            AlertKind.UPDATE, id=id_, sent_us=self.desk.now_us, to=f"person/{who}"
        )
        self.desk.send(update)

    # ---- people ----

    @rule(action=ACTIONS, data=st.data())
    def button(self, action, data):
        order, who = data.draw(st.sampled_from(self.parts()))
        press = ButtonPressed(
            at_us=self.desk.now_us, chat="work", address=ACCOUNTS.get(who, who), order=order,
            action=action, press=self.next(), private=True,
        )  # fmt: skip
        self.happen(press)

    @rule(data=st.data(), action=ACTIONS, by_radio_id=st.booleans(), short=st.booleans())
    def digits(self, data, action, by_radio_id, short):
        """Somebody keys for an order of his, or of somebody else."""
        order, who = data.draw(st.sampled_from(self.parts()))
        found, code = self.desk.state.find(Order, order), getattr(PEOPLE.get(who), "guard_code", "")
        number = "" if short else (found.number if found else "99")
        self.key(number + ("" if by_radio_id else code or "") + action, f"99{code}" * by_radio_id)

    @rule(number=st.sampled_from(LONG), code=st.sampled_from(["", *CODES]),
          action=st.sampled_from("0123459"), channel=st.sampled_from(["ch1", "ch2"]))
    def guesses(self, number, code, action, channel):  # fmt: skip
        self.key(number + code + action, "", channel)

    def key(self, digits, ani, channel="ch1"):
        self.happen(
            DigitsHeard(
                at_us=self.desk.now_us, channel=channel, over=self.next(), ani=ani or None,
                digits=digits,
            )
        )  # fmt: skip

    @rule(who=WHO | st.just("6666"), text=TEXTS, group=st.sampled_from([None, "-101"]),
          data=st.data())  # fmt: skip
    def words(self, who, text, group, data):
        cards = [c.message for c in self.desk.state.each(Card) if c.message]
        reply_to = data.draw(st.none() | st.sampled_from(cards)) if cards else None
        self.desk.take(
            TextReceived(
                at_us=self.desk.now_us, chat="work", address=ACCOUNTS.get(who, who),
                group=group, text=text, message=self.next(), reply_to=reply_to,
            )
        )  # fmt: skip

    @rule(ani=st.none() | st.sampled_from(["99101", "99555"]), keyed_ms=st.integers(0, 20_000))
    def over(self, ani, keyed_ms):
        self.happen(
            OverHeard(
                at_us=self.desk.now_us, channel="ch1", over="v", keyed_ms=keyed_ms, ani=ani
            )
        )

    @rule(who=WHO, sure=st.integers(0, 3))
    def leave(self, who, sure):
        if sure:
            return
        self.happen(PersonLeft(at_us=self.desk.now_us, person=who))

    @rule(who=WHO)
    def issue(self, who):
        self.happen(
            EnrolmentIssued(
                at_us=self.desk.now_us, person=who, code_sha256=code_digest("ABCD2345"),
                expires_us=self.desk.now_us + 600 * US,
            )
        )  # fmt: skip

    @rule(who=st.sampled_from(["zhang", "li", "chen"]))
    def seed(self, who):
        contact = Contact(person=who, chat="work", address=ACCOUNTS[who], since_us=0)
        self.happen(
            RegisterSeeded(at_us=self.desk.now_us, people=(PEOPLE[who],), contacts=(contact,))
        )

    # ---- what becomes of pages and cards ----

    @precondition(lambda self: any(True for _ in self.desk.state.each(Page)))
    @rule(data=st.data(), what=st.sampled_from(["start", "spoken", "failed", "expired",
                                                "withdrawn"]))  # fmt: skip
    def page(self, data, what):
        page = data.draw(st.sampled_from(sorted(p.id for p in self.desk.state.each(Page))))
        now_us = self.desk.now_us
        if what == "start":
            self.happen(PageStarted(at_us=now_us, page=page))
        elif what == "spoken":
            self.happen(PageSpoken(at_us=now_us, page=page))
        else:
            self.happen(PageFailed(at_us=now_us, page=page, reason="x", state=what))

    @rule()
    def everything_goes_out(self):
        self.desk.speak()
        self.desk.post()

    @precondition(lambda self: any(True for _ in self.desk.state.each(Card)))
    @rule(data=st.data(), state=st.sampled_from(["posted", "failed", "expired"]))
    def card(self, data, state):
        card = data.draw(st.sampled_from(sorted(c.id for c in self.desk.state.each(Card))))
        if state == "posted":
            self.happen(CardPosted(at_us=self.desk.now_us, card=card, message=f"m-{card}"))
        else:
            self.happen(
                CardFailed(at_us=self.desk.now_us, card=card, state=state, reason="x")
            )

    # ---- time, ways, restarts ----

    @rule(seconds=st.sampled_from([1, 7, 30, 61, 400, 90_000]))
    def wait(self, seconds):
        self.desk.wait(seconds)

    @rule(seconds=st.sampled_from([100, 5_000]))
    def down_and_up(self, seconds):
        """The daemon is away; afterwards every clock that came due rings at once."""
        self.desk.pass_time(seconds)
        self.desk.take(Started(at_us=self.desk.now_us, down_us=seconds * US))
        now_us = self.desk.now_us
        for timer in [t for t in self.desk.state.each(Timer) if t.due_us <= now_us]:
            self.happen(TimerFired(at_us=now_us, timer=timer.id, due_us=timer.due_us))

    @rule(seconds=st.integers(1, 3))
    def clock_steps_back(self, seconds):
        self.desk.now_us -= seconds * US

    @rule(path=st.sampled_from(["channel:ch1", "chat:work", "mqtt"]), up=st.booleans())
    def way(self, path, up):
        self.happen(PathChanged(at_us=self.desk.now_us, path=path, up=up, reason="x"))

    @rule()
    def restart(self):
        """All that a restart keeps is the entities."""
        kept = sorted(entities(self.desk.state).items(), reverse=True)
        self.desk.state = State(entity for _, entity in kept)

    # ---- what needs a memory ----

    def orders(self):
        return sorted(o.id for o in self.desk.state.each(Order))

    def parts(self):
        """Whose part in which order; and two that are nobody's."""
        parts = sorted((a.order, a.person) for a in self.desk.state.each(Assignment))
        return [*parts, *((o, "sun") for o in self.orders()), ("o99", "zhang")]

    @invariant()
    def one_order_a_message(self):
        for key in self.desk.state.each(AlertKey):
            if key.order is not None and "\n" not in key.id:
                assert self.seen.setdefault((key.sender, key.id), key.order) == key.order or (
                    self.desk.state.find(Order, self.seen[key.sender, key.id]) is None
                )
                self.seen[key.sender, key.id] = key.order

    @invariant()
    def nobody_unsays_anything(self):
        for part in self.desk.state.each(Assignment):
            before = self.done.get(part.key, ())
            assert part.stamps[: len(before)] == before, part
            self.done[part.key] = part.stamps

    @invariant()
    def ended_orders_stay_ended(self):
        ended = (OrderStatus.CANCELLED, OrderStatus.CLOSED)
        for order in self.desk.state.each(Order):
            before = self.statuses.get(order.id)
            assert before not in ended or order.status is before
            assert (order.closed_us is not None) is (order.status in ended)
            self.statuses[order.id] = order.status

    @invariant()
    def an_open_order_has_always_one_owner_who_is_there(self):
        for order in self.desk.state.each(Order):
            if order.open:
                owner = self.desk.state.find(Person, order.owner)
                assert order.owner == DESK or (owner is not None and owner.active), order

    @invariant()
    def who_is_asked_again_has_a_clock_that_ends_it(self):
        for part in self.desk.state.each(Assignment):
            order = self.desk.state.find(Order, part.order)
            if part.asked_us is not None and order.open:
                assert self.desk.state.find(Timer, f"still_answer/{part.order}"), part

    @invariant()
    def an_order_that_calls_has_a_clock(self):
        clocks = {t.order for t in self.desk.state.each(Timer) if t.what == "ladder"}
        for order in self.desk.state.each(Order):
            if order.status is OrderStatus.CALLING:
                assert order.id in clocks, "nobody would ever climb for it"


# A repetition of these leaves everything as it is; the others count (tries, codes, words).
REPEATABLE = (
    ButtonPressed, PageStarted, PageSpoken, CardPosted, TimerFired, PersonLeft, RegisterSeeded,
    PathChanged, OrderActed, EnrolmentIssued, DigitsHeard, CalledOff,
)  # fmt: skip
# What may be reported again: a refusal each time it is refused.
HARMLESS = ("refused_reply", "repeated_reply")


def _without_tries(found):
    return {k: v for k, v in found.items() if k[0] != "tries"}


TestDays = Days.TestCase
TestDays.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


# ---- a draft sees what the state will be ----


def some_entities():
    order = st.sampled_from(["o1", "o2"])
    return st.one_of(
        st.builds(
            Delivery, order=order, person=st.sampled_from(["a", "b"]), medium=st.just("radio"),
            via=st.sampled_from(["p1", "p9", "p10"]), reason=st.sampled_from([None, "x"]),
        ),
        st.builds(Timer, id=st.sampled_from(["t1", "t2"]), order=order, what=st.just("ladder"),
                  due_us=st.integers(0, 3)),
        st.builds(Counter, name=st.sampled_from(["page", "card"]), value=st.integers(0, 3)),
    )  # fmt: skip


class Drafts(RuleBasedStateMachine):
    """Random changes on a draft: it must see the state that applying its changes gives."""

    def __init__(self):
        super().__init__()
        self.state = State()
        self.draft = Draft(self.state, make_site(), NOON_US)

    @rule(entity=some_entities())
    def put(self, entity):
        self.draft.put(entity)

    @rule(entity=some_entities())
    def drop(self, entity):
        self.draft.drop(type(entity), entity.key)

    @rule()
    def commit(self):
        for change in self.draft.changes:
            self.state.apply(change)
        self.draft = Draft(self.state, make_site(), NOON_US)

    @invariant()
    def the_same_is_seen(self):
        applied = State(entities(self.state).values())
        for change in self.draft.changes:
            applied.apply(change)
        for (kind, key), entity in entities(applied).items():
            assert self.draft.find(type(entity), key) == entity, kind
        for kind in (Delivery, Timer):
            for order in ("o1", "o2"):
                seen = self.draft.of_order(kind, order)
                assert seen == Draft(applied, make_site(), 0).of_order(kind, order)
        for change in self.draft.changes:
            if isinstance(change, Drop):
                kind = {k.KIND: k for k in (Delivery, Timer, Counter)}[change.kind]
                assert self.draft.find(kind, change.key) == applied.find(kind, change.key)
            else:
                assert isinstance(change, Put)


TestDrafts = Drafts.TestCase
TestDrafts.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, derandomize=True
)


def test_putting_what_stands_already_is_no_change():
    counter = Counter(name="page", value=1)
    draft = Draft(State([counter]), make_site(), NOON_US)
    draft.put(counter)
    draft.drop(Counter, "card")
    assert draft.changes == []


def test_a_page_that_goes_lets_the_one_before_it_be_seen_again():
    """Of a channel only the latest pages are looked through: as many, whatever went."""
    pages = [
        Page(id=f"p{n}", order="o1", channel="ch1", state="spoken", rung=0, purpose="order")
        for n in range(1, PAGES_REMEMBERED + 4)
    ]  # fmt: skip
    state = State(pages)
    assert len(state.latest_pages("ch1")) == PAGES_REMEMBERED
    for gone in (pages[-1], pages[5], pages[0]):
        state.apply(Drop(Page.KIND, gone.id))
        assert state.latest_pages("ch1") == State(state.each(Page)).latest_pages("ch1")
    assert len(state.latest_pages("ch1")) == PAGES_REMEMBERED


def test_a_number_given_up_takes_its_order_out_of_the_memory():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "1")
    desk.state.apply(Drop(NumberLease.KIND, "10"))
    left = {kind for kind, _ in entities(desk.state)}
    assert left == {"person", "contact", "counter"}
    assert list(desk.state.open_orders()) == []
    assert desk.state.orders_of("zhang") == frozenset()


# ---- a big city ----


@pytest.mark.parametrize("people", [1_000, 100_000])
def test_a_step_does_not_grow_with_the_register(people, capsys):
    """Printed, not asserted: a figure of one machine at one moment."""
    crowd = [
        replace(guard(f"g{i}", f"{i:06d}", f"N{i // 10}"), radio_id=None) for i in range(people)
    ]
    contacts = [
        Contact(person=p.id, chat="work", address=f"7{p.id}", since_us=0) for p in crowd
    ]
    desk = Desk()
    state = State([*entities(desk.state).values(), *crowd, *contacts])
    began_s = time.perf_counter()
    for i in range(20):
        received = desk.message(AlertKind.ALERT, id=f"q{i}")
        outcome = step(state, desk.site, received)
        for change in outcome.changes:
            state.apply(change)
        press = ButtonPressed(
            at_us=desk.now_us, chat="work", address="1001", order=f"o{i + 1}", action="1",
            press="q", private=True,
        )  # fmt: skip
        outcome = step(state, desk.site, press)
        assert any(isinstance(e, AnswerPress) and not e.alert for e in outcome.effects)
    each_ms = (time.perf_counter() - began_s) * 1000 / 40
    with capsys.disabled():
        print(f"\n{people} people: {each_ms:.2f} ms a step")


def test_a_grid_of_a_thousand_guards(capsys):
    crowd = [guard(f"g{i}", f"{i:03d}", "G1") for i in range(1000)]
    contacts = [
        Contact(person=p.id, chat="work", address=f"7{p.id}", since_us=0) for p in crowd
    ]
    state, site = State([*crowd, *contacts]), make_site()
    desk = Desk()
    times = []
    for event in (
        desk.message(AlertKind.ALERT),
        DigitsHeard(at_us=NOON_US, channel="ch1", over="v", digits="100011"),
        ButtonPressed(at_us=NOON_US, chat="work", address="7g2", order="o1", action="3",
                      press="q", private=True),
    ):  # fmt: skip
        began_s = time.perf_counter()
        outcome = step(state, site, event)
        times.append((time.perf_counter() - began_s) * 1000)
        for change in outcome.changes:
            state.apply(change)
    assert any(isinstance(e, AnswerOver) for e in outcome.effects) is False
    assert state.find(Order, "o1").status is OrderStatus.ARRIVED
    with capsys.disabled():
        print(f"\nthousand guards: {', '.join(f'{t:.0f} ms' for t in times)}")
