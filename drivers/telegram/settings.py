"""Settings of a Telegram account: token, groups, limits of our own."""

from typing import Annotated, Final, Literal

from pydantic import Field

from gateway.settings import ChatSettings, Id, Secret, written

HttpUrl = Annotated[
    str,
    written(r"^https?://[^\s@]{1,290}$", "an http(s) address without a name or password in it"),
]
GroupNumber = Annotated[
    str, written(r"^-[0-9]{1,20}$", "Telegram's negative number of a group, in quotes")
]


class TelegramChat(ChatSettings):
    """One bot account and the groups it posts in.

    Attributes:
        driver: ``telegram``.
        token: Where the bot token is kept.
        callback_key: Where the key is kept that signs the buttons of cards.
        groups: Our name of a group → its negative id at Telegram.
        api_base_url: Bot API without the token.
        file_base_url: File downloads without the token.
        per_chat_per_s: Most messages a second to one person.
        per_group_per_min: Most messages a minute to one group.
        per_s: Most messages a second in all.
        poll_timeout_s: Longest wait of one poll, seconds.
    """

    driver: Literal["telegram"] = "telegram"
    token: Secret
    callback_key: Secret
    groups: dict[Id, GroupNumber] = Field(default_factory=dict)
    api_base_url: HttpUrl = "https://api.telegram.org/bot"
    file_base_url: HttpUrl = "https://api.telegram.org/file/bot"
    per_chat_per_s: Annotated[float, Field(ge=0.1, le=30)] = 1
    per_group_per_min: Annotated[int, Field(ge=1, le=600)] = 20
    per_s: Annotated[int, Field(ge=1, le=100)] = 25
    poll_timeout_s: Annotated[int, Field(ge=0, le=50)] = 25


# What this driver is, and the model of its settings: see gateway.installed.
KIND: Final = "chat"
MODEL: Final = TelegramChat
