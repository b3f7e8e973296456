"""A delivery goes forward only, and what reached a person is never called lost."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.delivery import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    TABLE,
    What,
    advance,
    backoff_s,
    is_expired,
    is_open,
)
from gateway.core.order import DeliveryState

WORDS = get_args(What)
states = st.sampled_from(DeliveryState)
words = st.sampled_from(WORDS)
chances = st.floats(0, 1)


def test_every_state_has_an_edge_for_every_word():
    assert {(s, w) for s in DeliveryState for w in WORDS} == {
        (s, w) for s, row in TABLE.items() for w in row
    }


@pytest.mark.parametrize("word", WORDS)
def test_a_pending_delivery_becomes_what_happened(word):
    assert advance(DeliveryState.PENDING, word) == word
    assert is_open(DeliveryState.PENDING)
    assert not is_open(advance(DeliveryState.PENDING, word))


@given(states, st.lists(words))
def test_an_answer_is_the_last_word(state, story):
    for word in ["answered", *story]:
        state = advance(state, word)
    assert state is DeliveryState.ANSWERED


@given(states, st.lists(words))
def test_what_was_sent_is_never_called_lost(state, story):
    for word in ["sent", *story]:
        state = advance(state, word)
    assert state in (DeliveryState.SENT, DeliveryState.ANSWERED)


@given(states, words)
def test_nothing_becomes_pending_again_and_repeats_change_nothing(state, word):
    after = advance(state, word)
    assert after is not DeliveryState.PENDING
    assert advance(after, word) is after


@pytest.mark.parametrize("first", ["failed", "expired", "withdrawn"])
@pytest.mark.parametrize("then", ["failed", "expired", "withdrawn"])
def test_the_first_reason_why_it_did_not_go_out_stands(first, then):
    state = advance(DeliveryState.PENDING, first)
    assert advance(state, then) is state


def test_an_unset_clock_expires_nothing():
    assert is_expired(1_000, 1_001)
    assert not is_expired(1_000, 1_000)
    assert not is_expired(1_000, 10**15, synchronised=False)


@given(st.integers(1, 10_000), chances)
def test_waits_stay_between_half_and_the_longest(attempt, chance):
    assert FIRST_WAIT_S / 2 <= backoff_s(attempt, None, chance) <= LONGEST_WAIT_S


@given(st.integers(1, 20), chances)
def test_waits_double_until_the_longest(attempt, chance):
    longer = min(LONGEST_WAIT_S, 2 * FIRST_WAIT_S * 2 ** (attempt - 1))
    assert backoff_s(attempt + 1, None, 1.0) == longer
    assert backoff_s(attempt, None, chance) <= backoff_s(attempt + 1, None, chance)


@given(st.integers(1, 50), st.floats(0, 10_000), chances)
def test_what_the_other_side_asks_for_is_never_undercut(attempt, asked_s, chance):
    assert asked_s <= backoff_s(attempt, asked_s, chance) <= asked_s * 1.1 + 1e-6
