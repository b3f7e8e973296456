"""From the Bot API's updates to the core's events. Pure.

Source: Telegram Bot API, core.telegram.org/bots/api (Update, Message, CallbackQuery). Updates
are read as plain JSON, field by field, so that one that is broken is refused alone and does
not take its neighbours with it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from drivers.telegram.signing import BadButtonError, OldButtonError, Place, verify
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.events import Event, InputRefused
from gateway.interfaces import WireError

LONGEST_HEARD: Final = 1000
RAW_BYTES: Final = 4096
LARGEST_FILE_BYTES: Final = 10 * 1024 * 1024
WANTED: Final = ("message", "callback_query")

Json = Mapping[str, object]


class UndecodableError(WireError):
    """An update lacks something or holds what no update may hold; the message names it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the driver itself says to people, in one language."""

    again: str
    press_refused: str
    press_old: str


WORDS: Final[Mapping[str, Words]] = {
    "zh_CN": Words(
        again="【重发】",
        press_refused="此按钮无效，请用本群最新的卡片。",
        press_old="此卡片已过期，请用最新的卡片。",
    ),
    "en": Words(
        again="[REPEAT] ",
        press_refused="This button is not valid. Use the latest card.",
        press_old="This card is too old. Use the latest card.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What decoding and encoding need to know of the bot account.

    Attributes:
        chat: Chat id of the settings.
        groups: Ids of the groups we serve.
        key: Secret of the buttons.
        words: What the driver itself says.
        moved: New id of a group that became a supergroup → the id we know it by.
    """

    chat: str
    groups: frozenset[str]
    key: bytes
    words: Words
    moved: dict[str, str] = field(default_factory=dict)

    @property
    def door(self) -> str:
        """Return the name under which refused input is filed."""
        return f"chat:{self.chat}"

    def known_as(self, group: int) -> str:
        """Return the id by which we know a group."""
        return self.moved.get(str(group), str(group))


@dataclass(frozen=True, slots=True)
class File:
    """A file on the platform: its handle there and the ending of its name here."""

    id: str
    suffix: Literal[".jpg", ".ogg"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One decoded update.

    Attributes:
        event: What happened; a MediaReceived has no path yet when ``file`` is set.
        file: What to fetch before the event is handed in.
        answer: Press to be answered with ``toast`` by the driver itself.
    """

    event: Event
    file: File | None = None
    answer: str | None = None
    toast: str = ""


def identified(update: object) -> tuple[int, Json]:
    """Return an update with its id. Raises UndecodableError when it has none."""
    if not isinstance(update, Mapping):
        raise UndecodableError("update: not an object")
    return _int(update, "update_id"), update


def take(update: Json, account: Account, now_us: int) -> Taken | None:
    """Return what an update says, or None for kinds and places that are not ours.

    Raises:
        UndecodableError: It is of a kind that we read, but broken.
    """
    if "callback_query" in update:
        return _press(_object(update, "callback_query"), account, now_us)
    if "message" in update:
        return _message(_object(update, "message"), account, now_us)
    return None


def refused(update: object, account: Account, reason: str, now_us: int) -> InputRefused:
    """Return the event that keeps an update nobody can use."""
    text = json.dumps(update, ensure_ascii=True, default=str)
    raw = base64.b64encode(text.encode()[:RAW_BYTES]).decode()
    return InputRefused(at_us=now_us, door=account.door, reason=reason, raw=raw)


def _press(query: Json, account: Account, now_us: int) -> Taken | None:
    press = _text(query, "id", 64)
    sender = _object(query, "from")
    address = str(_int(sender, "id"))
    # A message too old to be shown keeps its chat; without one it is not from a card of ours.
    chat = _object(_object(query, "message"), "chat")
    private = chat.get("type") == "private"
    place = Place(private, address if private else account.known_as(_int(chat, "id")))
    data = query.get("data")
    try:
        if not isinstance(data, str):
            raise BadButtonError("button data: missing")
        order, action = verify(account.key, place, data, now_us // 1_000_000)
    except (BadButtonError, OldButtonError) as error:
        old = isinstance(error, OldButtonError)
        toast = account.words.press_old if old else account.words.press_refused
        event = refused(query, account, str(error), now_us)
        return Taken(event, answer=press, toast=toast)
    return Taken(
        ButtonPressed(
            at_us=now_us,
            chat=account.chat,
            address=address,
            order=order,
            action=action,
            press=press,
            private=private,
        )
    )


def _message(message: Json, account: Account, now_us: int) -> Taken | None:
    chat = _object(message, "chat")
    group = None if chat.get("type") == "private" else account.known_as(_int(chat, "id"))
    sender = message.get("from")
    if group is not None and group not in account.groups:
        return None  # somebody put the bot into a group of his own: none of our business
    if not isinstance(sender, Mapping) or sender.get("is_bot") is True:
        return None
    heard = _Heard(
        chat=account.chat,
        address=str(_int(sender, "id")),
        group=group,
        message=str(_int(message, "message_id")),
        reply_to=_reply_to(message),
        at_us=now_us,
    )
    if "text" in message:
        return Taken(heard.text(_speech(message, "text")))
    if "photo" in message:
        return heard.media("photo", message, _largest(message))
    if "voice" in message:
        voice = _object(message, "voice")
        return heard.media("voice", message, File(_text(voice, "file_id", 512), ".ogg"))
    if "location" in message:
        taken = heard.media("location", message, None)
        assert isinstance(taken.event, MediaReceived)
        return Taken(replace(taken.event, place=_place(_object(message, "location"))))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What every message of a person has."""

    chat: str
    address: str
    group: str | None
    message: str
    reply_to: str | None
    at_us: int

    def text(self, text: str) -> TextReceived:
        return TextReceived(
            at_us=self.at_us,
            chat=self.chat,
            address=self.address,
            group=self.group,
            text=text,
            message=self.message,
            reply_to=self.reply_to,
        )

    def media(
        self, kind: Literal["photo", "voice", "location"], message: Json, file: File | None
    ) -> Taken:
        event = MediaReceived(
            at_us=self.at_us,
            chat=self.chat,
            address=self.address,
            group=self.group,
            kind=kind,
            message=self.message,
            caption=_speech(message, "caption") if "caption" in message else "",
            reply_to=self.reply_to,
        )
        return Taken(event, file)


def _reply_to(message: Json) -> str | None:
    if "reply_to_message" not in message:
        return None
    return str(_int(_object(message, "reply_to_message"), "message_id"))


def _largest(message: Json) -> File:
    """Return the best size of a photo that is not over our limit (Bot API PhotoSize)."""
    sizes = message.get("photo")
    if not isinstance(sizes, list) or not sizes:
        raise UndecodableError("photo: no sizes")
    known = [size for size in sizes if isinstance(size, Mapping)]
    if len(known) != len(sizes):
        raise UndecodableError("photo: a size is not an object")
    fitting = [s for s in known if _bytes(s) <= LARGEST_FILE_BYTES]
    best = max(fitting or known, key=lambda s: (_bytes(s), _side(s)))
    return File(_text(best, "file_id", 512), ".jpg")


def _bytes(size: Json) -> int:
    return _int(size, "file_size") if "file_size" in size else 0


def _side(size: Json) -> int:
    return _int(size, "width") if "width" in size else 0


def _place(location: Json) -> str:
    lat, lon = _degrees(location, "latitude", 90), _degrees(location, "longitude", 180)
    return f"{round(lat * 1e6)},{round(lon * 1e6)}"


def _degrees(location: Json, name: str, most: float) -> float:
    value = location.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        raise UndecodableError(f"location.{name}: not within ±{most}")
    return float(value)


def _speech(message: Json, name: str) -> str:
    """Return what a person wrote, cut at 1000 characters; broken characters are refused."""
    text = message.get(name)
    if not isinstance(text, str):
        raise UndecodableError(f"{name}: not a text")
    if not is_storable(text):
        raise UndecodableError(f"{name}: holds NUL or a lone surrogate")
    return text if len(text) <= LONGEST_HEARD else text[: LONGEST_HEARD - 1] + "…"


def is_storable(text: str) -> bool:
    """Return whether a text can be written as UTF-8 and by every journal."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _object(obj: Json, name: str) -> Json:
    value = obj.get(name)
    if not isinstance(value, Mapping):
        raise UndecodableError(f"{name}: missing or not an object")
    return value


def _int(obj: Json, name: str) -> int:
    value = obj.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise UndecodableError(f"{name}: missing or not a 64-bit integer")
    return value


def _text(obj: Json, name: str, most: int) -> str:
    value = obj.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most or not is_storable(value):
        raise UndecodableError(f"{name}: missing or not a text of 1 to {most} characters")
    return value
