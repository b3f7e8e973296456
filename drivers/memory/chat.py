"""A chat that lives in memory: cards, presses and words without a platform.

It keeps the promises of a chat driver (see the contract suite in ``tests/drivers``): effects
are answered and settled, updates are let go only after their commit, nothing goes out after
its time, level 1 goes first. There is no wire, so nothing is signed; the platform's limit is
kept where one is given.
"""

import asyncio
import base64
import contextlib
import hashlib
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from gateway.core.after.events import PhotoFailed, PhotoPosted, PhotoTakenBack
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.calls.events import CardFailed, CardPosted
from gateway.core.delivery import backoff_s, is_expired
from gateway.core.effects import (
    AnswerPress,
    ChatEffect,
    EditCard,
    ForgetAddress,
    PostCard,
    PostPhoto,
    RecallPhoto,
    SendText,
    SendVoice,
)
from gateway.core.events import Event, InputRefused, PathChanged
from gateway.interfaces import Cursor, Intake, Outgoing, WallClock

AGAIN: Final = {"zh_CN": "【重发】", "en": "[REPEAT] "}
REFUSED: Final = {"zh_CN": "此按钮无效。", "en": "This button is not valid."}


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """One button: what it says, and the order and reply digit behind it."""

    label: str
    order: str
    action: str


@dataclass(slots=True)
class MemoryMessage:
    """One message of the bot.

    Attributes:
        id: Number of the message.
        address: Group id or person's account.
        private: Whether it went to one person.
        text: As it stands now.
        keyboard: As it stands now.
        edits: Texts from the first on, the present last.
        voice: Recording that it plays, or None; the text is its caption.
        photo: Photo that it shows, or None; the text is its caption.
        deleted: Whether it was taken back.
    """

    id: int
    address: str
    private: bool
    text: str
    keyboard: tuple[tuple[MemoryKey, ...], ...] = ()
    edits: list[str] = field(default_factory=list)
    voice: str | None = None
    photo: str | None = None
    deleted: bool = False


class MemoryChat:
    """The driver, and the people of its chats.

    Args:
        chat: Chat id of the settings.
        clock: Wall time.
        media_dir: Where photos and voice notes are written.
        language: Language of what the driver itself says.
        on_post: Called with each new or changed message: simulated people act on it.
        calls_a_second: The platform's limit; None for none.
        beside: The platform's own clock; None for the gateway's.

    Attributes:
        calls_us: When each call of the bot was made by the platform's clock, UTC microseconds.
        messages: What the bot wrote, oldest first.
        toasts: Press id → what the person was told.
        refused: Addresses that do not take messages.
        away: Whether the platform cannot be reached.
        undeletable: Ids of messages so old that the platform deletes them no more.
    """

    def __init__(
        self,
        chat: str,
        clock: WallClock,
        media_dir: Path,
        *,
        language: str = "zh_CN",
        on_post: Callable[[MemoryMessage], None] = lambda _: None,
        calls_a_second: float | None = None,
        beside: WallClock | None = None,
    ) -> None:
        self.name = f"chat:{chat}"
        self.messages: list[MemoryMessage] = []
        self.toasts: dict[str, str] = {}
        self.refused: set[str] = set()
        self.undeletable: set[int] = set()
        self.away = False
        self.calls_us: list[int] = []
        self._call_s = 1 / calls_a_second if calls_a_second else 0.0
        self._chat = chat
        self._clock = clock
        self._beside = beside or clock
        self._media_dir = media_dir
        self._language = language
        self._on_post = on_post
        self._source = f"memory:{chat}"
        # A heap by level and arrival, and the newest edit of each card that waits.
        self._queue: list[tuple[int, int, Outgoing]] = []
        self._in_hand: tuple[int, int, Outgoing] | None = None
        self._arrivals = 0
        self._taken_back: list[int] = []
        self._newest_edit: dict[str, int] = {}
        self._updates: deque[tuple[int, Event]] = deque()
        self._recent: deque[tuple[int, Event]] = deque(maxlen=100)
        self._up: bool | None = None
        self._last_id = 0
        self._by_id: dict[int, MemoryMessage] = {}
        self._wake = asyncio.Event()

    def deliver(self, outgoing: Outgoing) -> None:
        """Take an effect; never blocks. A newer edit of a card replaces a waiting one."""
        effect = outgoing.effect
        if isinstance(effect, ForgetAddress):
            self._forget(outgoing, effect.address)
            return
        assert isinstance(effect, ChatEffect), "only chat effects go to a chat"
        if isinstance(effect, EditCard):
            self._newest_edit[effect.card] = outgoing.id
        self._arrivals += 1
        level = 0 if isinstance(effect, AnswerPress) else effect.level
        heapq.heappush(self._queue, (level, self._arrivals, outgoing))
        self._wake.set()

    def _forget(self, outgoing: Outgoing, address: str) -> None:
        kept = [w for w in self._queue if getattr(w[2].effect, "address", None) != address]
        gone = [w[2].id for w in self._queue if w not in kept]
        self._queue = kept
        heapq.heapify(self._queue)
        self._taken_back += [*gone, outgoing.id]
        self._wake.set()

    async def run(self, intake: Intake) -> None:
        """Carry effects out and hand updates in until cancelled."""
        position = int(await intake.cursor(self._source) or 0)
        self._take_up_again()
        failures = 0
        while True:
            self._wake.clear()
            while self._taken_back:
                intake.settle(self._taken_back.pop())
            if self._up is not (not self.away):
                await self._tell_path(intake)
            if self.away:
                failures += 1
                await self._expire(intake)
            else:
                failures = 0
                position = await self._take_in(intake, position)
                await self._send_out(intake)
            await self._sleep(failures)

    # What people do

    def text(
        self, user: str, text: str, group: str | None = None, reply_to: int | None = None
    ) -> int:
        """A person writes; return the message's number."""
        number = self._next()
        self._push(
            TextReceived(
                at_us=self._clock.now_us(),
                chat=self._chat,
                address=user,
                group=group,
                text=text,
                message=str(number),
                reply_to=None if reply_to is None else str(reply_to),
            )
        )
        return number

    def press(self, message: MemoryMessage, label: str, user: str) -> str:
        """A person presses a button of a message by its label; return the press's id."""
        keys = [key for row in message.keyboard for key in row]
        key = next((key for key in keys if key.label == label), None)
        press = f"press-{self._next()}"
        if key is None:
            return self._forged(press, label)
        self._push(
            ButtonPressed(
                at_us=self._clock.now_us(),
                chat=self._chat,
                address=user,
                order=key.order,
                action=key.action,
                press=press,
                private=message.private,
            )
        )
        return press

    def photo(
        self,
        user: str,
        data: bytes,
        group: str | None = None,
        caption: str = "",
        reply_to: int | None = None,
    ) -> None:
        """A person sends a photo."""
        self._media(user, group, "photo", data, caption=caption, reply_to=reply_to)

    def voice(self, user: str, data: bytes, group: str | None = None) -> None:
        """A person sends a voice note."""
        self._media(user, group, "voice", data)

    def location(
        self,
        user: str,
        lat: float,
        lon: float,
        group: str | None = None,
        reply_to: int | None = None,
    ) -> None:
        """A person sends where he is, WGS-84 degrees."""
        place = f"{round(lat * 1e6)},{round(lon * 1e6)}"
        self._media(user, group, "location", None, place=place, reply_to=reply_to)

    def repeat(self, count: int) -> None:
        """Bring the last ``count`` updates once more."""
        self._updates.extend([*self._recent][-count:])
        self._wake.set()

    def leave(self) -> None:
        """The platform goes away."""
        self.away = True
        self._wake.set()

    def come_back(self) -> None:
        """The platform is back."""
        self.away = False
        self._wake.set()

    def cut_off(self) -> None:
        """Forget what was asked: the engine has died, and what is not settled comes again."""
        self._queue.clear()
        self._taken_back.clear()
        self._in_hand = self._up = None

    # Out

    async def _send_out(self, intake: Intake) -> None:
        while self._queue and not self.away and not self._updates:
            self._in_hand = heapq.heappop(self._queue)
            outgoing = self._in_hand[2]
            effect = outgoing.effect
            assert isinstance(effect, ChatEffect)
            if self._replaced(outgoing):
                intake.settle(outgoing.id)
            elif self._late(effect):
                await self._end(outgoing, "expired", "its time passed", intake)
            else:
                intake.started(outgoing.id)
                self._in_hand = (*self._in_hand[:2], replace(outgoing, again=True))
                await self._call()
                await self._carry_out(outgoing, effect, intake)
            self._in_hand = None

    def _take_up_again(self) -> None:
        """Put back what was in hand when we were cut off; it may have gone out, and says so."""
        if self._in_hand is not None:
            heapq.heappush(self._queue, self._in_hand)
            self._in_hand = None

    async def _call(self) -> None:
        """Return once the platform's limit lets one call more go out."""
        if self._call_s:
            await asyncio.sleep(self._call_s)
        self.calls_us.append(self._beside.now_us())

    def _replaced(self, outgoing: Outgoing) -> bool:
        effect = outgoing.effect
        return (
            isinstance(effect, EditCard)
            and self._newest_edit.get(effect.card, outgoing.id) != outgoing.id
        )

    def _late(self, effect: ChatEffect) -> bool:
        return is_expired(
            effect.not_after_us,
            self._clock.now_us(),
            synchronised=self._clock.synchronised(),
        )

    async def _expire(self, intake: Intake) -> None:
        for waiting in list(self._queue):
            effect = waiting[2].effect
            if isinstance(effect, ChatEffect) and self._late(effect):
                await self._end(waiting[2], "expired", "its time passed", intake)
                self._queue.remove(waiting)
        heapq.heapify(self._queue)

    async def _carry_out(self, outgoing: Outgoing, effect: ChatEffect, intake: Intake) -> None:
        if isinstance(effect, AnswerPress):
            self.toasts[effect.press] = effect.text
            intake.settle(outgoing.id)
        elif effect.address in self.refused:
            await self._end(outgoing, "failed", "Forbidden: blocked by the user", intake)
        elif isinstance(effect, EditCard):
            await self._change(outgoing, effect, intake)
        elif isinstance(effect, RecallPhoto):
            await self._take_back(outgoing, effect, intake)
        elif isinstance(effect, PostPhoto) and not self._has(effect.media):
            await self._end(outgoing, "failed", f"there is no photo {effect.media}", intake)
        else:
            await self._post(outgoing, effect, intake)

    async def _change(self, outgoing: Outgoing, effect: EditCard, intake: Intake) -> None:
        message = self._by_id.get(int(effect.message))
        if message is None:
            await self._end(outgoing, "failed", "message to edit not found", intake)
            return
        self._show(message, effect.text, _keys(effect))
        intake.settle(outgoing.id)

    async def _take_back(
        self, outgoing: Outgoing, effect: RecallPhoto, intake: Intake
    ) -> None:
        message = self._by_id.get(int(effect.message))
        old = message is not None and message.id in self.undeletable
        if message is not None and old:
            self._show(message, effect.caption, ())
        elif message is not None:
            message.deleted = True
        back = PhotoTakenBack(
            at_us=self._clock.now_us(), post=effect.post, how="replaced" if old else "deleted"
        )
        await intake.submit(back, settles=(outgoing.id,))

    def _has(self, media: str) -> bool:
        """Return whether a photo is in the media folder, by its name or its id."""
        files = (self._media_dir / f"{media}{end}" for end in ("", ".jpg", ".png"))
        return any(file.is_file() for file in files)

    async def _post(
        self,
        outgoing: Outgoing,
        effect: PostCard | SendText | SendVoice | PostPhoto,
        intake: Intake,
    ) -> None:
        private = not effect.address.startswith("-")
        message = MemoryMessage(self._next(), effect.address, private, "")
        self.messages.append(message)
        self._by_id[message.id] = message
        mark = AGAIN[self._language] if outgoing.again else ""
        keyboard = _keys(effect) if isinstance(effect, PostCard) else ()
        text = effect.caption if isinstance(effect, SendVoice | PostPhoto) else effect.text
        message.voice = effect.path if isinstance(effect, SendVoice) else None
        message.photo = effect.media if isinstance(effect, PostPhoto) else None
        self._show(message, mark + text, keyboard)
        if isinstance(effect, PostCard):
            posted = CardPosted(
                at_us=self._clock.now_us(), card=effect.card, message=str(message.id)
            )
            await intake.submit(posted, settles=(outgoing.id,))
        elif isinstance(effect, PostPhoto):
            stands = PhotoPosted(
                at_us=self._clock.now_us(), post=effect.post, message=str(message.id)
            )
            await intake.submit(stands, settles=(outgoing.id,))
        else:
            intake.settle(outgoing.id)

    def _show(
        self, message: MemoryMessage, text: str, keyboard: tuple[tuple[MemoryKey, ...], ...]
    ) -> None:
        message.text, message.keyboard = text, keyboard
        message.edits.append(text)
        self._on_post(message)

    async def _end(
        self,
        outgoing: Outgoing,
        state: Literal["failed", "expired"],
        reason: str,
        intake: Intake,
    ) -> None:
        effect = outgoing.effect
        if isinstance(effect, PostPhoto | RecallPhoto):
            lost = PhotoFailed(
                at_us=self._clock.now_us(), post=effect.post, state=state, reason=reason
            )
            await intake.submit(lost, settles=(outgoing.id,))
            return
        if not isinstance(effect, PostCard | EditCard):
            intake.settle(outgoing.id)
            return
        failed = CardFailed(
            at_us=self._clock.now_us(),
            card=effect.card,
            state=state,
            reason=reason,
        )
        await intake.submit(failed, settles=(outgoing.id,))

    # In

    async def _take_in(self, intake: Intake, position: int) -> int:
        """Hand in what is new, oldest first; return the new position."""
        while self._updates and not self.away:
            number, event = self._updates[0]
            if number > position:
                cursor = Cursor(source=self._source, position=str(number))
                await intake.submit(event, cursor=cursor)
                position = number
            self._recent.append(self._updates.popleft())
        return position

    def _push(self, event: Event) -> None:
        self._updates.append((self._next(), event))
        self._wake.set()

    def _forged(self, press: str, data: str) -> str:
        self.toasts[press] = REFUSED[self._language]
        raw = base64.b64encode(data.encode("utf-8", "replace")[:4096]).decode()
        self._push(
            InputRefused(
                at_us=self._clock.now_us(),
                door=f"chat:{self._chat}",
                reason="button data: not of this card",
                raw=raw,
            )
        )
        return press

    def _media(
        self,
        user: str,
        group: str | None,
        kind: Literal["photo", "voice", "location"],
        data: bytes | None,
        *,
        caption: str = "",
        place: str | None = None,
        reply_to: int | None = None,
    ) -> None:
        number = self._next()
        event = MediaReceived(
            at_us=self._clock.now_us(),
            chat=self._chat,
            address=user,
            group=group,
            kind=kind,
            message=str(number),
            caption=caption,
            place=place,
            reply_to=None if reply_to is None else str(reply_to),
        )
        self._push(event if data is None else self._kept(event, number, data))

    def _kept(self, event: MediaReceived, number: int, data: bytes) -> MediaReceived:
        ending = ".jpg" if event.kind == "photo" else ".ogg"
        name = f"{self._chat}-{number}{ending}"
        self._media_dir.mkdir(parents=True, exist_ok=True)
        (self._media_dir / name).write_bytes(data)
        return replace(event, path=name, sha256=hashlib.sha256(data).hexdigest())

    async def _tell_path(self, intake: Intake) -> None:
        self._up = not self.away
        await intake.submit(
            PathChanged(
                at_us=self._clock.now_us(),
                path=self.name,
                up=self._up,
                reason="the platform is away" if self.away else None,
            )
        )

    async def _sleep(self, failures: int) -> None:
        """Wait for something to do; while the platform is away, also for expiries."""
        wait_s = backoff_s(failures, None, 1.0) if failures else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    def _next(self) -> int:
        self._last_id += 1
        return self._last_id


def _keys(card: PostCard | EditCard) -> tuple[tuple[MemoryKey, ...], ...]:
    return tuple(
        tuple(MemoryKey(button.label, card.order, button.action) for button in row)
        for row in card.buttons
    )
