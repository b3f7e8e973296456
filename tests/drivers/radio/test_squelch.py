"""Squelch: the expression, the debounce's companions, what sound alone tells, key presses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.activity import NoiseSquelch, VoiceActivity
from drivers.radio.presses import GROUP_GAP_S, Presses
from drivers.radio.squelch import TERMS, Flapping, parse_squelch
from drivers.radio.timing import Lateness
from gateway.interfaces import SetupError

TICK_S = 0.02


@pytest.mark.parametrize(
    ("text", "values", "is_open"),
    [
        ("cts", {"cts": True}, True),
        ("CTS", {"cts": False}, False),
        ("none", {"voice": True}, True),
        ("dcd", {"cd": True}, True),
        ("cts & ctcss", {"cts": True}, False),
        ("cts & ctcss", {"cts": True, "ctcss": True}, True),
        ("noise | !dsr", {"dsr": True}, False),
        ("noise | !dsr", {"dsr": False}, True),
        ("cts | dsr & ctcss", {"cts": True}, True),
        ("(cts | dsr) & ctcss", {"cts": True}, False),
        ("!(cts|dsr)&!!ri", {"ri": True}, True),
    ],
)
def test_squelch_expressions(text: str, values: dict[str, bool], is_open: bool) -> None:
    assert parse_squelch(text).open(values) is is_open


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "character 1: the end"),
        ("rts", "character 1: 'rts'"),
        ("cts &", "character 6: the end"),
        ("cts ctcss", "character 5: 'ctcss', expected & or |"),
        ("(cts", "character 5: the end, expected & or | or )"),
        ("cts) | dsr", "character 4: ')'"),
        ("cts && dsr", "character 6: '&'"),
        ("cts = 1", "character 5: '='"),
        ("静噪", "character 1: '静'"),
        ("!" * 101, "longer than 100"),
    ],
)
def test_what_is_no_squelch_expression_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(SetupError) as refused:
        parse_squelch(text)
    assert place in str(refused.value)


_TREES = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        st.tuples(st.just("!"), inner),
        st.tuples(st.sampled_from("&|"), inner, inner),
    ),
    max_leaves=6,
)


def written(tree: object) -> str:
    if isinstance(tree, str):
        return tree
    if len(tree) == 2:
        return f"!({written(tree[1])})"
    return f"({written(tree[1])} {tree[0]} {written(tree[2])})"


def meant(tree: object, values: dict[str, bool]) -> bool:
    if isinstance(tree, str):
        return values[tree]
    if len(tree) == 2:
        return not meant(tree[1], values)
    both = meant(tree[1], values), meant(tree[2], values)
    return all(both) if tree[0] == "&" else any(both)


@settings(max_examples=200, deadline=None)
@given(_TREES, st.fixed_dictionaries({term: st.booleans() for term in TERMS}))
def test_an_expression_means_what_is_written(tree: object, values: dict[str, bool]) -> None:
    text = written(tree)
    if len(text) <= 100:
        expression = parse_squelch(text)
        assert expression.open(values) is meant(tree, values)
        assert set(expression.lines) <= expression.terms


@settings(max_examples=300, deadline=None)
@given(st.text("ctsdrnoev &|!()1", max_size=110))
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    try:
        parse_squelch(text).open({})
    except SetupError as error:
        assert "squelch" in str(error)


def test_flutter_is_no_flapping_and_flapping_ends_by_itself() -> None:
    flapping, now_s = Flapping(), 0.0
    for _ in range(20):  # two seconds of a weak signal
        now_s += 0.1
        flapping.edge(now_s)
        assert not flapping.step(now_s)
    for _ in range(60):
        now_s += 0.05
        flapping.edge(now_s)
    assert flapping.step(now_s)
    assert flapping.step(now_s + 3)
    assert not flapping.step(now_s + 5)


def hiss(rng: np.random.Generator, dbfs: float) -> np.ndarray:
    return rng.normal(0, 32767 / np.sqrt(2) * 10 ** (dbfs / 20), 160).astype(np.int16)


def tone(hz: float, dbfs: float, n: int) -> np.ndarray:
    t = (np.arange(160) + 160 * n) / 8000
    return (32767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def test_discriminator_noise_quiets_under_a_carrier_and_silence_is_none() -> None:
    rng, squelch = np.random.default_rng(5), NoiseSquelch(-35)
    assert not any(squelch.step(hiss(rng, -15)) for _ in range(100))
    carrier = [squelch.step(hiss(rng, -50) + tone(1000, -12, n)) for n in range(100)]
    assert carrier.index(True) <= 8, "open within 160 ms"
    assert all(carrier[10:]), "speech does not close it"
    assert not all(squelch.step(hiss(rng, -15)) for _ in range(4)), "closed within 80 ms"
    assert not squelch.step(np.zeros(160, np.int16)), "a cut cable is no carrier"
    assert not squelch.step(None)


def test_a_voice_opens_and_a_hum_that_stays_does_not_for_ever() -> None:
    voice = VoiceActivity(-38)
    quiet = np.zeros(160, np.int16)
    heard = [voice.step(n * TICK_S, quiet) for n in range(50)]
    assert not any(heard)
    syllables = [tone(500, -20, n) if n % 15 < 11 else quiet for n in range(1000)]
    heard = [voice.step(1 + n * TICK_S, frame) for n, frame in enumerate(syllables)]
    assert all(heard), "twenty seconds of talk with pauses"
    hum = [voice.step(30 + n * TICK_S, tone(50, -20, n)) for n in range(100)]
    assert not any(hum), "mains hum is below the voice's band"
    stays = [voice.step(40 + n * TICK_S, tone(400, -20, n)) for n in range(1000)]
    assert stays[0] and not stays[-1]


def edges(presses: Presses, *spans_ms: int, at_s: float = 10.0) -> float:
    for number, span in enumerate(spans_ms):
        presses.edge(number % 2 == 0, at_s)
        at_s += span / 1000
    presses.edge(False, at_s)
    return at_s


def ended(presses: Presses, at_s: float) -> tuple[tuple[int, ...], int] | None:
    """Return a group that is over: its presses, and how long the new ones were."""
    group = presses.group_ended(at_s)
    return None if group is None else (group.presses_ms, group.new_ms)


def test_two_short_presses_are_read_once_no_other_follows() -> None:
    presses = Presses(40)
    end_s = edges(presses, 300, 250, 280)
    assert presses.group_ended(end_s + 0.9) is None
    assert ended(presses, end_s + 1.01) == ((300, 250, 280), 580)
    assert presses.group_ended(end_s + 5) is None


def test_crackles_and_flutter_are_no_presses_and_a_group_ends_by_its_pause() -> None:
    presses = Presses(40)
    end_s = edges(presses, 20, 500, 300, 20, 200)
    assert ended(presses, end_s + 2) == ((520,), 520)
    end_s = edges(presses, 300, 1200, 300, at_s=30)
    assert ended(presses, end_s + 2) == ((300,), 300), "the first was another group"


def test_what_an_over_told_is_not_told_again() -> None:
    presses = Presses(40)
    end_s = edges(presses, 2000)
    assert presses.so_far() == (2000,)
    assert ended(presses, end_s + 2) == ((2000,), 0)
    end_s = edges(presses, 2000, at_s=50)
    assert presses.so_far() == (2000,)
    end_s = edges(presses, 200, at_s=end_s + 0.3)
    assert ended(presses, end_s + 2) == ((2000, 300, 200), 200)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.001, 3.0), max_size=40))
def test_presses_are_bounded_odd_and_never_longer_than_the_key_was_down(
    spans_s: list[float],
) -> None:
    presses, now_s, down_s = Presses(40), 1.0, 0.0
    told: list[int] = []
    for number, span_s in enumerate(spans_s):
        presses.edge(number % 2 == 0, now_s)
        group = presses.group_ended(now_s)
        told += [group.new_ms] if group else []
        assert group is None or len(group.presses_ms) % 2 == 1
        now_s += span_s
        down_s += (span_s if number % 2 == 0 else min(span_s, 0.04))
    presses.edge(False, now_s)
    group = presses.group_ended(now_s + GROUP_GAP_S + 0.01)
    told += [group.new_ms] if group else []
    assert sum(told) <= 1000 * down_s + len(told)


def test_lateness_is_counted_with_its_largest() -> None:
    late = Lateness()
    for ms in [*(n / 100 for n in range(990)), *([70.0] * 9), 612.5]:
        late.add(ms)
    count, p99_ms, max_ms = late.take()
    assert (count, max_ms) == (999 + 1, 612.5)
    assert 9.75 <= p99_ms <= 10.25
    assert late.take() == (0, 0.0, 0.0)
