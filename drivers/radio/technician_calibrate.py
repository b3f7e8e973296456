"""`gridcall channel calibrate`: measures delays and levels, and says what to write."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from drivers.radio.samples import FRAME_MS, Int16Array, level_dbfs, speech_level_dbfs
from drivers.radio.technician_bench import Bench, BenchRadio
from drivers.radio.technician_measures import Ends, ToneReport, measure_ends, measure_tone
from drivers.radio.technician_sound import peak_dbfs

__all__ = ["TARGET_DBFS", "TOLERANCE_DB", "Calibration", "calibrate", "yaml_of"]

# What a voice or a tone should come in at: loud, and 12 dB from where clipping begins.
TARGET_DBFS: Final = -12.0
TOLERANCE_DB: Final = 6.0
_CLIPS_DBFS: Final = -1.0
_TIMES: Final = 3
_LEAD_MARGIN_MS: Final = 50.0
_HANG_MARGIN_MS: Final = 40.0
_HOLE_MARGIN_MS: Final = 50.0
_OVER_WAIT_S: Final = 30.0


@dataclass(slots=True)
class Calibration:
    """What was found.

    Attributes:
        values: Key of the channel's settings → value to write.
        notes: What was measured, in words; what to turn, and by how much.
        missing: What could not be measured, and why.
    """

    values: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def calibrate(
    bench: Bench,
    radio: BenchRadio,
    partner: BenchRadio | None,
    *,
    guide: Callable[[str], None],
) -> Calibration:
    """Measure a channel against its partner, its own loop-back, or a handheld.

    Args:
        bench: Serves both.
        radio: The channel.
        partner: A second radio on the frequency; None: the channel's own sound, a handheld.
        guide: Tells the technician what to do next.
    """
    found = Calibration()
    _calibrate_sending(bench, radio, partner or radio, found, guide)
    if partner is not None and partner.settings.licence is not None:
        guide(f"{partner.name} sends a tone, {radio.name} listens …")
        _note_receiving(measure_tone(bench, partner, radio), found)
    else:
        _calibrate_by_handheld(bench, radio, found, guide)
    return found


def _calibrate_sending(
    bench: Bench,
    radio: BenchRadio,
    ear: BenchRadio,
    found: Calibration,
    guide: Callable[[str], None],
) -> None:
    if radio.settings.licence is None:
        found.missing.append("tx_delay_ms, hang_ms: the channel has no licence entry")
        return
    guide(f"{radio.name} sends {_TIMES} sweeps, {ear.name} listens …")
    ends = [end for _ in range(_TIMES) if (end := measure_ends(bench, radio, ear)) is not None]
    if len(ends) < _TIMES:
        found.missing.append(
            f"tx_delay_ms, hang_ms: {ear.name} heard {len(ends)} of {_TIMES} sweeps; give a "
            "second radio on this frequency with --with CHANNEL"
        )
        return
    _note_ends(ends, found)


def _note_ends(ends: Sequence[Ends], found: Calibration) -> None:
    lead_ms, lost_ms = max(e.lead_ms for e in ends), max(e.lost_ms for e in ends)
    found.notes.append(f"the first sound is heard {lead_ms:.0f} ms after the key at the latest")
    found.notes.append(f"of the end {lost_ms:.0f} ms are lost without a hang time at most")
    found.values["tx_delay_ms"] = rounded_up(lead_ms + _LEAD_MARGIN_MS)
    found.values["hang_ms"] = rounded_up(lost_ms + _HANG_MARGIN_MS)


def _note_receiving(report: ToneReport, found: Calibration) -> None:
    if report.level_dbfs is None or report.peak_dbfs is None:
        found.missing.append("receive level: the tone was not heard; look at audio and volume")
    else:
        found.notes.append(level_note("a test tone", report.level_dbfs, report.peak_dbfs))
    if report.opened_ms is None or report.closed_ms is None:
        found.missing.append("squelch: it did not open and close; look at control.squelch")
        return
    found.notes.append(
        f"the squelch opens {report.opened_ms:.0f} ms after the carrier and closes "
        f"{report.closed_ms:.0f} ms after its end, with {report.edges} changes"
    )
    if report.edges == 2:
        found.values["squelch_tail_ms"] = min(500, rounded_up(report.closed_ms))
    else:
        found.missing.append("squelch_tail_ms: the squelch chatters; calibrate by a handheld")


def _calibrate_by_handheld(
    bench: Bench, radio: BenchRadio, found: Calibration, guide: Callable[[str], None]
) -> None:
    guide(
        "key a handheld on this channel, speak as on duty for five seconds, release "
        "· 用对讲机按键,正常讲话五秒,松开"
    )
    first = len(radio.edges)
    with bench.recording(radio) as frames:
        if not bench.until(lambda: radio.squelch_open, _OVER_WAIT_S):
            found.missing.append(f"receiving: nobody was heard for {_OVER_WAIT_S:.0f} s")
            return
        begin = len(frames)
        bench.until(lambda: _quiet_since(radio, bench.now_s) > 2.0, 60.0)
    _note_over(frames[begin:], found)
    _note_edges(radio.edges[first:], found)


def _quiet_since(radio: BenchRadio, now_s: float) -> float:
    return 0.0 if radio.squelch_open else now_s - radio.edges[-1][0]


def _note_over(frames: Sequence[Int16Array], found: Calibration) -> None:
    if frames:
        sound = np.concatenate(frames)
        found.notes.append(level_note("his voice", speech_level_dbfs(sound), peak_dbfs(sound)))


def _note_edges(edges: Sequence[tuple[float, bool]], found: Calibration) -> None:
    """Find the holes of one long press: what is not bridged makes two overs of one."""
    holes_ms = [
        1000.0 * (opened_s - closed_s)
        for (closed_s, was_open), (opened_s, is_open) in itertools.pairwise(edges)
        if is_open and not was_open
    ]
    found.notes.append(
        f"the squelch changed {len(edges)} times in that press"
        + (f", its longest hole {max(holes_ms):.0f} ms" if holes_ms else "")
    )
    if holes_ms:
        found.values["squelch_close_ms"] = rounded_up(max(holes_ms) + _HOLE_MARGIN_MS)


def level_note(what: str, level: float, peak: float) -> str:
    """Return a level in words, with what to turn."""
    target = f"{TARGET_DBFS:.0f} ± {TOLERANCE_DB:.0f}"
    text = f"{what} comes in at {level:.1f} dBFS (target {target})"
    if peak > _CLIPS_DBFS:
        return f"{text}, and clips: turn the receiver's output or the card's input down"
    off = TARGET_DBFS - level
    if abs(off) <= TOLERANCE_DB:
        return text
    turn = "up" if off > 0 else "down"
    return f"{text}: turn the receiver's output or the card's input {turn} by {abs(off):.0f} dB"


def level_is_good(level: float, peak: float) -> bool:
    """Return whether a received level is near its target, and nothing clips."""
    return abs(level - TARGET_DBFS) <= TOLERANCE_DB and peak <= _CLIPS_DBFS


def rounded_up(ms: float) -> int:
    """Return the next whole frame."""
    return FRAME_MS * math.ceil(ms / FRAME_MS)


def ground_note(frames: Sequence[Int16Array]) -> str:
    """Return the level of a channel where nobody speaks, in words."""
    level = level_dbfs(np.concatenate(frames)) if frames else -math.inf
    return "silence" if level == -math.inf else f"{level:.1f} dBFS"


def yaml_of(channel: str, values: dict[str, int]) -> str:
    """Return the lines to write into the settings."""
    lines = [f"    {key}: {value}" for key, value in values.items()]
    return "\n".join(["channels:", f"  {channel}:", *lines])
