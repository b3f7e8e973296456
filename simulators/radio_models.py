"""What the walkie-talkies of guards can send, model by model, and one as it was programmed.

::

    RadioSet.read({"model": "bf888s", "ctcss_hz": 88.5})              # key-ups and voice only
    RadioSet.read({"model": "mdc1200", "id": "1033"})                 # PTT ID and statuses
    RadioSet.read({"model": "uv5r", "id": "10031", "id_position": "end"})

Source: signalling facts, section 9 (CHIRP's drivers and makers' manuals).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from simulators import mdc1200, selcall
from simulators.tones import Samples, dtmf, silence

IdKind = Literal["dtmf", "selcall", "mdc1200"]
IdPosition = Literal["start", "end", "both"]

# What so many short presses of the key mean, by the digit of the reply.
PRESSES: Final = {"1": 2, "3": 3}
_TEXTS: Final = ("id", "emergency_code", "dcs")


@dataclass(frozen=True, kw_only=True)
class RadioModel:
    """A family of radios.

    Attributes:
        about: which ones.
        keypad: its user can key DTMF.
        ids: how it can say who it is by itself; the first is what it does unless told.
        id_length: shortest and longest id of a DTMF radio.
        tone_ms: shortest and longest DTMF tone it can be set to.
        statuses: it sends MDC1200 statuses from keys or a menu.
        emergency: what its emergency key sends, if it has one.
        time_out_s: shortest and longest setting of its time-out timer; None when unknown.
        default_time_out_s: as it is delivered; None is off.
    """

    about: str
    keypad: bool = False
    ids: tuple[IdKind, ...] = ()
    id_length: tuple[int, int] = (1, 16)
    tone_ms: tuple[int, int] = (50, 2000)
    statuses: bool = False
    emergency: IdKind | None = None
    time_out_s: tuple[int, int] | None = None
    default_time_out_s: float | None = 60.0


MODELS: Final[Mapping[str, RadioModel]] = {
    "bf888s": RadioModel(
        about="Baofeng BF-888S and its like: no keypad, no id; the commonest guard's radio",
        time_out_s=(30, 300),
    ),
    "uv5r": RadioModel(
        about="Baofeng UV-5R and its like", keypad=True, ids=("dtmf",), id_length=(5, 5),
        emergency="dtmf", time_out_s=(15, 600),
    ),
    "uv17pro": RadioModel(
        about="Baofeng UV-17Pro", keypad=True, ids=("dtmf",), id_length=(5, 5),
        tone_ms=(50, 500), emergency="dtmf",
    ),
    "uvk5": RadioModel(
        about="Quansheng UV-K5 as delivered", keypad=True, ids=("dtmf",), id_length=(3, 3),
    ),
    "uvk5_mdc": RadioModel(
        about="Quansheng UV-K5 with MDC1200 firmware", keypad=True, ids=("mdc1200",),
    ),
    "anytone": RadioModel(
        about="AnyTone, analogue", keypad=True, ids=("dtmf", "selcall"), id_length=(1, 24),
        tone_ms=(30, 250),
    ),
    "btech": RadioModel(
        about="BTECH and QYT mobiles", keypad=True, ids=("selcall", "dtmf"),
    ),
    "gd77": RadioModel(
        about="Radioddity and other digital sets on analogue channels", ids=("dtmf",),
        id_length=(1, 30), time_out_s=(30, 120),
    ),
    "tm610": RadioModel(
        about="HYT TM-610 and TM-800; their signalling is not verified",
        time_out_s=(15, 1200), default_time_out_s=180.0,
    ),
    "mdc1200": RadioModel(
        about="Motorola and others with MDC1200: PTT ID, status, emergency; no keypad",
        ids=("mdc1200",), statuses=True, emergency="mdc1200",
    ),
    "vx800": RadioModel(
        about="Vertex VX-800", keypad=True, ids=("dtmf",), id_length=(1, 8), tone_ms=(25, 1000),
        emergency="dtmf",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Keyed:
    """A reply keyed as DTMF digits."""

    digits: str


@dataclass(frozen=True)
class Status:
    """A reply sent as an MDC1200 status."""

    number: int


@dataclass(frozen=True)
class Pressed:
    """A reply made of short presses of the key."""

    times: int


@dataclass(frozen=True)
class Emergency:
    """The emergency key."""


Reply = Keyed | Status | Pressed | Emergency


@dataclass(frozen=True, kw_only=True)
class RadioSet:
    """One radio as it was programmed.

    Attributes:
        model: a name of `MODELS`.
        id: what it says of itself: DTMF digits, five-tone digits, or a hexadecimal MDC unit.
        id_kind: how; None is the model's own.
        id_position: `start`, `end` or `both` ends of an over.
        selcall_set: table of its five-tone id.
        tone_ms: length of its DTMF tones and gaps.
        lead_ms: carrier before the first tone.
        time_out_s: its time-out timer; None as delivered.
        ctcss_hz: tone under its voice.
        dcs: code under its voice; `-` before it is the inverted polarity.
        statuses: reply digit → status number; a digit not named is its own number.
        emergency_code: what a DTMF radio's emergency key sends after its id.
    """

    model: str
    id: str | None = None
    id_kind: IdKind | None = None
    id_position: IdPosition = "start"
    selcall_set: str = "zvei1"
    tone_ms: float = 70
    lead_ms: float = 300
    time_out_s: float | None = None
    ctcss_hz: float | None = None
    dcs: str | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    emergency_code: str = "3"

    @classmethod
    def read(cls, fields: Mapping[str, Any], radio_id: str | None = None) -> "RadioSet":
        """Returns the radio a scenario describes.

        Args:
            fields: those of this class; an `id` left out is `radio_id`, if it can say one.
            radio_id: the id that the settings of the site know the person by.

        Raises:
            TypeError: an unknown word.
            ValueError: there is no such model, or it cannot do what it is set to.
        """
        # YAML reads an id of digits as a number.
        meant: dict[str, Any] = {n: str(v) if n in _TEXTS else v for n, v in fields.items()}
        made = cls(**meant)
        if made.id is None and radio_id is not None and made.kind is not None:
            return replace(made, id=radio_id)
        return made

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            message = f"no radio is called {self.model!r}; there are {', '.join(MODELS)}"
            raise ValueError(message)
        model = self.able
        if self.id_kind is not None and self.id_kind not in model.ids:
            message = f"a {self.model} does not say who it is by {self.id_kind}"
            raise ValueError(message)
        if self.id is not None:
            self._check_id(self.id)
        shortest, longest = model.tone_ms
        if not shortest <= self.tone_ms <= longest:
            message = f"tones of a {self.model} last {shortest} to {longest} ms"
            raise ValueError(message)
        if self.ctcss_hz is not None and self.dcs is not None:
            message = f"a {self.model} sends a CTCSS tone or a DCS code, not both"
            raise ValueError(message)

    def _check_id(self, name: str) -> None:
        if self.kind is None:
            message = f"a {self.model} cannot say who it is; it has no id {name!r}"
            raise ValueError(message)
        allowed, shortest, longest = {
            "dtmf": ("0123456789ABCD*#", *self.able.id_length),
            "selcall": ("0123456789ABCDF", selcall.CALL_SYMBOLS, selcall.CALL_SYMBOLS),
            "mdc1200": ("0123456789ABCDE", 4, 4),
        }[self.kind]
        if not set(name) <= set(allowed) or not shortest <= len(name) <= longest:
            message = (
                f"{name!r} is no {self.kind} id of a {self.model}; use {shortest} to {longest}"
                f" of {allowed}"
            )
            raise ValueError(message)

    @property
    def able(self) -> RadioModel:
        """What its model can do."""
        return MODELS[self.model]

    @property
    def kind(self) -> IdKind | None:
        """How it says who it is, or None when it cannot."""
        return self.id_kind or next(iter(self.able.ids), None)

    @property
    def unit(self) -> int:
        """Its MDC1200 unit; 1 when it was given none."""
        return int(self.id, 16) if self.id is not None and self.kind == "mdc1200" else 1

    def limit_s(self) -> float | None:
        """Returns after how long its own timer ends an over, or None."""
        return self.able.default_time_out_s if self.time_out_s is None else self.time_out_s

    def id_sound(self, *, end: bool) -> Samples:
        """Returns the id as it is sent at the start (or end) of an over; empty if not."""
        wanted = ("end", "both") if end else ("start", "both")
        if self.id is None or self.id_position not in wanted:
            return silence(0)
        if self.kind == "mdc1200":
            return mdc1200.encode(mdc1200.ptt_id(self.unit, end=end))
        if self.kind == "selcall":
            return selcall.encode(self.id, self.selcall_set)
        return dtmf(self.id, tone_ms=self.tone_ms, gap_ms=self.tone_ms)

    def reply(self, digit: str, digits: str) -> Reply | None:
        """Returns how its user says a thing with it, or None when he cannot but by voice.

        Args:
            digit: what he wants to say, as the digit of the reply.
            digits: the whole reply as he would key it.
        """
        if self.able.statuses:
            return Status(self.statuses.get(digit, int(digit)))
        if self.able.keypad:
            return Keyed(digits)
        return Pressed(PRESSES[digit]) if digit in PRESSES else None

    def status_sound(self, number: int) -> Samples:
        """Returns a status as sound.

        Raises:
            ValueError: the model sends none.
        """
        if not self.able.statuses:
            message = f"a {self.model} sends no statuses"
            raise ValueError(message)
        return mdc1200.encode(mdc1200.status(self.unit, number))

    def emergency_sound(self) -> Samples:
        """Returns what its emergency key sends.

        Raises:
            ValueError: it has no emergency key.
        """
        match self.able.emergency:
            case "mdc1200":
                once = mdc1200.encode(mdc1200.emergency(self.unit))
                return np.concatenate([once, silence(100), once])
            case "dtmf":
                code = (self.id or "") + self.emergency_code
                return dtmf(code, tone_ms=self.tone_ms, gap_ms=self.tone_ms)
            case _:
                message = f"a {self.model} has no emergency key"
                raise ValueError(message)
