"""`gridcall channel accept`: goes through the checks of a channel and writes the protocol.

What a receiver can witness (a second radio on the frequency, or the channel's own loop-back) is
measured; the rest is asked of the technician. A check nobody could witness is "not tested", and
a channel with one of the vital ones untested is not accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from drivers.radio.decode import sound_of
from drivers.radio.heard import Heard, MdcPacket, SelcallFit
from drivers.radio.samples import silence
from drivers.radio.settings import RadioChannel
from drivers.radio.technician_bench import Bench, BenchRadio
from drivers.radio.technician_cable import WATCH_S, cut_cable
from drivers.radio.technician_calibrate import (
    TARGET_DBFS,
    TOLERANCE_DB,
    ground_note,
    level_is_good,
    level_note,
)
from drivers.radio.technician_measures import (
    TEST_HZ,
    ToneReport,
    measure_tone,
    seconds_to_silence,
    signals_in,
    signals_sent,
)
from drivers.radio.technician_sound import hears_tone, tone

__all__ = ["Acceptance", "Check", "Verdict", "accepted"]

Verdict = Literal["pass", "fail", "not tested"]

_SILENT_S: Final = 0.5
# The sound's own way to the ear, both jitter buffers: it is heard so much after it has ended.
_WAY_S: Final = 0.25
_SHORT_TIME_OUT_S: Final = 2
_TIME_OUT_TOLERANCE_S: Final = 0.5
_SOUND_S: Final = 2.0
_LOST_MAX: Final = 0.02
_SQUELCH_MAX_MS: Final = 500.0
_WATCH_S: Final = 1.0
_OVER_WAIT_S: Final = 30.0
_UNIT: Final = "1234"
_DIGITS: Final = "*10034#"
# Another number for each table: a call read in the wrong one does not count.
_CALLS: Final = {
    "zvei1": "12345", "zvei2": "23456", "ccir": "34567", "eea": "45678", "eia": "56789",
}  # fmt: skip
_KINDS: Final = {"DTMF": "dtmf", "MDC1200": "mdc1200", "CTCSS": "ctcss", "DCS": "dcs"}
_PAUSE_MS: Final = 400.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the protocol.

    Attributes:
        what: What was checked, in both languages.
        verdict: How it came out.
        detail: What was found.
        vital: Whether a channel may not be accepted without it.
    """

    what: str
    verdict: Verdict
    detail: str
    vital: bool = False


def accepted(checks: list[Check]) -> bool:
    """Return whether nothing failed, and nothing vital is untested."""
    return all(
        c.verdict == "pass" or (c.verdict == "not tested" and not c.vital) for c in checks
    )


# What noise or a lost packet spoils is sent again, as a guard would; the protocol says so.
_SENDINGS: Final = 3


class Acceptance:
    """The checks of one channel, in the order in which they are made.

    Args:
        bench: Serves the channel and its partner; the partner is ready, the channel may not be.
        radio: The channel.
        ear: What can hear it transmit; None where nothing can.
        partner: A second radio that may transmit to it, or None.
        ask: Asks the technician; None when he does not say.
        tell: Tells him what to do.
        whole_time_out: Wait for the channel's own time-out, not for a short one.
    """

    def __init__(
        self,
        bench: Bench,
        radio: BenchRadio,
        *,
        ear: BenchRadio | None,
        partner: BenchRadio | None,
        ask: Callable[[str], bool | None],
        tell: Callable[[str], None],
        whole_time_out: bool = False,
    ) -> None:
        self._bench = bench
        self._radio = radio
        self._ear = ear
        self._partner = partner
        self._ask = ask
        self._tell = tell
        self._whole_time_out = whole_time_out

    def checks(self) -> Iterator[Check]:
        """Make the checks one by one.

        Raises:
            LinkError: A port does not open.
        """
        yield self._opens()
        yield self._sound_comes()
        yield from self._transmits()
        yield self._falls_with_its_keyer()
        yield self._times_out()
        yield from self._receives()
        yield from self._asked()

    # --- transmitting ------------------------------------------------------------------------

    def _opens(self) -> Check:
        """Open the port while somebody listens: no carrier may come of it."""
        what = "the port opens with the transmitter unkeyed · 打开串口时不发射"
        ear = self._other_ear()
        before = len(ear.edges) if ear else 0
        if self._radio not in self._bench.radios:
            self._bench.add(self._radio)
        self._bench.ready()
        self._bench.run(_WATCH_S)
        if ear is not None:
            opened = any(is_open for _, is_open in ear.edges[before:])
            how = f"{ear.name} heard a carrier" if opened else f"{ear.name} heard no carrier"
            return Check(what, "fail" if opened else "pass", how, vital=True)
        dark = self._ask(
            "did the radio's transmit lamp stay dark while the port was opened? "
            "· 打开串口时,发射灯一直没亮?"
        )
        return self._answered(what, dark, "the transmit lamp", vital=True)

    def _other_ear(self) -> BenchRadio | None:
        return self._ear if self._ear is not self._radio else None

    def _sound_comes(self) -> Check:
        what = "sound comes from the radio · 有音频送来"
        before = self._radio.link
        with self._bench.recording(self._radio) as frames:
            self._bench.run(_SOUND_S)
        after = self._radio.link
        came, lost = after.received - before.received, after.lost - before.lost
        if not frames or (came == 0 and self._radio.settings.audio.url.startswith("rtp")):
            return Check(
                what, "fail", f"no sound in {_SOUND_S:g} s; look at audio.url", vital=True
            )
        share = lost / max(1, came + lost)
        detail = f"{100 * share:.1f} % of the frames lost; ground {ground_note(frames)}"
        return Check(what, "pass" if share <= _LOST_MAX else "fail", detail, vital=True)

    def _transmits(self) -> Iterator[Check]:
        moves = "PTT moves on command · 发射键按指令动作"
        radiated = "a tone is radiated and heard · 测试音发得出、听得到"
        if self._ear is None:
            yield from self._transmits_unheard(moves, radiated)
            return
        report = measure_tone(self._bench, self._radio, self._ear)
        yield self._moved(moves, report)
        if report.level_dbfs is None or report.heard_ms < 800.0:
            detail = f"{self._ear.name} heard {report.heard_ms:.0f} of 1000 ms"
            yield Check(radiated, "fail", detail, vital=True)
        else:
            detail = (
                f"{self._ear.name} heard {report.heard_ms:.0f} of 1000 ms "
                f"at {report.level_dbfs:.1f} dBFS"
            )
            yield Check(radiated, "pass", detail, vital=True)

    def _transmits_unheard(self, moves: str, radiated: str) -> Iterator[Check]:
        begun_s = self._bench.now_s
        self._radio.send(tone(TEST_HZ, 3000.0), begun_s)
        failure = self._bench.sent(self._radio, 10.0)
        word = self._radio.said("keyed", since_s=begun_s)
        good = failure is None and word is not None
        said = failure or "the keyer says so"
        yield Check(moves, "pass" if good else "fail", said, vital=True)
        heard = self._ask(
            "did a second radio hear the tone of 3 s clearly? · 另一台电台听清了 3 秒测试音?"
        )
        yield self._answered(radiated, heard, "a second radio", vital=True)

    @staticmethod
    def _moved(what: str, report: ToneReport) -> Check:
        if report.failure is not None or report.keyed_ms is None:
            why = report.failure or "the keyer did not key"
            return Check(what, "fail", why, vital=True)
        detail = f"keyed {report.keyed_ms:.0f} ms after the wish, unkeyed in order"
        return Check(what, "pass", detail, vital=True)

    def _falls_with_its_keyer(self) -> Check:
        what = "PTT falls within 0.5 s when the keyer is killed · 键控进程被杀,0.5 秒内停发"
        if self._ear is None:
            self._radio.send(tone(TEST_HZ, 4000.0), self._bench.now_s)
            self._bench.run(2.0)
            self._radio.kill_keyer()
            self._bench.run(0.5)
            self._back()
            silent = self._ask(
                "a tone was sent and its keyer killed after 2 s: did the radio stop "
                "transmitting at once? · 发射 2 秒后键控进程被杀,电台立即停发了?"
            )
            return self._answered(what, silent, "the technician", vital=True)
        took_s = seconds_to_silence(self._bench, self._radio, self._ear, self._radio.kill_keyer)
        self._back()
        if took_s is None:
            return Check(what, "fail", "the tone was not heard at all", vital=True)
        good = took_s <= _SILENT_S + _WAY_S
        detail = f"heard for {1000 * took_s:.0f} ms more, the way to the ear included"
        return Check(what, "pass" if good else "fail", detail, vital=True)

    def _back(self) -> None:
        """Have the channel's own keyer, in its own settings, ready again."""
        self._radio.transmitter.abort("the keyer is replaced", self._bench.now_s)
        self._radio.replace_keyer()
        self._bench.ready()

    def _times_out(self) -> Check:
        limit_s = _SHORT_TIME_OUT_S
        if self._whole_time_out:
            limit_s = self._radio.settings.time_out_s
        what = "the time-out timer strikes · 发射限时动作"
        self._radio.replace_keyer(limit_s)
        self._bench.ready()
        begun_s = self._bench.now_s
        with self._bench.recording(self._ear or self._radio) as frames:
            self._radio.send(tone(TEST_HZ, 1000.0 * (limit_s + 2)), begun_s)
            self._bench.sent(self._radio, limit_s + 5.0)
            self._bench.run(0.5)
        word = self._radio.said("unkeyed", since_s=begun_s)
        self._back()
        if word is None or word.detail != "tot":
            detail = f"the keyer said {word.detail if word else 'nothing'!r}"
            return Check(what, "fail", detail, vital=True)
        took_s = word.at_s - begun_s
        detail = f"unkeyed after {took_s:.1f} s of {limit_s} s"
        if not self._whole_time_out:
            own_s = self._radio.settings.time_out_s
            detail += f" (set short for the test; the settings say {own_s} s)"
        good = abs(took_s - limit_s) <= _TIME_OUT_TOLERANCE_S
        if self._ear is not None:
            heard_s = 0.02 * sum(hears_tone(frame, TEST_HZ) for frame in frames)
            good = good and 0 < heard_s <= limit_s + _TIME_OUT_TOLERANCE_S
            detail += f"; {self._ear.name} heard {heard_s:.1f} s of it"
        return Check(what, "pass" if good else "fail", detail, vital=True)

    # --- receiving ---------------------------------------------------------------------------

    def _receives(self) -> Iterator[Check]:
        partner = self._partner
        if partner is not None and partner.settings.licence is not None:
            yield from self._received(measure_tone(self._bench, partner, self._radio))
            yield from self._decoders(partner, self._radio)
        elif self._ear is not None:
            yield from self._by_handheld()
            yield from self._decoders(self._radio, self._ear)
        else:
            yield from self._by_handheld()

    @staticmethod
    def _received(report: ToneReport) -> Iterator[Check]:
        target = f"{TARGET_DBFS:.0f} ± {TOLERANCE_DB:.0f} dBFS"
        what = f"what is received comes in at {target} · 接收电平"
        if report.level_dbfs is None or report.peak_dbfs is None:
            yield Check(what, "fail", "the tone was not heard")
        else:
            good = level_is_good(report.level_dbfs, report.peak_dbfs)
            note = level_note("the tone", report.level_dbfs, report.peak_dbfs)
            yield Check(what, "pass" if good else "fail", note)
        edges = "the squelch opens and closes once for an over · 静噪开关各一次"
        if report.opened_ms is None or report.closed_ms is None:
            yield Check(edges, "fail", "it did not open and close", vital=True)
            return
        slow = max(report.opened_ms, report.closed_ms) > _SQUELCH_MAX_MS
        detail = (
            f"open after {report.opened_ms:.0f} ms, closed after {report.closed_ms:.0f} ms, "
            f"{report.edges} changes"
        )
        good = report.edges == 2 and not slow
        yield Check(edges, "pass" if good else "fail", detail, vital=True)

    def _decoders(self, sender: BenchRadio, ear: BenchRadio) -> Iterator[Check]:
        """Send one of each kind in one transmission, what was not read up to twice more."""
        left = list(_signals(ear.settings))
        for sending in range(1, _SENDINGS + 1):
            pause = silence(_PAUSE_MS)
            parts = [part for _, spec, _ in left for part in (sound_of(spec), pause)]
            found = signals_sent(self._bench, sender, ear, np.concatenate(parts))
            unread = [] if sending == _SENDINGS else [s for s in left if not s[2](found)]
            for name, spec, is_it in left:
                if (name, spec, is_it) in unread:
                    continue
                kind = _KINDS.get(name.partition(" ")[0], "selcall")
                heard = heard_of(spec, kind, found)
                again = "" if sending == 1 else f" at sending {sending}"
                yield Check(
                    f"{name} from {sender.name} is read at {ear.name} · 信令解码",
                    "pass" if is_it(found) else "fail",
                    f"sent {spec}, heard {kind} {heard}{again}",
                )
            left = unread
            if not left:
                return

    def _by_handheld(self) -> Iterator[Check]:
        """Have a handheld keyed: squelch, level, and whatever it says of itself."""
        squelch = "the squelch opens for a handheld and closes after it · 静噪随对讲机开合"
        signals = "what the handheld sends of itself is read · 识别对讲机信令"
        radio = self._radio
        self._ask_to("key a handheld within 30 s: send its id or digits, speak, release")
        first = len(radio.edges)
        with self._bench.recording(radio) as frames:
            came = self._bench.until(lambda: radio.squelch_open, _OVER_WAIT_S)
            begin = len(frames)
            closed = came and self._bench.until(lambda: not radio.squelch_open, 60.0)
            self._bench.run(0.3)
        if not came:
            yield Check(squelch, "not tested", "nobody was heard for 30 s", vital=True)
            yield Check(signals, "not tested", "nobody was heard")
            return
        detail = f"{len(radio.edges) - first} changes"
        yield Check(squelch, "pass" if closed else "fail", detail, vital=True)
        found = signals_in(frames[begin:], radio)
        heard = ", ".join(f"{h.kind} {h.value}" for h in found)
        yield Check(signals, "pass" if heard else "not tested", heard or "it sent none")

    # --- asked -------------------------------------------------------------------------------

    def _asked(self) -> Iterator[Check]:
        if self._radio.settings.control.url.startswith("rfc2217:"):
            yield self._cable()
        yield self._answered(
            "the radio's own time-out timer was seen to strike · 电台自身限时已试",
            self._ask(
                "is the radio's own time-out timer set a little above time_out_s, and have you "
                "seen it strike? · 电台自身限时已设、且亲眼见它动作?"
            ),
            "the technician",
        )

    def _cable(self) -> Check:
        """Transmit while the technician pulls the network cable of the device server."""
        what = "the device server unkeys when its cable is cut · 拔网线后串口服务器停发"
        ready = self._ask(
            "answer y and pull the device server's network cable while it transmits for 15 s "
            "· 回答 y 后电台发射 15 秒,请拔掉串口服务器网线"
        )
        if not ready:
            return Check(what, "not tested", "the cable was not pulled")
        seen = cut_cable(self._bench, self._radio, self._other_ear())
        self._tell("plug the cable in again · 请插回网线")
        lost = (
            "the port was not lost"
            if seen.lost_after_s is None
            else f"the port was lost after {seen.lost_after_s:.1f} s"
        )
        if seen.stood_s is None:
            silent = self._ask(
                "did the radio stop transmitting by itself while the cable was out? "
                "· 拔线期间电台自己停发了?"
            )
            answer = self._answered(what, silent, "the technician")
            return replace(answer, detail=f"{lost}; {answer.detail}")
        if not seen.cut:
            why = f"{lost} while it transmitted: the cable was not pulled, or is another"
            return Check(what, "not tested", why)
        if seen.stood_s > WATCH_S:
            stood = f"the carrier stood for more than {WATCH_S:g} s"
            rest = "only the radio's own time-out timer ends it: set that, and see it strike"
            return Check(what, "fail", f"{lost}; {stood}; {rest}")
        return Check(what, "pass", f"{lost}; the carrier stood {seen.stood_s:.1f} s more")

    def _ask_to(self, what: str) -> None:
        self._tell(f"{what} · 请在 30 秒内用对讲机按键、发号、讲话、松开")

    @staticmethod
    def _answered(what: str, answer: bool | None, who: str, *, vital: bool = False) -> Check:
        verdict: Verdict = "not tested" if answer is None else "pass" if answer else "fail"
        said = {None: "nobody watched", True: f"{who}: yes", False: f"{who}: no"}[answer]
        return Check(what, verdict, said, vital=vital)


def heard_of(spec: str, kind: str, found: list[Heard]) -> str:
    """Return what was heard of a kind; of five-tone calls only the one sent, if it was."""
    table, _, call = spec.partition(":")
    same = [h for h in found if h.kind == kind]
    own = [h for h in same if kind == "selcall" and _fits(h, table, call)]
    told = (f"{h.set}:{h.value}" if h.set else h.value for h in own or same)
    return " ".join(told) or "nothing"


Judge = Callable[[list[Heard]], bool]


def _signals(settings: RadioChannel) -> Iterator[tuple[str, str, Judge]]:
    """Yield name, specification, and what has to be heard of it."""
    yield "DTMF", f"dtmf:{_DIGITS}", lambda found: _DIGITS in _digits(found)
    for table, call in _CALLS.items():
        yield f"five-tone {table}", f"{table}:{call}", _judge_of(table, call)
    yield (
        "MDC1200",
        f"mdc1200:ptt:{_UNIT}",
        lambda found: any(
            isinstance(h.detail, MdcPacket) and h.detail.unit == _UNIT for h in found
        ),
    )
    for hz in settings.signalling.ctcss[:1]:
        yield f"CTCSS {hz:g} Hz", f"ctcss:{hz:g}:1.5s", _judge_of("ctcss", f"{hz:.1f}")
    for code in settings.signalling.dcs[:1]:
        yield f"DCS {code}", f"dcs:{code}:1.5s", _judge_of("dcs", code)


def _digits(found: list[Heard]) -> str:
    return "".join(h.value for h in found if h.kind == "dtmf")


def _judge_of(table: str, call: str) -> Judge:
    """Return what says that a call was read, in its table or as one of several that fit."""

    def is_it(found: list[Heard]) -> bool:
        return any(_fits(h, table, call) for h in found)

    return is_it


def _fits(heard: Heard, table: str, call: str) -> bool:
    also = heard.detail.also if isinstance(heard.detail, SelcallFit) else ()
    return (heard.set or heard.kind, heard.value) == (table, call) or f"{table}:{call}" in also
