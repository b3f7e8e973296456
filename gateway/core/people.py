"""Who can be called: persons, their bodies and how each is reached."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, Literal

# Stands where a personal value was erased; what guards and dispatchers then read.
ERASED: Final = "（已删除）"

# What a radio may say of itself, in the one spelling that is compared. The broadcast and null
# units of MDC1200 are nobody's.
_RADIO: Final = re.compile(
    r"dtmf:[0-9]{3,8}|mdc1200:(?!0000|FFFF)[0-9A-F]{4}|ctcss:[0-9]{2,3}\.[0-9]|dcs:[0-7]{3}[NI]"
    r"|(?!(?:dtmf|mdc1200|ctcss|dcs):)[A-Za-z0-9][A-Za-z0-9_-]{0,31}:[0-9A-F]{3,8}",
    re.ASCII,
)


def is_radio(text: str) -> bool:
    """Return whether a text is what a radio may say of itself, such as ``zvei1:12345``."""
    return _RADIO.fullmatch(text) is not None


# 梯次: who is called first, and who comes after when they are too few.
Tier = Literal["guard", "station_patrol", "special_patrol"]


class Role(StrEnum):
    """What a person is to an order."""

    GUARD = "guard"
    STATION = "station"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A guard company, an employer or a police body."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in the register. Kept as journal rows; the YAML only seeds it.

    Attributes:
        id: Our id, never reused.
        name: As said and written; personal.
        role: Guard, station on duty, or manager.
        organisation: Organisation id.
        guard_code: The three digits he keys on the air, or None.
        radio_id: His radio's own id (DTMF-ANI), or None.
        radios: What his radios say of themselves, as ``zvei1:12345``; see :attr:`addresses`.
        calls: Selective calls that open his radio, or his team's, before an order.
        crew: Roster crew, or None for one who is always on duty.
        grids: Grid ids he serves.
        post: Post id where he stands, or None.
        team: Team name, or None.
        active: False once he has left: nothing of him is accepted any more.
        language: Language he is written to.
        tier: Force he is of: a guard, the station patrol, the special patrol.
        leader: Whether he leads his team: its answer is his.
    """

    KIND: ClassVar[str] = "person"

    id: str
    name: str = field(metadata={"personal": "id"})
    role: Role = Role.GUARD
    organisation: str = ""
    guard_code: str | None = None
    radio_id: str | None = None
    crew: str | None = None
    grids: tuple[str, ...] = field(default=())
    post: str | None = None
    team: str | None = None
    active: bool = True
    language: str = "zh_CN"
    radios: tuple[str, ...] = field(default=())
    calls: tuple[str, ...] = field(default=())
    tier: Tier = "guard"
    leader: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return what his radios say of themselves, each as ``kind:value``."""
        own = () if self.radio_id is None else (f"dtmf:{self.radio_id}",)
        return (*own, *(radio for radio in self.radios if radio not in own))


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRadio:
    """A radio that was lost or stolen: whatever it says is applied to nothing.

    Attributes:
        radio: What it says of itself, as ``mdc1200:1234``.
        since_us: When it was reported lost, UTC microseconds.
        last_over: The last over that was reported, so that each is told once.
    """

    KIND: ClassVar[str] = "lost_radio"

    radio: str
    since_us: int
    last_over: str = ""

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.radio


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person's account on a chat: the platform's immutable user id, never a display name.

    Attributes:
        person: Person id.
        chat: Chat id of the settings.
        address: The platform's user id; personal.
        since_us: When it was enrolled, UTC microseconds.
    """

    KIND: ClassVar[str] = "contact"

    person: str
    chat: str
    address: str = field(metadata={"personal": "person"})
    since_us: int

    @property
    def key(self) -> str:
        """Return the entity's key: one account a person and chat."""
        return f"{self.chat}/{self.person}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode:
    """A one-time code that binds a chat account to a person.

    Attributes:
        person: Person id.
        code_sha256: Digest of the code; the code itself is never kept.
        expires_us: UTC microseconds; ten minutes after it was issued.
    """

    KIND: ClassVar[str] = "enrolment_code"

    person: str
    code_sha256: str
    expires_us: int

    @property
    def key(self) -> str:
        """Return the entity's key: a new code voids the one before."""
        return self.person


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often an account has lately failed (codes) or been refused; bounds guessing.

    Attributes:
        source: Which account or guard number, as ``chat/<digest>`` or ``guard/<code>``.
        since_us: Start of the counting window, UTC microseconds.
        count: Failures in the window.
    """

    KIND: ClassVar[str] = "tries"

    source: str
    since_us: int
    count: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.source
