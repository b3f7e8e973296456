"""Who can be called: persons, their bodies and how each is reached."""

import re
from collections.abc import Mapping
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
    """What a person is to an order: the reporter was there before it, so nobody calls him."""

    GUARD = "guard"
    STATION = "station"
    MANAGER = "manager"
    REPORTER = "reporter"


# 单位类别: a guard company, an employer of its own guards, the police, volunteers, others.
OrganisationKind = Literal[
    "guard_company", "employer", "police", "volunteers", "property", "other"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A body that people belong to.

    Attributes:
        id: Our id.
        name: As written.
        kind: What sort of body.
        categories: Categories of alerts its people may be called to; empty for all.
        office_groups: Chat groups of its office, as ``chat/group``: copied on its guards'
            orders.
        office_people: Person ids of its office: they may answer for its guards.
    """

    id: str
    name: str
    kind: OrganisationKind = "guard_company"
    categories: tuple[str, ...] = ()
    office_groups: tuple[str, ...] = ()
    office_people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """A place that is guarded (场所): a bank, a hospital, a school.

    Attributes:
        id: Our id.
        name: As written.
        kind: What sort, such as ``bank``.
        organisation: Whose guards stand there, or None.
    """

    id: str
    name: str
    kind: str
    organisation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPolicy:
    """What is asked of people before they are called.

    Attributes:
        expired_called: Whether somebody is called whose certificate has run out.
        certificate_needed: Whether nobody is called who has none on record.
        warning_days: So many days before a certificate runs out it is told.
        consent: Version of the notice that people agree to, or None where there is none.
        consent_needed: Whether nobody is called who has not agreed to it.
        kinds_first: Category of an alert → kinds of premises whose guards are called first.
    """

    expired_called: bool = False
    certificate_needed: bool = False
    warning_days: int = 30
    consent: str | None = None
    consent_needed: bool = False
    kinds_first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
        call_sign: How he is called on the air, or None.
        serials: Serial numbers of the radios handed to him, each as (radio, serial number).
        premises: Premises he guards, or None.
        certificate: Number of his guard's certificate (保安员证), or None; personal.
        certificate_expires: Last day it is good, ``2027-06-30``, or None for no end.
        certificate_told: For which end of it a warning was given, and how near.
        filing: Number under which the police have him on file (备案号), or None; personal.
        consent: Version of the notice he has agreed to, or None.
        consent_us: When he did, UTC microseconds.
        may_leave: False for one who is never called away from his post while others can go.
        reach_m: How far from his post he may go, metres; None for any distance.
        leave_hours: Minutes of the local day from and to which he may leave; None for always.
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
    call_sign: str | None = None
    serials: tuple[tuple[str, str], ...] = field(default=())
    premises: str | None = None
    certificate: str | None = field(default=None, metadata={"personal": "id"})
    certificate_expires: str | None = None
    certificate_told: str = ""
    filing: str | None = field(default=None, metadata={"personal": "id"})
    consent: str | None = None
    consent_us: int | None = None
    may_leave: bool = True
    reach_m: int | None = None
    leave_hours: tuple[int, int] | None = None

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
