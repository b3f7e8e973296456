"""What people send back, before and after it is understood: digits, buttons, words.

The grammar on the air (``*order guard action#``): the order has two digits, or three or four
when fewer have run out; the guard three; the action one. So the length of a frame's body alone
says what it holds, and a lone digit outside a frame never means anything.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.guard_reports.report import ReportKind
from gateway.core.order import Node

# A guard's code on the air has three digits, so that bodies of each length are unambiguous.
GUARD_CODE_DIGITS = 3


class Action(StrEnum):
    """What a reply says, by the digit that says it."""

    CANNOT_COME = "0"
    ACKNOWLEDGE = "1"
    EN_ROUTE = "2"
    ARRIVED = "3"
    NEED_HELP = "4"
    DONE = "5"
    HANDOVER = "6"


NODE_OF_ACTION: dict[Action, Node] = {
    Action.CANNOT_COME: Node.DECLINED,
    Action.ACKNOWLEDGE: Node.ACKNOWLEDGED,
    Action.EN_ROUTE: Node.EN_ROUTE,
    Action.ARRIVED: Node.ARRIVED,
    Action.NEED_HELP: Node.NEED_HELP,
    Action.DONE: Node.DONE,
    Action.HANDOVER: Node.HANDOVER,
}


# What so many short presses of the key say, for radios without a keypad.
ACTION_OF_PRESSES: dict[int, Action] = {2: Action.ACKNOWLEDGE, 3: Action.ARRIVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AirReply:
    """A frame's body taken apart.

    Attributes:
        number: Order number, or None when he left it out.
        guard_code: Guard code, or None when his radio says who he is.
        action: What he says.
    """

    number: str | None
    guard_code: str | None
    action: Action


# Body length → (digits of the number, digits of the guard code); the action is the last digit.
_SHAPES: dict[int, tuple[int, int]] = {
    1: (0, 0),
    3: (2, 0),
    4: (3, 0),
    5: (4, 0),
    6: (2, GUARD_CODE_DIGITS),
    7: (3, GUARD_CODE_DIGITS),
    8: (4, GUARD_CODE_DIGITS),
}


def parse_digits(body: str) -> AirReply | None:
    """Return what stood between ``*`` and ``#``, or None when it is no reply at all."""
    shape = _SHAPES.get(len(body))
    if shape is None or not (body.isascii() and body.isdigit()) or body[-1] > "6":
        return None
    number_digits, guard_digits = shape
    number = body[:number_digits] or None
    guard = body[number_digits : number_digits + guard_digits] or None
    return AirReply(number=number, guard_code=guard, action=Action(body[-1]))


# Words guards really write. The first action that has a word which is not denied wins, so that
# 不能去 is not read as 去.
_WORDS: tuple[tuple[Action, tuple[str, ...]], ...] = (
    (Action.CANNOT_COME, (
        "不能去", "去不了", "来不了", "不能离岗", "离不开", "走不开", "不能到", "过不去",
        "不能来", "不能出警", "不去", "无法去", "无法到", "无法出警", "没法去",
        "cannot come", "can't come", "cannot go", "can't go", "decline",
    )),
    (Action.NEED_HELP, ("增援", "支援", "求助", "救命", "need help", "backup")),
    (Action.HANDOVER, ("移交", "交给民警", "交给警察", "民警接手", "handed over")),
    (Action.DONE, ("完成", "处理完", "处置完", "办完", "结束了", "done", "finished")),
    (Action.EN_ROUTE, (
        "快到", "马上到", "即将到", "出警", "出发", "在路上", "这就去", "赶往", "en route",
        "on my way",
    )),
    (Action.ARRIVED, ("到场", "到达", "已到", "到了", "到位", "arrived", "on scene")),
    (Action.ACKNOWLEDGE, ("收到", "明白", "签收", "知道了", "roger", "received", "copy")),
)  # fmt: skip

# What denies the word after it in the same clause: 没有收到, 不需要增援, not yet arrived.
_DENIED = re.compile(
    r"[不没未无][^，,。；;！!\s]{0,3}$|(?:\bnot\b|n't\b|\bnever\b)[^,.;!]{0,8}$"
)
# Politeness that only looks like a denial.
_POLITE = re.compile("没问题|没事|不好意思|不客气|no problem")

# Characters folded before words are looked up: the ones of the words above that differ.
_TRADITIONAL = str.maketrans(
    "來離開沒還達發這趕簽處辦結後給", "来离开没还达发这赶签处办结后给"
)

# A number with its 号, or a number standing alone; never part of a longer figure, nor a
# measure: 10分钟后到 does not mean order 10.
_NUMBER = re.compile(
    r"(?<!\d)(\d{2,4})(?!\d|\s*(?:分|秒|米|公里|人|点|个|岁|min|sec|m\b|people))"
)

# Longer texts and questions are talk, not replies: 什么时候到场 is no arrival, nor is 到了没.
# A Latin letter counts half.
_LONGEST_REPLY = 20
_QUESTION = re.compile(r"[?？吗么呢]|有没有|是否|没有?[。！!~～…\s]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What a typed text says.

    Attributes:
        action: What he says, or None when it is just talk.
        number: Order number he named, or None.
    """

    action: Action | None
    number: str | None


def parse_text(text: str) -> ChatReply:
    """Return what a typed text says; a lone digit means nothing here either."""
    folded = text.casefold().translate(_TRADITIONAL)
    found = _NUMBER.search(folded)
    number = found.group(1) if found else None
    if _width(folded) > _LONGEST_REPLY or _QUESTION.search(folded):
        return ChatReply(action=None, number=number)
    said = _POLITE.sub("", folded)
    for action, words in _WORDS:
        if any(_says(said, word, action) for word in words):
            return ChatReply(action=action, number=number)
    return ChatReply(action=None, number=number)


def _width(text: str) -> float:
    return sum(0.5 if c.isascii() else 1.0 for c in text)


def _says(text: str, word: str, action: Action) -> bool:
    """Return whether a word stands in a text undenied; a refusal is a denial already."""
    return any(
        action is Action.CANNOT_COME or _DENIED.search(text[: found.start()]) is None
        for found in re.finditer(re.escape(word), text)
    )


# How long somebody says that he needs: 20分钟, 半小时, 一个半小时, 三刻钟, in 20 min.
_COUNT = r"\d{1,3}|[一二两三四五六七八九十]{1,3}"
_ETA = re.compile(
    r"(?:(?P<number>\d{2,3})(?:号\s?|\s))?"
    r"(?:预计|大约|大概|约|还要|还有|还需|再过|需要|需|要|in|about)?\s?"
    rf"(?:(?P<hours>{_COUNT}|半|half an|an)\s?个?(?P<half>半)?\s?(?:小时|钟头|hours?))?\s?"
    rf"(?:(?P<quarters>{_COUNT})\s?刻钟|(?P<minutes>{_COUNT})\s?(?:分钟|分|minutes?|min))?\s?"
    r"(?:左右|以?后|内)?(?:到达|到场|就到|到)?[。.!~…]*",
    re.IGNORECASE,
)
_ETA_SIMPLIFIED = str.maketrans("預計約還後內時鐘個兩達場", "预计约还后内时钟个两达场")
_UNITS = "零一二三四五六七八九"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """How long somebody says that he needs.

    Attributes:
        minutes: Whole minutes, rounded up.
        number: Order number he named, or None.
    """

    minutes: int
    number: str | None


def parse_eta(text: str) -> Eta | None:
    """Return what a text says that is nothing but a span of time, or None."""
    folded = " ".join(unicodedata.normalize("NFKC", text).translate(_ETA_SIMPLIFIED).split())
    found = _ETA.fullmatch(folded) if _width(folded) <= _LONGEST_REPLY else None
    if found is None:
        return None
    hours, quarters, minutes = found["hours"], found["quarters"], found["minutes"]
    counts = [_count(said) for said in (hours, quarters, minutes) if said is not None]
    if not counts or None in counts:
        return None
    half_hours = 1 if hours in ("半", "half an") else 2 * (_count(hours) or 0)
    half_hours += found["half"] is not None
    span = 30 * half_hours + 15 * (_count(quarters) or 0) + (_count(minutes) or 0)
    return Eta(minutes=span, number=found["number"])


def _count(said: str | None) -> int | None:
    """Return a number of one to three digits, or up to 99 in words; None if it is neither."""
    if said is None or said.isdecimal():
        return None if said is None else int(said)
    if said.casefold() in ("半", "an", "half an"):
        return 1
    tens, ten, units = said.replace("两", "二").rpartition("十")
    if len(tens) > 1 or len(units) > 1 or "十" in tens:
        return None
    return 10 * (_UNITS.index(tens) if tens else len(ten)) + (_UNITS.index(units or "零"))


# Words that call for help by themselves, and words that a report begins with.
_HELP = re.compile(r"(?<![a-z])sos(?![a-z])|救命|紧急求助|快来人")
_REPORT = re.compile(r"\s*(?:报告|上报|汇报|report\b)")
_SIMPLIFIED = str.maketrans("緊報匯來", "紧报汇来")


def parse_report(text: str) -> ReportKind | None:
    """Return whether a text calls for help or begins as a report; None when neither."""
    folded = text.casefold().translate(_SIMPLIFIED)
    if any(_DENIED.search(folded[: found.start()]) is None for found in _HELP.finditer(folded)):
        return "emergency"
    asks = _width(folded) <= _LONGEST_REPLY and _QUESTION.search(folded) is not None
    return "report" if _REPORT.match(folded) and not asks else None


# One-time codes: eight characters of 31 that are not mistaken for one another (no 0 O 1 I L).
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 8
_CODE = re.compile(rf"(?:^/start\s+|^绑定\s*|^)([{CODE_LETTERS}]{{{CODE_LENGTH}}})\s*$")


def code_digest(code: str) -> str:
    """Return how a one-time code is kept."""
    return hashlib.sha256(f"gridcall enrolment {code}".encode()).hexdigest()


def parse_code(text: str) -> str | None:
    """Return the one-time code a private text presents, or None."""
    found = _CODE.match(text.strip().upper().replace("/START", "/start"))
    return found.group(1) if found else None
