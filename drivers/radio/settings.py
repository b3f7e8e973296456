"""Settings of an analogue radio channel: control lines, audio, airtime, signalling."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal, LiteralString
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from drivers.radio.squelch import EXPRESSION_MAX, parse_squelch
from gateway.interfaces import SetupError
from gateway.settings import ChannelSettings, Model, port_in_range, written

_RTP_CODECS = ("l16", "pcmu")


def _rtp_parts(url: str) -> tuple[int | None, str | None]:
    """Return (local_port, codec) of an RTP URL, None for what is missing or wrong."""
    query = parse_qs(urlsplit(url).query)
    port = query.get("local_port", [""])[0]
    codec = query.get("codec", ["l16"])[0]
    number = int(port) if port.isascii() and port.isdigit() and 0 < int(port) < 65536 else None
    return number, codec if codec in _RTP_CODECS else None


def _audio_url(url: str) -> str:
    if url.startswith("sound:") and len(url) > len("sound:"):
        return url
    parts = urlsplit(url)
    try:
        far = parts.scheme == "rtp" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        far = False
    surplus = set(parse_qs(parts.query)) - {"local_port", "codec"}
    if not far or surplus or None in _rtp_parts(url):
        raise PydanticCustomError(
            "audio_url",
            "should be rtp://HOST:PORT?local_port=N&codec=l16 (or pcmu), or sound:DEVICE",
        )
    return url


def _squelch_expression(text: str) -> str:
    try:
        parse_squelch(text)
    except SetupError as error:
        raise PydanticCustomError("squelch", "{why}", {"why": str(error)}) from error
    return text


class ControlLines(Model):
    """The line that keys the transmitter, and what tells of the squelch.

    Attributes:
        url: ``/dev/ttyUSB0`` or ``rfc2217://host:port``.
        ptt: Line that keys: ``rts``, ``dtr``, ``dtr & !rts`` or ``rts & !dtr`` (recommended).
        squelch: When the squelch is open: ``cts``, ``dsr``, ``cd``, ``ri``, ``noise``,
            ``voice``, ``ctcss``, ``dcs``, joined by ``&``, ``|``, ``!`` and brackets;
            ``none`` is ``voice``.
        squelch_noise_dbfs: Discriminator audio (``noise``): hiss below this is a carrier.
        squelch_voice_dbfs: Speaker audio (``voice``): louder than this is somebody.
        lease_ms: Longest time PTT is held without played audio, ms.
        invert_ptt: Key with the line low.
        invert_squelch: The squelch's lines mean the opposite: low is open.
    """

    url: Annotated[
        str,
        written(
            r"^(/dev/[^\s]+|rfc2217://[^\s/:]+:[0-9]{1,5})$",
            "/dev/ttyUSB0 or rfc2217://HOST:PORT",
        ),
        AfterValidator(port_in_range),
    ]
    ptt: Literal["rts", "dtr", "rts & !dtr", "dtr & !rts"] = "rts"
    squelch: Annotated[
        str,
        Field(min_length=1, max_length=EXPRESSION_MAX),
        AfterValidator(_squelch_expression),
    ] = "cts"
    squelch_noise_dbfs: Annotated[int, Field(ge=-70, le=-10)] = -35
    squelch_voice_dbfs: Annotated[int, Field(ge=-60, le=-10)] = -38
    lease_ms: Annotated[int, Field(ge=100, le=1000)] = 350
    invert_ptt: bool = False
    invert_squelch: bool = False


class Audio(Model):
    """Where the sound goes and comes from.

    Attributes:
        url: ``rtp://host:port?local_port=N&codec=l16`` (or ``pcmu``), or ``sound:device``.
        kind: ``speaker``: what the loudspeaker gets. ``discriminator``: straight from the
            detector, with all that lies below and above the voice.
    """

    url: Annotated[str, Field(max_length=300), AfterValidator(_audio_url)]
    kind: Literal["speaker", "discriminator"] = "speaker"


class Ani(Model):
    """A radio's own id, sent as digits in each over.

    Attributes:
        kind: Signalling, ``dtmf``.
        digits: Length of the id.
        position: Sent at the ``start`` of an over, its ``end``, or ``both``.
    """

    kind: Literal["dtmf"] = "dtmf"
    digits: Annotated[int, Field(ge=3, le=8)] = 5
    position: Literal["start", "end", "both"] = "start"


class ToneTable(Model):
    """A five-tone table of the site's own.

    Attributes:
        name: What identities of it begin with: ``ours:12345``.
        tone_ms: Length of a tone, ms.
        tones: Frequency of each symbol, Hz: ``0`` to ``9`` and ``E`` (repeat); ``A`` to ``D``
            and ``F`` where they are used.
    """

    name: Annotated[str, written(r"^[a-z][a-z0-9_-]{0,15}$", "1 to 16 small letters, digits")]
    tone_ms: Annotated[float, Field(ge=20, le=200)]
    tones: Annotated[dict[str, float], Field(max_length=16)]


def _form(value: object) -> str:
    return "step" if isinstance(value, dict | ToneTable) else "word"


# The tags are those of a rung of the ladder: see gateway.settings.explain.
AnyTable = Annotated[
    Annotated[Literal["zvei1", "zvei2", "ccir", "eea", "eia", "dzvei"], Tag("word")]
    | Annotated[ToneTable, Tag("step")],
    Discriminator(_form),
]


_SELCALL_NAMES: Final = ("zvei1", "zvei2", "ccir", "eea", "eia", "dzvei")
# What begins an identity of another kind.
_TAKEN_NAMES: Final = (*_SELCALL_NAMES, "dtmf", "mdc1200", "ctcss", "dcs")


class Signalling(Model):
    """What is listened for on a channel, and who we are where we call.

    Attributes:
        dtmf: Digits.
        selcall: Five-tone tables: ``zvei1``, ``zvei2``, ``ccir``, ``eea``, ``eia``, ``dzvei``,
            or a table of the site's own; where two fit, the one named first counts.
        mdc1200: Packets.
        mdc_unit: Our own MDC1200 unit, sent where we call a radio.
        ctcss: Tones below the voice, Hz (``audio.kind: discriminator``).
        dcs: Codes below the voice, such as ``023N`` or ``023I``; the same.
    """

    dtmf: bool = True
    selcall: Annotated[
        tuple[AnyTable, ...],
        Field(max_length=8),
    ] = ()
    mdc1200: bool = False
    mdc_unit: Annotated[
        str, written(r"^[0-9A-E]{4}$", "four hexadecimal digits without F, such as 0001")
    ] | None = None
    ctcss: Annotated[tuple[float, ...], Field(max_length=50)] = ()
    dcs: Annotated[tuple[str, ...], Field(max_length=210)] = ()

    @field_validator("selcall")
    @classmethod
    def _tables_that_can_be_told_apart(
        cls, tables: tuple[str | ToneTable, ...]
    ) -> tuple[str | ToneTable, ...]:
        own = [table for table in tables if isinstance(table, ToneTable)]
        names = [table if isinstance(table, str) else table.name for table in tables]
        for name in names:
            if names.count(name) > 1 or (name in _TAKEN_NAMES and name not in tables):
                raise PydanticCustomError(
                    "selcall", "table {name} stands twice, or is no free name", {"name": name}
                )
        if not own:
            return tables
        # Imported where a site has its own tables only: `check` needs no numpy otherwise.
        from drivers.radio.selcall_tables import SelcallTable

        for table in own:
            with _wrong_as("selcall"):
                SelcallTable.custom(table.name, table.tone_ms, table.tones)
        return tables

    @field_validator("ctcss")
    @classmethod
    def _known_tones(cls, tones_hz: tuple[float, ...]) -> tuple[float, ...]:
        if not tones_hz:
            return tones_hz
        from drivers.radio.ctcss import tone_named

        for hz in tones_hz:
            with _wrong_as("ctcss"):
                tone_named(hz)
        return tones_hz

    @field_validator("dcs")
    @classmethod
    def _known_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if not codes:
            return codes
        from drivers.radio.dcs import code_named

        for code in codes:
            with _wrong_as("dcs"):
                code_named(code)
        return codes

    @property
    def table_names(self) -> tuple[str, ...]:
        """The five-tone tables that are listened for, by name."""
        return tuple(t if isinstance(t, str) else t.name for t in self.selcall)

    @property
    def names_radios(self) -> bool:
        """Whether radios may say who they are by something other than digits."""
        return bool(self.selcall) or self.mdc1200


@contextlib.contextmanager
def _wrong_as(kind: LiteralString) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise PydanticCustomError(kind, "{why}", {"why": str(error)}) from error


class Identification(Model):
    """What the station says of itself, as its licence asks: spoken, or as DTMF digits.

    Attributes:
        text: Spoken.
        dtmf: Sent as digits instead.
        language: Language of the text, ``zh_CN`` or ``en``; absent = the site's.
        every_min: While the channel is in use, at least this often.
        after_s: Use has ended when nothing of ours was sent for this long: then once more.
    """

    text: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    dtmf: Annotated[str, written(r"^[0-9ABCD*#]{1,16}$", "1 to 16 of 0-9 A-D * #")] | None = (
        None
    )
    language: Literal["zh_CN", "en"] | None = None
    every_min: Annotated[int, Field(ge=1, le=240)] = 10
    after_s: Annotated[int, Field(ge=5, le=600)] = 30

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "Identification":
        if (self.text is None) == (self.dtmf is None):
            raise PydanticCustomError("identification", "needs text or dtmf, one of the two")
        return self


class Monitor(Model):
    """A receiver that has to hear what we transmit.

    Attributes:
        channel: The channel whose receiver hears it; absent: this one's own audio does.
        within_ms: Sound has to come back after so much sound was sent.
    """

    channel: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    within_ms: Annotated[int, Field(ge=200, le=5000)] = 1000


def _growing(waits: tuple[int, int, int]) -> tuple[int, int, int]:
    if tuple(sorted(waits)) != waits:
        raise PydanticCustomError(
            "busy_wait", "should grow by level 1, 2, 3: the most urgent waits least"
        )
    return waits


WaitS = Annotated[int, Field(ge=1, le=900)]


class RadioChannel(ChannelSettings):
    """One analogue radio interface.

    Attributes:
        driver: ``radio``.
        control: Control lines.
        audio: Sound.
        tx_delay_ms: Key-up to first sound, ms.
        hang_ms: Last sound to key-down, ms.
        time_out_s: Time-out timer (TOT): longest transmission, seconds.
        busy_wait_s: Longest wait for a clear channel, seconds by level 1, 2, 3.
        squelch_open_ms: The squelch counts as open after this, ms.
        squelch_close_ms: The squelch counts as closed after this, ms.
        squelch_tail_ms: What is left out of recordings at the end of an over: the noise
            between the carrier's end and the squelch's closing, ms.
        kerchunk_ms: A key pressed for less makes no over; presses are counted all the same, ms.
        stuck_squelch_s: A squelch open for longer is taken for stuck, seconds.
        flapping_squelch: While a faulty squelch opens and closes all the time: ``transmit``
            as if it were closed, or ``wait`` as if it were open.
        duplex: ``half``: deaf while we transmit. ``full``: we hear all the time.
            ``repeater``: as half, and what the repeater sends after our own transmission is
            nobody's over.
        repeater_hang_ms: The repeater's carrier stays this long after a transmission, ms.
        identification: What the station says of itself; absent = nothing.
        monitor: A receiver that has to hear what we transmit; absent = nobody checks.
        ani: The radios' own id; absent = they send none.
        signalling: What is listened for.
        answer_tones: Whether each reply is answered by a short tone.
    """

    driver: Literal["radio"] = "radio"
    control: ControlLines
    audio: Audio
    tx_delay_ms: Annotated[int, Field(ge=0, le=2000)] = 300
    hang_ms: Annotated[int, Field(ge=0, le=1000)] = 100
    time_out_s: Annotated[int, Field(ge=5, le=180)] = 60
    busy_wait_s: Annotated[tuple[WaitS, WaitS, WaitS], AfterValidator(_growing)] = (10, 60, 300)
    squelch_open_ms: Annotated[int, Field(ge=0, le=500)] = 40
    squelch_close_ms: Annotated[int, Field(ge=0, le=3000)] = 150
    squelch_tail_ms: Annotated[int, Field(ge=0, le=500)] = 0
    kerchunk_ms: Annotated[int, Field(ge=0, le=480)] = 300
    stuck_squelch_s: Annotated[int, Field(ge=10, le=900, validate_default=True)] = 120
    flapping_squelch: Literal["transmit", "wait"] = "transmit"
    duplex: Literal["half", "full", "repeater"] = "half"
    repeater_hang_ms: Annotated[int, Field(ge=0, le=10_000)] = 3000
    identification: Identification | None = None
    monitor: Monitor | None = None
    ani: Ani | None = None
    signalling: Signalling = Signalling()
    answer_tones: bool = True

    @field_validator("stuck_squelch_s")
    @classmethod
    def _longer_than_a_transmission(cls, value: int, info: ValidationInfo) -> int:
        time_out_s = info.data.get("time_out_s", 0)
        if value <= time_out_s:
            raise PydanticCustomError(
                "stuck_squelch",
                "should be longer than time_out_s, or every long over counts as stuck; "
                "is {value}, time_out_s is {time_out_s}",
                {"value": value, "time_out_s": time_out_s},
            )
        return value

    @model_validator(mode="after")
    def _signalling_that_can_be_heard(self) -> "RadioChannel":
        signalling, terms = self.signalling, parse_squelch(self.control.squelch).terms
        below: dict[Literal["ctcss", "dcs"], Sequence[object]] = {
            "ctcss": signalling.ctcss, "dcs": signalling.dcs
        }  # fmt: skip
        for kind, wanted in below.items():
            if wanted and self.audio.kind != "discriminator":
                raise PydanticCustomError(
                    "signalling",
                    "signalling.{kind} needs audio: {kind: discriminator}: a loudspeaker's "
                    "sound has nothing below the voice",
                    {"kind": kind},
                )
            if kind in terms and not wanted:
                raise PydanticCustomError(
                    "signalling",
                    "the squelch asks for {kind}; say which in signalling.{kind}",
                    {"kind": kind},
                )
        if self.ani is not None and not signalling.dtmf:
            raise PydanticCustomError(
                "signalling", "ani is sent as digits; signalling.dtmf must not be false"
            )
        return self

    @property
    def ani_digits(self) -> int:
        """Length of a radio's own id on this channel, 0 when it has none."""
        return self.ani.digits if self.ani else 0

    def ports(self) -> dict[tuple[str, ...], str]:
        """Return what it occupies alone: path of the key → name of the port."""
        local_port, _ = _rtp_parts(self.audio.url)
        sound = f"UDP port {local_port}" if local_port else self.audio.url
        return {("control", "url"): self.control.url, ("audio", "url"): sound}

    def listeners(self) -> dict[tuple[str, ...], str]:
        """Return the channel whose receiver has to hear it, if it is another's."""
        other = self.monitor.channel if self.monitor else None
        return {} if other is None else {("monitor", "channel"): other}

    def five_tone_tables(self) -> tuple[str, ...]:
        """Return the five-tone tables that it knows: the trade's, and its own."""
        return tuple(dict.fromkeys((*_SELCALL_NAMES, *self.signalling.table_names)))

    def to_hear(self, radio: str) -> str | None:
        """Return what to write so that it hears who a radio is; None when it does."""
        kind, _, value = radio.partition(":")
        signalling = self.signalling
        match kind:
            case "dtmf":
                return None if self.ani else f"ani: {{digits: {len(value)}}}"
            case "mdc1200":
                return None if signalling.mdc1200 else "signalling: {mdc1200: true}"
            case "ctcss":
                heard = any(f"{hz:.1f}" == value for hz in signalling.ctcss)
                return None if heard else f"signalling: {{ctcss: [{value}]}}"
            case "dcs":
                return None if value in signalling.dcs else f"signalling: {{dcs: [{value}]}}"
            case _:
                heard = kind in signalling.table_names
                return None if heard else f"signalling: {{selcall: [{kind}]}}"

    def to_call(self, call: str) -> str | None:
        """Return what to write so that it sends a selective call; None when it does."""
        kind = call.partition(":")[0]
        if kind == "mdc1200" and self.signalling.mdc_unit is None:
            return "write our own unit there, signalling: {mdc_unit: …}"
        if kind in ("dtmf", "mdc1200") or kind in self.five_tone_tables():
            return None
        return f"write its table {kind} in signalling.selcall there too"


# What this driver is, and the model of its settings: see gateway.installed.
KIND: Final = "channel"
MODEL: Final = RadioChannel
