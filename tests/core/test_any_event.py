"""Every kind of event at any moment, with whatever in it, to whatever stands: from a seed.

Where `test_state_machine` knows what each event means, here each is made from its fields alone:
orders, people, cards and pages that are there, or are not. The desk checks every step; what is
decided can be written to the journal; and a clock that has rung does not ring for ever.
"""

import random
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest

from gateway.core.after.events import OrderTended
from gateway.core.after.photo import PhotoPost
from gateway.core.alert import AlertKind, Level
from gateway.core.answers.events import ButtonPressed, DigitsHeard, MediaReceived, TextReceived
from gateway.core.calls.events import (
    CalledOff,
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
    PartnerCalled,
)
from gateway.core.calls.owner import DESK
from gateway.core.effects import PageChannel, PostCard
from gateway.core.events import EVENT_TYPES, JournalReplaced, TimerFired
from gateway.core.guard_reports.report import BlockingPoint, GuardReport
from gateway.core.intake.events import AlertReceived
from gateway.core.order import Order, OrderStatus, Timer
from gateway.core.people import Organisation, Person
from gateway.core.places import Premises, TalkGroup
from gateway.core.policy.policy import Category, Policy
from gateway.core.readiness.settings import (
    DrillRule,
    ReadinessPolicy,
    RollCallRule,
    SelfTestRule,
)
from gateway.core.register.events import (
    PersonChanged,
    PersonErased,
    PersonLeft,
    PersonStruck,
    RadioBlocked,
    RegisterSeeded,
)
from gateway.journal.codec import encoded
from tests.core.site_for_tests import ACCOUNTS, PEOPLE, US, Desk, entities, make_site, point
from tests.core.test_event_plans import plan

STEPS = 250
MOST_CLOCKS = 200
WORDS = (
    "收到", "不能去", "到场", "完成", "知道了", "SOS", "报告：有人打架", "半小时", "20分钟", "01 收到",
    "报到", "下班", "上班", "张三 收到", "休息30分钟", "", "\u202e@all", "{}", "持刀 13812345678",
    "字" * 300,
)  # fmt: skip
NOWHERE = ("", "x", "../..", "无此")
CHANGES = (
    ("post", "P1"), ("post", "-"), ("grids", "G1 G2"), ("crew", "B"), ("radios", "dtmf:10034"),
    ("guard_code", "777"), ("team", "t1"), ("organisation", "xi"),
)  # fmt: skip
# How often what ends things happens, and what people do most, beside 1 for the rest.
WEIGHTS = {
    PersonLeft: 0.05, PersonErased: 0.05, PersonStruck: 0.05, RadioBlocked: 0.2,
    ButtonPressed: 6, TextReceived: 5, DigitsHeard: 4, OrderTended: 4, CalledOff: 3,
    MediaReceived: 2, PartnerCalled: 2, PageStarted: 4, PageSpoken: 4, CardPosted: 8,
    PageFailed: 2, CardFailed: 2, AlertReceived: 10,
}  # fmt: skip
# Rung by the walk itself; said by nobody outside; what a door reads before it lets it in.
LEFT_OUT = (TimerFired, JournalReplaced, RegisterSeeded)
KINDS = [kind for kind in EVENT_TYPES if kind not in LEFT_OUT]


def some_site(chance):
    """The district with a bit of everything, some of it only now and then."""
    site = make_site(
        ladder=("repeat", "ring_1", "second_manager", "first_manager"),
        still_on_it_s=chance.choice([0, 60]), police_eta_s=chance.choice([0, 600]),
    )  # fmt: skip
    points = (
        BlockingPoint(name="南门", position=(25_001_000, 118_001_000)),
        BlockingPoint(name="北桥", position=(25_009_000, 118_009_000), side="北"),
    )
    office = Organisation(
        id="guard", name="东门保安公司", office_groups=("work/west",), office_people=("smith",)
    )
    other = Organisation(id="xi", name="西门保安公司")
    kinds = {
        "fight": Category(name="打架", converge=True), "rob": Category(name="抢劫", most_urgent=2)
    }  # fmt: skip
    return replace(
        site,
        grids=site.grids | {"G1": replace(site.grids["G1"], blocking_points=points)},
        organisations={"guard": office, "xi": other},
        talk_groups={"east": TalkGroup(id="east", channels=("ch1", "ch2"), chats=("work/east",))},
        event_plans={"p": plan(begin_h=chance.choice([None, 1])), "q": plan(id="q", begin_h=None)},
        premises={"ccb": Premises(id="ccb", name="建行", kind="bank")},
        policy=Policy(
            categories=chance.choice([{}, kinds]), two_person_s=chance.choice([0, 300]),
            beyond=chance.choice(["mark", "hold", "replace"]),
            forbidden=chance.choice([(), ("持刀",)]),
        ),
        readiness=ReadinessPolicy(
            cover=chance.choice([False, True]), roll_calls=(RollCallRule(at_min=(721, 800)),),
            self_test=SelfTestRule(at_min=760),
            drills=(DrillRule(grid="G1", weekday=6, at_min=730, level=3, text="练"),),
        ),
    )  # fmt: skip


class Walk:
    """One site, and whatever happens there next."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.desk = Desk(*(p for p in PEOPLE if p not in ("head", "chief", "station")),
                         site=some_site(self.chance))  # fmt: skip
        self.pages, self.cards = ["p0"], ["c0"]

    # ---- what happens ----

    def go_on(self):
        """Let time pass, its clocks ring, and one thing happen."""
        self.desk.pass_time(self.chance.choice([0, 0, 1, 1, 5, 20, 60, 600, 3600]))
        self.ring()
        if self.chance.random() < 0.02:
            self.desk.synchronised = not self.desk.synchronised
        (kind,) = self.chance.choices(KINDS, [WEIGHTS.get(kind, 1) for kind in KINDS])
        self.take(self.alert() if kind is AlertReceived else self.make(kind))

    def ring(self):
        for _ in range(MOST_CLOCKS):
            now_us = self.desk.now_us
            due = [t for t in self.desk.state.each(Timer) if t.due_us <= now_us]
            if not due:
                return
            first = min(due, key=lambda t: (t.due_us, t.id))
            self.take(TimerFired(at_us=now_us, timer=first.id, due_us=first.due_us))
        raise AssertionError(f"{first.id} rings for ever")

    def take(self, event):
        before = entities(self.desk.state)
        effects = self.desk.take(event)
        for effect in effects:
            encoded(effect)
        for key, entity in entities(self.desk.state).items():
            if before.get(key) is not entity:
                encoded(entity)
        self.pages += [e.page for e in effects if isinstance(e, PageChannel)]
        self.cards += [e.card for e in effects if isinstance(e, PostCard)]
        self.check()

    def check(self):
        """Whatever happened: an open order is somebody's, and one that calls has its clock."""
        clocks = {t.order for t in self.desk.state.each(Timer) if t.what == "ladder"}
        for order in self.desk.state.each(Order):
            owner = self.desk.state.find(Person, order.owner)
            there = order.owner == DESK or (owner is not None and owner.active)
            assert there or not order.open, order
            assert order.status is not OrderStatus.CALLING or order.id in clocks, order

    # ---- of what it is made ----

    def alert(self):
        chance, now_us = self.chance, self.desk.now_us
        where = chance.choice([
            {"grid": chance.choice([*self.desk.site.grids])},
            {"grid": None, "location": point(25_000_000 + chance.randrange(12_000),
                                             118_000_000 + chance.randrange(36_000))},
            {"grid": None, "to": chance.choice(["all", "person/li", "grid/G2"])},
            {"grid": None},
        ])  # fmt: skip
        more = {"expires_us": now_us + chance.choice([-5, 60, 600, 7200]) * US}
        return self.desk.message(
            chance.choice([*AlertKind, AlertKind.ALERT, AlertKind.ALERT]),
            id=f"A{chance.randrange(12)}", sender=chance.choice(["zhzx", "x"]),
            sent_us=now_us - chance.choice([0, 0, 5, 40, 4000]) * US,
            level=chance.choice([*Level]), needs=chance.choice([1, 1, 2, 4]),
            category=chance.choice(["fight", "rob", "other"]), exercise=chance.random() < 0.1,
            text=chance.choice(["有人打架", "抢劫", "持刀 13812345678"]),
            **where, **chance.choice([{}, {}, more]),
        )  # fmt: skip

    def make(self, kind):
        hints = get_type_hints(kind)
        return kind(**{
            f.name: self.value(f.name, hints[f.name], kind)
            for f in fields(kind)
            if f.default is MISSING or self.chance.random() < 0.65
        })  # fmt: skip

    def value(self, name, hint, kind):
        chance, origin, inner = self.chance, get_origin(hint), get_args(hint)
        special = self.special(name, kind)
        if special is not None:
            return special[0]
        if origin is Literal:
            return chance.choice(inner)
        if origin in (Union, UnionType):
            if NoneType in inner and chance.random() < 0.35:
                return None
            chosen = chance.choice([part for part in inner if part is not NoneType])
            return self.value(name, chosen, kind)
        if origin is tuple:
            of_one = name.removesuffix("s") if name in ("grids", "channels", "radios") else name
            count = chance.choice([0, 1, 1, 2]) if inner[1:] == (...,) else len(inner)
            parts = inner[:1] * count if inner[1:] == (...,) else inner
            return tuple(self.value(of_one, part, kind) for part in parts)
        if is_dataclass(hint):
            return self.make(hint)
        if issubclass(hint, Enum):
            return chance.choice([*hint])
        if hint is bool:
            return chance.random() < 0.5
        return self.number(name) if hint is int else self.word(name)

    def special(self, name, kind):
        """Return, in a tuple, what is not anything of its type, or None."""
        chance = self.chance
        if name == "at_us":
            return (self.desk.now_us,)
        if name == "prior":
            return (None,)
        if kind is PersonChanged and name == "changes":
            return ((chance.choice(CHANGES),),)
        if kind is MediaReceived and name == "place":
            return (chance.choice([None, "25005000,118005000"]),)
        return None

    def number(self, name):
        chance = self.chance
        if name == "by_us":
            return chance.choice([-3600, -40, -2, 2, 40, 3600]) * US
        if name.endswith("_us"):
            return self.desk.now_us + chance.choice([-86_400, -60, 0, 60, 3600, 86_400]) * US
        if name == "level":
            return chance.choice([1, 2, 3])
        if name in ("needs", "minutes", "days", "for_min"):
            return chance.choice([1, 2, 10])
        return chance.choice([0, 1, 2, 300, 1500, 5000])

    def word(self, name):
        known = self.names().get(name, ("a", ""))
        closed = name in ("action", "digits", "by", "day", "other_day")
        return self.chance.choice(NOWHERE if not closed and self.chance.random() < 0.03 else known)

    def names(self):
        """What there is of each kind, as the fields of events name it."""
        state, site, chance = self.desk.state, self.desk.site, self.chance
        orders = [*state.each(Order)]
        live = [o for o in orders if o.open]
        some = live if live and chance.random() < 0.75 else orders
        people = [*PEOPLE]
        keys = partial(_keys, state)
        return {
            "order": [o.id for o in some] * 3 + [o.number for o in some] or ["o1"],
            "person": people, "other": people, "to": people, "by": ["李科长", "a"],
            "grid": [*site.grids], "channel": [*site.channels], "chat": ["work"],
            "address": [*ACCOUNTS.values(), "6666"], "group": ["-101", "-102", "east"],
            "page": self.pages, "card": self.cards, "post": keys(PhotoPost),
            "photo": keys(PhotoPost), "drill": [o.id for o in orders] or ["o1"],
            "report": [r.number for r in state.each(GuardReport)] or ["R1"],
            "plan": ["p", "q"], "path": ["channel:ch1", "channel:ch2", "chat:work", "mqtt"],
            "text": WORDS, "caption": WORDS, "reason": ("", "有事"), "action": "0123456",
            "digits": [f"{o.number}{c}{d}" for o in some for c in ("", "101") for d in "0135"]
            or ["101"],
            "ani": ("99101", "99102", "99201", "99555"),
            "radio": ("dtmf:99101", "mdc1200:1A2B", "dtmf:99555", ""),
            "over": [f"v{n}" for n in range(50)], "media": ("a.jpg", "b.jpg"),
            "message": [f"m{n}" for n in range(400)], "reply_to": [f"m{n}" for n in range(400)],
            "press": [f"q{chance.randrange(10**9)}"], "result": ("已处置", "误报"),
            "day": ("2026-11-22", "2026-11-25"), "other_day": ("2026-11-23", "2026-11-26"),
            "within": ("guard", "xi"), "through": ("", "http:a", "mqtt:b"),
            "value": ("1A2B", "10034"), "old": ("到场",), "new": ("完成",),
        }  # fmt: skip


def _keys(state, kind):
    return [entity.key for entity in state.each(kind)] or ["none"]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_that_happens_at_any_moment_breaks_a_promise(seed):
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.go_on()
    assert len([*walk.desk.state.each(Order)]) > 3, "something went on"
