"""What people send back, before and after it is understood: digits, buttons, words.

The grammar on the air (``*order guard action#``): the order has two digits, or three or four
when fewer have run out; the guard three; the action one. So the length of a frame's body alone
says what it holds, and a lone digit outside a frame never means anything.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

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


NODE_OF_ACTION: dict[Action, Node] = {
    Action.CANNOT_COME: Node.DECLINED,
    Action.ACKNOWLEDGE: Node.ACKNOWLEDGED,
    Action.EN_ROUTE: Node.EN_ROUTE,
    Action.ARRIVED: Node.ARRIVED,
    Action.NEED_HELP: Node.NEED_HELP,
    Action.DONE: Node.DONE,
}


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
    if shape is None or not (body.isascii() and body.isdigit()) or body[-1] > "5":
        return None
    number_digits, guard_digits = shape
    number = body[:number_digits] or None
    guard = body[number_digits : number_digits + guard_digits] or None
    return AirReply(number=number, guard_code=guard, action=Action(body[-1]))


# Words guards really write, longest first within an action; first match of the list wins, so
# that 不能去 is not read as 去, and 没有到 is no arrival.
_WORDS: tuple[tuple[Action | None, tuple[str, ...]], ...] = (
    (Action.CANNOT_COME, (
        "不能去", "去不了", "来不了", "不能离岗", "离不开", "不能到", "过不去", "cannot come",
        "can't come", "decline",
    )),
    (None, ("没收到", "没到", "没有到", "还没", "未到", "未收到", "not yet")),
    (Action.NEED_HELP, ("增援", "支援", "求助", "救命", "need help", "backup")),
    (Action.DONE, ("完成", "处理完", "处置完", "办完", "结束了", "done", "finished")),
    (Action.EN_ROUTE, (
        "快到", "马上到", "即将到", "出警", "出发", "在路上", "这就去", "赶往", "en route", "on my way",
    )),
    (Action.ARRIVED, ("到场", "到达", "已到", "到了", "到位", "arrived", "on scene")),
    (Action.ACKNOWLEDGE, ("收到", "明白", "签收", "知道了", "roger", "received", "copy")),
)  # fmt: skip

# Characters folded before words are looked up: the ones of the words above that differ.
_TRADITIONAL = str.maketrans("來離開沒還達發這趕簽處辦結後", "来离开没还达发这赶签处办结后")

# A number with its 号, or a number standing alone; never part of a longer figure.
_NUMBER = re.compile(r"(?<!\d)(\d{2,4})(?!\d)")

# Longer texts and questions are talk, not replies: "什么时候到场?" is no arrival.
_LONGEST_REPLY = 20
_QUESTION = re.compile(r"[?？吗么呢]")


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
    if len(folded) > _LONGEST_REPLY or _QUESTION.search(folded):
        return ChatReply(action=None, number=number)
    for action, words in _WORDS:
        if any(word in folded for word in words):
            return ChatReply(action=action, number=number)
    return ChatReply(action=None, number=number)


# One-time codes: eight characters of 31 that are not mistaken for one another (no 0 O 1 I L).
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 8
_CODE = re.compile(rf"(?:^/start\s+|^绑定\s*|^)([{CODE_LETTERS}]{{{CODE_LENGTH}}})\s*$")


def parse_code(text: str) -> str | None:
    """Return the one-time code a private text presents, or None."""
    found = _CODE.match(text.strip().upper().replace("/START", "/start"))
    return found.group(1) if found else None
