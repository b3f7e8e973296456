"""Whatever is sent on the air, in whatever order, changes only what was its sender's to change.

The outside keeps its own record here of which page ended when on which channel, and of whose
each radio and number is; the core is judged against that, never against itself.
"""

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.core.alert import Assurance, Level
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.answers.replies import Action
from gateway.core.effects import AnswerOver, PageChannel, PostCard, ReportStatus
from gateway.core.events import ClockStepped
from gateway.core.guard_reports.air import MOST_STRANGERS
from gateway.core.guard_reports.report import GuardReport, ReportPolicy
from gateway.core.order import Assignment, Card, Counter, Node, Order, Page, Timer
from gateway.core.people import LostRadio, Person, Tries
from gateway.core.places import Post
from gateway.core.register.events import RegisterSeeded as Seeded
from gateway.core.talk.overs import Recording, Talk
from tests.core.site_for_tests import PEOPLE, US, Desk, entities, make_site

# Who is there; two share a number and two a radio, which makes them nobody's.
PEOPLE_HERE = (
    PEOPLE["zhang"],
    replace(PEOPLE["chen"], radios=("ctcss:88.5",)),
    Person(id="mo", name="莫一", organisation="guard", grids=("G1",)),
    Person(id="mdc", name="梅四", organisation="guard", grids=("G1", "G2"),
           radios=("mdc1200:1A2B", "zvei1:1234")),
    Person(id="twin1", name="双甲", organisation="guard", grids=("G2",), guard_code="777",
           radios=("mdc1200:7777",)),
    Person(id="twin2", name="双乙", organisation="guard", grids=("G1",), guard_code="777",
           radios=("mdc1200:7777",)),
    Person(id="bank", name="班五", organisation="guard", grids=("G2",), post="P1"),
)  # fmt: skip
OWNER = {
    "dtmf:99101": "zhang", "dtmf:99201": "chen", "ctcss:88.5": "chen", "mdc1200:1A2B": "mdc",
    "zvei1:1234": "mdc", "mdc1200:0777": "bank",
}  # fmt: skip
OWNER_OF_CODE = {"101": "zhang", "201": "chen"}
RADIOS = st.sampled_from(
    [*OWNER, "mdc1200:7777", "mdc1200:0BAD", "ctcss:67.0", "zvei1:99999", "dtmf:000", "", "::"]
)
UNITS = st.sampled_from([0x1A2B, 0x777, 0x7777, 0x0BAD, 0, 0xFFFF])
CHANNELS = st.sampled_from(["ch1", "ch1", "ch1", "ch2", "nowhere"])
# What the air may change besides people's parts: counters of failures and what follows a part.
BY_THE_WAY = (Tries.KIND, LostRadio.KIND, Recording.KIND, Talk.KIND, GuardReport.KIND)
WINDOW_S = 20


def channel_site(slots):
    site = make_site(answer_slots=slots)
    posts = {"P1": Post(id="P1", name="银行岗", grid="G2", radios=("mdc1200:0777",))}
    # Reports are offered only: what becomes an order by itself has tests of its own.
    reports = ReportPolicy(emergency="offer", escalate_s=3600)
    return replace(
        site, posts=posts, selcall_status={"1": Action.ACKNOWLEDGE}, reports=reports
    )


def is_by_the_way(kind, entity):
    """Whether a change is none of any order's: a counter of tries, a report and its card."""
    of_report = isinstance(entity, Timer | Card) and entity.order.startswith("r")
    series = isinstance(entity, Counter) and entity.name in ("guard_report", "card")
    return kind in BY_THE_WAY or of_report or series


class HostileAir(RuleBasedStateMachine):
    """Orders come and go while somebody sends whatever he likes."""

    @initialize(slots=st.booleans(), level=st.sampled_from(Level))
    def begin(self, slots, level):
        self.desk = Desk("zhao", site=channel_site(slots))
        self.desk.take(Seeded(at_us=self.desk.now_us, people=PEOPLE_HERE, contacts=()))
        self.ended: list[tuple[str, str, int]] = []
        self.lost: set[str] = set()
        self.called_off: set[str] = set()
        self.counter = 0
        self.raise_alert("G1", level)
        self.speak()

    # ---- the honest world ----

    @rule(grid=st.sampled_from(["G1", "G2"]), level=st.sampled_from(Level))
    def raise_alert(self, grid, level):
        self.counter += 1
        self.desk.alert(id=f"a{self.counter}", grid=grid, level=level)

    @rule()
    def speak(self):
        queued = [p for p in self.desk.state.each(Page) if p.state == "queued"]
        self.desk.speak()
        self.ended += [(p.channel, p.order, self.desk.now_us) for p in queued]

    @rule(seconds=st.sampled_from([0.3, 1, 4, 5, 5.2, 11, 19, 21, 61]))
    def wait(self, seconds):
        self.desk.wait(seconds)

    @rule(data=st.data(), act=st.sampled_from(["close", "stand_down"]))
    def end(self, data, act):
        orders = {o.id: o.open for o in self.desk.state.each(Order)}
        order = data.draw(st.sampled_from(sorted(orders)))
        self.desk.act(act, order=order)
        if act == "stand_down" and orders[order]:
            self.called_off.add(order)
        elif act == "close":
            self.called_off.discard(order)

    @rule(radio=st.sampled_from([*OWNER]), lost=st.booleans())
    def lose(self, radio, lost):
        self.desk.radio(radio, lost=lost)
        (self.lost.add if lost else self.lost.discard)(radio)

    @rule(by_s=st.sampled_from([-4000, -7, 7, 4000]))
    def step_clock(self, by_s):
        by_us = by_s * US
        self.desk.now_us += by_us
        self.desk.take(ClockStepped(at_us=self.desk.now_us, by_us=by_us))
        self.ended = [(c, o, at_us + by_us) for c, o, at_us in self.ended]

    # ---- the air ----

    def over(self):
        self.counter += 1
        return f"v{self.counter}"

    @rule(channel=CHANNELS, number=st.sampled_from(["", "10", "11", "12", "99"]),
          code=st.sampled_from(["", "101", "201", "777", "555"]),
          action=st.sampled_from("0123459"), radio=st.none() | RADIOS)  # fmt: skip
    def digits(self, channel, number, code, action, radio):
        heard = DigitsHeard(
            at_us=self.desk.now_us, channel=channel, over=self.over(),
            digits=number + code + action, radio=radio,
        )  # fmt: skip
        who = OWNER_OF_CODE.get(code) if code else OWNER.get(radio or "")
        if action == "9":
            number = None  # a call for help is about what he is busy with
        who = None if radio in self.lost else who
        self.happen(heard, who, number or None, several=action == "9", knows=action == "1")

    @rule(channel=CHANNELS, operation=st.sampled_from([0x46, 0x46, 0x46, 0x01, 0x47, 0x99]),
          argument=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 0x80, 0xFF]), unit=UNITS)  # fmt: skip
    def packet(self, channel, operation, argument, unit):
        heard = self.packet_of(channel, operation, argument, unit)
        radio = f"mdc1200:{unit:04X}"
        who = OWNER.get(radio) if radio not in self.lost and operation == 0x46 else None
        self.happen(heard, who, knows=argument == 1)

    @rule(channel=CHANNELS, unit=UNITS)
    def emergency(self, channel, unit):
        radio = f"mdc1200:{unit:04X}"
        who = None if radio in self.lost else OWNER.get(radio)
        effects = self.happen(self.packet_of(channel, 0x00, 0x80, unit), who, several=True)
        (answer,) = [e for e in effects if isinstance(e, AnswerOver)]
        assert answer.accepted
        assert answer.signal == f"mdc1200:emergency_ack:{unit:04X}"

    def packet_of(self, channel, operation, argument, unit):
        return SignalHeard(
            at_us=self.desk.now_us, channel=channel, over=self.over(), kind="mdc1200",
            value="x", mdc=(operation, argument, unit),
        )  # fmt: skip

    @rule(channel=CHANNELS, value=st.sampled_from(["12341", "12342", "1234", "99991", ""]),
          table=st.sampled_from(["zvei1", "ccir", None]))  # fmt: skip
    def five_tones(self, channel, value, table):
        heard = SignalHeard(
            at_us=self.desk.now_us, channel=channel, over=self.over(), kind="selcall",
            set=table, value=value,
        )  # fmt: skip
        his = (table, value) == ("zvei1", "12341") and "zvei1:1234" not in self.lost
        self.happen(heard, "mdc" if his else None, knows=True)

    @rule(channel=CHANNELS, presses=st.sampled_from([2, 3]), radio=st.none() | RADIOS,
          ago_s=st.sampled_from([0, 0, 0, 0.4, 3]))  # fmt: skip
    def gesture(self, channel, presses, radio, ago_s):
        began_us = self.desk.now_us - round(ago_s * US)
        heard = KeyPattern(
            at_us=began_us, channel=channel, presses=presses, radio=radio, over=self.over()
        )
        orders = self.called_before(channel, began_us)
        only = next(iter(orders)) if len(orders) == 1 else None
        if radio in self.lost or len(orders) > 1:
            self.happen(heard, None)
        elif only is None:
            # Long after a page only an arrival counts, of who says who he is.
            self.happen(heard, OWNER.get(radio) if presses == 3 else None)
        elif radio and radio != "ctcss:67.0":
            self.happen(heard, OWNER.get(radio), about=only)
        else:
            self.happen(heard, "*", about=only)

    @rule(channel=CHANNELS, keyed_ms=st.integers(0, 5000), radio=st.none() | RADIOS,
          radios=st.just(()) | st.lists(RADIOS, min_size=2, max_size=3).map(tuple))  # fmt: skip
    def voice(self, channel, keyed_ms, radio, radios):
        heard = OverHeard(
            at_us=self.desk.now_us, channel=channel, over=self.over(), keyed_ms=keyed_ms,
            radio=None if radios else radio, radios=radios,
        )  # fmt: skip
        self.happen(heard, None)

    # ---- the judge ----

    def called_before(self, channel, began_us):
        """The orders of which a page ended lately on a channel, by our own record."""
        return {
            order for where, order, at_us in self.ended
            if where == channel and 0 <= began_us - at_us <= WINDOW_S * US
        }  # fmt: skip

    def happen(self, heard, who, number=None, *, about=None, several=False, knows=False):
        """Let it be heard; only ``who`` (``*``: one who was called) may have changed by it.

        With ``knows`` it may also be his word that he knows an order is called off.
        """
        before = entities(self.desk.state)
        opened = {k: o for (kind, k), o in before.items() if kind == Order.KIND and o.open}
        his = {o for o in opened if (Assignment.KIND, f"{o}/{who}") in before}
        effects = self.desk.take(heard)
        after = entities(self.desk.state)
        changed = {key: now for key, now in after.items() if before.get(key) != now}
        parts = [e for (kind, _), e in changed.items() if kind == Assignment.KIND]
        spoke = {(p.order, p.person) for p in parts if self.said_more(before, p)}
        assert len(spoke) <= 1
        for order, person in spoke:
            if order in self.called_off:
                assert knows
                assert who == person
                assert self.only_knows(before, after, order, person)
                assert after[Order.KIND, order].number == number or (not number and not his)
                continue
            assert who in (person, "*")
            assert order in opened
            assert number is None or opened[order].number == number
            assert about in (None, order)
            assert several or number or about or his == {order}, "his only open order"
        if not spoke:
            ended = [key for key, now in changed.items() if not is_by_the_way(key[0], now)]
            assert ended == [], "nobody spoke, so nothing moved"
        orders = {e.id for (kind, _), e in changed.items() if kind == Order.KIND}
        assert orders <= {order for order, _ in spoke}
        asked = {e.order for e in effects if isinstance(e, PageChannel)}
        assert asked <= {order for order, _ in spoke}
        for order in opened:
            assert after[Order.KIND, order].open, "nothing on the air ends an order"
        return effects

    def only_knows(self, before, after, order, person):
        """Whether all that is new of somebody called off is, for the first time, that he knows."""
        key = (Assignment.KIND, f"{order}/{person}")
        old = before[key].stamps
        nodes = [stamp.node for stamp in after[key].stamps]
        known = [stamp.node for stamp in old]
        return old and Node.STOOD_DOWN not in known and nodes == [*known, Node.STOOD_DOWN]

    def said_more(self, before, part):
        """Whether somebody's part has new words in it, and none above what a radio is worth."""
        old = before.get((Assignment.KIND, part.key))
        fresh = part.stamps[len(old.stamps) :] if old else ()
        assert all(s.assurance is Assurance.R1 for s in fresh)
        return bool(fresh)


TestHostileAir = HostileAir.TestCase
TestHostileAir.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_invented_numbers_that_call_for_help_do_not_drown_those_who_do():
    """A computer with a radio is six hundred strangers: they are told, in a handful of cards."""
    story = Desk()
    for unit in range(600):
        story.packet(0, 0x80, 0x2000 + unit)
        story.pass_time(0.5)
    reports = list(story.state.each(GuardReport))
    assert 1 < len(reports) <= MOST_STRANGERS + 1
    assert len(story.of(PostCard)) <= 2 * len(reports)
    # Whom they tried to drown is heard at once, in a report of his own.
    story.keys("* 9 #", ani="99101")
    told = [e for e in story.of(ReportStatus) if e.node == "emergency"]
    assert told[-1].person == "zhang"
    # And a stranger of another day is one of his own again.
    story.pass_time(700)
    story.packet(0, 0x80, 0x7777)
    assert max(story.state.each(GuardReport), key=lambda r: r.opened_us).source.endswith("7777")
