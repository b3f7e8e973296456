"""What can happen to the register and the roster, mostly by the hand of a named person.

``within`` is the organisation whose token or account it came with: then only its own people may
be touched. None for the centre, the police and the command line.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.core.people import Contact, Person

# Names of fields with their new value as written, such as ("crew", "B"); "" takes it away.
Written = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEntered:
    """Somebody was put into the register.

    Attributes:
        person: As he shall stand there.
        by: Who put him there; personal.
        within: See the module.
    """

    at_us: int
    person: Person
    by: str = field(metadata={"personal": None})
    within: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChanged:
    """Something of a person in the register was changed.

    Attributes:
        person: Person id.
        changes: What changes, as written; personal.
        by: Who changed it; personal.
        rejoins: Whether he had left and comes back with this.
        within: See the module.
    """

    at_us: int
    person: str
    changes: Written = field(metadata={"personal": "person"})
    by: str = field(metadata={"personal": None})
    rejoins: bool = False
    within: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonStruck:
    """A named person said that somebody has left.

    Attributes:
        person: Person id.
        by: Who said so; personal.
        within: See the module.
    """

    at_us: int
    person: str
    by: str = field(metadata={"personal": None})
    within: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChanged:
    """Somebody's duty was changed by hand for a while.

    Attributes:
        person: Person id.
        on_duty: What he is meanwhile; None gives him back to the roster.
        from_us: Start, UTC microseconds; None for now.
        to_us: End, not included; None where ``for_min`` says it.
        for_min: How long, minutes; on duty it is added to the end of the shift he stands.
        reason: Why; personal.
        by: Who changed it; personal.
        within: See the module.
    """

    at_us: int
    person: str
    on_duty: bool | None
    by: str = field(metadata={"personal": None})
    from_us: int | None = None
    to_us: int | None = None
    for_min: int | None = None
    reason: str = field(default="", metadata={"personal": "person"})
    within: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySwapped:
    """Two people stand one another's shifts.

    Attributes:
        person: Person id of whose shift of ``day`` the other stands.
        other: Person id of the other.
        day: Local day on which the shift of ``person`` starts, ``2026-12-01``.
        other_day: Local day on which the other's shift starts, stood by ``person``.
        by: Who arranged it; personal.
        within: See the module.
    """

    at_us: int
    person: str
    other: str
    day: str
    other_day: str
    by: str = field(metadata={"personal": None})
    within: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentIssued:
    """A one-time code was made for a person; ``by`` is who asked for it, personal."""

    at_us: int
    person: str
    code_sha256: str
    expires_us: int
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLeft:
    """A person has left: nothing of him is accepted on any medium from now on.

    ``by`` is who said so, personal.
    """

    at_us: int
    person: str
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased:
    """A person has left, and nothing of him that is personal is kept any longer.

    ``by`` is who had it erased, personal.
    """

    at_us: int
    person: str
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioBlocked:
    """A radio was reported lost or stolen, or has been found again.

    Attributes:
        radio: What it says of itself, as ``mdc1200:1234``.
        lost: False when it has been found.
        by: Who reported it; personal.
    """

    at_us: int
    radio: str
    lost: bool = True
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSeeded:
    """The settings name people whom the register does not know yet."""

    at_us: int
    people: tuple[Person, ...]
    contacts: tuple[Contact, ...]


RegisterEvent = PersonEntered | PersonChanged | PersonStruck | DutyChanged | DutySwapped
REGISTER_EVENTS: tuple[type[RegisterEvent], ...] = (
    PersonEntered, PersonChanged, PersonStruck, DutyChanged, DutySwapped,
)  # fmt: skip
PersonEvent = EnrolmentIssued | PersonLeft | PersonErased | RadioBlocked | RegisterSeeded
PERSON_EVENTS: Final[tuple[type[PersonEvent], ...]] = (
    EnrolmentIssued, PersonLeft, PersonErased, RadioBlocked, RegisterSeeded,
)  # fmt: skip
