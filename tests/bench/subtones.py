"""CTCSS and DCS under voice and in noise: how surely and how soon, and what opens falsely.

Full scale stands for 5 kHz of deviation. The tone deviates by 250 Hz, the voice (a stand-in
with the spectrum and the syllables of speech unless a real one is given) is cut to 300 to
3000 Hz as transmitters do, and deviates by up to 3 kHz. Seeded.

    python -m tests.bench.subtones [--seed 1] [--tries 4]
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from drivers.radio.ctcss import TONES_HZ, CtcssBank
from drivers.radio.ctcss import encode as ctcss
from drivers.radio.dcs import CODES, DcsBank
from drivers.radio.dcs import encode as dcs
from drivers.radio.samples import band_shaped

FS = 8000
LEAD_SAMPLES = 2400
TONE_DBFS = -26.0


def voice_like(n, rng, band=True):
    """Return a stand-in for speech: a gliding voice with formants, in syllables; int16."""
    t = np.arange(n) / FS
    pitch_hz = 130 + 50 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)) + 20 * np.sin(
        2 * np.pi * 3.1 * t + rng.uniform(0, 6)
    )
    turn = 2 * np.pi * np.cumsum(pitch_hz) / FS
    formant = 600 + 250 * np.sin(2 * np.pi * 2.3 * t)
    wave = sum(
        np.sin(k * turn) / (1 + ((k * pitch_hz - formant) / 300) ** 2) for k in range(1, 18)
    )
    wave *= 0.5 + 0.5 * np.sin(2 * np.pi * 4 * t + rng.uniform(0, 6))
    wave += 0.05 * rng.standard_normal(n)
    samples = (wave / np.abs(wave).max() * 0.6 * 32767).astype(np.int16)
    return band_shaped(samples) if band else samples


def added(*parts):
    """Return the sum of int16 tracks, clipped as a limiter does."""
    n = max(len(p) for p in parts)
    whole = sum(np.pad(p, (0, n - len(p))).astype(np.float64) for p in parts)
    return np.clip(whole, -32768, 32767).astype(np.int16)


def followed(bank, tracks):
    """Return (present at each step (steps, n), everything Heard) of int16 tracks (n, m)."""
    every = np.ones(len(tracks), np.bool_)
    present, heard = [], []
    for k in range(0, tracks.shape[1] // 160 * 160, 160):
        heard += bank.step(tracks[:, k : k + 160], every)
        present.append(bank.present.copy())
    heard += bank.step(np.zeros((len(tracks), 160), np.int16), ~every)
    return np.array(present), heard


def opened_and_closed_ms(present, begin, end):
    """Return for each channel when it opened after ``begin`` and closed after ``end``, in ms.

    Samples in, NaN where it never did; a channel open before ``begin`` counts as never.
    """
    times = (np.arange(len(present)) + 1) * 160
    opened = np.full(present.shape[1], np.nan)
    closed = np.full(present.shape[1], np.nan)
    for channel, is_open in enumerate(present.T):
        ons = np.flatnonzero(is_open)
        if len(ons) and times[ons[0]] > begin:
            opened[channel] = (times[ons[0]] - begin) / 8
        offs = np.flatnonzero(~is_open & (times > end))
        if len(offs):
            closed[channel] = (times[offs[0]] - end) / 8
    return opened, closed


@dataclass(frozen=True, slots=True)
class Answers:
    """What a bank did with each of many overs: when it opened and closed, and how often.

    Attributes:
        open_ms: after the tone's or the code's beginning; NaN for never.
        close_ms: after its end (the burst's or the turn-off tone's beginning); NaN for never.
        right: heard once, by its name.
    """

    open_ms: np.ndarray
    close_ms: np.ndarray
    right: np.ndarray

    def __str__(self):
        """Return one line of a report."""
        return (
            f"open p50 {np.nanmedian(self.open_ms):.0f} max {np.nanmax(self.open_ms):.0f} ms, "
            f"close p50 {np.nanmedian(self.close_ms):.0f} max {np.nanmax(self.close_ms):.0f} ms, "
            f"once and right {100 * self.right.mean():.1f} % of {len(self.right)}"
        )


def ctcss_answers(seed=1, tries=4, burst_deg=180.0, off=0.0, snr_db=None):
    """Return Answers: every tone ``tries`` times under voice.

    Args:
        seed: of voices and phases.
        tries: how often each of the 50 tones is sent, beginning at other moments.
        burst_deg: reverse burst, None for a tone that only ceases.
        off: part by which the sender is off its frequency.
        snr_db: of the tone, in white noise up to 4000 Hz; None for none.
    """
    rng = np.random.default_rng(seed)
    hz = np.repeat(TONES_HZ, tries)

    def sound(i):
        tone = ctcss(hz[i] * (1 + off), 900 + rng.uniform(0, 20), level_dbfs=TONE_DBFS,
                     reverse_burst_deg=burst_deg)  # fmt: skip
        return tone, 1200 if burst_deg is not None else 0

    bank = CtcssBank(len(hz), [[one] for one in hz])
    noise = None if snr_db is None else TONE_DBFS - 3 - snr_db
    return _answers(bank, sound, [f"{one:.1f}" for one in hz], noise, rng)


def dcs_answers(seed=1, level_dbfs=-20.0, snr_db=None):
    """Return Answers: every one of the 83 codes in both polarities, once under voice."""
    rng = np.random.default_rng(seed)
    names = [code + polarity for code in CODES for polarity in "NI"]

    def sound(i):
        return dcs(names[i], 900 + rng.uniform(0, 171), level_dbfs=level_dbfs), 1440

    bank = DcsBank(len(names), [[name] for name in names])
    noise = None if snr_db is None else level_dbfs - snr_db
    return _answers(bank, sound, names, noise, rng)


def _answers(bank, sound, names, noise_dbfs, rng):
    """Send each name once; ``sound(i)`` gives samples and how many of them are the burst."""
    length = LEAD_SAMPLES + FS + FS
    tracks, ends = [], []
    for i in range(len(names)):
        begin = LEAD_SAMPLES + int(rng.integers(0, 160))
        samples, burst = sound(i)
        ends.append((begin, begin + len(samples) - burst))
        parts = [np.pad(samples, (begin, 0)), voice_like(length, rng)]
        if noise_dbfs is not None:
            noise = rng.standard_normal(length) * 32767 * 10 ** (noise_dbfs / 20)
            parts.append(noise.astype(np.int16))
        tracks.append(added(*parts)[:length])
    present, heard = followed(bank, np.stack(tracks))
    at = [opened_and_closed_ms(present[:, [i]], *ends[i]) for i in range(len(names))]
    said = [[h.value for h in heard if h.channel == i] for i in range(len(names))]
    return Answers(
        np.array([opened[0] for opened, _ in at]),
        np.array([closed[0] for _, closed in at]),
        np.array([one == [name] for one, name in zip(said, names, strict=True)]),
    )


def main():
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=4)
    given = parser.parse_args()
    cases = [(180.0, 0.0, None), (120.0, 0.0, None), (240.0, 0.0, None), (None, 0.0, None)]
    cases += [(180.0, 0.003, None), (180.0, -0.003, None), (180.0, 0.0, 6), (180.0, 0.0, 0)]
    for burst_deg, off, snr_db in cases:
        answers = ctcss_answers(given.seed, given.tries, burst_deg, off, snr_db)
        within = 100 * np.mean(answers.open_ms <= 250)
        print(f"CTCSS burst {burst_deg}, off {100 * off:+.1f} %, SNR {snr_db} dB: within "
              f"250 ms {within:.1f} %, {answers}")  # fmt: skip
    for level_dbfs, snr_db in ((-20.0, None), (-20.0, 6), (-20.0, 0), (-26.0, 0)):
        answers = dcs_answers(given.seed, level_dbfs, snr_db)
        print(f"DCS at {level_dbfs:g} dBFS, SNR {snr_db} dB: {answers}")


if __name__ == "__main__":
    begin = time.process_time()
    main()
    print(f"{time.process_time() - begin:.0f} CPU s")
