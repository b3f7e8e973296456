"""How well speech is understood through a narrow FM channel, shaped for it and not.

Sentences of an engine go through the simulators' own transmitter, path and receiver (12.5 kHz
channel, 2.5 kHz deviation limit, pre- and de-emphasis) at several carrier-to-noise ratios, each
sentence as the engine gives it with its peaks at the limiter's point, with a band-pass and its
level set, and shaped as it goes on the air. What comes out is held against the engine's own
sound by STOI and ESTOI (Taal et al. 2011, Jensen and Taal 2016; the library pystoi): 0 is
noise, 1 is the sentence itself.

    python -m tests.bench.intelligibility [SENTENCES]
"""

import sys
import warnings
from dataclasses import dataclass

import numpy as np

from drivers.radio.samples import band_shaped, peak_of, speech_level_dbfs, to_int16
from drivers.radio.shaping import SPEECH_LEVEL_DBFS, shaped_speech
from drivers.radio.speech_engines import EspeakEngine
from simulators.channel_model import Equipment, Receiver, Transmitter, speech_taps
from tests.bench.figures import Row
from tests.bench.voices import sentence

RATE_HZ, FRAME = 8000, 160
CNRS_DB = (20.0, 12.0, 9.0, 6.0)
PEAK_DBFS = -3.0
# Of orders as they are spoken here; the rest are random sentences.
ORDERS = {
    "zh": (
        "东街网格，指挥中心呼叫",
        "一级警情，一二号，建设银行门口有人打架",
        "二级警情，三七号，重庆路市场，一名老人走失，穿蓝色上衣",
        "请就近前往处置，需要两人，注意自身安全，等待民警",
    ),
    "en": (
        "East street grid, command centre calling",
        "Level one, number one two, fight at the bank on the corner",
    ),
}


@dataclass(frozen=True)
class Point:
    """How well one way of sending is understood at one carrier-to-noise ratio, on average."""

    cnr_db: float
    way: str
    language: str
    sentences: int
    stoi: float
    estoi: float


def as_it_is(samples):
    """Return an engine's speech with its highest peak at -3 dBFS: what a player would do."""
    peak = float(np.abs(samples.astype(float)).max())
    return to_int16(samples * (peak_of(PEAK_DBFS) / peak))


def levelled(samples):
    """Return speech cut to the band and set to the level at which ours goes out."""
    inside = band_shaped(samples)
    gain_db = SPEECH_LEVEL_DBFS - speech_level_dbfs(inside)
    return to_int16(np.clip(inside * 10 ** (gain_db / 20), -32768, 32767))


WAYS = {"unshaped": as_it_is, "levelled": levelled, "shaped": shaped_speech}


def through(samples, cnr_db, seed):
    """Return 8 kHz sound through transmitter, path and receiver, as long as it went in."""
    equipment = Equipment(offset_hz=0.0, muted=False)
    transmitter, receiver = Transmitter(equipment), Receiver(equipment, [seed])
    strength = 10 ** (cnr_db / 20)
    frames = np.pad(samples, (0, -len(samples) % FRAME + 3 * FRAME)).reshape(-1, FRAME)
    out = [receiver.hear(strength * transmitter.modulate(f)) for f in frames.astype(np.int16)]
    return np.concatenate(out)


def crest_db(samples):
    """Return by how much the peaks stand over the level, behind a radio's pre-emphasis."""
    lifted = np.convolve(samples.astype(float), speech_taps(1), "same")
    level_dbfs = speech_level_dbfs(to_int16(lifted / 4))
    return 20 * np.log10(np.abs(lifted / 4).max() / peak_of(level_dbfs))


def aligned(reference, heard):
    """Return what was heard, moved to lie on the reference, as long as that."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    delay = int(np.argmax(np.fft.irfft(spectrum, size)[: 4 * FRAME]))
    moved = heard[delay : delay + len(reference)]
    return np.pad(moved, (0, len(reference) - len(moved)))


def judged(clean, heard):
    """Return (STOI, ESTOI) of what was heard against the clean sentence."""
    from pystoi import stoi

    moved = aligned(clean.astype(float), heard.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(
            float(stoi(clean.astype(float), moved, RATE_HZ, extended=more))
            for more in (False, True)
        )


def sentences(language, count, seed=1):
    """Return so many sentences as the engine gives them: our own orders first."""
    rng, engine = np.random.default_rng(seed), EspeakEngine()
    texts = [*ORDERS[language], *(sentence(language, rng) for _ in range(count))][:count]
    return [engine.render(text, language, None) for text in texts]


def points(count=12, cnrs_db=CNRS_DB, ways=None):
    """Yield a `Point` for each language, ratio and way."""
    for language in ORDERS:
        clean = sentences(language, count)
        for cnr_db in cnrs_db:
            for way, shape in (ways or WAYS).items():
                scores = [
                    judged(each, through(shape(each), cnr_db, seed))
                    for seed, each in enumerate(clean)
                ]
                stoi, estoi = np.mean(scores, axis=0)
                yield Point(cnr_db, way, language, count, float(stoi), float(estoi))


def rows(count=8, cnrs_db=(20.0, 12.0, 6.0)):
    """Return a bench row for each language and ratio: STOI as sent, unshaped as its floor."""
    found = {}
    ways = {way: WAYS[way] for way in ("unshaped", "shaped")}
    for point in points(count, cnrs_db, ways):
        found.setdefault((point.language, point.cnr_db), {})[point.way] = point
    return [
        Row(
            f"speech {language}, STOI at {cnr_db:g} dB", "", count, by["shaped"].stoi,
            floor=by["unshaped"].stoi, floor_is="the same sentences unshaped, peaks at -3 dBFS",
            note=f"ESTOI {by['shaped'].estoi:.3f}, unshaped {by['unshaped'].estoi:.3f}",
        )
        for (language, cnr_db), by in found.items()
    ]  # fmt: skip


def main(argv):
    count = int(argv[0]) if argv else 12
    for language in ORDERS:
        for way, shape in WAYS.items():
            crests = [crest_db(shape(each)) for each in sentences(language, count)]
            print(f"{language} {way}: crest after pre-emphasis {np.mean(crests):.1f} dB")
    for point in points(count):
        print(
            f"{point.language} CNR {point.cnr_db:4.1f} dB {point.way:9s} "
            f"STOI {point.stoi:.3f} ESTOI {point.estoi:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
