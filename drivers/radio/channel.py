"""One channel: who may use it now, what is said on it, what is heard on it.

A channel does no input or output of its own: the radio process brings it each tick's sound, the
keyer's words and the engine's effects, and takes its frames and events away.

::

    idle -> lead (tx_delay) -> sound (attention, sentences) -> hang -> release -> idle
                                                                       + answer window
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from drivers.radio.answers import Answers
from drivers.radio.calls import Caller
from drivers.radio.channel_path import ChannelPath
from drivers.radio.chat_talk import ChatTalk
from drivers.radio.hearing import Heard, Presence, tables_of
from drivers.radio.identification import IdentityProgramme, StationIdentity
from drivers.radio.patched_over import PatchedOver
from drivers.radio.radiation import NOTHING_RADIATED, RadiationCheck
from drivers.radio.receiving import Moment, Receiver
from drivers.radio.recording import Recorder
from drivers.radio.samples import FRAME_MS, Int16Array
from drivers.radio.settings import RadioChannel
from drivers.radio.speech import Rendered
from drivers.radio.talker import Voice
from drivers.radio.transmission import (
    SILENCE,
    TIME_OUT,
    Line,
    PageProgramme,
    Programme,
    Speech,
    TonesProgramme,
    Transmitter,
)
from gateway.core.airtime import (
    GAP_S,
    NO_LICENCE,
    Air,
    Airtime,
    Decision,
    Drop,
    Hold,
    Start,
    urgency,
)
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import AnswerOver, PageChannel, TalkOnChannel
from gateway.core.events import PathChanged

_LOG: Final = logging.getLogger("gridcall.radio")

ChannelEvent = (
    PageWaited
    | PageStarted
    | PageSpoken
    | PageFailed
    | OverHeard
    | DigitsHeard
    | SignalHeard
    | KeyPattern
    | PathChanged
)

_CLOCK_STEP_US: Final = 1_000_000
_TONE_LATE_S: Final = 0.4


class Channel:
    """The state of one channel.

    Args:
        id: Channel id.
        settings: Its settings.
        line: Its keyer.
        speech: Renders sentences.
        recorders: Records what is heard, and what is said.
        tell: Takes its events.
        new_name: Returns a new id for an over or a recording.
        back_off_s: Draws a random wait of 0.1 to 0.5 s.
        day: Returns the date of a moment, ``YYYYMMDD``.
        now: When it came to be.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  # as the settings call it
        settings: RadioChannel,
        *,
        line: Line,
        speech: Speech,
        recorders: tuple[Recorder, Recorder],
        tell: Callable[[ChannelEvent], None],
        new_name: Callable[[], str],
        back_off_s: Callable[[], float],
        day: Callable[[int], str],
        now: Moment,
    ) -> None:
        self.id = id
        self.settings = settings
        self._speech = speech
        self._tell = tell
        self._new_name = new_name
        self._draw_back_off_s = back_off_s
        self._day = day
        self._airtime = Airtime(settings.busy_wait_s)
        self._programmes: dict[str, PageProgramme | ChatTalk] = {}
        self._patched: PatchedOver | None = None
        # Since when an order has been waiting for talk of ours to end.
        self._talk_yields_s: float | None = None
        self._recorder = recorders[1]
        self._recording_of: str | None = None
        self._receiver = Receiver(
            id, settings, recorders[0], new_name=new_name, tell=tell, day=day
        )
        self._caller = Caller(tables_of(settings), settings.signalling.mdc_unit)
        self._answers = Answers(id, self._caller, tones=settings.answer_tones)
        self._transmitter = Transmitter(
            line,
            tx_delay_ms=settings.tx_delay_ms,
            hang_ms=settings.hang_ms,
            time_out_s=settings.time_out_s,
        )
        self._path = ChannelPath(
            id, self._receiver, stuck_squelch_s=settings.stuck_squelch_s, tell=tell, now=now
        )
        self._identity = StationIdentity(id, settings.identification, speech)
        self._identifying: IdentityProgramme | None = None
        self._sounding = False
        monitor = settings.monitor
        self._check = RadiationCheck(monitor.within_ms) if monitor else None
        self._ahead_us = now.us - round(now.s * 1e6)
        self._unkeyed_s = float("-inf")
        self._back_off_s = back_off_s()
        self._was_open = False

    # --- what the engine asks ----------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nobody is speaking, neither we nor others."""
        return not self._transmitter.on_air() and not self._receiver.squelch_open

    @property
    def path(self) -> tuple[bool | None, str | None]:
        """Whether it works (None while that is not known), and why not."""
        return self._path.state

    @property
    def squelch(self) -> tuple[bool, dict[str, bool]]:
        """Whether somebody is heard, and what that is made of."""
        return self._receiver.squelch_open, self._receiver.terms

    @property
    def transmitting(self) -> str:
        """Where our own transmission stands: ``TxState`` by its value."""
        return self._transmitter.state.value

    def take_page(self, page: PageChannel, now: Moment, *, repeat_word: str | None) -> None:
        """Take a page in; its end is told as PageSpoken or PageFailed."""
        if self.settings.licence is None:
            self._tell(PageFailed(at_us=now.us, page=page.page, reason=NO_LICENCE))
            return
        calls, wrong = self._caller.sounds(page.calls)
        for why in wrong:
            # The order itself goes out: nobody is silent because a number is wrong.
            _LOG.error("channel %s: a selective call is left out: %s", self.id, why)
        self._offer(PageProgramme(page, self._speech, repeat_word, calls), now)

    def take_talk(self, talk: ChatTalk, now: Moment) -> None:
        """Take talk in, its sound ready; its end is told as PageSpoken or PageFailed."""
        if self.settings.licence is None:
            self._tell(PageFailed(at_us=now.us, page=talk.page.page, reason=NO_LICENCE))
            return
        self._offer(talk, now)

    def _offer(self, programme: PageProgramme | ChatTalk, now: Moment) -> None:
        page = programme.page
        self._follow_clock(now)
        self._programmes[page.page] = programme
        drop = self._airtime.offer(page, now.s)
        if drop is not None:
            self._carry_out(drop, now)
        self._prepare_head()

    def withdraw(self, page_id: str, reason: str, now: Moment) -> None:
        """Take a page out of the queue; of one being spoken the sentence is finished."""
        if self._airtime.withdraw(page_id) is not None:
            self._forget(page_id)
            self._tell_withdrawn(page_id, reason, now)
        elif page_id in self._programmes:
            self._programmes[page_id].withdrawn = reason

    def answer(self, answer: AnswerOver) -> None:
        """Have an over answered by tone or packet, once the channel is clear."""
        if self.settings.licence is not None:
            self._answers.add(answer)

    def take_over(self, over: PatchedOver) -> None:
        """Transmit what is said on another channel, once this one is clear for talk."""
        if self._patched is not None and not self._patched.done:
            over.break_off("busy")
        elif self.settings.licence is None:
            over.break_off("path")
        else:
            self._patched = over

    def voice(self, now: Moment, frame: Int16Array | None, late_frames: int) -> Voice:
        """Return what was heard in this tick, for the channels that it is patched to."""
        receiver = self._receiver
        return Voice(
            frame=frame,
            carrier=receiver.carrier,
            speaks=receiver.speaks,
            barred=self._airtime.window_open(now.s),
            late_frames=late_frames,
            tail_frames=self.settings.squelch_tail_ms // FRAME_MS,
        )

    def give_up(self, reason: str, now: Moment) -> list[PageChannel]:
        """Let go of the key, end what is going on, and return the pages that wait still.

        Talk that waits has failed: nobody waits long for that.
        """
        waiting = self._airtime.waiting
        self._transmitter.abort(reason, now.s)
        self._after_transmission(now)
        self._receiver.close(now)
        for talk in (w for w in waiting if isinstance(w, TalkOnChannel)):
            self._tell(PageFailed(at_us=now.us, page=talk.page, reason=reason))
        return [w for w in waiting if isinstance(w, PageChannel)]

    def rendered(self, result: Rendered) -> None:
        """Take a sentence in."""
        self._identity.rendered(result)
        page_id, _, number = result.key.rpartition("/")
        programme = self._programmes.get(page_id)
        if isinstance(programme, PageProgramme):
            programme.rendered(int(number), result.samples)

    # --- what the keyer says -----------------------------------------------------------------

    def keyer_said(self, word: str, detail: str, at_s: float, now: Moment) -> None:
        """Take one line of the keyer."""
        match word:
            case "ready":
                self._path.keyer_ready(now)
            case "keyed":
                self._transmitter.keyed()
            case "unkeyed":
                self._transmitter.unkeyed(detail, now.s)
                self._unkeyed_s = now.s
            case "lines":
                self._receiver.lines(detail, at_s)
            case "fault":
                self.lost("keyer", detail, now)
            case _:
                pass

    def lost(self, what: str, reason: str, now: Moment) -> None:
        """Note that the keyer or the sound has failed."""
        if what == "keyer":
            self._transmitter.abort(f"line lost: {reason}", now.s)
            self._receiver.close(now)
            self._receiver.lines_lost()
        elif what == "sound":
            self._transmitter.abort(f"sound lost: {reason}", now.s)
        self._path.lost(what, reason, now)

    def sound_opened(self, now: Moment) -> None:
        """Note that the sound device is there."""
        self._path.sound_opened(now)

    def missed(self) -> None:
        """Note that digits under way were lost: the decoder was replaced."""
        self._receiver.missed()

    def below_voice(self, presence: Presence, now: Moment) -> None:
        """Take the word that a tone or code below the voice has come or gone."""
        heard = presence.heard
        # It is known some 200 ms late; the over began when it did.
        late_s = min(heard.duration_ms / 1000.0, _TONE_LATE_S) if heard else 0.0
        self._receiver.presence(presence.kind, heard is not None, now.s - late_s)
        if heard is not None:
            self._receiver.signalled(heard, now)

    @property
    def seeks(self) -> bool:
        """Whether tones and codes below the voice are to be looked for."""
        return self._receiver.seeks

    # --- each tick ---------------------------------------------------------------------------

    def follow(self, now: Moment, frame: Int16Array | None) -> bool:
        """Take this tick's sound; return whether digits should be looked for in it."""
        self._path.follow(now, frame)
        deaf = self._transmitter.on_air() and self.settings.duplex != "full"
        return self._receiver.follow(now.s, frame, deaf=deaf)

    def monitored(self, frame: Int16Array | None) -> None:
        """Take this tick's sound of the receiver that has to hear what we transmit."""
        if self._check is None or not self._transmitter.on_air():
            return
        match self._check.heard(frame):
            case "heard":
                self._path.radiates("")
            case "silent":
                self._path.radiates(NOTHING_RADIATED)
                page = self._airtime.current
                if page is not None:
                    self._programmes[page.page].unheard = True
            case "open":
                pass

    def heard(
        self, symbol: str, now: Moment, span_ms: tuple[float, float] | None = None
    ) -> None:
        """Take a digit; see ``DtmfFramer.heard``."""
        self._receiver.heard(symbol, now, span_ms)

    def signalled(self, heard: Heard, now: Moment) -> None:
        """Take a call or a packet."""
        self._receiver.signalled(heard, now)

    def tick(self, now: Moment, *, may_key: bool) -> Int16Array:
        """Move everything on by one tick, and return the frame to play."""
        self._receiver.awaits_answers = self._airtime.window_open(now.s)
        self._receiver.tick(now)
        self._path.tell(now)
        self._follow_squelch()
        self._decide(now, may_key=may_key)
        if not self._transmitter.on_air():
            return SILENCE
        frame = self._transmitter.next_frame(now.s, stop=self._must_stop(may_key=may_key))
        if frame is not None:
            self._recorder.write(frame)
            if self._check is not None:
                self._check.sent(frame)
        if not self._transmitter.on_air():
            self._after_transmission(now)
        return SILENCE if frame is None else frame

    def hurry(self, now: Moment, *, may_key: bool) -> None:
        """Decide at once, between two ticks: something to transmit has come."""
        self._decide(now, may_key=may_key)

    def played(self) -> None:
        """Note that the tick's frame really left."""
        self._transmitter.played()

    # --- inside ------------------------------------------------------------------------------

    def _follow_squelch(self) -> None:
        is_open = self._receiver.squelch_open
        if self._was_open and not is_open:
            self._back_off_s = self._draw_back_off_s()
        self._was_open = is_open

    def _busy(self) -> bool:
        """Return whether somebody is heard; of a squelch that flaps the settings say it."""
        if self._receiver.flapping.active:
            return self.settings.flapping_squelch == "wait"
        # Not debounced: nobody who has keyed just now is talked over.
        return self._receiver.listening

    def _air(self, now: Moment, *, may_key: bool) -> Air:
        flaps = self._receiver.flapping.active
        heard_s = float("-inf") if flaps else self._receiver.clear_since_s
        return Air(
            now_s=now.s,
            now_us=now.us,
            may_key=may_key,
            path_up=self._path.can_transmit(now),
            squelch_open=self._busy(),
            clear_since_s=max(heard_s, self._unkeyed_s),
            back_off_s=self._back_off_s,
        )

    def _follow_clock(self, now: Moment) -> None:
        """Notice that somebody moved the wall clock; NTP's gentle leading is no such thing."""
        ahead_us = now.us - round(now.s * 1e6)
        moved_us, self._ahead_us = ahead_us - self._ahead_us, ahead_us
        if abs(moved_us) > _CLOCK_STEP_US:
            self._airtime.clock_moved(moved_us)

    def _decide(self, now: Moment, *, may_key: bool) -> None:
        self._follow_clock(now)
        if self._sounding and not self._transmitter.on_air():
            # The keyer's word ended the transmission between two ticks.
            self._after_transmission(now)
        if may_key and self._begin_answer(now):
            return
        if self._transmitter.on_air() and self._airtime.current is None:
            self._make_talk_yield(now, may_key=may_key)
            return  # an answer tone ends by itself in half a second
        self._begin_talk(now, may_key=may_key)
        if not self._airtime.any_waits and not self._identity.wanted:
            return
        air = self._air(now, may_key=may_key)
        for decision in self._airtime.next(air):
            self._carry_out(decision, now)
        if not self._transmitter.on_air():
            self._identify(air)

    def _carry_out(self, decision: Decision, now: Moment) -> None:
        page_id = decision.page.page
        match decision:
            case Start():
                self._start(self._programmes[page_id], now)
            case Drop():
                self._forget(page_id)
                self._tell_drop(decision, now)
            case Hold(reason=reason):
                # One that was broken off waits again: its next start is news.
                self._programmes[page_id].told_started = False
                self._tell(PageWaited(at_us=now.us, page=page_id, reason=reason))

    def _identify(self, air: Air) -> None:
        """Say who the station is, when that is due and nothing else is to be said."""
        if not air.may_key or not air.path_up or air.squelch_open or self._airtime.any_waits:
            return
        if self._airtime.window_open(air.now_s):
            return
        if air.now_s - air.clear_since_s < GAP_S + air.back_off_s:
            return
        samples = self._identity.due(air.now_s)
        if samples is not None:
            self._identifying = IdentityProgramme(samples)
            self._begin(self._identifying, air.now_s)

    def _begin(self, programme: Programme, now_s: float) -> None:
        self._sounding = True
        self._transmitter.begin(programme, now_s)

    def _begin_answer(self, now: Moment) -> bool:
        """Begin the oldest answer still in time when the channel is clear."""
        self._answers.drop_late(now.us)
        clear = not self._busy() and self._path.can_transmit(now)
        if not self._answers or not clear or self._transmitter.on_air():
            return False
        self._begin(TonesProgramme(self._answers.take()), now.s)
        return True

    def _begin_talk(self, now: Moment, *, may_key: bool) -> None:
        """Begin what is said on another channel: at once, unless an order is to go first.

        Without the engine no order can go first, and talk goes on.
        """
        over = self._patched
        if over is None or self._transmitter.on_air():
            return
        if over.done:
            self._patched = None
        elif not (
            (may_key and self._order_waits is not None)
            or self._airtime.window_open(now.s)
            or self._busy()
            or not self._path.can_transmit(now)
        ):
            self._talk_yields_s = None
            self._begin(over, now.s)

    @property
    def _order_waits(self) -> PageChannel | None:
        """The first order that waits for this channel."""
        first = next(iter(self._airtime.waiting), None) if self._airtime.any_waits else None
        return first if isinstance(first, PageChannel) else None

    def _make_talk_yield(self, now: Moment, *, may_key: bool) -> None:
        """Tell that an order waits for talk; end talk when level 1 has waited enough."""
        over, order = self._patched, self._order_waits
        if over is None or over.done or not over.begun or order is None or not may_key:
            self._talk_yields_s = None
            return
        if self._talk_yields_s is None:
            self._talk_yields_s = now.s
            self._tell(PageWaited(at_us=now.us, page=order.page, reason="talk"))
        limit_s = self.settings.busy_wait_s[0]
        if urgency(order) == 1 and now.s - self._talk_yields_s >= limit_s:
            over.break_off("order")

    def _end_talk(self) -> None:
        """Note that the transmission in which talk went out has ended."""
        over = self._patched
        if over is None or not over.begun:
            return
        if not over.done:
            failure = self._transmitter.failure or ""
            over.break_off("time_out" if failure == TIME_OUT else "path")
        self._patched = None

    def _start(self, programme: PageProgramme | ChatTalk, now: Moment) -> None:
        page_id = programme.page.page
        if self._recording_of != page_id or not self._recorder.recording:
            self._recording_of = page_id
            name = f"{page_id}_{self._new_name()}"
            path = self._recorder.begin(name, self._day(now.us))
            programme.recording = path if self._recorder.recording else programme.recording
        self._begin(programme, now.s)
        if not programme.told_started:
            programme.told_started = True
            self._tell(PageStarted(at_us=now.us, page=page_id))

    def _must_stop(self, *, may_key: bool) -> bool:
        """Return whether the page being spoken should end after its sentence."""
        page = self._airtime.current
        if page is None:
            if self._patched is not None and self._patched.begun:
                return (may_key and self._order_waits is not None) or bool(self._answers)
            return not may_key or self._airtime.any_waits or bool(self._answers)
        overtaken = self._airtime.breaks_off(page)
        return not may_key or overtaken or self._programmes[page.page].withdrawn is not None

    def _after_transmission(self, now: Moment) -> None:
        """Say what became of the page whose transmission has ended."""
        if not self._sounding:
            return
        self._sounding, self._unkeyed_s = False, now.s
        if self._check is not None:
            self._check.begin()
        identified, self._identifying = self._identifying, None
        if identified is None:
            self._identity.used(now.s)
        elif identified.finished:
            self._identity.said(now.s, in_use=not self._identity.use_ended(now.s))
        page = self._airtime.current
        if page is None:
            self._end_talk()
            return
        programme = self._programmes[page.page]
        failure = self._transmitter.failure
        if failure is None and not programme.finished and programme.withdrawn is None:
            if isinstance(programme, PageProgramme) and programme.stopped:
                programme.restart()
            self._airtime.put_back(now.s)
            return
        self._forget(page.page)
        if failure is not None:
            self._airtime.stopped()
            self._tell(PageFailed(at_us=now.us, page=page.page, reason=failure))
        elif programme.finished and programme.unheard:
            self._airtime.stopped()
            self._tell(PageFailed(at_us=now.us, page=page.page, reason=NOTHING_RADIATED))
        elif programme.finished:
            self._airtime.spoken(now.s)
            self._tell_spoken(programme, now)
        else:
            self._airtime.stopped()
            self._tell_withdrawn(page.page, programme.withdrawn or "", now)
        self._prepare_head()

    def _forget(self, page_id: str) -> None:
        self._programmes.pop(page_id, None)
        if self._recording_of == page_id:
            self._recording_of = None
            self._recorder.end()

    def _prepare_head(self) -> None:
        """Have the next page rendered while it waits; the others wait for that too."""
        waiting = self._airtime.waiting
        first = self._programmes[waiting[0].page] if waiting else None
        if isinstance(first, PageProgramme):
            first.prepare()

    def _tell_spoken(self, programme: PageProgramme | ChatTalk, now: Moment) -> None:
        self._tell(
            PageSpoken(
                at_us=now.us,
                page=programme.page.page,
                recording=programme.recording,
                speech=programme.spoken_as,
            )
        )

    def _tell_drop(self, drop: Drop, now: Moment) -> None:
        self._tell(
            PageFailed(
                at_us=now.us, page=drop.page.page, reason=drop.reason, state=drop.state
            )
        )

    def _tell_withdrawn(self, page_id: str, reason: str, now: Moment) -> None:
        self._tell(PageFailed(at_us=now.us, page=page_id, reason=reason, state="withdrawn"))
