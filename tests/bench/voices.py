"""Speech that carries no tones: what a decoder must stay silent on.

Eight synthetic voices (four variants of eSpeak NG each in Mandarin and English) speak random
sentences, because speech is what invents digits and calls. One set of distinct speech is made
once and kept; hours are made of it by gain, band and clipping.

    python -m tests.bench.voices FOLDER [MINUTES]
"""

import re
import sys
from pathlib import Path

import numpy as np

from drivers.radio import speech_engines
from drivers.radio.samples import band_shaped, speech_level_dbfs, to_int16
from drivers.radio.speech_engines import EspeakEngine

VARIANTS = {"zh": ("", "+f2", "+m3", "+f4"), "en": ("", "+f3", "+m7", "+f1")}
BASE = {"zh": "cmn", "en": "en-us"}
MANNERS = ("clean", "narrow", "clipped", "quiet")
RATE_HZ = 8000
_CHARACTERS = (
    "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后"
    "小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两"
    "长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很"
    "业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太"
    "水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合"
)
_WORDS_TEXT = """
guard street report north window patrol seven market quickly arrive question person blue
river station evening danger vehicle nobody answer kitchen morning corner school yellow
through measure between father bridge moving please office nine village thousand enough
summer garage hospital women children fight weather again money engine finished
telephone under sixteen radio zero over ship juice these voices azure church laugh
mountain crowd shoes witness emergency understood
"""
_WORDS = tuple(re.findall(r"[a-z]+", _WORDS_TEXT))


def sentence(language, rng):
    """Return a random sentence of a few seconds."""
    if language == "zh":
        return "".join(rng.choice(list(_CHARACTERS), int(rng.integers(10, 30)))) + "。"
    return " ".join(rng.choice(_WORDS, int(rng.integers(6, 16)))) + "."


def spoken(language, variant, seconds, seed):
    """Return about ``seconds`` of one voice, with pauses, as 8 kHz int16."""
    rng = np.random.default_rng(seed)
    names = dict(speech_engines._ESPEAK_VOICES)
    speech_engines._ESPEAK_VOICES[language] = (BASE[language] + variant).encode()
    try:
        engine, parts, total = EspeakEngine(), [], 0
        while total < seconds * RATE_HZ:
            said = engine.render(sentence(language, rng), language, int(rng.integers(120, 220)))
            pause = np.zeros(int(rng.integers(800, 4000)), np.int16)
            parts += [said, pause]
            total += len(said) + len(pause)
    finally:
        speech_engines._ESPEAK_VOICES.update(names)
    return np.concatenate(parts)[: int(seconds * RATE_HZ)]


def voices(folder, minutes=24.0):
    """Return {name: samples} of the eight voices, ``minutes`` in all; kept in ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [(language, v) for language, variants in VARIANTS.items() for v in variants]
    found = {}
    for seed, (language, variant) in enumerate(kinds):
        seconds = 60.0 * minutes / len(kinds)
        file = folder / f"{language}{variant}-{seconds:g}s.npy"
        if not file.exists():
            np.save(file, spoken(language, variant, seconds, seed))
        found[f"{language}{variant}"] = np.load(file)
    return found


def in_manner(samples, manner):
    """Return the speech as a channel may bring it: one of `MANNERS`."""
    loud = samples * (10.0 ** ((-12.0 - speech_level_dbfs(samples)) / 20.0))
    if manner == "clean":
        return to_int16(loud)
    if manner == "quiet":
        return band_shaped(to_int16(loud * 0.08))
    if manner == "narrow":
        return band_shaped(to_int16(loud))
    # Driven 18 dB into the limiter, as a shout into a handheld is.
    return band_shaped(to_int16(np.clip(band_shaped(to_int16(loud)) * 8.0, -16000, 16000)))


def channels(folder, n_channels, minutes=24.0, seed=1):
    """Return (n_channels, samples): pieces of the voices, each in a manner, at a gain and speed.

    Each channel begins elsewhere in its voice and is up to 12 % faster or slower, which moves
    every formant and pitch, so that channels differ where they share a voice.
    """
    rng = np.random.default_rng(seed)
    made = list(voices(folder, minutes).values())
    length = min(map(len, made)) * 85 // 100
    out = np.zeros((n_channels, length), np.int16)
    for k in range(n_channels):
        turned = np.roll(made[k % len(made)], int(rng.integers(0, length)))
        speed = float(rng.uniform(0.89, 1.12))
        at = np.arange(length) * speed
        stretched = np.interp(at, np.arange(len(turned)), turned.astype(float))
        out[k] = in_manner(to_int16(stretched), MANNERS[(k // len(made)) % len(MANNERS)])
    return out


if __name__ == "__main__":
    made = voices(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 24.0)
    for name, samples in made.items():
        print(f"{name}: {len(samples) / RATE_HZ:.0f} s, {speech_level_dbfs(samples):.1f} dBFS")
