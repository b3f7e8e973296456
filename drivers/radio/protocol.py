"""The lines between the engine and the radio process: pure codec, one JSON object a line.

The radio process listens on a Unix socket and the engine connects. First the radio process says
``hello``: protocol version, its boot id, and how its channels are. Then, in any order:

    engine -> radio    beat       each second; without it nothing new is keyed
                       do         an effect, with its outbox id; ``again`` when it may have left
                                  before
                       ack        events up to this number are on the disk
                       configure  the path of new resolved settings
    radio -> engine    told       an event, numbered within the boot; kept and sent again until
                                  acknowledged; ``settles``: the outbox ids it is the end of
                       figures    how late frames and keyings were in the last ten seconds,
                                  and what has passed over each channel
                       taken      an effect that no event answers has been taken

Nothing else of the radio process is visible to the engine: frames and squelch edges stay there.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import (
    AnswerOver,
    PageChannel,
    RadioEffect,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.events import PathChanged
from gateway.core.talk.events import DispatcherSpoke, RecordingKept, SoundRefused, TalkCut
from gateway.interfaces import WireError

PROTOCOL: Final = 3
# A page of the longest text is some 10 kB; nothing of ours comes near.
LINE_BYTES_MAX: Final = 1 << 20

RadioEvent = (
    PageWaited
    | PageStarted
    | PageSpoken
    | PageFailed
    | OverHeard
    | DigitsHeard
    | SignalHeard
    | KeyPattern
    | RecordingKept
    | PathChanged
    | TalkCut
    | DispatcherSpoke
    | SoundRefused
)


@dataclass(frozen=True, slots=True)
class Hello:
    """The radio process introduces itself.

    Attributes:
        protocol: Version of these lines.
        boot: Differs each time the radio process starts.
        paths: Channel id to None when it works, to the reason when it does not.
    """

    protocol: int
    boot: str
    paths: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened on a channel."""

    seq: int
    event: RadioEvent
    settles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """An effect that no event answers has been taken."""

    id: int


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What has passed over one channel since the radio process began.

    Attributes:
        overs: Overs heard.
        heard_s: How long they lasted together, seconds.
        transmissions: How often we were on the air.
        keyed_s: How long, from key-down to key-up, seconds.
        silent_s: Since when the sound link gives nothing; 0 while it does.
        sound: Frames of 20 ms on the sound link since it was opened, by what became of them:
            the counts of ``LinkStatistics``.
    """

    overs: int
    heard_s: float
    transmissions: int
    keyed_s: float
    silent_s: float
    sound: dict[str, int]


@dataclass(frozen=True, slots=True)
class TalkFigures:
    """What became of talk in one group since it was set up.

    Attributes:
        overs: How many were ``bridged``, ``refused`` (somebody else talked), ``barred`` (who
            may not, or when) and ``cut`` before their talker ended.
        dropped_s: Talk that waited in vain for a busy channel, seconds.
        muted_s: Signalling in talk that was made silent, seconds.
    """

    overs: dict[str, int]
    dropped_s: float
    muted_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How late things were since the last figures, and what has passed so far.

    Attributes:
        channels: How many channels there are.
        frames: Frames handed to the sound links.
        late_p99_ms: How late a frame left: sent minus due, 99th percentile.
        late_max_ms: The latest.
        keyings: How often a transmitter was keyed.
        key_p99_ms: From the decision to key to the keyer's moving the line.
        key_max_ms: The slowest.
        tick_cpu_ms: Processor time of one tick, all channels, on average.
        late_frames: Frames that left more than one frame late.
        speech_restarts: How often the speech worker was started again.
        by_channel: What has passed, by channel id.
        by_group: What became of talk, by talk group.
    """

    channels: int
    frames: int
    late_p99_ms: float
    late_max_ms: float
    keyings: int
    key_p99_ms: float
    key_max_ms: float
    tick_cpu_ms: float
    late_frames: int = 0
    speech_restarts: int = 0
    by_channel: dict[str, ChannelFigures] = field(default_factory=dict)
    by_group: dict[str, TalkFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beat:
    """The engine is alive."""


@dataclass(frozen=True, slots=True)
class Do:
    """An effect."""

    id: int
    effect: RadioEffect
    again: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """Events up to this number are on the disk."""

    seq: int


@dataclass(frozen=True, slots=True)
class Configure:
    """New settings stand in this file."""

    path: str


FromRadio = Hello | Told | Taken | Figures
FromEngine = Beat | Do | Ack | Configure
Message = FromRadio | FromEngine

_MESSAGES: Final[dict[str, type[Message]]] = {
    "hello": Hello, "told": Told, "taken": Taken, "figures": Figures,
    "beat": Beat, "do": Do, "ack": Ack, "configure": Configure,
}  # fmt: skip
_NAMES: Final = {kind: name for name, kind in _MESSAGES.items()}
_VALUES: Final[dict[str, type[RadioEffect | RadioEvent]]] = {
    kind.__name__: kind
    for kind in (
        PageChannel, TalkOnChannel, SetTalkGroup, WithdrawPage, AnswerOver,
        PageWaited, PageStarted, PageSpoken, PageFailed,
        OverHeard, DigitsHeard, SignalHeard, KeyPattern, RecordingKept, PathChanged,
        TalkCut, DispatcherSpoke, SoundRefused,
    )
}  # fmt: skip
_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {
    kind: TypeAdapter(kind) for kind in (*_MESSAGES.values(), *_VALUES.values())
}


def encode(message: Message) -> bytes:
    """Return the message as one line, its end included."""
    fields = dataclasses.asdict(message)
    for name in ("effect", "event"):
        if name in fields:
            fields[name] = {"is": type(getattr(message, name)).__name__, **fields[name]}
    line = json.dumps({"say": _NAMES[type(message)], **fields}, separators=(",", ":"))
    return line.encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of one line.

    Raises:
        WireError: not JSON, no such message, or a field that is wrong.
    """
    try:
        fields = json.loads(line)
        kind = _MESSAGES[fields.pop("say")]
        for name in {"effect", "event"} & fields.keys():
            value = fields[name]
            fields[name] = _ADAPTERS[_VALUES[value.pop("is")]].validate_python(value)
        message: Message = _ADAPTERS[kind].validate_python(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = str(error).splitlines()[0] if isinstance(error, ValidationError) else repr(error)
        msg = f"radio socket: a line that is no message of ours ({what}): {line[:120]!r}"
        raise WireError(msg) from error
    return message


class Lines:
    """Bytes as they come, to messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes in and return the messages they complete.

        Raises:
            WireError: as ``decode``, or a line longer than a megabyte.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            msg = f"radio socket: a line of more than {LINE_BYTES_MAX} bytes"
            raise WireError(msg)
        return [decode(line) for line in lines if line]
