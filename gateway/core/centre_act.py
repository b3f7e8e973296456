"""What an act of the centre's people is: its fields, and the event it becomes."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.events import Event
from gateway.core.strict_json import Fields


@dataclass(frozen=True, slots=True)
class CentreAct:
    """One act: which fields it has beside ``act`` and ``by``, and the event it becomes.

    Attributes:
        fields: Names of its fields.
        decode: Takes the fields, when it came (UTC microseconds) and who acts; raises Refusal.
        says: What it does, one line, for the documents.
    """

    fields: tuple[str, ...]
    decode: Callable[[Fields, int, str], Event]
    says: str
