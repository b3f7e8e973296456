"""What our calls say: the parameters of Bot API methods, from the core's effects. Pure.

Source: Telegram Bot API, core.telegram.org/bots/api (sendMessage, editMessageText, sendVoice,
sendPhoto, deleteMessage, editMessageCaption, answerCallbackQuery, ReplyKeyboardMarkup).
Plain values, not python-telegram-bot's objects:
making those, and turning them into plain values again, cost more than all the rest of a call.
The tests compare these with what its objects would say.
"""

import re
from collections.abc import Mapping
from typing import Final

from drivers.telegram.codec import Account, Words
from drivers.telegram.signing import LIFE_S, Place, sign
from gateway.core.effects import (
    AnswerPress,
    Button,
    ChatEffect,
    EditCard,
    PostCard,
    PostPhoto,
    RecallPhoto,
    SendText,
    SendVoice,
)

LONGEST_TEXT: Final = 4096  # Bot API sendMessage.text, counted in UTF-16 units
LONGEST_CAPTION: Final = 1024  # Bot API sendVoice.caption
LONGEST_TOAST: Final = 200  # Bot API answerCallbackQuery.text
_NO_PREVIEW: Final = {"is_disabled": True}
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")

Values = dict[str, object]


def call(
    effect: ChatEffect, address: str, again: bool, account: Account, now_us: int
) -> tuple[str, Values]:
    """Return method and parameters of the call that an effect asks for.

    Args:
        effect: What to do.
        address: Where to; the effect's own unless the group has moved.
        again: Whether it may stand there already, and must say so.
        account: Key and words.
        now_us: Wall time, for the life of the buttons.

    Raises:
        ValueError: It cannot be put so: an id that is no number, an order that fits no button.
    """
    match effect:
        case PostCard():
            values = _message(effect.text, address, again, account.words)
            return "sendMessage", _with_keyboard(values, effect, account, now_us)
        case EditCard():
            values = _message(effect.text, address, False, account.words)
            values["message_id"] = int(effect.message)
            return "editMessageText", _with_keyboard(values, effect, account, now_us)
        case SendText():
            values = _message(effect.text, address, again, account.words)
            if effect.reply_to is not None:
                values["reply_parameters"] = {
                    "message_id": int(effect.reply_to),
                    "allow_sending_without_reply": True,
                }
            if effect.keys:
                values["reply_markup"] = _keys_below(effect.keys)
            return "sendMessage", values
        case SendVoice():
            caption = written(effect.caption, again=again, words=account.words)
            values = {
                "chat_id": int(address),
                "caption": shortened(caption, LONGEST_CAPTION),
                "disable_notification": True,
            }
            if effect.duration_s:
                values["duration"] = effect.duration_s
            return "sendVoice", values
        case PostPhoto():
            caption = written(effect.caption, again=again, words=account.words)
            values = {"chat_id": int(address), "caption": shortened(caption, LONGEST_CAPTION)}
            return "sendPhoto", values
        case RecallPhoto():
            values = {"chat_id": int(address), "message_id": int(effect.message)}
            return "deleteMessage", values
        case AnswerPress():
            return "answerCallbackQuery", _toast(effect)


def withdrawn(effect: RecallPhoto, address: str) -> Values:
    """Return the parameters of editMessageCaption for a photo that cannot be deleted."""
    return {
        "chat_id": int(address),
        "message_id": int(effect.message),
        "caption": shortened(clean(effect.caption), LONGEST_CAPTION),
    }


def _message(text: str, address: str, again: bool, words: Words) -> Values:
    return {
        "chat_id": int(address),
        "text": written(text, again=again, words=words),
        "link_preview_options": _NO_PREVIEW,
    }


def _with_keyboard(
    values: Values, card: PostCard | EditCard, account: Account, now_us: int
) -> Values:
    rows = keyboard(card, account, now_us)
    if rows is not None:
        values["reply_markup"] = {"inline_keyboard": rows}
    return values


def _keys_below(keys: tuple[str, ...]) -> Values:
    """Return keys that stay under a private chat; a tap on one writes its word."""
    row = [{"text": key} for key in keys]
    return {"keyboard": [row], "resize_keyboard": True, "is_persistent": True}


def _toast(effect: AnswerPress) -> Values:
    return {
        "callback_query_id": effect.press,
        "text": shortened(clean(effect.text), LONGEST_TOAST),
        "show_alert": effect.alert,
    }


def keyboard(
    card: PostCard | EditCard, account: Account, now_us: int
) -> list[list[Mapping[str, str]]] | None:
    """Return the signed buttons of a card, good for 24 hours; None for a card without any."""
    if not card.buttons:
        return None
    place = Place(card.private, card.address)
    expires_s = now_us // 1_000_000 + LIFE_S

    def one(button: Button) -> Mapping[str, str]:
        data = sign(account.key, place, card.order, button.action, expires_s)
        return {"text": button.label, "callback_data": data}

    return [[one(button) for button in row] for row in card.buttons]


def written(text: str, *, again: bool, words: Words) -> str:
    """Return a text as it is sent: marked when it may be a repetition, clean, not too long."""
    return shortened((words.again if again else "") + clean(text), LONGEST_TEXT)


def clean(text: str) -> str:
    """Return the text with what cannot be written as UTF-8, and NUL, replaced."""
    return _UNWRITABLE.sub("\ufffd", text)


def shortened(text: str, units: int) -> str:
    """Return the text cut to ``units`` UTF-16 units (Telegram counts so), never in a pair."""
    if 2 * len(text) <= units:
        return text
    data = text.encode("utf-16-le")
    if len(data) <= 2 * units:
        return text
    return data[: 2 * (units - 1)].decode("utf-16-le", "ignore") + "…"
