"""Settings of the register: bodies, premises, people, and what is asked of them."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.core.people import (
    Organisation,
    OrganisationKind,
    Person,
    Premises,
    RegisterPolicy,
    Role,
    Tier,
    is_radio,
)
from gateway.settings.values import Account, Day, Id, Language, Model, Name, written


def _radio(value: str) -> str:
    if not is_radio(value):
        raise PydanticCustomError(
            "radio",
            "should be what a radio says of itself: dtmf:10031, zvei1:12345, mdc1200:1A2B "
            "(not 0000, not FFFF), ctcss:88.5 or dcs:023N",
        )
    return value


def _call(value: str) -> str:
    kind, _, rest = value.partition(":")
    if kind in ("ctcss", "dcs") or (kind == "mdc1200" and not rest.startswith("call:")):
        raise PydanticCustomError(
            "radio_call", "is no selective call; an MDC1200 radio is called mdc1200:call:1A2B"
        )
    return value


def _begins_when_it_does_not_end(value: str) -> str:
    begin, _, end = value.partition("-")
    if begin == end:
        raise PydanticCustomError("leave_hours", "should end when it does not begin")
    return value


RadioCall = Annotated[
    str,
    written(
        r"^(dtmf:[0-9A-D*#]{1,16}|mdc1200:call:[0-9A-F]{4}|[A-Za-z0-9_-]{1,32}:[0-9A-F]{3,8})$",
        "a selective call: zvei1:12345, dtmf:110 or mdc1200:call:1A2B",
    ),
    AfterValidator(_call),
]
RadioAddress = Annotated[str, Field(max_length=48), AfterValidator(_radio)]
Category = Annotated[
    str, written(r"^\S{1,64}$", "a category of alerts as the centre writes it, no spaces")
]
GroupRef = Annotated[str, written(r"^[^/]+/[^/]+$", "chat/group, such as work/east")]
LeaveHours = Annotated[
    str,
    written(
        r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        "two times of day, such as 08:00-18:00",
    ),
    AfterValidator(_begins_when_it_does_not_end),
]

PremisesKind = Literal[
    "bank", "hospital", "school", "scenic", "hotel", "station", "airport", "mall", "factory",
    "estate", "office", "public", "other",
]  # fmt: skip


class OrganisationSettings(Model):
    """A guard company, an employer or a police body.

    Attributes:
        name: As written.
        kind: What sort of body it is.
        categories: Categories of alerts that its people may be called to; empty = all.
        office_groups: Chat groups of its office, ``chat/group``: copied on its guards' orders.
        office_people: People of its office: copied, and they may answer for its guards.
    """

    name: Name
    kind: OrganisationKind = "guard_company"
    categories: tuple[Category, ...] = ()
    office_groups: tuple[GroupRef, ...] = ()
    office_people: tuple[Id, ...] = ()


class PremisesSettings(Model):
    """A place that is guarded (场所).

    Attributes:
        name: As written.
        kind: What sort of place it is.
        organisation: Whose guards stand there; absent = anybody's.
    """

    name: Name
    kind: PremisesKind
    organisation: Id | None = None


class PersonSettings(Model):
    """Somebody who can be called; seeds the register, which then goes its own way.

    Attributes:
        name: As said and written.
        role: ``guard``, ``station`` or ``manager``.
        organisation: Body he belongs to.
        guard_code: The three digits he keys on the air.
        radio_id: His radio's own id (DTMF-ANI); the same as ``dtmf:…`` in radios.
        radios: What his radios say of themselves, such as ``mdc1200:1234``.
        serials: One of his radios → its serial number.
        calls: Selective calls sent before an order, to open his radio or his team's.
        call_sign: How he is called on the air.
        crew: Roster crew; absent = always on duty.
        grids: Grids he serves.
        post: Post where he stands.
        premises: Premises he guards.
        team: Team he is of.
        leader: Whether he leads his team.
        tier: Force he is of: ``guard``, ``station_patrol`` or ``special_patrol``.
        certificate: Number of his guard's certificate.
        certificate_expires: Last day it is good.
        filing: Number under which the police have him on file.
        may_leave: Whether he may leave his post for an order while others can go.
        reach_m: How far from his post he may go, metres; absent = any distance.
        leave_hours: When he may leave it, local time, ``08:00-18:00``; absent = always.
        language: Language he is written to.
        contacts: Chat → the platform's number of his account; usually enrolled by code.
    """

    name: Name
    role: Literal["guard", "station", "manager"] = "guard"
    organisation: Id
    guard_code: Annotated[str, written(r"^[0-9]{3}$", "three digits")] | None = None
    radio_id: Annotated[str, written(r"^[0-9]{3,8}$", "3 to 8 digits")] | None = None
    radios: Annotated[tuple[RadioAddress, ...], Field(max_length=8)] = ()
    serials: dict[RadioAddress, Name] = Field(default_factory=dict)
    calls: Annotated[tuple[RadioCall, ...], Field(max_length=6)] = ()
    call_sign: Name | None = None
    crew: Id | None = None
    grids: tuple[Id, ...] = ()
    post: Id | None = None
    premises: Id | None = None
    team: Id | None = None
    leader: bool = False
    tier: Tier = "guard"
    certificate: Name | None = None
    certificate_expires: Day | None = None
    filing: Name | None = None
    may_leave: bool = True
    reach_m: Annotated[int, Field(ge=1, le=100_000)] | None = None
    leave_hours: LeaveHours | None = None
    language: Language = "zh_CN"
    contacts: dict[Id, Account] = Field(default_factory=dict)


class AdmissionSettings(Model):
    """What is asked of people before they are called (人员准入).

    Attributes:
        expired_certificate: Whether somebody whose certificate has run out is ``called`` or
            ``not_called``.
        certificate_needed: Whether nobody is called without a certificate on record.
        warning_days: The end of a certificate is told so many days before, days.
        consent: Version of the notice on personal data that people agree to in the chat;
            absent = nobody is asked.
        consent_needed: Whether nobody is called who has not agreed to it.
        kinds_first: Category of alerts → kinds of premises whose guards are called first.
    """

    expired_certificate: Literal["not_called", "called"] = "not_called"
    certificate_needed: bool = False
    warning_days: Annotated[int, Field(ge=1, le=365)] = 30
    consent: Name | None = None
    consent_needed: bool = False
    kinds_first: dict[Category, tuple[PremisesKind, ...]] = Field(default_factory=dict)


_MINUTES_AN_HOUR: Final = 60


def _minutes(hours: str) -> tuple[int, int]:
    begin, end = (int(t[:2]) * _MINUTES_AN_HOUR + int(t[3:]) for t in hours.split("-"))
    return begin, end


def person_of(id_: str, person: PersonSettings) -> Person:
    """Return the person whom the settings seed the register with."""
    expires = person.certificate_expires
    return Person(
        id=id_,
        name=person.name,
        role=Role(person.role),
        organisation=person.organisation,
        guard_code=person.guard_code,
        radio_id=person.radio_id,
        radios=person.radios,
        serials=tuple(person.serials.items()),
        calls=person.calls,
        call_sign=person.call_sign,
        crew=person.crew,
        grids=person.grids,
        post=person.post,
        premises=person.premises,
        team=person.team,
        leader=person.leader,
        tier=person.tier,
        certificate=person.certificate,
        certificate_expires=None if expires is None else expires.isoformat(),
        filing=person.filing,
        may_leave=person.may_leave,
        reach_m=person.reach_m,
        leave_hours=None if person.leave_hours is None else _minutes(person.leave_hours),
        language=person.language,
    )


def organisation_of(id_: str, body: OrganisationSettings) -> Organisation:
    """Return a body as the core knows it."""
    return Organisation(
        id=id_,
        name=body.name,
        kind=body.kind,
        categories=body.categories,
        office_groups=body.office_groups,
        office_people=body.office_people,
    )


def premises_of(id_: str, premises: PremisesSettings) -> Premises:
    """Return guarded premises as the core knows them."""
    return Premises(
        id=id_, name=premises.name, kind=premises.kind, organisation=premises.organisation
    )


def policy_of(admission: AdmissionSettings) -> RegisterPolicy:
    """Return what is asked of people, as the core knows it."""
    return RegisterPolicy(
        expired_called=admission.expired_certificate == "called",
        certificate_needed=admission.certificate_needed,
        warning_days=admission.warning_days,
        consent=admission.consent,
        consent_needed=admission.consent_needed,
        kinds_first=dict(admission.kinds_first),
    )
