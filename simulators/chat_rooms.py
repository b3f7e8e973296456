"""What stands in the chats of the simulated platform, and what the platform lets a bot do.

Source: Telegram Bot API (core.telegram.org/bots/api) and the limits of its FAQ: about one
message a second to one chat, 20 a minute to one group, 30 a second in all.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PER_CHAT_S: Final = 1.0
PER_GROUP_MIN: Final = 20
PER_S: Final = 30
LONGEST_TEXT: Final = 4096
LONGEST_DATA: Final = 64
LONGEST_TOAST: Final = 200
LARGEST_PHOTO: Final = 10_000_000

Json = dict[str, Any]


class PlatformError(Exception):
    """The platform refuses a call.

    Attributes:
        status: HTTP status.
        parameters: Such as ``retry_after`` in seconds (Bot API ResponseParameters).
    """

    def __init__(
        self, status: int, description: str, parameters: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.parameters = dict(parameters or {})


def flooded(after_s: int) -> PlatformError:
    """Return the refusal of one message too many."""
    return PlatformError(
        429, f"Too Many Requests: retry after {after_s}", {"retry_after": after_s}
    )


@dataclass(frozen=True)
class Key:
    """One button under a message."""

    label: str
    data: str


@dataclass(frozen=True)
class Version:
    """How a message stood after a change.

    Attributes:
        mono_s: When, seconds of the monotonic clock.
    """

    mono_s: float
    text: str
    keyboard: tuple[tuple[Key, ...], ...]


@dataclass
class ChatMessage:
    """One message of a chat, with its whole history.

    Attributes:
        id: The platform's id.
        chat: Id of the group (negative) or of the person (private chat).
        sender: Who wrote it: a person's id, or None for the bot.
        text: As it stands now.
        keyboard: As it stands now.
        edits: How it stood from the first on, the present last.
        reply_to: Id of the message it answers.
        file: Platform file of a photo or voice note.
        deleted: Whether it was taken away.
        mono_s: When it came, seconds of the monotonic clock.
    """

    id: int
    chat: int
    sender: int | None
    text: str
    keyboard: tuple[tuple[Key, ...], ...] = ()
    edits: list[Version] = field(default_factory=list)
    reply_to: int | None = None
    file: str | None = None
    deleted: bool = False
    mono_s: float = 0.0

    @property
    def from_bot(self) -> bool:
        """Whether the bot wrote it."""
        return self.sender is None

    def show(self, text: str, keyboard: tuple[tuple[Key, ...], ...], mono_s: float) -> None:
        """Set what stands there now and keep it in the history."""
        self.text, self.keyboard = text, keyboard
        self.edits.append(Version(mono_s, text, keyboard))

    def key(self, label_or_data: str) -> Key | None:
        """Return the button with this label or data, or None."""
        keys = [key for row in self.keyboard for key in row]
        return next((k for k in keys if label_or_data in (k.label, k.data)), None)


@dataclass(frozen=True)
class Toast:
    """What a person saw after pressing a button."""

    press: str
    text: str
    alert: bool


class FloodControl:
    """Counts what reaches the platform and says when it is too much."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._chats: dict[int, deque[float]] = {}

    def admit(self, chat: int, now: float) -> None:
        """Count one message. Raises PlatformError 429 when it is one too many."""
        mine = self._chats.setdefault(chat, deque())
        wait_s = max(
            _wait_s(mine, 1, PER_CHAT_S, now),
            _wait_s(mine, PER_GROUP_MIN, 60.0, now) if chat < 0 else 0.0,
            _wait_s(self._all, PER_S, 1.0, now),
        )
        if wait_s > 0:
            raise flooded(max(1, math.ceil(wait_s)))
        for times in (mine, self._all):
            times.append(now)
            while times[0] <= now - 60:
                times.popleft()


def _wait_s(times: deque[float], most: int, span_s: float, now: float) -> float:
    if len(times) < most:
        return 0.0
    return max(0.0, times[-most] + span_s - now)


def checked_text(text: object) -> str:
    """Return a message text. Raises PlatformError 400 when it is empty or too long."""
    if not isinstance(text, str) or not text.strip():
        raise PlatformError(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_TEXT:
        raise PlatformError(400, "Bad Request: message is too long")
    return text


def checked_keyboard(markup: object) -> tuple[tuple[Key, ...], ...]:
    """Return an inline keyboard. Raises PlatformError 400 when a button is not allowed."""
    if not markup:
        return ()
    if not isinstance(markup, Mapping):
        raise PlatformError(400, "Bad Request: object expected as reply markup")
    rows = markup.get("inline_keyboard", [])
    return tuple(tuple(_checked_key(key) for key in row) for row in rows)


def checked_keys_below(markup: object) -> tuple[str, ...]:
    """Return the words of a reply keyboard; none when the markup is no such keyboard."""
    if not isinstance(markup, Mapping) or "keyboard" not in markup:
        return ()
    keys = [key for row in markup["keyboard"] for key in row]
    if not all(isinstance(key, Mapping) and key.get("text") for key in keys):
        raise PlatformError(400, "Bad Request: keyboard button text must be non-empty")
    return tuple(str(key["text"]) for key in keys)


def _checked_key(key: Mapping[str, Any]) -> Key:
    data = str(key.get("callback_data", ""))
    if not 1 <= len(data.encode()) <= LONGEST_DATA:
        raise PlatformError(400, "Bad Request: BUTTON_DATA_INVALID")
    if not key.get("text"):
        raise PlatformError(
            400, "Bad Request: text buttons are unallowed in the inline keyboard"
        )
    return Key(str(key["text"]), data)
