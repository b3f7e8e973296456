"""The section ``policy``: which alerts go to guards, in which words, and what is said where."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, Final, Literal

from opencc import OpenCC
from pydantic import Discriminator, Field, Tag

from gateway.core.calls.escalation import Response
from gateway.core.policy.folding import Folding
from gateway.core.policy.policy import (
    EXCEEDING,
    VERBS,
    Category,
    InChat,
    OnRadio,
    Policy,
    Right,
)
from gateway.core.policy.templates import OrderKind
from gateway.settings.response import (
    AnyRung,
    GradeNumber,
    GradeSettings,
    WindowMin,
    WindowS,
    graded,
    rung_of,
)
from gateway.settings.values import Id, Language, Model, Name, written

_NO_GRADES: Final[Mapping[GradeNumber, GradeSettings]] = {}
ReplyWord = Literal["cannot_come", "acknowledge", "en_route", "arrived", "need_help", "done"]
Level = Literal[1, 2, 3]
Sentence = Annotated[str, Field(min_length=1, max_length=100)]
Kept = Literal["place", "names", "plates", "phones", "ids"]

# Radios are programmed so that the number of a status is the digit of the reply.
_STATUSES: Final[Mapping[str, ReplyWord]] = {
    "0": "cannot_come",
    "1": "acknowledge",
    "2": "en_route",
    "3": "arrived",
    "4": "need_help",
    "5": "done",
}


class CategorySettings(Model):
    """A category of alerts with rules of its own.

    Attributes:
        name: As said and written.
        most_urgent: The most urgent level that goes to guards; what is more urgent is held.
        kind: Order kind: tone, repetition, clocks, words; absent = the usual.
        radio: What is said of it on the air; absent = policy.radio.
        chat: What is written of it in chats; absent = policy.chat.
        code: What is said on the air where radio is ``code``.
        tasks: What guards are asked to do, words of policy.verbs.
        converge: Whether those who come are given the blocking points of the grid.
    """

    name: Name
    most_urgent: Level = 1
    kind: Id | None = None
    radio: OnRadio | None = None
    chat: InChat | None = None
    code: Name | None = None
    tasks: Annotated[tuple[Name, ...], Field(max_length=4)] = ()
    converge: bool = False

    def category(self) -> Category:
        """Return what the core decides by."""
        return Category(**{name: getattr(self, name) for name in type(self).model_fields})


def _form(value: Any) -> str:  # noqa: ANN401  # whatever the YAML says
    return "rules" if isinstance(value, dict | CategorySettings) else "name"


AnyCategory = Annotated[
    Annotated[Name, Tag("name")] | Annotated[CategorySettings, Tag("rules")],
    Discriminator(_form),
]


class KindSettings(Model):
    """A kind of orders (巡逻防控, 先期处置, 应急处突): how it sounds and how long it waits.

    Attributes:
        name: As written.
        tone: Level whose attention tone goes first; absent = that of the order's own level.
        times: How often one page says the order.
        say: Language → sentences for the air, in place of the usual; gaps ``{level}``,
            ``{number}``, ``{category}``, ``{place}``, ``{text}``, ``{needs}``, ``{tasks}``,
            ``{grid}``.
        write: Language → a line for the card, with the same gaps.
        acknowledge_s: Window for 收到, seconds by level; absent = that of response. So also:
        arrive_min: Window for 到场, minutes by zone grade.
        rung_s: Pause between rungs, seconds by level.
        station_acknowledge_s: The station's own window, seconds.
        ladder: Rungs that are climbed.
    """

    name: Name
    tone: Level | None = None
    times: Annotated[int, Field(ge=1, le=3)] = 1
    say: dict[Language, Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=6)]] = (
        Field(default_factory=dict)
    )
    write: dict[Language, Sentence] = Field(default_factory=dict)
    acknowledge_s: tuple[WindowS, WindowS, WindowS] | None = None
    arrive_min: tuple[WindowMin, WindowMin, WindowMin] | None = None
    rung_s: tuple[WindowS, WindowS, WindowS] | None = None
    station_acknowledge_s: WindowS | None = None
    ladder: tuple[AnyRung, ...] | None = None

    def kind(
        self, id_: str, usual: Response, grades: Mapping[GradeNumber, GradeSettings]
    ) -> OrderKind:
        """Return what the core decides by; what it does not say is as usual."""
        own: dict[str, Any] = {
            "acknowledge_s": self.acknowledge_s,
            "rung_s": self.rung_s,
            "station_acknowledge_s": self.station_acknowledge_s,
            "arrive_s": self.arrive_min and tuple(60 * m for m in self.arrive_min),
            "ladder": self.ladder and tuple(rung_of(step) for step in self.ladder),
        }
        own = {name: value for name, value in own.items() if value is not None}
        return OrderKind(
            id=id_, name=self.name, tone=self.tone, times=self.times,
            say={str(k): v for k, v in self.say.items()},
            write={str(k): v for k, v in self.write.items()},
            response=replace(usual, **own) if own else None,
            graded=graded(replace(usual, **own), grades, own) if own else {},
        )  # fmt: skip


class PolicySettings(Model):
    """What alerts may ask of guards, and what may go on open radio and into chats.

    Attributes:
        categories: Categories that go to guards → how they are spoken, or the rules of each;
            empty = all. Alerts of others are held until a named person releases them.
        kinds: Order kinds, by our own short name.
        verbs: Closed list of what guards may be asked to do.
        forbidden: Words with which an alert is held, however they are written.
        exceeding: Words that ask for more than guards may do.
        beyond: What becomes of a text with such a word: ``mark`` (told, and the centre is
            warned), ``hold``, ``replace``. An instruction to use force is held always.
        open_radio: Whether anything of an alert's text may be spoken on the air.
        radio: What is said of an alert on the air: ``full``, ``summary`` (category and
            place), ``code``, ``none``.
        chat: What is written of it in chats: ``full``, ``summary``, ``none``; the station and
            the managers read the whole.
        keep_off_radio: What is taken out of texts on the air.
        keep_out_of_chat: What is taken out of texts in chats.
        held_again_s: A held alert is told again after so long, seconds.
        two_person_min: An alert to all grids is sent when a second person has confirmed it
            within this, minutes; 0 = it is sent at once.
        rights: ``release``, ``promote``, ``close`` → names of who may; absent = whoever may
            act at all.
        mdc_status: Number of an MDC1200 status, hexadecimal → what it says.
        selcall_status: Last digit of a five-tone call → what it says; empty = the radios send
            none, and the whole call is who it is.
    """

    categories: dict[Id, AnyCategory] = Field(default_factory=dict)
    kinds: dict[Id, KindSettings] = Field(default_factory=dict)
    verbs: tuple[Name, ...] = VERBS
    forbidden: tuple[Name, ...] = ()
    exceeding: tuple[Name, ...] = EXCEEDING
    beyond: Literal["mark", "hold", "replace"] = "mark"
    open_radio: bool = True
    radio: OnRadio = "full"
    chat: InChat = "full"
    keep_off_radio: tuple[Kept, ...] = ("names", "plates", "phones", "ids")
    keep_out_of_chat: tuple[Kept, ...] = ("ids",)
    held_again_s: Annotated[int, Field(ge=10, le=3600)] = 120
    two_person_min: Annotated[int, Field(ge=0, le=60)] = 5
    rights: dict[Right, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    mdc_status: dict[
        Annotated[str, written(r"^[0-9A-F]{1,2}$", "a number such as 1, or 0 to FF")], ReplyWord
    ] = Field(default_factory=lambda: dict(_STATUSES))
    selcall_status: dict[
        Annotated[str, written(r"^[0-9A-F]$", "one digit")], ReplyWord
    ] = Field(default_factory=dict)

    def policy(
        self, usual: Response, grades: Mapping[GradeNumber, GradeSettings] = _NO_GRADES
    ) -> Policy:
        """Return what the core decides by.

        Args:
            usual: The site's clocks and ladder, which order kinds change.
            grades: What zone grades set of them.
        """
        return Policy(
            categories={
                id_: Category(name=each) if isinstance(each, str) else each.category()
                for id_, each in self.categories.items()
            },
            kinds={id_: each.kind(id_, usual, grades) for id_, each in self.kinds.items()},
            verbs=self.verbs,
            forbidden=self.forbidden,
            exceeding=self.exceeding,
            beyond=self.beyond,
            radio=self.radio if self.open_radio else "none",
            chat=self.chat,
            keep_off_radio=self.keep_off_radio,
            keep_out_of_chat=self.keep_out_of_chat,
            held_again_s=self.held_again_s,
            two_person_s=60 * self.two_person_min,
            rights={str(right): names for right, names in self.rights.items()},
            folding=folding(),
        )


@cache
def folding() -> Folding:
    """Return what finds words however they are written, 簡 as 简."""
    characters = [chr(code) for code in range(0x3400, 0xA000)]
    told = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    pairs = zip(characters, told, strict=True)
    return Folding({ord(old): new for old, new in pairs if old != new and len(new) == 1})
