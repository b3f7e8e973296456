"""A witness that knows no word can tell whether the last is the first again."""

import numpy as np

from simulators.ends_alike import ends_alike
from simulators.tones import Samples, silence, tone, voice

TONE_S = 0.4


def said(*parts: Samples) -> Samples:
    """Return an over: the attention tone, then these with pauses between them."""
    pieces = [tone((1200.0,), 400, -10)]
    for part in parts:
        pieces += [silence(200), part]
    return np.concatenate([*pieces, silence(100)])


WORD, OTHER, ORDER = voice(0.6, 1), voice(0.6, 2), voice(4.0, 3)


def test_the_same_word_first_and_last_is_found() -> None:
    assert ends_alike(said(WORD, ORDER, WORD), TONE_S) > 0.95


def test_it_is_found_through_a_little_noise_and_at_another_level() -> None:
    noise = np.random.default_rng(5).normal(0, 60, said(WORD, ORDER, WORD).size)
    softer = (said(WORD, ORDER, (WORD * 0.7).astype(np.int16)) + noise).astype(np.int16)
    assert ends_alike(softer, TONE_S) > 0.9


def test_other_words_are_not_alike() -> None:
    for parts in ((WORD, ORDER, OTHER), (ORDER, WORD), (WORD, ORDER), (OTHER, WORD)):
        assert ends_alike(said(*parts), TONE_S) < 0.6


def test_who_says_one_thing_has_no_first_and_last() -> None:
    assert ends_alike(said(WORD), TONE_S) is None
    assert ends_alike(said(), TONE_S) is None
