"""The radio process's loop: every 20 ms each channel's sound in, decisions, sound out.

A plain selector loop, because it has to be on time: an asyncio loop full of other work is tens
of milliseconds late. Keyers, engine, speech and settings are served between two ticks.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import secrets
import selectors
import stat
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from drivers.radio.channel import Channel, ChannelEvent
from drivers.radio.chat_talk import ChatTalk, TalkDesk
from drivers.radio.dispatcher_overs import DispatcherOvers
from drivers.radio.engine_door import EngineDoor
from drivers.radio.heard import span_of
from drivers.radio.keyer_process import KeyerProcess
from drivers.radio.line_up import LineUp
from drivers.radio.pages import Pages
from drivers.radio.patch import PatchBay
from drivers.radio.patched_over import Cut
from drivers.radio.protocol import Configure, Do, Figures, Taken
from drivers.radio.receiving import Moment
from drivers.radio.recording import (
    RecordingFinished,
    RecordingResult,
    RecordingStore,
    safe_name,
    salvage,
)
from drivers.radio.refused import RefusedWatch
from drivers.radio.resolved_channels import load_channels
from drivers.radio.samples import FRAME_MS, FRAME_SAMPLES
from drivers.radio.settings import RadioChannel
from drivers.radio.speech import Rendered, SpeechConfig, SpeechWorker, load_manner
from drivers.radio.talk_rules import DISPATCHER, load_rules
from drivers.radio.tally import ChannelTally, talk_figures
from drivers.radio.technician_door import WATCH_SOCKET, WatchDoor
from drivers.radio.timing import Lateness
from drivers.radio.voice_notes import VoiceNotes
from gateway.core.airtime import REPEAT_WORDS
from gateway.core.answers.events import OverHeard
from gateway.core.calls.events import PageFailed, PageSpoken
from gateway.core.effects import (
    AnswerOver,
    PageChannel,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.talk.events import RecordingKept, TalkCut
from gateway.interfaces import SetupError

_LOG: Final = logging.getLogger("gridcall.radio")

_TICK_S: Final = FRAME_MS / 1000.0
# After a stop of the whole machine the missed ticks are not made up for.
_RESYNC_S: Final = 0.5
_RESULTS_EVERY_TICKS: Final = 10
_SPEECH_EVERY_TICKS: Final = 5
_ALIVE_EVERY_TICKS: Final = 50
_FIGURES_EVERY_TICKS: Final = 500


def read_clocks() -> Moment:
    """Return both clocks: the only place in the radio process where time is read."""
    return Moment(time.monotonic(), time.time_ns() // 1000)


def day_of(at_us: int) -> str:
    """Return the UTC date of a moment, ``YYYYMMDD``."""
    return time.strftime("%Y%m%d", time.gmtime(at_us / 1e6))


class RadioProcess:
    """Everything of a site that has to be on time.

    Args:
        settings_path: Resolved settings.
        socket_path: Where the engine comes in.

    Raises:
        SetupError: settings or socket cannot be had.
    """

    def __init__(self, settings_path: Path, socket_path: Path) -> None:
        channels, state = load_channels(settings_path)
        self._boot = secrets.token_hex(6)
        self._names = 0
        self._chance = random.SystemRandom()
        self._selector = selectors.DefaultSelector()
        self._pages = Pages()
        self._ticks = 0
        self._late = Lateness(long_ms=FRAME_MS)
        self._keying = Lateness()
        self._line_up = LineUp(
            channels,
            selector=self._selector,
            clock=read_clocks,
            keying=self._keying,
            make_channel=self._make_channel,
            tell=self._tell,
        )
        self._units = self._line_up.units
        self._cpu_s = time.process_time()
        self._tallies: dict[str, ChannelTally] = defaultdict(ChannelTally)
        self._bay = PatchBay(tell_cut=self._tell_cut, overs_of=self._dispatcher_overs)
        self._stopping = False
        self._speech = SpeechWorker(SpeechConfig(load_manner(settings_path)))
        self._selector.register(self._speech.fileno(), selectors.EVENT_READ, self._serve_speech)
        self._door = EngineDoor(
            socket_path,
            self._boot,
            self._selector,
            paths=self._paths,
            on_message=self._on_message,
            clock=lambda: read_clocks().s,
        )
        self._watch = WatchDoor(socket_path.with_name(WATCH_SOCKET), self._selector)
        self._refused = RefusedWatch(self._door.tell)
        self._dispatched: dict[str, str] = {}
        self._recordings = self._open_recordings(state / "recordings")
        self._bay.configure(*load_rules(settings_path))
        self._voice_notes = VoiceNotes(state / "media")
        self._talk = TalkDesk(
            self._speech,
            self._voice_notes,
            ready=self._talk_ready,
            failed=self._tell,
            now_us=lambda: read_clocks().us,
        )
        self._line_up.adopt(read_clocks())

    def _open_recordings(self, root: Path) -> RecordingStore:
        left = salvage(root)
        store = RecordingStore(root)
        for result in left:
            self._tell_recording(result, store)
        return store

    # --- the loop ----------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until stopped; every transmitter is unkeyed on return."""
        self._watch_parent()
        due_s = read_clocks().s + _TICK_S
        while not self._stopping:
            wait_s = due_s - read_clocks().s
            if wait_s > 0:
                for key, _ in self._selector.select(wait_s):
                    key.data()
                continue
            if wait_s < -_RESYNC_S:
                due_s = read_clocks().s
            self._tick(due_s)
            due_s += _TICK_S
        self._close()

    def stop(self, *_: object) -> None:
        """Leave the loop at its next turn."""
        self._stopping = True

    def _tick(self, due_s: float) -> None:
        now = read_clocks()
        self._ticks += 1
        for unit in self._units.values():
            unit.watch_keyer(now)
        # Sound leaves first: it must be on time, and what is heard now may be looked at after.
        may_key = self._door.engine_alive(now.s)
        for unit in self._line_up.rows:
            unit.play(now, may_key=may_key)
            self._tallies[unit.id].tick(on_air=unit.channel.transmitting != "idle")
            self._late.add(1000.0 * (time.monotonic() - due_s))
        self._listen(now)
        self._patch(now)
        self._show(now)
        if self._ticks % _SPEECH_EVERY_TICKS == 0:
            # What it says wakes the selector; here its hanging or dying is noticed.
            self._serve_speech()
        if self._ticks % _FIGURES_EVERY_TICKS == 0:
            self._tell_figures()
        if self._ticks % _ALIVE_EVERY_TICKS == 0:
            self._tell_alive()
            self._tell_refused(now)
        if self._ticks % _RESULTS_EVERY_TICKS == 0:
            for result in self._recordings.results():
                self._tell_recording(result, self._recordings)
            for note in self._voice_notes.results():
                self._rendered(note)
        self._line_up.adopt(now)
        if self._ticks % _ALIVE_EVERY_TICKS == 0:
            # Here and not in the middle of a tick; what was there at the start is frozen.
            gc.collect()

    def _listen(self, now: Moment) -> None:
        units = self._line_up.rows
        listening, below = np.zeros((2, len(units)), np.bool_)
        missing = np.zeros(len(units), np.int64)
        frames = np.zeros((len(units), FRAME_SAMPLES), np.int16)
        for row, unit in enumerate(units):
            listening[row] = unit.receive(now)
            below[row], missing[row] = unit.channel.seeks, unit.missing
            if unit.frame is not None:
                frames[row] = unit.frame
        for heard in self._line_up.hearing.step(frames, listening, below, missing):
            channel = units[heard.channel].channel
            if heard.kind == "dtmf":
                channel.heard(heard.value, now, span_of(heard))
            elif heard.kind in {"selcall", "mdc1200"}:
                channel.signalled(heard, now)
        for presence in self._line_up.hearing.changed():
            units[presence.channel].channel.below_voice(presence, now)
        for unit, monitor in self._line_up.monitors:
            unit.channel.monitored(monitor.frame)

    def _show(self, now: Moment) -> None:
        """Show channels to technicians who watch them."""
        wanted = self._watch.wanted()
        if not wanted:
            return
        self._watch.refuse_others(self._units)
        for name in wanted & self._units.keys():
            self._watch.show(name, self._units[name].sight(now))

    def _patch(self, now: Moment) -> None:
        """Bring what is said on a channel to those that it is patched to."""
        voices = {c: self._units[c].voice(now) for c in self._bay.members & self._units.keys()}
        self._bay.step(now, voices, {c: self._units[c].channel for c in voices})

    def _tell_cut(self, group: str, source: str, channel: str, why: Cut) -> None:
        _LOG.info("talk group %s: %s on %s was cut: %s", group, source, channel, why)
        self._door.tell(
            TalkCut(
                at_us=read_clocks().us, group=group, member=source, channel=channel, reason=why
            )
        )

    def _dispatcher_overs(self, group: str) -> DispatcherOvers:
        """Return where the dispatcher of a talk group is recorded."""
        folder = f"{DISPATCHER}-{group}"
        self._dispatched[safe_name(folder)] = f"{DISPATCHER}:{group}"
        return DispatcherOvers(
            group,
            self._recordings.recorder(folder),
            new_name=self._new_name,
            tell=self._door.tell,
            day=day_of,
        )

    def _tell_refused(self, now: Moment) -> None:
        """Tell what came to our ports and was not taken."""
        for name, unit in self._units.items():
            self._refused.note(f"channel:{name}", unit.refused())
        for group, refused in self._bay.refused():
            self._refused.note(f"{DISPATCHER}:{group}", refused)
        self._refused.step(now)

    def _tell_figures(self) -> None:
        """Tell how late frames and keyings were since the last time, and what passed."""
        late_frames = self._late.long
        frames, late_p99_ms, late_max_ms = self._late.take()
        keyings, key_p99_ms, key_max_ms = self._keying.take()
        cpu_s = time.process_time()
        spent_ms, self._cpu_s = 1000.0 * (cpu_s - self._cpu_s), cpu_s
        self._door.send(
            Figures(
                len(self._units), frames, late_p99_ms, late_max_ms,
                keyings, key_p99_ms, key_max_ms, round(spent_ms / _FIGURES_EVERY_TICKS, 3),
                late_frames, self._speech.restarts,
                {name: self._tallies[name].figures(u.link) for name, u in self._units.items()},
                {name: talk_figures(counts) for name, counts in self._bay.counts.items()},
            )
        )  # fmt: skip

    def _watch_parent(self) -> None:
        # A file or /dev/null cannot be watched, and never ends while somebody cares.
        with contextlib.suppress(OSError):
            self._selector.register(0, selectors.EVENT_READ, self._serve_parent)

    def _serve_parent(self) -> None:
        if not os.read(0, 4096):
            _LOG.warning("whoever started the radio process is gone; leaving")
            self.stop()

    def _tell_alive(self) -> None:
        """Tell the supervisor, where our standard input is a socket to one, that we turn.

        Never waits: a supervisor that is itself stopped must not stop the sound.
        """
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(0).st_mode):
                os.set_blocking(0, False)
                os.write(0, b".")

    def _serve_speech(self) -> None:
        for result in self._speech.read():
            self._rendered(result)
            for unit in self._units.values():
                unit.channel.rendered(result)

    def _rendered(self, result: Rendered) -> None:
        if result.samples is None:
            _LOG.warning("a sentence was not rendered: %s", result.why)
        self._talk.rendered(result)

    # --- the engine --------------------------------------------------------------------------

    def _paths(self) -> dict[str, str | None]:
        states = {name: unit.channel.path for name, unit in self._units.items()}
        return {
            name: None if is_up else reason or "out of order"
            for name, (is_up, reason) in states.items()
            if is_up is not None
        }

    def _on_message(self, message: Do | Configure) -> None:
        if isinstance(message, Configure):
            self._configure(Path(message.path))
            return
        now = read_clocks()
        match message.effect:
            case PageChannel() as page:
                self._take_page(page, message, now)
            case TalkOnChannel() as talk:
                self._take_talk(talk, message, now)
            case SetTalkGroup(group=group, on=on, until_us=until_us):
                self._bay.switch(group, on=on, until_us=until_us)
                self._door.send(Taken(message.id))
            case WithdrawPage(page=page_id, reason=reason):
                self._talk.withdraw(page_id, reason)
                unit = self._units.get(self._pages.channel(page_id) or "")
                if unit is not None:
                    unit.channel.withdraw(page_id, reason, now)
                self._door.send(Taken(message.id))
            case AnswerOver() as answer:
                if answer.channel in self._units:
                    self._units[answer.channel].channel.answer(answer)
                    self._hurry(answer.channel, now)
                self._door.send(Taken(message.id))

    def _is_new(self, page: PageChannel | TalkOnChannel, message: Do, now: Moment) -> bool:
        """Return whether something is to be put on a channel that is there, for once."""
        if not self._pages.came(page.page, page.channel, message.id):
            end = self._pages.end(page.page)
            if end is not None:
                self._tell(end)
            return False
        if page.channel not in self._units:
            reason = f"there is no radio channel {page.channel!r}"
            self._tell(PageFailed(at_us=now.us, page=page.page, reason=reason))
            return False
        return True

    def _take_talk(self, talk: TalkOnChannel, message: Do, now: Moment) -> None:
        if not self._is_new(talk, message, now):
            return
        if message.again:
            # Another radio process had it, and nobody waits for a second hearing.
            reason = "the radio process has started anew"
            self._tell(PageFailed(at_us=now.us, page=talk.page, reason=reason))
        else:
            self._talk.take(talk)

    def _talk_ready(self, talk: ChatTalk) -> None:
        now, page = read_clocks(), talk.page
        if page.channel in self._units:
            self._units[page.channel].channel.take_talk(talk, now)
            return
        reason = "the channel was taken out of the settings"
        self._tell(PageFailed(at_us=now.us, page=page.page, reason=reason))

    def _take_page(self, page: PageChannel, message: Do, now: Moment) -> None:
        if not self._is_new(page, message, now):
            return
        word = REPEAT_WORDS.get(page.language) if message.again else None
        self._line_up.take_page(page, now, repeat_word=word)
        self._hurry(page.channel, now)

    def _hurry(self, channel: str, now: Moment) -> None:
        """Key now, not with the next tick."""
        unit = self._units[channel]
        unit.channel.hurry(now, may_key=self._door.engine_alive(now.s))

    def _tell(self, event: ChannelEvent) -> None:
        settles: tuple[int, ...] = ()
        if isinstance(event, OverHeard):
            self._tallies[event.channel].over(event.keyed_ms)
        if isinstance(event, PageSpoken | PageFailed):
            self._pages.ended(event)
            settles = self._pages.settles(event.page)
            self._line_up.page_ended(event.page)
        self._door.tell(event, settles)

    def _tell_recording(self, result: RecordingResult, store: RecordingStore) -> None:
        if not isinstance(result, RecordingFinished):
            _LOG.error("recording of %s failed: %s", result.what, result.why)
            return
        # A page's recording is named <page>_<our name>, an over's is our name alone.
        what = result.what.rpartition("_")[0] or result.what
        folder = result.path.split("/")[1]
        channels = (name for name in self._units if safe_name(name) == folder)
        channel = next(channels, self._dispatched.get(folder, folder))
        self._door.tell(
            RecordingKept(
                at_us=read_clocks().us,
                channel=channel,
                what=what,
                path=result.path,
                sha256=result.sha256,
                duration_ms=result.duration_ms,
            ),
            once_taken=partial(store.committed, result),
        )

    # --- settings ----------------------------------------------------------------------------

    def _configure(self, path: Path) -> None:
        """Take new settings; each changed channel is swapped when it is idle."""
        try:
            manner, groups = load_manner(path), load_rules(path)
            channels, _ = load_channels(path)
        except SetupError as error:
            _LOG.error("the settings stay as they are: %s", error)
        else:
            self._line_up.want(channels)
            self._speech.speak_as(manner)
            self._bay.configure(*groups)

    def _make_channel(self, name: str, settings: RadioChannel, line: KeyerProcess) -> Channel:
        return Channel(
            name,
            settings,
            line=line,
            speech=self._speech,
            recorders=(self._recordings.recorder(name), self._recordings.recorder(name)),
            tell=self._tell,
            new_name=self._new_name,
            back_off_s=lambda: self._chance.uniform(0.1, 0.5),
            day=day_of,
            now=read_clocks(),
        )

    def _new_name(self) -> str:
        self._names += 1
        return f"{self._boot}-{self._names}"

    # --- the end -----------------------------------------------------------------------------

    def _close(self) -> None:
        """Unkey everything first; then let go of the rest."""
        self._line_up.close()
        self._bay.close()
        self._door.close()
        self._watch.close()
        self._speech.close()
        self._voice_notes.close()
        self._recordings.close()
