"""How well calls and packets are heard: seeded cells, the peer on the same audio, hours of talk.

    python -m tests.bench.hearing cells [COUNT]
    python -m tests.bench.hearing talk FOLDER HOURS
    python -m tests.bench.hearing cost

A cell is one table (or packet kind), one frequency offset and one signal-to-noise ratio; noise
is Gaussian in 300..3000 Hz, the ratio of powers is meant. The peer is multimon-ng where it is
installed, given the same samples and only the one decoder it needs, while ours has all tables
on at once.
"""

import difflib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import soxr

from drivers.radio import mdc1200_words, selcall_tables
from drivers.radio.decode import EVERYTHING
from drivers.radio.hearing import Hearing, Wishes
from drivers.radio.mdc1200 import MdcBank
from drivers.radio.samples import peak_of, to_int16
from drivers.radio.selcall import SelcallBank
from drivers.radio.selcall_tables import TABLES, SelcallTable
from simulators import mdc1200

RATE_HZ = 8000
LEVEL_DBFS = -9.0
PEER_PROGRAM, PEER_HZ = "multimon-ng", 22050
HEARD_AT_ONCE = ("zvei1", "zvei2", "ccir", "eea", "eia")
PEER = {"zvei1": "ZVEI1", "zvei2": "ZVEI2", "ccir": "CCIR", "eea": "EEA", "eia": "EIA"}
OFFSETS_AND_SNRS = ((0.0, None), (0.0, 6.0), (0.0, 0.0), (0.015, 3.0), (-0.015, 3.0))
PACKET_SNRS = (None, 9.0, 6.0, 3.0, 0.0)
N_CHANNELS = 32


@dataclass(frozen=True)
class Cell:
    """What became of the calls of one cell.

    Attributes:
        name: which cell.
        sent: calls or packets sent.
        heard: of those, heard right and in their place.
        invented: heard beyond those.
        peer_heard: the peer's; None where it is not installed or has no such decoder.
        peer_invented: likewise.
    """

    name: str
    sent: int
    heard: int
    invented: int
    peer_heard: int | None = None
    peer_invented: int | None = None


def noise(shape, power, rng):
    """Return Gaussian noise of 300 to 3000 Hz of that power."""
    n = int(np.prod(shape))
    size = 1 << (n - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3000)] = 0
    made = np.fft.irfft(spectrum, size)[:n]
    return (made * np.sqrt(power / np.mean(made**2))).reshape(shape)


def scattered(sounds, names, snr_db, rng, n_channels=N_CHANNELS):
    """Return (channels, samples) with the sounds at random places, and where each stands."""
    rows, wanted = [], []
    for channel in range(n_channels):
        parts, place = [], 0
        for sound, name in zip(
            sounds[channel::n_channels], names[channel::n_channels], strict=True
        ):
            gap = np.zeros(2400 + int(rng.integers(0, 1600)), np.int16)
            wanted.append((channel, place + len(gap), name))
            parts += [gap, sound]
            place += len(gap) + len(sound)
        rows.append(np.concatenate([*parts, np.zeros(3200, np.int16)]))
    length = max(map(len, rows))
    length += -length % 160
    out = np.zeros((n_channels, length))
    for row, samples in zip(out, rows, strict=True):
        row[: len(samples)] = samples
    if snr_db is not None:
        power = peak_of(LEVEL_DBFS) ** 2 / 2 / 10 ** (snr_db / 10)
        out += noise(out.shape, power, rng)
    return to_int16(out), wanted


def heard_by(bank, samples):
    """Return what a bank hears on (channels, samples), to the end of the overs."""
    yes = np.ones(len(samples), np.bool_)
    frames = [samples[:, k : k + 160] for k in range(0, samples.shape[1], 160)]
    found = [heard for frame in frames for heard in bank.step(frame, yes)]
    return found + bank.step(np.zeros_like(frames[0]), ~yes)


def score(found, wanted, late_samples=160):
    """Return how many were heard in their place, and how many beyond."""
    places = {}
    for heard in found:
        places.setdefault((heard.channel, heard.value), []).append(heard.start_sample)
    right = 0
    for channel, place, name in wanted:
        near = [s for s in places.get((channel, name), ()) if abs(s - place) < late_samples]
        right += bool(near)
    return right, len(found) - right


def peer_heard(samples, decoder):
    """Return the values multimon-ng prints for each channel, one list a channel; or None."""
    if shutil.which(PEER_PROGRAM) is None:
        return None
    return [[value for _, value in peer_says(row, [decoder])] for row in samples]


def peer_says(row, decoders):
    """Return (decoder, value) of each line that multimon-ng prints of one track of 8 kHz."""
    done = subprocess.run(
        [PEER_PROGRAM, "-q", "-t", "raw", *(a for d in decoders for a in ("-a", d)), "-"],
        input=soxr.resample(row, RATE_HZ, PEER_HZ, "HQ").tobytes(),
        capture_output=True, check=True,
    )  # fmt: skip
    lines = done.stdout.decode("ascii", "replace").splitlines()
    return [tuple(map(str.strip, line.split(": ", 1))) for line in lines if ": " in line]


def plain_heard(samples):
    """Return what a receiver that corrects nothing hears on each channel."""
    return [[_named(heard.packet) for heard in mdc1200.decode(row)] for row in samples]


def _named(packet):
    began = (packet.op, packet.arg) == (0x01, 0x80)
    return f"PTT ID start {packet.unit:04X}" if began else str(packet)


def peer_score(rows, wanted):
    """Return how many calls the peer has in their order, and how many beyond."""
    right = 0
    for channel, got in enumerate(rows):
        sent = [name for c, _, name in wanted if c == channel]
        blocks = difflib.SequenceMatcher(None, sent, got, autojunk=False).get_matching_blocks()
        right += sum(block.size for block in blocks)
    return right, sum(map(len, rows)) - right


def selcall_cell(
    table_name, offset, snr_db, count=320, seed=1, peer=True, n_channels=N_CHANNELS
):
    """Return the `Cell` of random calls of one table, all tables listening at once."""
    rng = np.random.default_rng(seed)
    table = TABLES[table_name]
    off = SelcallTable(
        table.name, table.tone_ms, tuple(f * (1 + offset) for f in table.tones_hz)
    )
    names = ["".join(rng.choice(list("0123456789"), 5)) for _ in range(count)]
    sounds = [selcall_tables.encode(off, name, level_dbfs=LEVEL_DBFS) for name in names]
    samples, wanted = scattered(sounds, names, snr_db, rng, n_channels)
    bank = SelcallBank(n_channels, [[TABLES[t] for t in HEARD_AT_ONCE]] * n_channels)
    found = heard_by(bank, samples)
    right, beyond = score(found, wanted)
    name = (
        f"{table_name} {100 * offset:+.1f} % {'clean' if snr_db is None else f'{snr_db:g} dB'}"
    )
    rows = peer_heard(samples, PEER[table_name]) if peer else None
    if rows is None:
        return Cell(name, count, right, beyond)
    sent = [(c, p, selcall_tables.symbols_of(n)) for c, p, n in wanted]
    # Versions of the peer print the repeat tone, or the digit it stands for.
    best = max(peer_score(rows, sent), peer_score(rows, wanted))
    return Cell(name, count, right, beyond, *best)


def packet_cell(
    snr_db, double=False, count=320, seed=1, n_channels=N_CHANNELS, beside=False
):
    """Return the `Cell` of random MDC1200 packets.

    The peer is multimon-ng nowhere, it has no such decoder; ``beside`` makes it the simulators'
    receiver, which corrects nothing.
    """
    rng = np.random.default_rng(seed)
    packets = []
    for _ in range(count):
        unit = rng.integers(0, 256, 2).astype(np.uint8).tobytes()
        head, second = (b"\x35\x89", b"\x83\x0d\x12\x34") if double else (b"\x01\x80", None)
        packets.append(mdc1200_words.packet_of(head + unit, second=second))
    names = [mdc1200_words.words_of(packet) for packet in packets]
    sounds = [mdc1200_words.encode(packet, level_dbfs=LEVEL_DBFS) for packet in packets]
    samples, wanted = scattered(sounds, names, snr_db, rng, n_channels)
    # Told from the sync on, 56 bits after the beginning.
    wanted = [(c, place + 373, name) for c, place, name in wanted]
    right, beyond = score(heard_by(MdcBank(n_channels), samples), wanted)
    kind = "double packet" if double else "packet"
    snr = "clean" if snr_db is None else f"{snr_db:g} dB"
    peer = peer_score(plain_heard(samples), wanted) if beside else (None, None)
    return Cell(f"mdc1200 {kind} {snr}", count, right, beyond, *peer)


def banks(n_channels):
    """Return an engine for each kind alone, everything of it on, and one for all of them."""
    one = dict.fromkeys(("dtmf", "selcall", "mdc1200", "ctcss_hz", "dcs"))
    alone = {kind: Wishes(**{kind: getattr(EVERYTHING, kind)}) for kind in one}
    kinds = {**alone, "everything": EVERYTHING}
    return {kind: Hearing([wishes] * n_channels) for kind, wishes in kinds.items()}


def cpu_s_per_channel_hour(bank, samples):
    """Return the CPU seconds a bank needs for an hour of one channel, and what it heard."""
    begin = time.process_time()
    yes = np.ones(len(samples), np.bool_)
    found = [
        h
        for k in range(0, samples.shape[1], 8000)
        for h in bank.hear(samples[:, k : k + 8000], yes)
    ]
    return (time.process_time() - begin) * 3600 * RATE_HZ / samples.size, found


def talk(folder, hours, n_channels=64, minutes=24.0):
    """Yield of each run: hours of speech, and {bank: (CPU s per channel-hour, false ones)}."""
    from tests.bench.voices import channels

    done, seed = 0.0, 1
    while done < hours:
        samples = channels(folder, n_channels, minutes, seed)
        samples = samples[:, : samples.shape[1] // 8000 * 8000]
        done += samples.size / RATE_HZ / 3600
        yield (
            done,
            {k: cpu_s_per_channel_hour(b, samples) for k, b in banks(n_channels).items()},
        )
        seed += 1


def main(argv):
    if argv[:1] == ["cells"]:
        count = int(argv[1]) if len(argv) > 1 else 320
        for table in HEARD_AT_ONCE:
            for offset, snr_db in OFFSETS_AND_SNRS:
                print(selcall_cell(table, offset, snr_db, count), flush=True)
        for snr_db in PACKET_SNRS:
            print(
                packet_cell(snr_db, count=count), packet_cell(snr_db, double=True, count=count)
            )
    elif argv[:1] == ["talk"]:
        for hours, found in talk(argv[1], float(argv[2])):
            for name, (cost, false) in found.items():
                told = sorted((h.kind, h.set or "", h.value) for h in false)
                print(
                    f"{hours:.1f} h: {name} {cost:.3f} CPU s per channel-hour, {told}",
                    flush=True,
                )
    else:
        rng = np.random.default_rng(1)
        for n in (64, 16, 1):
            hiss = to_int16(noise((n, 80000), 4000.0**2, rng))
            for name, bank in banks(n).items():
                cost, found = cpu_s_per_channel_hour(bank, hiss)
                print(
                    f"{n} channels of hiss: {name} {cost:.3f} CPU s per channel-hour, {found}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
