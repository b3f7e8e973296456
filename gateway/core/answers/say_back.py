"""Answering somebody where he wrote."""

from gateway.core.answers.events import MediaReceived, TextReceived
from gateway.core.calls.calling import NOTE_LIFE_US
from gateway.core.effects import SendText
from gateway.core.state import Draft


def say_back(
    draft: Draft,
    said: TextReceived | MediaReceived,
    words: str,
    keys: tuple[str, ...] = (),
    *,
    level: int = 2,
) -> None:
    """Answer what somebody wrote or sent; ``keys`` stand below it in a private chat only."""
    draft.ask(
        SendText(
            chat=said.chat,
            address=said.group or said.address,
            text=words,
            level=level,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
            reply_to=said.message,
            keys=keys if said.group is None else (),
        )
    )
