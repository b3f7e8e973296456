"""DTMF in noise, cell by cell, beside multimon-ng on the same audio in the same call.

A cell is one tone length, twist, frequency offset and signal-to-noise ratio. Its audio is
seeded: a random text of digits, each tone with its own phases, Gaussian noise of 300 to
3000 Hz whose power is measured against that of the pair of tones. Both decoders are scored by
the longest common subsequence of what was sent and what they say, since the peer tells no
times: what is in it is a hit, what they say beyond it is a false digit.

    python -m tests.bench.dtmf_cells [--digits 304] [--seed 1] [--quick]
"""

import argparse
import itertools
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

import numpy as np

from drivers.radio.dtmf import SYMBOLS, DtmfBank, frequencies_hz
from drivers.radio.dtmf_holes import UNREAD

FS = 8000
PEER = "multimon-ng"
PEER_RATE_HZ = 22050
TONE_MS = (40, 50, 70, 100)
TWIST_DB = (-8, -4, 0, 4)
OFFSET = (-0.015, 0.0, 0.015)
SNR_DB = (30, 12, 9, 6, 3, 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition: tone and gap of the same length, twist high minus low."""

    tone_ms: float
    twist_db: float
    offset: float
    snr_db: float

    def __str__(self):
        where = f"{self.tone_ms:g}/{self.tone_ms:g} ms, twist {self.twist_db:+g} dB"
        return f"{where}, {100 * self.offset:+.1f} %, SNR {self.snr_db:g} dB"


@dataclass(frozen=True, slots=True)
class Score:
    """What one decoder made of one cell."""

    sent: int
    hits: int
    false: int

    @property
    def share(self):
        """Hits of those sent, 0 to 1."""
        return self.hits / self.sent


@dataclass(frozen=True, slots=True)
class Result:
    """A cell with both decoders' scores; the peer's is None where it is not installed."""

    cell: Cell
    ours: Score
    peer: Score | None


def in_standard_cells(tone_ms=TONE_MS, snr_db=SNR_DB):
    """Return every cell that a receiver of Q.24 must read, at those lengths and ratios."""
    return [Cell(*c) for c in itertools.product(tone_ms, TWIST_DB, OFFSET, snr_db)]


def band_noise(n, power, rng, band_hz=(300, 3000)):
    """Return Gaussian noise of that band and mean square."""
    size = 1 << (n - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1 / FS)
    spectrum[(hz < band_hz[0]) | (hz > band_hz[1])] = 0
    noise = np.fft.irfft(spectrum, size)[:n]
    return noise * np.sqrt(power / np.mean(noise**2))


def text_and_audio(cell, digits, rng):
    """Return the digits sent and their int16 samples; -12 dBFS for the stronger tone."""
    text = "".join(rng.choice(list(SYMBOLS), digits))
    length = round(cell.tone_ms * FS / 1000)
    pitch = round(2 * cell.tone_ms * FS / 1000)
    signal = np.zeros(digits * (pitch + 20) + 2 * FS // 5)
    low, high = (10 ** ((-12 - max(s * cell.twist_db, 0)) / 20) for s in (1, -1))
    t = np.arange(length) / FS
    at = FS // 5
    for symbol in text:
        hz = np.array(frequencies_hz(symbol)) * (1 + cell.offset)
        turn = rng.uniform(0, 2 * np.pi, 2)
        signal[at : at + length] = low * np.sin(2 * np.pi * hz[0] * t + turn[0])
        signal[at : at + length] += high * np.sin(2 * np.pi * hz[1] * t + turn[1])
        # A sender's rhythm does not keep step with our frames.
        at += pitch + int(rng.integers(0, 20))
    power = (low**2 + high**2) / 2
    signal += band_noise(len(signal), power / 10 ** (cell.snr_db / 10), rng)
    return text, np.clip(np.rint(signal * 32767), -32768, 32767).astype(np.int16)


def digits_heard(tracks):
    """Return what our bank says of each track (a list of int16 arrays), one text a track."""
    longest = -(-max(len(t) for t in tracks) // 160) * 160
    frames = np.stack([np.pad(t, (0, longest - len(t))) for t in tracks])
    bank, every = DtmfBank(len(tracks)), np.ones(len(tracks), np.bool_)
    texts = [""] * len(tracks)
    steps = [bank.step(frames[:, k : k + 160], every) for k in range(0, longest, 160)]
    steps.append(bank.step(np.zeros((len(tracks), 160), np.int16), ~every))
    for symbol in itertools.chain.from_iterable(steps):
        texts[symbol.channel] += symbol.symbol if symbol.symbol != UNREAD else ""
    return texts


def digits_heard_by_peer(samples):
    """Return what multimon-ng says of one track."""
    done = subprocess.run(
        [PEER, "-q", "-t", "raw", "-a", "DTMF", "-"],
        input=at_peer_rate(samples).tobytes(),
        capture_output=True,
        check=True,
        timeout=600,
    )
    return "".join(re.findall(r"DTMF: (\S)", done.stdout.decode()))


def at_peer_rate(samples):
    """Return 8 kHz samples at 22.05 kHz (441/160), exactly, by FFT."""
    whole = np.pad(samples.astype(np.float64), (0, -len(samples) % 1600))
    n = len(whole) * 441 // 160
    out = np.fft.irfft(np.fft.rfft(whole), n) * (n / len(whole))
    return np.clip(np.rint(out), -32768, 32767).astype("<i2")


def score(sent, heard):
    """Return hits and false digits of what was heard."""
    hits = longest_common(sent, heard)
    return Score(len(sent), hits, len(heard) - hits)


def longest_common(a, b):
    """Return the length of the longest common subsequence, all columns of a row at once.

    Bit-parallel: M. Crochemore et al., "A fast and practical bit-vector algorithm for the
    longest common subsequence problem" (2001).
    """
    full = (1 << len(a)) - 1
    places = {c: sum(1 << i for i, x in enumerate(a) if x == c) for c in set(b)}
    row = full
    for c in b:
        both = row & places[c]
        row = ((row + both) | (row - both)) & full
    return len(a) - row.bit_count()


def measure(cells, digits=304, seed=1):
    """Return a Result for each cell; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    has_peer = shutil.which(PEER) is not None
    results = []
    for begin in range(0, len(cells), 64):
        batch = cells[begin : begin + 64]
        sent = [text_and_audio(cell, digits, rng) for cell in batch]
        ours = digits_heard([audio for _, audio in sent])
        for cell, (text, audio), heard in zip(batch, sent, ours, strict=True):
            peer = score(text, digits_heard_by_peer(audio)) if has_peer else None
            results.append(Result(cell, score(text, heard), peer))
    return results


def behind(result):
    """Return by how much of all digits we are behind the peer; 0 when not."""
    return max(0.0, result.peer.share - result.ours.share) if result.peer else 0.0


def shares(results, snr_db):
    """Return (ours, peer's or None): share of all digits read over the cells at that ratio."""
    there = [r for r in results if r.cell.snr_db == snr_db]
    sent = sum(r.ours.sent for r in there)
    ours = sum(r.ours.hits for r in there) / sent
    if there[0].peer is None:
        return ours, None
    return ours, sum(r.peer.hits for r in there) / sent


def table(results):
    """Return the lines of a report: per tone length and ratio, then the worst cells."""
    lines = []
    for snr_db in sorted({r.cell.snr_db for r in results}, reverse=True):
        there = [r for r in results if r.cell.snr_db == snr_db]
        ours, peer = shares(results, snr_db)
        worst = min(there, key=lambda r: r.ours.share)
        back = max(there, key=behind)
        lines.append(
            f"SNR {snr_db:>3} dB: ours {100 * ours:6.2f} % (false {sum(r.ours.false for r in there)})"
            f" peer {100 * (peer or 0):6.2f} %"
            f" (false {sum(r.peer.false for r in there if r.peer)}) | worst {worst.cell}:"
            f" {100 * worst.ours.share:.1f} % | most behind {100 * behind(back):.1f} %: {back.cell}"
        )
    return lines


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, default=304)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two lengths, four ratios")
    given = parser.parse_args()
    cells = in_standard_cells((40, 50), (30, 9, 3, 0)) if given.quick else in_standard_cells()
    begin = time.process_time()
    results = measure(cells, given.digits, given.seed)
    print(*table(results), sep="\n")
    print(f"{len(cells)} cells of {given.digits} digits, {time.process_time() - begin:.0f} CPU s")


if __name__ == "__main__":
    main()
