"""Windows never let the platform see too much, and the queue serves the most urgent first."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.telegram.limits import NEVER, Limits, Window, Windows, is_group
from drivers.telegram.send_queue import SendQueue, Waiting
from gateway.core.effects import AnswerPress, PostCard
from tests.drivers.chat_contract import GROUP, LI, ZHANG, card, edit, line

OPEN = Limits(per_chat_per_s=1000, per_group_per_min=100_000, per_s=1000)


def waiting(effect, outbox=1, deadline=NEVER):
    return Waiting(effect, outbox, deadline)


def press(text="好"):
    return AnswerPress(chat="work", press="p1", text=text, alert=False, not_after_us=0)


def taken(queue, now=0.0):
    """Take and end everything that may leave at ``now``."""
    order = []
    while isinstance(item := queue.take(now), Waiting):
        order.append(item)
        queue.ended(item, now)
    return order


class Platform:
    """Counts arrivals as the platform does: never more than ``most`` in any ``span_s``."""

    def __init__(self, most, span_s):
        self.most, self.span_s, self.times = most, span_s, []

    def arrive(self, at):
        self.times.append(at)

    def exceeded(self):
        times = sorted(self.times)
        return any(
            late - early < self.span_s - 1e-9
            for early, late in zip(times, times[self.most :], strict=False)
        )


@settings(max_examples=200)
@given(
    st.integers(1, 6),
    st.floats(0.2, 60),
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 8), st.floats(0, 1), st.booleans()), max_size=60
    ),
)
def test_the_platform_never_sees_more_than_the_window_allows(most, span_s, steps):
    """Each call arrives somewhere between its start and its end; whatever that is, it holds."""
    window, platform, now, ends = Window(most, span_s), Platform(most, span_s), 0.0, []
    for pause_s, lasts_s, part, urgent in steps:
        now += pause_s
        for end in sorted(e for e in ends if e <= now):
            window.end(end)
        ends = [e for e in ends if e > now]
        if window.wait_s(urgent, now) <= 0:
            window.start()
            platform.arrive(now + lasts_s * part)
            ends.append(now + lasts_s)
    assert not platform.exceeded()


@given(st.integers(5, 100))
def test_a_fifth_of_a_window_is_kept_for_level_1(count):
    window = Window(count, 60)
    calm = urgent = 0
    while window.wait_s(False, 0.0) == 0:
        window.start()
        calm += 1
    while window.wait_s(True, 0.0) == 0:
        window.start()
        urgent += 1
    assert calm + urgent == count
    assert urgent == int(count * 0.2) >= 1


@given(st.lists(st.floats(0, 3), min_size=1, max_size=30))
def test_the_wait_it_names_is_the_wait_it_takes(pauses):
    window, now = Window(3, 5.0), 0.0
    for pause_s in pauses:
        now += pause_s
        wait_s = window.wait_s(True, now)
        assert 0 <= wait_s <= 5.0
        now += wait_s
        assert window.wait_s(True, now) <= 1e-9
        window.start()
        window.end(now)


def test_windows_of_quiet_chats_are_forgotten():
    windows = Windows(Limits())
    for user in range(1, 300):
        windows.start(str(user))
        windows.end(str(user), 0.0)
    windows.forget_idle(0.5)
    assert len(windows) == 299
    windows.forget_idle(2.0)
    assert len(windows) == 0


def test_groups_have_negative_ids():
    assert is_group(GROUP)
    assert not is_group(ZHANG)


effects = st.builds(
    lambda kind, level, to, name: (
        press()
        if kind == "press"
        else line("work", "x", level=level, address=to)
        if kind == "line"
        else replace(card("work", name), level=level, address=to)
        if kind == "post"
        else edit(card("work", name, level=level, address=to), "1", "x")
    ),
    st.sampled_from(["press", "line", "post", "edit"]),
    st.integers(1, 3),
    st.sampled_from([GROUP, ZHANG, LI]),
    st.sampled_from(["c1", "c2", "c3"]),
)


@given(st.lists(effects, max_size=40))
def test_everything_comes_out_once_most_urgent_first_edits_the_newest_only(wanted):
    queue, displaced = SendQueue(OPEN), []
    items = [waiting(effect, outbox) for outbox, effect in enumerate(wanted)]
    for item in items:
        gone = queue.put(item)
        if gone is not None:
            displaced.append(gone)
    out = taken(queue)
    assert {i.outbox for i in out} | {i.outbox for i in displaced} == set(range(len(items)))
    assert len(out) + len(displaced) == len(items)
    assert [item.rank for item in out] == sorted(item.rank for item in out)
    cards = [i.effect.card for i in out if hasattr(i.effect, "message")]
    assert len(cards) == len(set(cards))
    assert len(queue) == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(effects, st.floats(0, 2)), max_size=30),
    st.lists(
        st.tuples(st.sampled_from(["ok", "retry", "hold"]), st.floats(0, 3)), max_size=200
    ),
)
def test_no_story_loses_or_doubles_an_effect(story, fates):
    """Arrivals, retries and holds in any order: each effect ends exactly once."""
    queue, now, ended, fates = SendQueue(Limits(in_flight=4)), 0.0, [], itertools.chain(fates)
    for outbox, (effect, pause_s) in enumerate(story):
        now += pause_s
        gone = queue.put(waiting(effect, outbox))
        if gone is not None:
            ended.append(gone.outbox)
        item = queue.take(now)
        if isinstance(item, Waiting):
            now = settle(queue, item, now, fates, ended)
    for _ in range(2000):
        item = queue.take(now)
        if isinstance(item, Waiting):
            now = settle(queue, item, now, fates, ended)
        elif item == NEVER:
            break
        else:
            now += item + 1e-6
    assert sorted(ended) == list(range(len(story)))
    assert len(queue) == 0
    assert queue.under_way == ()


def settle(queue, item, now, fates, ended):
    fate, lasts_s = next(fates, ("ok", 0.1))
    now += lasts_s
    queue.ended(item, now)
    if fate == "ok":
        ended.append(item.outbox)
        return now
    if fate == "hold":
        queue.hold(item.address, now + 2)
    if not queue.retry(item, now + 0.5):
        ended.append(item.outbox)
    return now


class Oracle:
    """What may leave next, found by looking at everything that waits, with windows of its own."""

    def __init__(self, limits):
        self.limits, self.waiting, self.under_way = limits, [], []
        self.all, self.chats = Window(limits.per_s, 1.0), {}

    def windows(self, address):
        if address not in self.chats:
            span_s = max(1, int(self.limits.per_chat_per_s)) / self.limits.per_chat_per_s
            own = [Window(max(1, int(self.limits.per_chat_per_s)), span_s)]
            if is_group(address):
                own.append(Window(self.limits.per_group_per_min, 60.0))
            self.chats[address] = [self.all, *own]
        return self.chats[address] if address else []

    def free(self, item, now):
        kept = 0 if item.urgent else int(self.limits.in_flight * 0.2)
        room = len(self.under_way) < self.limits.in_flight - kept
        return room and all(w.wait_s(item.urgent, now) <= 0 for w in self.windows(item.address))

    def best(self, now):
        heads = {}
        for item in sorted(self.waiting, key=lambda i: i.rank):
            heads.setdefault(item.address, item)
        free = [item for item in heads.values() if self.free(item, now)]
        return min(free, key=lambda i: i.rank, default=None)

    def start(self, item):
        self.waiting.remove(item)
        self.under_way.append(item)
        for window in self.windows(item.address):
            window.start()

    def end(self, item, now):
        self.under_way.remove(item)
        for window in self.windows(item.address):
            window.end(now)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("put"), st.integers(0, 3), st.sampled_from([GROUP, ZHANG, LI, "-7"])
            ),
            st.tuples(st.just("end"), st.integers(0, 9), st.just("")),
            st.tuples(st.just("pass"), st.sampled_from([0, 1, 5, 40]), st.just("")),
        ),
        max_size=80,
    )
)
def test_the_line_finds_whom_looking_at_everything_would_find(story):
    limits = Limits(per_chat_per_s=2, per_group_per_min=6, per_s=5, in_flight=6)
    queue, oracle, now = SendQueue(limits), Oracle(limits), 0.0
    for number, (what, value, address) in enumerate(story):
        if what == "put":
            effect = (
                card("work", f"c{number}", level=value, address=address) if value else press()
            )
            item = waiting(effect, number)
            queue.put(item)
            oracle.waiting.append(item)
        elif what == "end" and oracle.under_way:
            item = oracle.under_way[value % len(oracle.under_way)]
            queue.ended(item, now)
            oracle.end(item, now)
        elif what == "pass":
            now += value / 4
        while isinstance(item := queue.take(now), Waiting):
            assert item is oracle.best(now)
            oracle.start(item)
        assert oracle.best(now) is None


@pytest.mark.parametrize("at_s", [0.0, 7.3, 21.9])
def test_among_600_cards_level_1_leaves_within_3_s_with_the_limits_on(at_s):
    """600 cards for 50 groups and their guards; a call lasts 0.3 s; every wait is obeyed."""
    queue, now, under_way = SendQueue(Limits()), 0.0, []
    for number in range(600):
        to = str(-1000 - number % 50) if number % 2 else str(700_000_000 + number)
        queue.put(waiting(card("work", f"c{number}", level=2 + number % 2, address=to), number))
    urgent = [f"urgent{n}" for n in range(5)]
    left_s, sent, asked = {}, 0, False
    while sent < 605:
        if now >= at_s and not asked:
            asked = True
            for n, name in enumerate(urgent):
                effect = card("work", name, level=1, address=str(-1000 - n))
                queue.put(waiting(effect, name))
        item = queue.take(now)
        if isinstance(item, Waiting):
            left_s[item.effect.card] = now
            under_way.append((now + 0.3, item))
            continue
        ends = [end for end, _ in under_way]
        coming = [] if asked else [at_s]
        step = min([now + item, *ends, *coming, now + 60])
        now = max(step, now + 1e-6)
        for end, done in [pair for pair in under_way if pair[0] <= now]:
            queue.ended(done, end)
            under_way.remove((end, done))
            sent += 1
    assert all(left_s[name] - at_s <= 3.0 for name in urgent)
    assert len(left_s) == 605


LIFE_S, REPEAT_S = 60, 30


def storm_of(count):
    """Return (moment, effect, deadline) of all that so many orders write to one group.

    An order is posted, repeated when nobody answers, and shown to have ended; every other one
    is of level 3, and each lives a minute.
    """
    said = []
    for number in range(count):
        at_s, name = 60 * number / count, f"c{number}"
        post = card("work", name, level=2 + number % 2)
        said.append((at_s, post, at_s + LIFE_S))
        again = line("work", f"{name} once more", level=post.level)
        said.append((at_s + REPEAT_S, again, at_s + LIFE_S))
        said.append((at_s + LIFE_S, edit(post, "1", "nobody"), NEVER))
    return sorted(said, key=lambda entry: entry[0])


def test_an_order_is_posted_before_earlier_ones_are_repeated_or_shown_to_have_ended():
    """A group takes 16 messages a minute below level 1, and its twenty orders live as long."""
    queue, now, late, posted = SendQueue(Limits()), 0.0, [], []
    story = storm_of(20)
    for at_s in itertools.count(0, 0.5):
        while story and story[0][0] <= at_s:
            _, effect, deadline = story.pop(0)
            queue.put(waiting(effect, deadline=deadline))
        now = float(at_s)
        late += [i.effect.card for i in queue.overdue(now) if isinstance(i.effect, PostCard)]
        posted += [i.effect.card for i in taken(queue, now) if isinstance(i.effect, PostCard)]
        if not story and not len(queue):
            break
    assert late == []
    assert sorted(posted) == sorted(f"c{number}" for number in range(20))


def test_a_chat_held_back_by_the_platform_holds_back_nobody_else():
    queue = SendQueue(OPEN)
    queue.hold(GROUP, 30.0)
    queue.put(waiting(card("work", "c1", level=1)))
    queue.put(waiting(card("work", "c2", address=ZHANG, private=True)))
    assert [i.effect.card for i in taken(queue)] == ["c2"]
    assert queue.take(0.0) == pytest.approx(30.0)
    assert [i.effect.card for i in taken(queue, 30.0)] == ["c1"]


def test_level_1_still_leaves_when_the_others_have_used_their_part_of_the_calls():
    queue = SendQueue(replace(OPEN, in_flight=10))
    for number in range(10):
        queue.put(waiting(card("work", f"c{number}", level=3)))
    slow = []
    while isinstance(item := queue.take(0.0), Waiting):
        slow.append(item)
    assert len(slow) == 8
    queue.put(waiting(card("work", "urgent", level=1)))
    item = queue.take(0.0)
    assert isinstance(item, Waiting)
    assert item.effect.card == "urgent"


def test_answers_to_presses_pass_every_limit():
    queue = SendQueue(Limits(per_chat_per_s=1, per_group_per_min=1, per_s=1))
    queue.put(waiting(card("work", "c1", level=1)))
    queue.put(waiting(card("work", "c2", level=1)))
    assert len(taken(queue)) == 1
    queue.put(waiting(press()))
    assert [type(i.effect) for i in taken(queue)] == [AnswerPress]


def test_two_edits_of_one_card_are_never_under_way_together():
    queue, post = SendQueue(OPEN), card("work")
    queue.put(waiting(edit(post, "1", "alt"), 1))
    first = queue.take(0.0)
    queue.put(waiting(edit(post, "1", "neu"), 2))
    replaced = queue.put(waiting(edit(post, "1", "neuer"), 3))
    assert replaced.outbox == 2
    assert queue.take(0.0) == NEVER
    queue.ended(first, 1.0)
    second = queue.take(1.0)
    assert second.effect.text == "neuer"
    queue.ended(second, 2.0)
    assert not taken(queue, 2.0)


def test_a_failed_edit_gives_way_to_a_newer_one():
    queue, post = SendQueue(OPEN), card("work")
    queue.put(waiting(edit(post, "1", "alt"), 1))
    first = queue.take(0.0)
    queue.put(waiting(edit(post, "1", "neu"), 2))
    queue.ended(first, 1.0)
    assert not queue.retry(first, 5.0)
    assert [item.outbox for item in taken(queue, 1.0)] == [2]


@settings(max_examples=100, deadline=None)
@given(st.lists(effects, max_size=40), st.integers(0, 10))
def test_a_forgotten_address_gets_nothing_more_and_the_others_all(wanted, under_way):
    """Waiting, later, behind another edit or under way: none of it is sent afterwards."""
    queue, displaced = SendQueue(OPEN), []
    for outbox, effect in enumerate(wanted):
        gone = queue.put(waiting(effect, outbox))
        displaced += [] if gone is None else [gone.outbox]
    begun = [item for _ in range(under_way) if isinstance(item := queue.take(0.0), Waiting)]
    forgotten = queue.forget(ZHANG)
    for item in begun:
        queue.ended(item, 0.0)
        assert not (queue.retry(item, 1.0) and item.address == ZHANG)
    out = taken(queue, 2.0)
    assert all(item.address != ZHANG for item in out)
    assert all(getattr(wanted[n], "address", "") == ZHANG for n in forgotten)
    left = {i.outbox for i in out} | {i.outbox for i in begun}
    assert left | set(forgotten) | set(displaced) == set(range(len(wanted)))
    assert len(queue) == 0


def test_what_cannot_leave_in_time_is_taken_out():
    queue = SendQueue(OPEN)
    queue.hold(GROUP, 100.0)
    queue.put(waiting(card("work", "c1"), 1, deadline=5.0))
    queue.put(waiting(card("work", "c2"), 2, deadline=50.0))
    assert queue.take(0.0) == pytest.approx(5.0)
    assert list(queue.overdue(5.0)) == []
    assert [item.outbox for item in queue.overdue(5.1)] == [1]
    assert [item.outbox for item in queue.overdue(60.0)] == [2]
    assert len(queue) == 0
    assert queue.take(200.0) == NEVER


def test_a_full_queue_gives_up_the_least_urgent():
    queue = SendQueue(OPEN, bound=3)
    for number, level in enumerate([2, 3, 3]):
        assert queue.put(waiting(card("work", f"c{number}", level=level), number)) is None
    assert queue.put(waiting(card("work", "urgent", level=1), 9)).outbox == 2
    newest = waiting(card("work", "c4", level=3), 10)
    assert queue.put(newest) is newest
    assert [item.outbox for item in taken(queue)] == [9, 0, 1]
