"""The simulated platform without its wire: people, chats, updates, and what a bot may do."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from simulators.chat_rooms import (
    LARGEST_PHOTO,
    LONGEST_TOAST,
    ChatMessage,
    FloodControl,
    Json,
    Key,
    PlatformError,
    Toast,
    checked_keyboard,
    checked_keys_below,
    checked_text,
)

BOT: Final[Json] = {
    "id": 123,
    "is_bot": True,
    "first_name": "gateway",
    "username": "gateway_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": True,
    "supports_inline_queries": False,
}
_LARGEST_FILE: Final = 20 * 1024 * 1024  # Bot API getFile
_LONGEST_POLL_S: Final = 50.0


class ChatPlatform:
    """The chats, their people, and the bot's side of them as plain methods.

    Args:
        token: The bot token; never written to the log.
        groups: Name of a group → its negative id.
        seed: For the order in which reordered updates come.
        log_path: JSON lines of all that happens, or None.

    Attributes:
        messages: Every message of every chat, oldest first.
        toasts: What people were told after pressing.
        enforce_limits: Whether too many messages are refused with 429.
        shuffle: Whether updates of one answer come out of order.
        blocked: People who have blocked the bot.
        undeletable: Ids of messages that are older than a bot may delete.
        show_twice: How many of the next cards in groups are shown twice (a planted fault).
    """

    def __init__(
        self,
        token: str,
        groups: Mapping[str, str | int],
        seed: int,
        log_path: Path | None = None,
    ) -> None:
        self._token = token
        self.groups = {name: int(group) for name, group in groups.items()}
        self._chance = random.Random(seed)
        self._log_path = log_path
        self._log: TextIO | None = None
        self.messages: list[ChatMessage] = []
        self.toasts: list[Toast] = []
        self.enforce_limits = True
        self.shuffle = False
        self.blocked: set[int] = set()
        self.undeletable: set[int] = set()
        self.show_twice = 0
        self.keys_below: dict[int, tuple[str, ...]] = {}
        self._migrated: dict[int, int] = {}
        self._flood = FloodControl()
        self._updates: deque[Json] = deque()
        self._given: deque[Json] = deque(maxlen=1000)
        self._repeated: list[Json] = []
        self._files: dict[str, bytes] = {}
        self._presses: set[str] = set()
        self._last_id = 0
        self._last_update = 1000
        self._poll = 0
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()

    # What people do

    def text(
        self,
        user: int | str,
        text: str,
        group: str | int | None = None,
        reply_to: int | ChatMessage | None = None,
    ) -> ChatMessage:
        """A person writes in a group, or to the bot; return the message."""
        return self._say(int(user), group, reply_to, {"text": text}, text)

    def tap(self, user: int | str, label: str) -> ChatMessage:
        """A person taps a key under his private chat, which writes its word there."""
        if label not in self.keys_below.get(int(user), ()):
            raise LookupError(f"no key {label!r} under the chat of {user}")
        return self.text(user, label)

    def press(self, message: ChatMessage, action_label_or_data: str, user: int | str) -> str:
        """A person presses a button, by label or data, or sends forged data; return its id."""
        key = message.key(action_label_or_data)
        data = key.data if key else action_label_or_data
        press = self._new_press()
        self._write("press", user=int(user), message=message.id, data=data, press=press)
        self._push_press(press, message, data, int(user))
        return press

    def invent_press(self, message: ChatMessage, label: str, user: int | str) -> None:
        """Deliver a press that nobody made (a planted fault); the log of people knows nothing.

        Raises:
            ValueError: There is no such button on the message.
        """
        key = message.key(label)
        if key is None:
            raise ValueError(f"message {message.id} has no button {label!r}")
        self._push_press(self._new_press(), message, key.data, int(user))

    def _push_press(self, press: str, message: ChatMessage, data: str, user: int) -> None:
        query = {
            "id": press,
            "from": _person(user),
            "chat_instance": str(message.chat),
            "message": self._json(message),
            "data": data,
        }
        self._push({"callback_query": query})

    def photo(
        self,
        user: int | str,
        data: bytes,
        group: str | int | None = None,
        *,
        caption: str = "",
        reply_to: int | ChatMessage | None = None,
    ) -> ChatMessage:
        """A person sends a photo; return the message."""
        small = self._store(data[:100], "thumbs", "jpg")
        large = self._store(data, "photos", "jpg")
        sizes = [
            small | {"width": 90, "height": 67},
            large | {"width": 1280, "height": 960},
        ]
        part: Json = {"photo": sizes} | ({"caption": caption} if caption else {})
        return self._say(int(user), group, reply_to, part, caption, large["file_id"])

    def voice(
        self,
        user: int | str,
        data: bytes,
        group: str | int | None = None,
        *,
        duration_s: int = 2,
        reply_to: int | ChatMessage | None = None,
    ) -> ChatMessage:
        """A person sends a voice note (OGG/Opus); return the message."""
        file = self._store(data, "voice", "oga")
        part = {"voice": file | {"duration": duration_s, "mime_type": "audio/ogg"}}
        return self._say(int(user), group, reply_to, part, "", file["file_id"])

    def location(
        self,
        user: int | str,
        lat: float,
        lon: float,
        group: str | int | None = None,
        *,
        reply_to: int | ChatMessage | None = None,
    ) -> ChatMessage:
        """A person sends where he is (WGS-84 degrees); return the message."""
        part = {"location": {"latitude": lat, "longitude": lon}}
        return self._say(int(user), group, reply_to, part, "")

    def push(self, update: Json) -> int:
        """Put any update into the bot's queue, however broken; return its id."""
        self._write("push", update=update)
        return self._push(update)

    def repeat(self, count: int = 1) -> None:
        """Give the last ``count`` updates once more, though they were confirmed."""
        recent = [*self._given][-count:]
        self._repeated.extend(recent)
        self._write("repeat", updates=[u["update_id"] for u in recent])
        self._news.set()

    def lose_file(self, message: ChatMessage) -> None:
        """Let the file of a message be gone from the platform."""
        if message.file:
            self._files.pop(message.file, None)

    def migrate(self, group: str, new: int) -> None:
        """A group becomes a supergroup and gets a new id; the old one is refused."""
        self._migrated[self.groups[group]] = new
        self.groups[group] = new
        self._write("migrated", group=group, new=new)

    # What can be seen

    def posts(self, chat: str | int | None = None) -> list[ChatMessage]:
        """Return the bot's messages, of one chat or of all, oldest first."""
        where = None if chat is None else self._chat_id(chat)
        return [m for m in self.messages if m.from_bot and where in (None, m.chat)]

    def file(self, message: ChatMessage) -> bytes:
        """Return what a photo or a voice note of a message holds. Raises KeyError: no file."""
        return self._files[message.file or ""]

    async def wait_message(
        self, predicate: Callable[[ChatMessage], bool], timeout_s: float = 10.0
    ) -> ChatMessage:
        """Return the first message of the bot that is as asked, once there is one.

        Raises:
            TimeoutError: There was none in time.
        """
        found: list[ChatMessage] = []

        def stands() -> bool:
            found[:] = [m for m in self.messages if m.from_bot and predicate(m)]
            return bool(found)

        await self.wait_until(stands, timeout_s)
        return found[0]

    async def wait_toast(self, press: str, timeout_s: float = 10.0) -> Toast:
        """Return what a person was told after a press. Raises TimeoutError."""
        await self.wait_until(lambda: any(t.press == press for t in self.toasts), timeout_s)
        return next(t for t in self.toasts if t.press == press)

    async def wait_until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Return once ``holds()``, asked after every call of the bot. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    # What the bot may do

    async def perform(self, method: str, params: Json, files: dict[str, bytes]) -> object:
        """Carry one call of the bot out; return its result. Raises PlatformError."""
        match method.lower():
            case "getme":
                return BOT
            case "deletewebhook":
                return True
            case "getupdates":
                return await self._get_updates(params)
            case "sendmessage":
                return self._json(self._send(params, checked_text(params.get("text"))))
            case "sendphoto" | "sendvoice":
                kind = method.lower().removeprefix("send")
                return self._json(self._send_file(params, files, kind))
            case "editmessagetext":
                return self._json(self._edit(params))
            case "editmessagecaption":
                return self._json(self._edit_caption(params))
            case "deletemessage":
                return self._delete(params)
            case "answercallbackquery":
                return self._toast(params)
            case "getfile":
                return self._get_file(params)
            case "getchatmember":
                return self._member(params)
            case _:
                raise PlatformError(404, "Not Found")

    async def _get_updates(self, params: Json) -> list[Json]:
        """Long poll: an offset confirms all before it (Bot API getUpdates)."""
        offset = int(params.get("offset") or 0)
        self._poll += 1
        mine = self._poll
        self._news.set()  # an older poll ends with a conflict
        while self._updates and offset > 0 and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        wait_s = min(float(params.get("timeout") or 0), _LONGEST_POLL_S)
        limit = int(params.get("limit") or 100)
        deadline = asyncio.get_running_loop().time() + wait_s
        while not (given := self._next(limit)) and not self._closing.is_set():
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                break
            if self._poll != mine:
                raise PlatformError(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that "
                    "only one bot instance is running",
                )
        return given

    def _next(self, limit: int) -> list[Json]:
        given = [*self._repeated, *self._updates][:limit]
        self._repeated.clear()
        if self.shuffle:
            self._chance.shuffle(given)
        return given

    def _send(self, params: Json, text: str) -> ChatMessage:
        chat = self._admitted(params)
        keyboard = checked_keyboard(params.get("reply_markup"))
        self.keys_below[chat] = checked_keys_below(params.get("reply_markup")) or (
            self.keys_below.get(chat, ())
        )
        reply = params.get("reply_parameters") or {}
        reply_to = int(reply["message_id"]) if reply else None
        if self.show_twice and keyboard and chat < 0:
            self.show_twice -= 1
            self._post(chat, text, keyboard, reply_to)
        return self._post(chat, text, keyboard, reply_to)

    def _post(
        self, chat: int, text: str, keyboard: tuple[tuple[Key, ...], ...], reply_to: int | None
    ) -> ChatMessage:
        message = self._new_message(chat, None, text)
        message.reply_to = reply_to
        message.show(text, keyboard, message.mono_s)
        keys = [[(key.label, key.data) for key in row] for row in keyboard]
        facts: Json = {"chat": chat, "message": message.id, "text": text, "keyboard": keys}
        self._write("message", **facts, reply_to=reply_to)
        return message

    def _send_file(self, params: Json, files: dict[str, bytes], kind: str) -> ChatMessage:
        if not files:
            raise PlatformError(400, f"Bad Request: there is no {kind} in the request")
        if kind == "photo" and len(next(iter(files.values()))) > LARGEST_PHOTO:
            raise PlatformError(400, "Bad Request: file is too big for a photo")
        message = self._send(params, str(params.get("caption", "")))
        stored = self._store(next(iter(files.values())), kind, "bin")
        message.file = stored["file_id"]
        return message

    def _edit(self, params: Json) -> ChatMessage:
        text = checked_text(params.get("text"))
        chat = self._admitted(params)
        number = int(params.get("message_id", 0))
        message = next((m for m in self.messages if (m.id, m.chat) == (number, chat)), None)
        if message is None:
            raise PlatformError(400, "Bad Request: message to edit not found")
        if not message.from_bot:
            raise PlatformError(400, "Bad Request: message can't be edited")
        return self._changed_to(message, text, params)

    def _edit_caption(self, params: Json) -> ChatMessage:
        """Change the words under a photo; no age is too great for it (Bot API)."""
        message = self._own(params, "edit")
        if message.file is None:
            raise PlatformError(400, "Bad Request: there is no caption in the message to edit")
        return self._changed_to(message, str(params.get("caption", "")), params)

    def _delete(self, params: Json) -> bool:
        """Take a message of the bot away (Bot API deleteMessage: one under 48 hours old)."""
        message = self._own(params, "delete")
        if message.id in self.undeletable:
            raise PlatformError(400, "Bad Request: message can't be deleted for everyone")
        message.deleted = True
        self._write("deleted", chat=message.chat, message=message.id)
        return True

    def _own(self, params: Json, deed: str) -> ChatMessage:
        """Return a message of the bot that still stands."""
        chat, number = self._admitted(params), int(params.get("message_id", 0))
        found = (m for m in self.messages if (m.id, m.chat) == (number, chat))
        message = next((m for m in found if not m.deleted), None)
        if message is None:
            raise PlatformError(400, f"Bad Request: message to {deed} not found")
        if not message.from_bot:
            raise PlatformError(400, f"Bad Request: message can't be {deed}ed")
        return message

    def _changed_to(self, message: ChatMessage, text: str, params: Json) -> ChatMessage:
        keyboard = checked_keyboard(params.get("reply_markup"))
        if (text, keyboard) == (message.text, message.keyboard):
            raise PlatformError(
                400,
                "Bad Request: message is not modified: specified new message content and "
                "reply markup are exactly the same as a current content and reply markup",
            )
        message.show(text, keyboard, time.monotonic())
        keys = [[(key.label, key.data) for key in row] for row in keyboard]
        self._write("edited", chat=message.chat, message=message.id, text=text, keyboard=keys)
        return message

    def _admitted(self, params: Json) -> int:
        """Return the chat of a message that may be sent now."""
        try:
            chat = int(params["chat_id"])
        except (KeyError, ValueError):
            raise PlatformError(400, "Bad Request: chat_id is empty") from None
        if chat in self._migrated:
            new = self._migrated[chat]
            raise PlatformError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                parameters={"migrate_to_chat_id": new},
            )
        if chat < 0 and chat not in self.groups.values():
            raise PlatformError(400, "Bad Request: chat not found")
        if chat in self.blocked:
            raise PlatformError(403, "Forbidden: bot was blocked by the user")
        if self.enforce_limits:
            self._flood.admit(chat, time.monotonic())
        return chat

    def _toast(self, params: Json) -> bool:
        press = str(params.get("callback_query_id", ""))
        if press not in self._presses:
            raise PlatformError(
                400,
                "Bad Request: query is too old and response timeout expired or query ID "
                "is invalid",
            )
        text = str(params.get("text", ""))
        if len(text) > LONGEST_TOAST:
            raise PlatformError(400, "Bad Request: MESSAGE_TOO_LONG")
        self._presses.discard(press)
        self.toasts.append(Toast(press, text, str(params.get("show_alert")).lower() == "true"))
        self._write("toast", press=press, text=text)
        return True

    def _get_file(self, params: Json) -> Json:
        file = str(params.get("file_id", ""))
        data = self._files.get(file)
        if data is None:
            raise PlatformError(400, "Bad Request: invalid file_id")
        if len(data) > _LARGEST_FILE:
            raise PlatformError(400, "Bad Request: file is too big")
        return _file(file, data) | {"file_path": file.replace("-", "/", 1)}

    def _member(self, params: Json) -> Json:
        user, chat = int(params.get("user_id", 0)), int(params.get("chat_id", 0))
        seen = any(m.sender == user and m.chat == chat for m in self.messages)
        return {"status": "member" if seen else "left", "user": _person(user)}

    # Inside

    def _say(
        self,
        user: int,
        group: str | int | None,
        reply_to: int | ChatMessage | None,
        part: Json,
        text: str,
        file: str | None = None,
    ) -> ChatMessage:
        chat = user if group is None else self._chat_id(group)
        message = self._new_message(chat, user, text)
        message.file = file
        if reply_to is not None:
            message.reply_to = reply_to.id if isinstance(reply_to, ChatMessage) else reply_to
        message.show(text, (), message.mono_s)
        self._write("said", user=user, chat=chat, message=message.id, part=part)
        bare = {name: value for name, value in self._json(message).items() if name != "text"}
        self._push({"message": bare | part})
        return message

    def _new_message(self, chat: int, sender: int | None, text: str) -> ChatMessage:
        self._last_id += 1
        message = ChatMessage(self._last_id, chat, sender, text, mono_s=time.monotonic())
        self.messages.append(message)
        return message

    def _new_press(self) -> str:
        self._last_id += 1
        press = f"4{self._last_id:018d}"
        self._presses.add(press)
        return press

    def _push(self, update: Json) -> int:
        self._last_update += 1
        update = {"update_id": self._last_update} | update
        self._updates.append(update)
        self._given.append(update)
        self._news.set()
        return self._last_update

    def _store(self, data: bytes, kind: str, ending: str) -> Json:
        self._last_id += 1
        file = f"{kind}-file_{self._last_id}.{ending}"
        self._files[file] = data
        return _file(file, data)

    def _chat_id(self, chat: str | int) -> int:
        return self.groups[chat] if chat in self.groups else int(chat)

    def _json(self, message: ChatMessage) -> Json:
        """Return a message as the Bot API writes it."""
        shown: Json = {
            "message_id": message.id,
            "date": int(time.time()),
            "chat": self._chat_json(message.chat),
            "from": BOT if message.sender is None else _person(message.sender),
        }
        if message.text:
            shown["text"] = message.text
        if message.keyboard:
            rows = [
                [{"text": k.label, "callback_data": k.data} for k in r]
                for r in message.keyboard
            ]
            shown["reply_markup"] = {"inline_keyboard": rows}
        if message.reply_to is not None:
            shown["reply_to_message"] = {
                "message_id": message.reply_to,
                "date": int(time.time()),
                "chat": self._chat_json(message.chat),
            }
        return shown

    def _chat_json(self, chat: int) -> Json:
        if chat > 0:
            return {"id": chat, "type": "private", "first_name": str(chat)}
        names = [name for name, group in self.groups.items() if group == chat]
        return {"id": chat, "type": "supergroup", "title": names[0] if names else str(chat)}

    def _write(self, what: str, **more: Any) -> None:  # noqa: ANN401  # whatever was seen
        if self._log is None:
            return
        line = {"at_us": time.time_ns() // 1000, "mono_s": time.monotonic(), "what": what}
        text = json.dumps(line | more, ensure_ascii=True, default=str)
        self._log.write(text.replace(self._token, "***") + "\n")


def _person(user: int) -> Json:
    return {"id": user, "is_bot": False, "first_name": f"user {user}"}


def _file(file: str, data: bytes) -> Json:
    return {"file_id": file, "file_unique_id": file, "file_size": len(data)}
