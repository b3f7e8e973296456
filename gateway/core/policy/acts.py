"""What the centre's people do about what is held, as acts (see ``centre_acts``)."""

import re
from collections.abc import Mapping
from typing import Final, Literal, cast, get_args

from gateway.core.centre.centre_act import CentreAct
from gateway.core.centre.strict_json import Fields
from gateway.core.policy.events import HeldActed, RightDelegated
from gateway.core.policy.policy import Right

MAX_REASON_CHARS: Final = 200
MAX_NAME_CHARS: Final = 64
# Longer than this is no delegation: that is a change of the settings.
MOST_DAYS: Final = 31
_MOST_US: Final = MOST_DAYS * 86_400 * 1_000_000
_ORDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def _held(act: Literal["release", "drop"]) -> CentreAct:
    def decode(fields: Fields, now_us: int, by: str) -> HeldActed:
        return HeldActed(
            at_us=now_us, act=act, by=by,
            order=fields.word("order", _ORDER, "an order id or number"),
            reason=fields.text("reason", MAX_REASON_CHARS),
        )  # fmt: skip

    says = {
        "release": "A held alert, or amendment, goes to the guards; an alert to all grids "
        "by a second person.",
        "drop": "A held alert goes to nobody, or a held amendment is not told.",
    }[act]
    return CentreAct(("order", "reason"), decode, says)


def _right(fields: Fields) -> Right:
    return cast("Right", fields.choice("right", get_args(Right)))


def _delegate(fields: Fields, now_us: int, by: str) -> RightDelegated:
    from_us = fields.moment("from") if fields.has("from") else now_us
    until_us = fields.moment("until")
    if not max(from_us, now_us) < until_us <= from_us + _MOST_US:
        fields.refuse("until", f"must lie ahead and at most {MOST_DAYS} days after from")
    return RightDelegated(
        at_us=now_us, right=_right(fields), to=fields.text("to", MAX_NAME_CHARS), by=by,
        from_us=from_us, until_us=until_us,
    )  # fmt: skip


def _take_back(fields: Fields, now_us: int, by: str) -> RightDelegated:
    return RightDelegated(
        at_us=now_us, right=_right(fields), to=fields.text("to", MAX_NAME_CHARS), by=by,
        from_us=now_us, until_us=now_us,
    )  # fmt: skip


RELEASE_ACTS: Final[Mapping[str, CentreAct]] = {
    "release": _held("release"),
    "drop": _held("drop"),
    "delegate": CentreAct(
        ("right", "to", "from", "until"), _delegate,
        "Who may release, promote or close gives that right to somebody for a time.",
    ),
    "delegate_end": CentreAct(("right", "to"), _take_back, "Takes a given right back."),
}  # fmt: skip
