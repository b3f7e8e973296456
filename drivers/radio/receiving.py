"""What others say on a channel: squelch to overs, signalling to events, sound to recordings.

An over begins when the squelch has been open for ``squelch_open_ms`` (and the key was pressed
for ``kerchunk_ms``) and ends when it has been closed for ``squelch_close_ms``: noise bursts
open nothing, and a weak signal's flutter makes one over, not ten. While our own transmitter is
on the receiver is deaf, unless the channel is full duplex: nothing of ours is decoded.

An over whose beginning may have been missed is **cut**: it was open when the channel began to
hear, or when we unkeyed, or sound was lost in it. The identity that a radio sends at key-down
is missing then, so that a frame which needs it is kept as stray and answered by nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from drivers.radio.activity import NoiseSquelch, VoiceActivity
from drivers.radio.dtmf_frames import DtmfFramer, DtmfMessage
from drivers.radio.heard import Heard, MdcPacket
from drivers.radio.presses import Group, Presses
from drivers.radio.recording import Recorder
from drivers.radio.samples import FRAME_MS, Int16Array
from drivers.radio.settings import RadioChannel
from drivers.radio.speaker import Once, Speaker, identity_of, sender_of, told_as
from drivers.radio.squelch import Flapping, Squelch, parse_squelch
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.answers.replies import parse_digits

# What came before the debounced opening belongs to the over: up to half a second.
_PRE_ROLL_FRAMES: Final = 500 // FRAME_MS
# A squelch that opens so soon after our own unkeying opens in the middle of an over: nobody
# who waited for our end has keyed yet.
_TURN_S: Final = 0.15
# Our own last word comes back from a repeater so late, and its receiver opens so late.
_REPEATER_DELAY_S: Final = 0.4


ReceiverEvent = DigitsHeard | KeyPattern | OverHeard | SignalHeard


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks: monotonic seconds and UTC microseconds."""

    s: float
    us: int


@dataclass(slots=True)
class _Over:
    """An over that is going on."""

    id: str
    at: Moment
    recording: str | None


class Receiver:
    """The receiving side of one channel.

    Args:
        channel: Channel id.
        settings: Its settings.
        recorder: Records what is heard.
        new_name: Returns a new id for an over.
        tell: Takes the events.
        day: Returns the date of a moment, ``YYYYMMDD``.

    Attributes:
        stuck: The squelch has been open for longer than anybody speaks.
        hears: Lines and sound are followed; what began before that is cut.
        flapping: Notices a squelch that changes all the time.
        awaits_answers: The channel is kept for answers: short presses may be one.
        seeks: Tones and codes below the voice are to be looked for: the squelch may need them
            to open.
    """

    def __init__(
        self,
        channel: str,
        settings: RadioChannel,
        recorder: Recorder,
        *,
        new_name: Callable[[], str],
        tell: Callable[[ReceiverEvent], None],
        day: Callable[[int], str],
    ) -> None:
        self.stuck = False
        self.hears = False
        self.flapping = Flapping()
        self.awaits_answers = self.seeks = False
        self._channel = channel
        self._settings = settings
        self._recorder = recorder
        self._new_name = new_name
        self._tell = tell
        self._day = day
        control = settings.control
        self._expression = parse_squelch(control.squelch)
        self._values: dict[str, bool] = {}
        self._raw = False
        self._noise = NoiseSquelch(control.squelch_noise_dbfs)
        self._voice = VoiceActivity(control.squelch_voice_dbfs)
        self._squelch = Squelch(settings.squelch_open_ms, settings.squelch_close_ms)
        self._presses = Presses(settings.squelch_open_ms)
        ani = settings.ani
        self._framer = DtmfFramer(ani.digits, ani.position) if ani else DtmfFramer()
        self._over: _Over | None = None
        # Of what was heard before its over began, or in presses that make none.
        self._name: str | None = None
        self._speaker, self._told = Speaker(), Once()
        # Who pressed, and whether the first press came while answers were awaited.
        self._presser, self._is_answer = Speaker(), False
        self._below: dict[str, str] = {}  # which tone and code are there now
        self._cut = False
        self._withheld = ""
        self._before: deque[Int16Array] = deque(maxlen=_PRE_ROLL_FRAMES)
        self._held: deque[Int16Array] = deque()
        self._tail_frames = settings.squelch_tail_ms // FRAME_MS
        self._open_since_s = float("inf")
        self._deaf = False
        self._deaf_until_s = float("-inf")
        # A repeater's carrier after our own transmission, until it falls or somebody talks.
        self._in_tail = False
        self._talk = VoiceActivity(control.squelch_voice_dbfs)

    # --- how it stands -----------------------------------------------------------------------

    @property
    def squelch_open(self) -> bool:
        """Whether somebody is heard, debounced."""
        return self._squelch.is_open

    @property
    def terms(self) -> dict[str, bool]:
        """What the squelch's expression is made of, and whether each holds now."""
        return {term: self._values.get(term, False) for term in sorted(self._expression.terms)}

    @property
    def clear_since_s(self) -> float:
        """When the squelch last closed; meaningless while it is open."""
        return self._squelch.since_s

    @property
    def listening(self) -> bool:
        """Whether there is somebody, not debounced: nobody who just keyed is talked over."""
        return self._squelch.raw or self._squelch.is_open

    @property
    def carrier(self) -> bool:
        """Whether somebody is on the air now: not debounced, and not a repeater's hang."""
        return self._squelch.raw and not self._deaf

    @property
    def speaks(self) -> bool:
        """Whether what is heard is somebody's over, neither a fault nor one half heard."""
        faulty = self.stuck or self.flapping.active or not self.hears
        return self._squelch.is_open and not (self._deaf or faulty)

    @property
    def lines_missing(self) -> tuple[str, ...]:
        """The lines that the squelch needs and the keyer has not told."""
        return tuple(line for line in self._expression.lines if line not in self._values)

    @property
    def _decodes(self) -> bool:
        """Whether digits are looked for: also where only a repeater seems to be there."""
        return self.listening or (self._in_tail and self._raw)

    # --- what the squelch is made of ---------------------------------------------------------

    def lines(self, levels: str, at_s: float) -> None:
        """Take the levels of the receiver's lines, as the keyer says them: ``cts=1 dsr=0``."""
        inverted = self._settings.control.invert_squelch
        for level in levels.split():
            line, _, value = level.partition("=")
            self._values[line] = (value == "1") is not inverted
        self._evaluate(at_s)

    def lines_lost(self) -> None:
        """Forget the lines: the keyer is gone."""
        for line in self._expression.lines:
            self._values.pop(line, None)

    def presence(self, kind: Literal["ctcss", "dcs"], present: bool, at_s: float) -> None:
        """Take the word of a tone decoder: the channel's tone or code is there, or not.

        Args:
            kind: Tone or code.
            present: Whether it is there.
            at_s: Since when.
        """
        if not present:
            self._below.pop(kind, None)
        if self._values.get(kind, False) != present:
            self._values[kind] = present
            self._evaluate(at_s)

    def _sense(self, now_s: float, frame: Int16Array | None) -> None:
        """Look at the sound, where the squelch asks for it."""
        terms = self._expression.terms
        if "noise" in terms:
            self._values["noise"] = self._noise.step(frame)
        if "voice" in terms:
            self._values["voice"] = self._voice.step(now_s, frame)
        if "noise" in terms or "voice" in terms:
            self._evaluate(now_s)

    def _evaluate(self, at_s: float) -> None:
        raw = self._expression.open(self._values)
        if raw != self._raw:
            self._raw = raw
            self.flapping.edge(at_s)
            if not self._deaf:
                self._press(raw, at_s)
        self._line(raw and not self._in_tail, at_s)

    def _line(self, is_open: bool, at_s: float) -> None:
        new = is_open and not self.listening and not self._deaf
        # Where the over before has not been told yet, its end sweeps up.
        if new and self._over is None:
            self._framer.over_started()
            self._begin_hearing(cut=not self.hears or at_s - self._deaf_until_s < _TURN_S)
        self._squelch.line(is_open, at_s)

    def _begin_hearing(self, *, cut: bool) -> None:
        self._cut, self._withheld = cut, ""
        self._forget_speaker()
        if cut:
            self._presses.forget()

    def _forget_speaker(self) -> None:
        """Begin with nobody but him whose tone is there already."""
        self._speaker.begin()
        self._told.begin()
        for identity in self._below.values():
            self._note(identity)

    def _note(self, identity: str | None) -> None:
        """Note who speaks; under a squelch that is stuck open nobody knows whose over it is."""
        if not self.stuck:
            self._speaker.heard(identity)
            self._presser.heard(identity)

    def _press(self, is_open: bool, at_s: float) -> None:  # as Presses.edge
        if is_open and not self._presses.under_way:
            self._is_answer = self.awaits_answers
        self._presses.edge(is_open, at_s)

    # --- each tick ---------------------------------------------------------------------------

    def follow(self, now_s: float, frame: Int16Array | None, *, deaf: bool) -> bool:
        """Take this tick's sound; return whether signalling should be looked for in it."""
        self._sense(now_s, frame)
        if deaf:
            self._deafen(now_s)
            self.seeks = False
            return False
        if self._deaf:
            self._undeafen(now_s)
        self._follow_repeater(now_s, frame)
        self._squelch.step(now_s)
        if frame is not None:
            self._keep(frame)
        elif self._decodes:
            self._cut = True
        self.seeks = self._decodes or self._a_tone_may_open()
        return self._decodes

    def _a_tone_may_open(self) -> bool:
        """Return whether the squelch would be open with, or without, a tone or a code."""
        if not {"ctcss", "dcs"} & self._expression.terms:
            return False
        return any(
            self._expression.open({**self._values, "ctcss": tone, "dcs": code})
            for tone in (False, True)
            for code in (False, True)
        )

    def heard(
        self, symbol: str, now: Moment, span_ms: tuple[float, float] | None = None
    ) -> None:
        """Take a digit; see ``DtmfFramer.heard``."""
        message = self._framer.heard(symbol, now.s, span_ms)
        if message is not None:
            self._tell_digits(message, now)

    def signalled(self, heard: Heard, now: Moment) -> None:
        """Take signalling other than digits: who speaks, or a message; it is told at once."""
        identity = identity_of(heard)
        if heard.kind in {"ctcss", "dcs"} and identity is not None:
            self._below[heard.kind] = identity
        self._note(identity)
        # A tone alone, where the squelch needs more, is nobody's over.
        if heard.kind == "dtmf" or (heard.kind in {"ctcss", "dcs"} and not self._decodes):
            return
        if self._told.new(told_as(heard), now.s):
            packet = heard.detail if isinstance(heard.detail, MdcPacket) else None
            unit = sender_of(packet) if packet else None
            self._tell(
                SignalHeard(
                    at_us=now.us,
                    channel=self._channel,
                    over=self._name_of_over(),
                    kind=heard.kind,
                    set=heard.set,
                    value=heard.value,
                    mdc=(packet.op, packet.arg, unit) if packet and unit is not None else None,
                )
            )

    def missed(self) -> None:
        """Note that sound was not listened to for a moment: an over under way is cut."""
        self._cut = True

    def tick(self, now: Moment) -> None:
        """Begin or end the over, after this tick's digits."""
        self._framer.tick(now.s)
        flaps = self.flapping.step(now.s)
        is_open = self._squelch.is_open
        if is_open and self._over is None:
            if not (self.stuck or flaps) and self._pressed_long_enough(now.s):
                self._begin(now)
        elif self._over is not None and (flaps or not is_open):
            self._end(now, until_s=now.s if is_open else self._squelch.since_s)
        self._follow_stuck(now)
        if flaps or self.stuck:
            self._presses.forget()
        self._tell_presses(now)

    def close(self, now: Moment) -> None:
        """End an over that is going on: the line is lost, or the channel is given up."""
        self._presses.edge(False, now.s)
        self._raw = False
        self._squelch.line(False, now.s)
        self._squelch.deafen(now.s)
        if self._over is not None:
            self._end(now, until_s=now.s)
        self._presses.forget()
        self._below.clear()

    # --- inside ------------------------------------------------------------------------------

    def _deafen(self, now_s: float) -> None:
        self._deaf, self._deaf_until_s = True, now_s
        self._before.clear()
        self._squelch.deafen(now_s)
        self._presses.forget()

    def _undeafen(self, now_s: float) -> None:
        """Hear again: who is there already may have said who he is before."""
        self._deaf = False
        self._framer.over_started()
        self._begin_hearing(cut=True)
        if self._settings.duplex == "repeater":
            self._in_tail = True
            self._squelch.line(False, now_s)

    def _follow_repeater(self, now_s: float, frame: Int16Array | None) -> None:
        """Find out when what is open after our own transmission is somebody's over."""
        if not self._in_tail:
            return
        talks = self._talk.loud(frame)
        age_s = now_s - self._deaf_until_s
        hang_is_over = age_s >= self._settings.repeater_hang_ms / 1000.0
        if hang_is_over or (age_s > _REPEATER_DELAY_S and (talks or not self._raw)):
            self._in_tail = False
            # Not through _line: what was decoded in the tail is this over's beginning.
            self._squelch.line(self._raw, now_s)

    def _pressed_long_enough(self, now_s: float) -> bool:
        pressed_s = now_s - self._squelch.since_s
        return self._squelch.raw and 1000.0 * pressed_s >= self._settings.kerchunk_ms

    def _follow_stuck(self, now: Moment) -> None:
        if not self._squelch.is_open:
            self._open_since_s, self.stuck = float("inf"), False
            return
        self._open_since_s = min(self._open_since_s, self._squelch.since_s)
        if now.s - self._open_since_s >= self._settings.stuck_squelch_s and not self.stuck:
            if self._over is not None:
                self._end(now, until_s=now.s)
            self.stuck = True

    def _keep(self, frame: Int16Array) -> None:
        if self._over is not None:
            self._hold(frame)
        elif self.listening:
            self._before.append(frame)
        else:
            self._before.clear()

    def _hold(self, frame: Int16Array) -> None:
        """Keep a frame back until it is known not to be the over's tail.

        While the squelch is closed nobody knows yet whether the over goes on.
        """
        self._held.append(frame)
        while self._squelch.raw and len(self._held) > self._tail_frames:
            self._recorder.write(self._held.popleft())

    def _begin(self, now: Moment) -> None:
        # Both clocks are read at the tick; the line's edge was a little earlier.
        at = self._moment_of(self._squelch.since_s, now)
        name, self._name = self._name_of_over(), None
        recording = self._recorder.begin(name, self._day(at.us))
        self._over = _Over(name, at, recording if self._recorder.recording else None)
        for frame in self._before:
            self._hold(frame)
        self._before.clear()

    def _name_of_over(self) -> str:
        """Return our id of what is heard now, also before it is known to be an over."""
        if self._over is not None:
            return self._over.id
        if self.stuck:
            return self._new_name()
        self._name = self._name or self._new_name()
        return self._name

    @staticmethod
    def _moment_of(at_s: float, now: Moment) -> Moment:
        return Moment(at_s, now.us - round(1e6 * (now.s - at_s)))

    def _end(self, now: Moment, until_s: float) -> None:
        assert self._over is not None
        message = self._framer.over_ended()
        self._tell_digits(message, now)
        over, self._over = self._over, None
        self._held.clear()
        self._recorder.end()
        self._tell(
            OverHeard(
                at_us=over.at.us,
                channel=self._channel,
                over=over.id,
                keyed_ms=max(0, round(1000 * (until_s - over.at.s))),
                ani=message.ani,
                recording=over.recording,
                stray=message.stray + self._withheld,
                presses_ms=self._presses.so_far(),
                radio=self._speaker.radio,
                radios=self._speaker.radios,
            )
        )
        self._forget_speaker()

    def _tell_presses(self, now: Moment) -> None:
        """Tell of key-ups, once no other follows them: an answer, or too short to be overs."""
        began_s = self._presses.since_s
        group = self._presses.group_ended(now.s)
        # Who says who he is need not hurry: he may be a quarter of an hour on his way.
        meant = self._is_answer or self._presser.radio is not None
        if group is not None and meant and group.pattern is not None:
            self._tell_pattern(group, group.pattern, now)
        elif group is not None and group.new_ms:
            self._tell(
                OverHeard(
                    at_us=self._moment_of(began_s, now).us,
                    channel=self._channel,
                    over=self._name_of_over(),
                    keyed_ms=group.new_ms,
                    presses_ms=group.presses_ms,
                    radio=self._presser.radio,
                    radios=self._presser.radios,
                )
            )
        if not self._presses.under_way and not self.listening:
            self._name = None
            self._presser.begin()

    def _tell_pattern(self, group: Group, presses: Literal[2, 3], now: Moment) -> None:
        self._tell(
            KeyPattern(
                at_us=self._moment_of(group.begin_s, now).us,
                channel=self._channel,
                presses=presses,
                radio=self._presser.radio,
                over=self._name_of_over(),
            )
        )

    def _tell_digits(self, message: DtmfMessage, now: Moment) -> None:
        ani, own = message.ani, f"dtmf:{message.ani}" if message.ani else None
        self._note(own)
        # A squelch that is stuck open still lets an answer through.
        radio = own if self.stuck else self._speaker.radio
        if self._speaker.radios:
            ani = None  # two radios in one over: it is neither's answer
        for digits in message.frames:
            if self._cut and radio is None and self._needs_ani(digits):
                self._withheld += f"*{digits}#"
                continue
            self._tell(
                DigitsHeard(
                    at_us=now.us,
                    channel=self._channel,
                    over=self._name_of_over(),
                    digits=digits,
                    ani=ani,
                    radio=radio,
                )
            )

    def _needs_ani(self, digits: str) -> bool:
        """Return whether a frame says nothing without the radio's own id."""
        if self._settings.ani is None and not self._settings.signalling.names_radios:
            return False
        reply = parse_digits(digits)
        return reply is None or reply.guard_code is None
