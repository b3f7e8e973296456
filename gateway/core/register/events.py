"""What can happen to the register and the roster by the hand of a named person.

``within`` is the organisation whose token or account it came with: then only its own people may
be touched. None for the centre, the police and the command line.
"""

from dataclasses import dataclass, field

from gateway.core.people import Person

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


RegisterEvent = PersonEntered | PersonChanged | PersonStruck | DutyChanged | DutySwapped
REGISTER_EVENTS: tuple[type[RegisterEvent], ...] = (
    PersonEntered, PersonChanged, PersonStruck, DutyChanged, DutySwapped,
)  # fmt: skip
