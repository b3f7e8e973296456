"""What the centre's people do to an order beside calling and closing it, as acts."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.after.events import OrderTended, PhotoActed, TendAct
from gateway.core.centre.centre_act import CentreAct, order_named
from gateway.core.centre.strict_json import Fields

MAX_TEXT_CHARS: Final = 500
# What is spoken as a warning must be short enough to be heard.
MAX_CAUTION_CHARS: Final = 60
MAX_CAPTION_CHARS: Final = 300
MAX_WHAT_CHARS: Final = 40
MAX_DAYS: Final = 365
MAX_GRIDS: Final = 100
# Telegram deletes no message older than 48 hours (Bot API deleteMessage): an hour to spare.
MAX_MINUTES: Final = 47 * 60
DEFAULT_MINUTES: Final = 120
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_PHOTO: Final = re.compile(r"f[0-9]{1,12}", re.ASCII)
_MEDIA: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,95}(?:\.(?:jpg|jpeg|png))?", re.ASCII)
_GRID: Final = re.compile(r"grid/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MEDIA_SAYS: Final = (
    "the id that POST /v1/media gave, or the .jpg or .png of a guard's report; photos only"
)


def _tend(
    act: TendAct, text: str | None = None, *, needed: bool = True, limit: int = MAX_TEXT_CHARS
) -> Callable[[Fields, int, str], OrderTended]:
    """Return the decoder of an act that says one thing in a field called ``text``."""

    def decode(fields: Fields, now_us: int, by: str) -> OrderTended:
        said = text is not None and (needed or fields.has(text))
        words = fields.text(text, limit) if said and text is not None else ""
        return OrderTended(at_us=now_us, order=order_named(fields), act=act, by=by, text=words)

    return decode


def _follow_up(fields: Fields, now_us: int, by: str) -> OrderTended:
    return OrderTended(
        at_us=now_us, order=order_named(fields), act="follow_up", by=by,
        person=fields.word("person", _ID, "a person id of the site"),
        days=fields.integer("days", 1, MAX_DAYS),
    )  # fmt: skip


def _correct(fields: Fields, now_us: int, by: str) -> OrderTended:
    return OrderTended(
        at_us=now_us, order=order_named(fields), act="correct", by=by,
        what=fields.text("what", MAX_WHAT_CHARS),
        old=fields.text("old", MAX_TEXT_CHARS),
        new=fields.text("new", MAX_TEXT_CHARS),
        text=fields.text("why", MAX_TEXT_CHARS),
    )  # fmt: skip


def _photo(fields: Fields, now_us: int, by: str) -> PhotoActed:
    return PhotoActed(
        at_us=now_us, order=order_named(fields), act="release", by=by,
        media=fields.word("media", _MEDIA, _MEDIA_SAYS),
        grids=_grids(fields),
        caption=fields.text("caption", MAX_CAPTION_CHARS) if fields.has("caption") else "",
        minutes=(
            fields.integer("minutes", 1, MAX_MINUTES) if fields.has("minutes")
            else DEFAULT_MINUTES
        ),
    )  # fmt: skip


def _grids(fields: Fields) -> tuple[str, ...]:
    """Return the grids of ``to``: one ``grid/ID``, or a list of them."""
    says = "a grid such as grid/east, or a list of them"
    if isinstance(fields.need("to"), str):
        return (fields.word("to", _GRID, says).removeprefix("grid/"),)
    found = fields.words("to", MAX_GRIDS, _GRID, says)
    if not found:
        fields.refuse("to", f"must be {says}")
    return tuple(name.removeprefix("grid/") for name in found)


def _photo_recall(fields: Fields, now_us: int, by: str) -> PhotoActed:
    return PhotoActed(
        at_us=now_us, order=order_named(fields), act="recall", by=by, photo=_which(fields)
    )


def _photo_useful(fields: Fields, now_us: int, by: str) -> PhotoActed:
    return PhotoActed(
        at_us=now_us, order=order_named(fields), act="useful", by=by, photo=_which(fields)
    )


def _which(fields: Fields) -> str | None:
    known = fields.has("photo")
    return fields.word("photo", _PHOTO, "a photo id such as f1") if known else None


AFTER_ACTS: Final[Mapping[str, CentreAct]] = {
    "caution": CentreAct(
        ("order", "text"), _tend("caution", "text", limit=MAX_CAUTION_CHARS),
        "Everybody called to an order is warned, spoken and written; its level stays.",
    ),
    "handover": CentreAct(
        ("order", "note"), _tend("handover", "note", needed=False),
        "The police at the place have taken an order over.",
    ),
    "follow_up": CentreAct(
        ("order", "person", "days"), _follow_up,
        "Somebody goes there again in some days, and is reminded until he was.",
    ),
    "followed_up": CentreAct(
        ("order", "note"), _tend("followed_up", "note"),
        "Somebody was there again; this is what came of it.",
    ),
    "reopen": CentreAct(
        ("order", "why"), _tend("reopen", "why"),
        "An ended order is opened again under its id, and people are called afresh.",
    ),
    "correct": CentreAct(
        ("order", "what", "old", "new", "why"), _correct,
        "Something in an order's record is wrong: both stand in it from now on.",
    ),
    "complaint": CentreAct(
        ("order", "reference"), _tend("complaint", "reference"),
        "Somebody complains of an order: its recordings and photos are held.",
    ),
    "hold": CentreAct(
        ("order", "why"), _tend("hold", "why"),
        "Recordings and photos of an order are kept, however old they get.",
    ),
    "unhold": CentreAct(
        ("order", "why"), _tend("unhold", "why"),
        "Recordings and photos of an order need not be kept any longer.",
    ),
    "photo": CentreAct(
        ("order", "media", "to", "caption", "minutes"), _photo,
        "A photo is released to the groups of grids, and recalled after some minutes.",
    ),
    "photo_recall": CentreAct(
        ("order", "photo"), _photo_recall,
        "A photo is taken back from the groups now; without an id the latest.",
    ),
    "photo_useful": CentreAct(
        ("order", "photo"), _photo_useful,
        "The latest answer to a photo is of use; how long it took is kept.",
    ),
}  # fmt: skip
