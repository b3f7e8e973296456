"""A small district and a desk in it: stories are told from here, one event at a time.

Three grids in a row (east, middle, west), each in a zone of another grade, two channels, one
chat with a group a grid; a fourth grid with nobody and nothing. Every event a story sends
passes the checks of :func:`check_step`, so each story is a test of the promises as well.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from gateway.core.after.aftercare import FOLLOW_UP
from gateway.core.after.events import OrderActed
from gateway.core.alert import Alert, AlertKind, Datum, Level, Position
from gateway.core.answers.events import (
    ButtonPressed,
    DigitsHeard,
    KeyPattern,
    OverHeard,
    SignalHeard,
    TextReceived,
)
from gateway.core.answers.replies import code_digest
from gateway.core.calls.escalation import Response, rungs
from gateway.core.calls.events import CardPosted, PageSpoken, PageStarted
from gateway.core.dispatch import Outcome, step
from gateway.core.effects import (
    AnswerOver,
    AnswerPress,
    EditCard,
    PageChannel,
    PostCard,
    Receipt,
    ReportStatus,
    SendText,
    WithdrawPage,
)
from gateway.core.events import PathChanged, TimerFired
from gateway.core.guard_reports.report import GuardReport
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.machines import TEST_DUE
from gateway.core.life import at_work
from gateway.core.order import (
    ENTITY_TYPES,
    Assignment,
    Card,
    Delivery,
    Node,
    NumberLease,
    Order,
    OrderStatus,
    Page,
    Put,
    Timer,
)
from gateway.core.people import Contact, Organisation, Person, Role
from gateway.core.places import Channel, ChatGroup, Grid, Post, Site, Zone
from gateway.core.readiness.event_plans import CLOCK as PLANS
from gateway.core.readiness.settings import Notice
from gateway.core.register.events import (
    EnrolmentIssued,
    PersonLeft,
    RadioBlocked,
    RegisterSeeded,
)
from gateway.core.roster import Roster, Shift
from gateway.core.state import State

US = 1_000_000
DAY_US = 86_400 * US
DATA = Path(__file__).parents[2] / "gateway" / "data"
NOON_US = int(datetime(2026, 11, 22, 4, 0, tzinfo=UTC).timestamp()) * US


@cache
def catalogue(language: str) -> dict[str, str]:
    """Every sentence of a language."""
    path = DATA / f"catalogue_{language}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def square(lat: int, lon: int) -> tuple[tuple[int, int], ...]:
    """A hundredth of a degree each way, in micro-degrees."""
    return ((lat, lon), (lat, lon + 10_000), (lat + 10_000, lon + 10_000), (lat + 10_000, lon))


def make_grids() -> dict[str, Grid]:
    """East (grade 1), middle (2) and west (3) in a row; the quarry alone and unequipped."""
    east = Grid(
        id="G1", name="东街网格", zone="core", codes=("350101",), aliases=("东街",),
        polygon=square(25_000_000, 118_000_000), neighbours=("G2",), channel="ch1",
        chat="work/east", station="station", second_manager="head", first_manager="chief",
    )  # fmt: skip
    middle = Grid(
        id="G2", name="中街网格", zone="town", codes=("350102",), aliases=("中街",),
        polygon=square(25_000_000, 118_010_000), neighbours=("G1", "G3"), channel="ch1",
        chat="work/middle", second_manager="head", first_manager="chief",
    )  # fmt: skip
    west = Grid(
        id="G3", name="西街网格", zone="edge", aliases=("西街",), neighbours=("G2",),
        polygon=square(25_000_000, 118_020_000), channel="ch2", chat="work/west",
        second_manager="head", first_manager="chief",
    )  # fmt: skip
    quarry = Grid(id="G4", name="采石场", zone="edge", aliases=("采石场",))
    dark = Grid(id="G5", name="旧码头", zone="edge", aliases=("旧码头",), channel="dark")
    return {g.id: g for g in (east, middle, west, quarry, dark)}


def make_site(language: str = "zh_CN", **response: object) -> Site:
    """The district; clocks as the defaults say unless named here, the ladder by its words."""
    if "ladder" in response:
        response["ladder"] = rungs(*response["ladder"])
    return Site(
        version="test", id="county", name="示范县", centre_name="指挥中心", language=language,
        timezone=ZoneInfo("Asia/Shanghai"), datum=Datum.WGS_84,
        zones={
            "core": Zone(id="core", name="重点核心区域", grade=1),
            "town": Zone(id="town", name="人员密集场所", grade=2),
            "edge": Zone(id="edge", name="一般区域", grade=3),
        },
        grids=make_grids(),
        posts={"P1": Post(id="P1", name="建设银行门口", grid="G2", aliases=("建行",))},
        channels={
            "ch1": Channel(id="ch1", name="一信道", transmits=True, ani_digits=5),
            "ch2": Channel(id="ch2", name="二信道", transmits=True),
            "dark": Channel(id="dark", name="暗信道", transmits=False),
        },
        chat_groups={
            f"work/{g}": ChatGroup(chat="work", group=g, address=a)
            for g, a in (("east", "-101"), ("middle", "-102"), ("west", "-103"))
        },
        organisations={"guard": Organisation(id="guard", name="东门保安公司")},
        # Noon of 22 November 2026 is crew A's day shift; crew B stands the night.
        roster=Roster(
            shifts={
                "day": Shift(id="day", from_min=480, to_min=1200),
                "night": Shift(id="night", from_min=1200, to_min=480),
            },
            crews=("A", "B"), start=date(2026, 11, 22), days=("day", "night"),
        ),
        response=replace(Response(), **response),
        catalogues={name: catalogue(name) for name in ("zh_CN", "en")},
    )  # fmt: skip


def guard(name: str, code: str, *grids: str, **more: object) -> Person:
    """A guard on the day shift unless told otherwise; his radio's id is his code behind 99."""
    fields = {"crew": "A", "radio_id": f"99{code}", "organisation": "guard"} | more
    return Person(id=name, name=NAMES.get(name, name), guard_code=code, grids=grids, **fields)


NAMES = {
    "zhang": "张三", "li": "李四", "wang": "王五", "zhao": "赵六", "chen": "陈七", "sun": "孙八",
    "smith": "Smith", "wu": "吴九", "head": "所长", "chief": "局长", "station": "东街派出所",
}  # fmt: skip
PEOPLE = {
    p.id: p
    for p in (
        guard("zhang", "101", "G1"),
        guard("li", "102", "G1"),
        guard("wang", "103", "G1"),  # radio only
        guard("zhao", "104", "G1", crew="B"),  # off duty at noon
        guard("chen", "201", "G2"),
        guard("sun", "301", "G3"),
        guard("smith", "302", "G3", language="en"),
        guard("wu", "501", "G5"),  # on a channel without a licence
        Person(id="station", name=NAMES["station"], role=Role.STATION),
        Person(id="head", name=NAMES["head"], role=Role.MANAGER),
        Person(id="chief", name=NAMES["chief"], role=Role.MANAGER),
    )
}
ACCOUNTS = {
    "zhang": "1001", "li": "1002", "zhao": "1004", "chen": "2001", "sun": "3001",
    "smith": "3002", "station": "9001", "head": "9002", "chief": "9003",
}  # fmt: skip
UPSTAIRS = ("station", "head", "chief")


# Clocks of what keeps people ready: they hang on no order.
READINESS = (
    "drill", "weekly_drill", "weekly_drill_notice", "notice", "roll_call", "self_test", "cover",
)  # fmt: skip


class Desk:
    """The engine's place in a story: tells the core what happens and keeps what it asked for.

    Attributes:
        state: What the core knows now.
        site: Settings in force.
        now_us: The wall clock of the story.
        asked: Every effect so far.
        synchronised: Whether our clock is to be trusted.
    """

    def __init__(
        self,
        *people: str,
        site: Site | None = None,
        now_us: int = NOON_US,
        upstairs: Iterable[str] = UPSTAIRS,
    ) -> None:
        names = [*(people or [p for p in PEOPLE if p not in UPSTAIRS]), *upstairs]
        self.state, self.site = State(), site or make_site()
        self.now_us, self.synchronised = now_us, True
        self.asked: list[object] = []
        self._presses = 0
        self._last_order = ""
        register = tuple(PEOPLE[n] for n in names)
        contacts = tuple(
            Contact(person=n, chat="work", address=ACCOUNTS[n], since_us=0)
            for n in names
            if n in ACCOUNTS
        )
        self.take(RegisterSeeded(at_us=now_us, people=register, contacts=contacts))

    # ---- the world acts ----

    def take(self, event: object) -> list[object]:
        """Let one thing happen; return what the core asks for because of it."""
        before = entities(self.state)
        outcome = step(
            self.state, self.site, event, synchronised=self.synchronised, taken_us=self.now_us
        )
        assert entities(self.state) == before, "a step must not touch the state"
        for change in outcome.changes:
            self.state.apply(change)
        check_addressed(before, outcome)
        check_step(self.state, self.site, event, outcome, synchronised=self.synchronised)
        self.asked += outcome.effects
        return list(outcome.effects)

    def pass_time(self, seconds: float) -> None:
        """Move the clock and fire nothing (the daemon is down, or nothing is due)."""
        self.now_us += round(seconds * US)

    def wait(self, seconds: float) -> None:
        """Let time pass; clocks that come due meanwhile ring in their order."""
        until_us = self.now_us + round(seconds * US)
        rung: set[tuple[str, int]] = set()
        while due := [t for t in self.state.each(Timer) if t.due_us <= until_us]:
            timer = min(due, key=lambda t: (t.due_us, t.id))
            assert (timer.id, timer.due_us) not in rung, f"{timer.id} rings for ever"
            rung.add((timer.id, timer.due_us))
            self.now_us = max(self.now_us, timer.due_us)
            self.take(TimerFired(at_us=self.now_us, timer=timer.id, due_us=timer.due_us))
        self.now_us = until_us

    def message(self, kind: AlertKind, **fields: object) -> AlertReceived:
        """A message of the centre as a door hands it in; its digest follows its content."""
        defaults: dict[str, object] = {
            "id": "JQ-1", "sender": "zhzx", "sent_us": self.now_us, "category": "fight",
            "level": Level.TWO, "text": "有人打架", "grid": "G1",
        }  # fmt: skip
        prior = {k: fields.pop(k) for k in list(fields) if k.startswith("prior_")}
        alert = Alert(kind=kind, **(defaults | fields))
        digest = fields.get("body_sha256") or code_digest(repr(alert))
        alert = replace(alert, body_sha256=digest)
        return AlertReceived(at_us=self.now_us, door="http", alert=alert, **prior)

    def send(self, received: AlertReceived) -> Receipt:
        """Hand a message in; return its receipt."""
        (receipt,) = [e for e in self.take(received) if isinstance(e, Receipt)]
        if receipt.order:
            self._last_order = receipt.order
        return receipt

    def alert(self, **fields: object) -> Receipt:
        """The centre raises an alert."""
        return self.send(self.message(AlertKind.ALERT, **fields))

    def update(self, **fields: object) -> Receipt:
        """The centre amends an alert."""
        return self.send(self.message(AlertKind.UPDATE, **fields))

    def cancel(self, **fields: object) -> Receipt:
        """The centre calls an alert off."""
        return self.send(self.message(AlertKind.CANCEL, **fields))

    def act(self, act: str, **fields: object) -> Receipt:
        """A dispatcher acts on the latest order, or on the one named."""
        fields.setdefault("order", self._last_order)
        effects = self.take(OrderActed(at_us=self.now_us, act=act, by="值班员", **fields))
        (receipt,) = [e for e in effects if isinstance(e, Receipt)]
        return receipt

    def press(self, who: str, action: str, order: str | None = None) -> AnswerPress:
        """Somebody (a person, or a bare account) presses a button of a card."""
        self._presses += 1
        effects = self.take(
            ButtonPressed(
                at_us=self.now_us, chat="work", address=ACCOUNTS.get(who, who),
                order=order or self._last_order, action=action, press=f"q{self._presses}",
                private=True,
            )
        )  # fmt: skip
        (answer,) = [e for e in effects if isinstance(e, AnswerPress)]
        return answer

    def keys(self, frame: str, *, ani: str | None = None, channel: str = "ch1") -> bool:
        """Somebody keys ``*12 101 1#`` on the air; return whether the good tone answers."""
        self._presses += 1
        digits = frame.replace(" ", "").removeprefix("*").removesuffix("#")
        effects = self.take(
            DigitsHeard(
                at_us=self.now_us, channel=channel, over=f"v{self._presses}", digits=digits,
                ani=ani,
            )
        )  # fmt: skip
        (answer,) = [e for e in effects if isinstance(e, AnswerOver)]
        assert (answer.channel, answer.over) == (channel, f"v{self._presses}")
        return answer.accepted

    def talk(self, *, keyed_ms: int = 1500, channel: str = "ch1", **heard: object):
        """Somebody speaks on a channel and keys nothing; return what is reported."""
        began_us = self.now_us
        self.pass_time(keyed_ms / 1000)
        self._presses += 1
        over = OverHeard(
            at_us=began_us, channel=channel, over=f"v{self._presses}", keyed_ms=keyed_ms, **heard
        )
        return [e.node for e in self.take(over) if isinstance(e, ReportStatus)]

    def presses(self, times: int, *, radio: str | None = None, channel: str = "ch1") -> bool | None:
        """Somebody presses his key briefly; return how he is answered, None for not at all."""
        self._presses += 1
        pattern = KeyPattern(
            at_us=self.now_us, channel=channel, presses=times, radio=radio,
            over=f"v{self._presses}",
        )
        return _tone(self.take(pattern))

    def packet(self, operation: int, argument: int, unit: int, channel: str = "ch1") -> bool | None:
        """A radio sends an MDC1200 packet; return how it is answered, None for not at all."""
        return self.signal(
            "mdc1200", f"op {operation:X} {argument:X} {unit:04X}", channel=channel,
            mdc=(operation, argument, unit),
        )  # fmt: skip

    def signal(self, kind: str, value: str, channel: str = "ch1", **more: object) -> bool | None:
        """A radio sends something other than digits; return how it is answered."""
        self._presses += 1
        heard = SignalHeard(
            at_us=self.now_us, channel=channel, over=f"v{self._presses}", kind=kind, value=value,
            **more,
        )
        return _tone(self.take(heard))

    def radio(self, radio: str, *, lost: bool) -> None:
        """A radio is reported lost, or found again."""
        self.take(RadioBlocked(at_us=self.now_us, radio=radio, lost=lost, by="班长"))

    def write(
        self, who: str, text: str, *, group: str | None = None, reply_to: str | None = None
    ) -> str | None:
        """Somebody writes in the chat; return what is answered, if anything."""
        effects = self.take(
            TextReceived(
                at_us=self.now_us, chat="work", address=ACCOUNTS.get(who, who), group=group,
                text=text, message="m-in", reply_to=reply_to,
            )
        )  # fmt: skip
        answers = [e for e in effects if isinstance(e, SendText) and e.reply_to == "m-in"]
        assert len(answers) <= 1
        return answers[0].text if answers else None

    def speak(self, *, pause_s: float = 0) -> None:
        """Every page that waits goes on the air, to its end."""
        for page in [p for p in self.state.each(Page) if p.state == "queued"]:
            self.take(PageStarted(at_us=self.now_us, page=page.id))
            self.pass_time(pause_s)
            self.take(PageSpoken(at_us=self.now_us, page=page.id))

    def post(self) -> None:
        """Every card that waits appears in its chat."""
        for card in [c for c in self.state.each(Card) if c.state == "queued"]:
            self.take(CardPosted(at_us=self.now_us, card=card.id, message=f"m-{card.id}"))

    def path(self, path: str, *, up: bool) -> None:
        """A way to people is lost or works again."""
        self.take(PathChanged(at_us=self.now_us, path=path, up=up, reason="cable"))

    def leave(self, person: str) -> None:
        """A person leaves the company."""
        self.take(PersonLeft(at_us=self.now_us, person=person))

    def issue(self, person: str, code: str, *, lives_s: int = 600) -> None:
        """A one-time code is made for a person."""
        expires_us = self.now_us + lives_s * US
        self.take(
            EnrolmentIssued(
                at_us=self.now_us, person=person, code_sha256=code_digest(code),
                expires_us=expires_us,
            )
        )  # fmt: skip

    # ---- what the story looks at ----

    @property
    def order(self) -> Order:
        """The latest order."""
        order = self.state.find(Order, self._last_order)
        assert order is not None
        return order

    @property
    def number(self) -> str:
        """The latest order's number."""
        return self.order.number

    @property
    def status(self) -> str:
        """The latest order's status."""
        return self.order.status.value

    def of(self, kind: type, **fields: object) -> list:
        """Effects of a kind asked for so far, with these fields."""
        return [
            e for e in self.asked
            if isinstance(e, kind) and all(getattr(e, k) == v for k, v in fields.items())
        ]  # fmt: skip

    def forget(self) -> None:
        """Look only at what is asked for from now on."""
        self.asked = []

    def pages(self) -> list[PageChannel]:
        """Transmissions asked for."""
        return self.of(PageChannel)

    def withdrawn(self) -> list[WithdrawPage]:
        """Transmissions taken back."""
        return self.of(WithdrawPage)

    def cards(self) -> dict[str, PostCard]:
        """Cards asked for, by address."""
        return {c.address: c for c in self.of(PostCard)}

    def edits(self) -> dict[str, EditCard]:
        """The last edit asked for, by address."""
        return {e.address: e for e in self.of(EditCard)}

    def notes(self) -> dict[str, str]:
        """Lines written, by address; the last one each."""
        return {e.address: e.text for e in self.of(SendText)}

    def reports(self, node: str | None = None, **fields: object) -> list[ReportStatus]:
        """What the centre was told, of one node or all."""
        found = self.of(ReportStatus, **fields)
        return [r for r in found if node is None or r.node == node]

    def details(self, node: str) -> list[str | None]:
        """The words of the reports of one node."""
        return [r.detail for r in self.reports(node)]

    def called(self) -> dict[str, int]:
        """Who is addressed by the latest order, and on which rung he was called."""
        return {a.person: a.rung for a in self.parts()}

    def parts(self) -> list[Assignment]:
        """Everybody's part in the latest order."""
        return [
            e for e in self.state.of_order(self._last_order) if isinstance(e, Assignment)
        ]

    def nodes(self, person: str) -> list[str]:
        """A person's timeline in the latest order: ``node/assurance``."""
        part = self.state.find(Assignment, f"{self._last_order}/{person}")
        return [f"{s.node.value}/{s.assurance.value}" for s in part.stamps] if part else []

    def timers(self) -> dict[str, float]:
        """Seconds until each clock of the latest order rings."""
        return {
            t.what: (t.due_us - self.now_us) / US
            for t in self.state.each(Timer)
            if t.order == self._last_order
        }

    def words(self, key: str, **gaps: object) -> str:
        """A sentence of the site's catalogue."""
        return catalogue(self.site.language)[key].format(**gaps)


def _tone(effects: list[object]) -> bool | None:
    """How an over was answered."""
    answers = [e.accepted for e in effects if isinstance(e, AnswerOver)]
    assert len(answers) <= 1
    return answers[0] if answers else None


def point(lat_udeg: int, lon_udeg: int) -> Position:
    """A position in the site's own datum."""
    return Position(lat_udeg=lat_udeg, lon_udeg=lon_udeg, datum=Datum.WGS_84)


# ---- what must hold after every step ----


def entities(state: State) -> dict[tuple[str, str], object]:
    """Everything in a state."""
    return {(kind.KIND, e.key): e for kind in ENTITY_TYPES for e in state.each(kind)}


def check_step(
    state: State, site: Site, event: object, outcome: Outcome, *, synchronised: bool
) -> None:
    """Fail when a step broke a promise. ``state`` is the state after it."""
    check_numbers(state)
    check_timers(state)
    check_indexes(state)
    check_answers(state, outcome)
    check_effects(state, site, event, outcome, synchronised=synchronised)


ANSWERS = {n.value for n in Node} - {"told", "released", "lapsed", "stood_down", "recalled"}


def check_addressed(before: dict[tuple[str, str], object], outcome: Outcome) -> None:
    """Nobody has a part in an order by having answered: he was addressed first.

    And nobody answers an order that has ended.
    """
    for report in (e for e in outcome.effects if isinstance(e, ReportStatus)):
        order = before.get((Order.KIND, report.order or ""))
        if isinstance(order, Order) and report.node in ANSWERS:
            assert order.open, report
    known = {key for kind, key in before if kind == Assignment.KIND}
    for change in outcome.changes:
        part = change.entity if isinstance(change, Put) else None
        if isinstance(part, Assignment) and part.key not in known:
            assert part.stamps == (), part
            known.add(part.key)


def check_numbers(state: State) -> None:
    """Open orders have numbers of their own, and each leads to its order."""
    open_orders = [o for o in state.each(Order) if o.open]
    assert len({o.number for o in open_orders}) == len(open_orders)
    for order in open_orders:
        lease = state.find(NumberLease, order.number)
        assert lease is not None
        assert lease.order == order.id
        assert lease.free_us is None
    keys = [(o.alert.sender, o.alert.id) for o in state.each(Order)]
    assert len(set(keys)) == len(keys), "one (sender, id), one order"


def check_timers(state: State) -> None:
    """Only open orders have clocks, and hosts that test, visits that are owed, and plans."""
    for timer in state.each(Timer):
        if timer.what in (TEST_DUE, FOLLOW_UP, PLANS, *READINESS) or timer.order == "site":
            continue
        report = state.find(GuardReport, timer.order)
        if report is not None:
            assert report.state == "open", timer
            continue
        order = state.find(Order, timer.order)
        assert order is not None, timer
        called_off = order.status is OrderStatus.CANCELLED and timer.what.startswith("stand_down")
        assert order.open or called_off, timer


def check_indexes(state: State) -> None:
    """What the state finds quickly is what a state built afresh of the same entities finds."""
    fresh = State(entities(state).values())
    assert set(fresh.open_orders()) == set(state.open_orders())
    for person in state.each(Person):
        assert fresh.orders_of(person.id) == state.orders_of(person.id)
        parts = [a for a in state.each(Assignment) if a.person == person.id]
        assert state.taken_by(person.id) == {a.order for a in parts if at_work(a)}
        assert fresh.contacts_of(person.id) == state.contacts_of(person.id)
        if person.active and person.guard_code is not None:
            assert person in state.holders_of_code(person.guard_code)
        for radio in person.addresses if person.active else ():
            assert person in state.holders_of_radio(radio)
        assert fresh.people_of_post(person.post or "") == state.people_of_post(person.post or "")
        for grid in person.grids:
            assert fresh.people_of_grid(grid) == state.people_of_grid(grid)
    for contact in state.each(Contact):
        assert state.person_of_account(contact.chat, contact.address) == contact.person
    for order in state.each(Order):
        assert set(fresh.of_order(order.id)) == set(state.of_order(order.id))
    for page in state.each(Page):
        assert fresh.latest_pages(page.channel) == state.latest_pages(page.channel)


def check_answers(state: State, outcome: Outcome) -> None:
    """Who answered is in the register and was addressed; nobody's time runs backwards."""
    for part in state.each(Assignment):
        times = [s.at_us for s in part.stamps]
        assert times == sorted(times), part
        assert state.find(Person, part.person) is not None
    for delivery in state.each(Delivery):
        assert state.find(Assignment, f"{delivery.order}/{delivery.person}") is not None
    for report in (e for e in outcome.effects if isinstance(e, ReportStatus)):
        # What the centre writes down of an order as a whole, such as a handover, names nobody.
        if report.node in ANSWERS and (report.person or report.medium != "centre"):
            assert state.find(Assignment, f"{report.order}/{report.person}") is not None


def check_effects(
    state: State, site: Site, event: object, outcome: Outcome, *, synchronised: bool
) -> None:
    """Nothing is asked on a silent channel, too late, for an ended order or to a leaver."""
    gone = {
        c.address
        for c in state.each(Card)
        if c.person and not _current(state, c)
        and state.person_of_account(c.chat, c.address) is None
    }  # fmt: skip
    for effect in outcome.effects:
        if isinstance(effect, PageChannel):
            assert site.channels[effect.channel].transmits
            page = state.find(Page, effect.page)
            order = state.find(Order, effect.order)
            if state.find(Notice, effect.order) is not None:
                assert effect.routine
                continue
            assert page is not None
            assert order is not None
            # A rung of a drill that reaches somebody on a live order ends the drill.
            ended = "aborted" in order.flags and page.state == "withdrawn"
            assert order.open or page.purpose == "stand_down" or ended
        late = getattr(effect, "not_after_us", None)
        if late is not None and synchronised:
            assert late >= event.at_us, effect
        if isinstance(effect, PostCard | EditCard) and effect.private:
            assert _current(state, state.find(Card, effect.card)), effect
        if isinstance(effect, SendText) and not isinstance(event, TextReceived):
            assert effect.address not in gone, effect


def _current(state: State, card: Card) -> bool:
    """Whether a private card stands in an account that is its person's now."""
    person = state.find(Person, card.person)
    accounts = {(c.chat, c.address) for c in state.contacts_of(card.person)}
    return person is not None and person.active and (card.chat, card.address) in accounts
