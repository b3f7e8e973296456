"""Rows of what is heard where nothing was sent, and of what listening costs.

Hours of speech and of open-squelch hiss go through all decoders at once, and through
multimon-ng with DTMF and the same five tables. The speech is that of eight synthetic voices
(`voices`), a quarter of the channels each clean, cut to 300 to 3000 Hz, driven into the limiter,
and quiet. The hiss is white on every second channel and of 300 to 3000 Hz on the others.
"""

import os
import re
import resource
import shutil
import time
from collections import Counter

import numpy as np

from drivers.radio.decode import EVERYTHING
from drivers.radio.dtmf_frames import DtmfFramer
from drivers.radio.dtmf_holes import UNREAD
from drivers.radio.hearing import Hearing, Wishes
from drivers.radio.samples import to_int16
from tests.bench import voices
from tests.bench.figures import Compared, Row
from tests.bench.hearing import PEER, PEER_PROGRAM, RATE_HZ, noise, peer_says
from tests.bench.machine import pss_mb

N_CHANNELS = 64
HISS_RMS = 4000.0
PIECE = RATE_HZ
PEER_DECODERS = ("DTMF", *PEER.values())
# What the peer can hear too.
SHARED = Wishes(dtmf=True, selcall=EVERYTHING.selcall)
_ADDRESS = re.compile(r"[0-9A-F]{5}")
_COST_MIN = 4.0
_TRIES = 3


# ---- false ones ----


def in_speech(folder, minutes, seed):
    """Return the count of what is heard in one run of speech over 64 channels."""
    samples = _whole(voices.channels(folder, N_CHANNELS, minutes, seed))
    # A transmitter cuts the bass of a voice, where the tones below it lie; "clean" has it.
    bass = [_manner(channel) == "clean" for channel in range(N_CHANNELS)]
    return _count(samples, bass)


def _manner(channel):
    kinds = sum(map(len, voices.VARIANTS.values()))
    return voices.MANNERS[channel // kinds % len(voices.MANNERS)]


def in_hiss(hours, seed):
    """Return the count of what is heard in so many hours of hiss over 64 channels.

    Each channel is two stretches, begun anywhere, of two noises of nine minutes, one laid over
    the other.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for make in (
        lambda n: rng.standard_normal(n) * HISS_RMS,
        lambda n: noise((n,), HISS_RMS**2, rng),
    ):
        pairs.append([make(1 << 22).astype(np.float32) for _ in range(2)])
    tally, block = Counter(), 60 * RATE_HZ
    while tally["samples"] < hours * 3600 * RATE_HZ:
        samples = np.stack([_laid_over(pairs[k % 2], block, rng) for k in range(N_CHANNELS)])
        tally += _count(samples, [False] * N_CHANNELS)
    return tally


def _laid_over(pair, n, rng):
    parts = [p[at : at + n] for p in pair for at in [int(rng.integers(0, len(p) - n))]]
    return to_int16((parts[0] + parts[1]) / np.sqrt(2.0))


def _whole(samples):
    return samples[:, : samples.shape[1] // PIECE * PIECE]


def _count(samples, bass):
    """Return the count of everything heard; nothing was sent."""
    hearing, yes = Hearing([EVERYTHING] * len(samples)), np.ones(len(samples), np.bool_)
    pieces = range(0, samples.shape[1], PIECE)
    found = [h for k in pieces for h in hearing.hear(samples[:, k : k + PIECE], yes)]
    found += hearing.hear(np.zeros((len(samples), 160), np.int16), ~yes)
    found = [h for h in found if h.value != UNREAD]
    below = ("ctcss", "dcs")
    tally = Counter(
        h.kind + (" under bass" if h.kind in below and bass[h.channel] else "") for h in found
    )
    tally["frames"] = sum(_frames(found, channel) for channel in range(len(samples)))
    tally["samples"] = samples.size
    tally["cut samples"] = samples.shape[1] * bass.count(False)
    return tally + (_peer_count(samples) if shutil.which(PEER_PROGRAM) else Counter())


def _frames(found, channel):
    """Return how many replies the digits of one channel make, as one long over."""
    framer, told = DtmfFramer(), []
    for heard in found:
        if heard.kind == "dtmf" and heard.channel == channel:
            told.append(framer.heard(heard.value, heard.start_sample / RATE_HZ))
    told.append(framer.over_ended())
    return sum(len(message.frames) for message in told if message is not None)


def _peer_count(samples):
    tally = Counter()
    for row in samples:
        for decoder, value in peer_says(row, PEER_DECODERS):
            if decoder == "DTMF":
                tally["peer dtmf"] += 1
            elif _ADDRESS.fullmatch(value):
                tally["peer selcall"] += 1
    return tally


def false_rows(number, where, tallies):
    """Return the rows of all runs of one sort of sound together."""
    tally = sum(tallies, Counter())
    hours, cut = (tally[key] / RATE_HZ / 3600 for key in ("samples", "cut samples"))
    has_peer = shutil.which(PEER_PROGRAM) is not None
    said = f"{hours:.1f} h (n) in which nothing was sent, everything listened for"

    def row(what, unit, figure, most, **more):
        return Compared(f"{number} {where}: {what}", unit, max(1, round(more.pop("hours", hours))), figure,
                        note=more.pop("note", said), target={"p50": most}, **more)  # fmt: skip

    peer = {"peer": tally["peer dtmf"] / hours} if has_peer else {}
    rows = [
        row("false DTMF digits an hour", "/h", tally["dtmf"] / hours, 1, **peer),
        row("false DTMF frames", "", tally["frames"], 0),
        row("false five-tone addresses", "", tally["selcall"], 0,
            **({"peer": tally["peer selcall"]} if has_peer else {})),
        row("false MDC1200 packets", "", tally["mdc1200"], 0),
    ]  # fmt: skip
    for kind, names in (("ctcss", "50 CTCSS tones"), ("dcs", "83 DCS codes")):
        bass = tally[f"{kind} under bass"]
        more = f"; {bass} more in {hours - cut:.1f} h of voices with their bass" if bass else ""
        rows.append(row(f"false openings by any of {names}", "", tally[kind], 0, hours=cut,
                        note=f"{cut:.1f} h{more}"))  # fmt: skip
    return rows


# ---- what it costs ----


def cost(folder):
    """Return the rows of processor time and memory; run alone, with one thread."""
    samples = _whole(voices.channels(folder, N_CHANNELS, _COST_MIN, 1))
    said = f"CPU seconds per channel-hour of speech, 64 channels at once, best of {_TRIES}"
    shared, everything = (_least(wishes, samples) for wishes in (SHARED, EVERYTHING))
    peer = _peer_least(samples, PEER_DECODERS), _peer_least(samples, ("DTMF",))
    return [
        Compared("29 DTMF alone", "CPU s/h", N_CHANNELS, _least(Wishes(dtmf=True), samples),
                 peer=peer[1], note=said),
        Compared("29 DTMF and five tables", "CPU s/h", N_CHANNELS, shared, peer=peer[0], note=said),
        Compared("29 all: also MDC1200, 50 CTCSS tones, 83 DCS codes", "CPU s/h", N_CHANNELS,
                 everything, peer=peer[0], target={"p50": 1},
                 note=f"{said}; beside: DTMF and five tables, all it can"),
    ]  # fmt: skip


def _least(wishes, samples):
    """Return CPU seconds per channel-hour of the best try."""
    yes, best = np.ones(len(samples), np.bool_), float("inf")
    for _ in range(_TRIES):
        hearing = Hearing([wishes] * len(samples))
        began = time.process_time()
        for k in range(0, samples.shape[1], PIECE):
            hearing.hear(samples[:, k : k + PIECE], yes)
        best = min(best, time.process_time() - began)
    return best * 3600 * RATE_HZ / samples.size


def _peer_least(samples, decoders):
    """Return the same of multimon-ng, one track after the other; None where it is not here."""
    if shutil.which(PEER_PROGRAM) is None:
        return None
    best, track = float("inf"), samples.reshape(-1)
    for _ in range(_TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        peer_says(track, decoders)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = min(best, spent)
    return best * 3600 * RATE_HZ / samples.size


def memory():
    """Return the row of what one more channel takes, all decoders on; in a process of its own."""
    held, taken = [], []
    for n in (1, N_CHANNELS):
        hearing, yes = Hearing([EVERYTHING] * n), np.ones(n, np.bool_)
        rng = np.random.default_rng(1)
        for _ in range(100):
            frames = rng.normal(0, HISS_RMS, (n, 160)).astype(np.int16)
            hearing.step(frames, yes)
        held.append(hearing)
        taken.append(pss_mb([os.getpid()]))
    return Row("30 memory of one more channel, all decoders", "MB", N_CHANNELS,
               (taken[1] - taken[0]) / N_CHANNELS, target={"p50": 2},
               note="a process of decoders only: 64 channels more, after two seconds of sound")  # fmt: skip
