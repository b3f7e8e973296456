"""What guards may be asked to do, which alerts go to them, and what may be said of them where.

Theory of operation. An alert is simple when its category is one of the site's, its level is not
more urgent than the category's ceiling, and none of the forbidden words stands in it. What is
not simple is held until a named person releases it (see ``release``). Words that ask
for more than a guard may lawfully do (保安服务管理条例, art. 30) are marked, held or replaced
as the site says; an instruction to use force or equipment is held always.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from gateway.core.alert import Alert
from gateway.core.policy.folding import Folding, without_spans
from gateway.core.policy.templates import OrderKind

if TYPE_CHECKING:
    from gateway.core.calls.escalation import Response
    from gateway.core.order import Order
    from gateway.core.places import Site

OnRadio = Literal["none", "code", "summary", "full"]
InChat = Literal["none", "summary", "full"]
Right = Literal["release", "promote", "close"]
ALL = "all"

# What the police may do and guards may not.
EXCEEDING: Final = (
    "抓捕", "逮捕", "抓获", "缉拿", "擒获", "搜身", "搜查", "搜车", "扣押", "扣留", "扣下",
    "拘留", "拘禁", "关押", "没收", "审讯", "审问", "讯问", "盘问", "盘查", "拷问",
    "控制人员", "控制嫌疑人", "制服", "捆绑", "查验身份证", "强行带走", "带回派出所", "罚款",
    "arrest", "detain", "search him", "search her", "search them", "interrogate",
    "confiscate", "subdue",
)  # fmt: skip
# How somebody is told to use force or equipment; that others do so is not meant.
EQUIPMENT: Final = (
    "使用武力", "动用武力", "武力制服", "使用警械", "使用器械", "动用器械", "使用武器",
    "动用武器", "使用警棍", "用警棍", "使用电击", "使用电棍", "用电棍", "使用辣椒水",
    "喷辣椒水", "使用催泪", "喷催泪", "使用手铐", "上手铐", "使用约束带", "使用钢叉",
    "可以开枪", "允许开枪", "准许开枪", "必要时开枪", "立即开枪", "鸣枪警告", "use force",
    "open fire", "use batons", "use the baton", "use pepper spray", "use tasers",
    "handcuff him", "handcuff them",
)  # fmt: skip
VERBS: Final = (
    "前往", "报告", "维持秩序", "保护现场", "现场维护", "劝阻", "劝导", "疏导", "疏散",
    "救助", "引导民警", "清理障碍", "守候", "撤离", "观察", "警戒", "协助",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """What may become of alerts of one category.

    Attributes:
        name: As said and written.
        most_urgent: The most urgent level that goes to guards without a release.
        kind: Order kind, which decides tone, repetition, clocks and words; None for the usual.
        radio: What is said of it on the air; None for what the site says.
        chat: What is written of it; None for what the site says.
        code: What is said in its place where only a code may be; None for its name.
        tasks: What guards are asked to do, of the closed list.
        converge: Whether those who come are given blocking points.
    """

    name: str
    most_urgent: Literal[1, 2, 3] = 1
    kind: str | None = None
    radio: OnRadio | None = None
    chat: InChat | None = None
    code: str | None = None
    tasks: tuple[str, ...] = ()
    converge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The site's policy; see ``gateway.settings.policy``.

    Attributes:
        categories: The categories that go to guards; empty for all.
        kinds: Order kinds.
        verbs: Closed list of what guards may be asked to do.
        forbidden: Words with which an alert is none for guards.
        exceeding: Words that ask for more than guards may do.
        beyond: What becomes of a text with such a word.
        radio: What is said of an alert on the air.
        chat: What is written of it.
        keep_off_radio: What is taken out of texts on the air; see ``redaction``.
        keep_out_of_chat: The same in chats.
        held_again_s: A held alert is told again after so long.
        two_person_s: An alert to all grids wants a second person within this; 0 does not ask.
        rights: Right → who has it; a right that is not there is everybody's at the centre.
        folding: Finds words however they are written.
    """

    categories: Mapping[str, Category] = field(default_factory=dict)
    kinds: Mapping[str, OrderKind] = field(default_factory=dict)
    verbs: tuple[str, ...] = VERBS
    forbidden: tuple[str, ...] = ()
    exceeding: tuple[str, ...] = EXCEEDING
    beyond: Literal["mark", "hold", "replace"] = "mark"
    radio: OnRadio = "full"
    chat: InChat = "full"
    keep_off_radio: tuple[str, ...] = ("names", "plates", "phones", "ids")
    keep_out_of_chat: tuple[str, ...] = ("ids",)
    held_again_s: int = 120
    two_person_s: int = 300
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folding: Folding = field(default_factory=Folding, compare=False)

    def category(self, alert: Alert) -> Category | None:
        """Return what the site says of an alert's category, or None."""
        return self.categories.get(alert.category)

    def kind(self, alert: Alert) -> OrderKind | None:
        """Return the order kind of an alert, or None for the usual."""
        category = self.category(alert)
        return self.kinds.get(category.kind) if category and category.kind else None

    def on_radio(self, alert: Alert) -> OnRadio:
        """Return what is said of an alert on the air."""
        category = self.category(alert)
        return category.radio if category is not None and category.radio else self.radio

    def in_chat(self, alert: Alert) -> InChat:
        """Return what is written of an alert in chats."""
        category = self.category(alert)
        return category.chat if category is not None and category.chat else self.chat

    def tasks(self, alert: Alert) -> tuple[str, ...]:
        """Return what an alert asks guards to do: as it says, else as its category does."""
        category = self.category(alert)
        return alert.tasks or (category.tasks if category is not None else ())

    def converges(self, alert: Alert) -> bool:
        """Return whether those who come to an alert of this category are given points."""
        category = self.category(alert)
        return category is not None and category.converge

    def beyond_powers(self, alert: Alert) -> tuple[str, ...]:
        """Return the words of an alert that ask for more than guards may do."""
        return _found(alert, self.exceeding, self.folding)

    def reworded(self, alert: Alert, instead: str) -> Alert:
        """Return an alert in whose words nothing is asked that guards may not do."""
        place = self._lawful(alert.place, instead) if alert.place else alert.place
        return replace(alert, text=self._lawful(alert.text, instead), place=place)

    def barred(self, text: str) -> tuple[str, ...]:
        """Return the words of a later line to guards that nobody's name lets through."""
        words = (*EQUIPMENT, *(self.exceeding if self.beyond == "hold" else ()))
        return self.folding.words_in(text, words)

    def _lawful(self, text: str, instead: str) -> str:
        spans = [s for w in self.exceeding for s in self.folding.spans_of(text, w)]
        return without_spans(text, spans, instead)


# The category of our own drills: whoever starts one means it for guards.
DRILL: Final = "drill"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an alert is not for guards without a release.

    Attributes:
        key: Which sentence of the catalogue says so.
        what: The word, category or level it is about.
    """

    key: str
    what: str


def objections(policy: Policy, alert: Alert) -> tuple[Objection, ...]:
    """Return why an alert is not simple; nothing when guards may have it.

    What a guard on the spot has reported is never held: he is there already, and asks for help.
    """
    if alert.reporter is not None:
        return ()
    found = [*_by_category(policy, alert)]
    said = _found(alert, policy.forbidden, policy.folding)
    found += [Objection("held_word", word) for word in said]
    said = _found(alert, EQUIPMENT, policy.folding)
    found += [Objection("held_equipment", word) for word in said]
    if policy.beyond == "hold":
        found += [Objection("held_powers", word) for word in policy.beyond_powers(alert)]
    found += [Objection("held_task", t) for t in alert.tasks if t not in policy.verbs]
    return tuple(found)


def _is_drill(alert: Alert) -> bool:
    return alert.exercise and alert.category == DRILL


def _by_category(policy: Policy, alert: Alert) -> Iterable[Objection]:
    category = policy.category(alert)
    if _is_drill(alert):
        return
    if policy.categories and category is None:
        yield Objection("held_category", alert.category)
    elif category is not None and alert.level < category.most_urgent:
        yield Objection("held_level", str(int(alert.level)))


def _found(alert: Alert, words: tuple[str, ...], folding: Folding) -> tuple[str, ...]:
    texts = (alert.text, alert.place) if alert.place else (alert.text,)
    return tuple(dict.fromkeys(w for text in texts for w in folding.words_in(text, words)))


def to_all(site: "Site", alert: Alert, grids: Iterable[str]) -> bool:
    """Return whether an alert is meant for every grid of a site at once."""
    if alert.to == ALL:
        return True
    meant = set(grids)
    return 1 < len(site.grids) <= len(meant) and meant >= site.grids.keys()


def grade_of(site: "Site", order: "Order") -> Literal[1, 2, 3]:
    """Return the grade of the zone an order is in: its own grid's; 3 where it has none."""
    grid = next((g for i in order.grids if (g := site.grids.get(i)) is not None), None)
    zone = site.zones.get(grid.zone) if grid is not None else None
    return 3 if zone is None else zone.grade


def response_to(site: "Site", order: "Order") -> "Response":
    """Return the clocks and the ladder of an order: of its kind, sharpened by its grade."""
    kind, grade = site.policy.kind(order.alert), grade_of(site, order)
    if kind is None or kind.response is None:
        return site.graded.get(grade, site.response)
    return kind.graded.get(grade, kind.response)


def tone_of(site: "Site", order: "Order") -> Literal[1, 2, 3] | None:
    """Return the level whose attention tone goes before an order; None for its own.

    A grade makes an order sound more urgent than its kind or its level does, never less.
    """
    kind, graded = site.policy.kind(order.alert), response_to(site, order).tone
    own = kind.tone if kind is not None else None
    sharper = graded is not None and graded < (own or order.alert.level)
    return graded if sharper else own


def times_of(site: "Site", order: "Order") -> int:
    """Return how often one page says an order: what its kind or its grade asks for at most."""
    kind = site.policy.kind(order.alert)
    return max(kind.times if kind is not None else 1, response_to(site, order).times)
