"""The bench's own arithmetic: a figure that is computed wrongly would be believed."""

from collections import Counter

import numpy as np
import pytest

from gateway.journal import verify
from tests.bench.closed_orders import ROWS_AN_ORDER, add_closed_orders
from tests.bench.figures import (
    BEGIN,
    END,
    Compared,
    Row,
    absent,
    page,
    percentile,
    spread,
    with_page,
)
from tests.bench.radio_live import keyed_s
from tests.bench.radio_plant import lateness_ms
from tests.bench.radio_talk import false_rows
from tests.bench.storm import overtaken


def test_a_percentile_is_one_of_the_values_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_time_over_its_target_is_short_and_one_under_it_is_not() -> None:
    row = spread("1 receipt", "ms", [1.0, 2.0, 30.0], floor=1.0)
    assert row.aiming(p50=2, p99=30, ratio=2).verdict == "ok"
    assert row.aiming(p50=2, p99=29).verdict == "short"
    assert row.aiming(p50=2, ratio=1.9).verdict == "short"
    assert row.aiming(p50=3, p99=20).asked == "p50 ≤ 3, p99 ≤ 20"


def test_of_a_rate_more_is_better() -> None:
    row = Row("5 calls", "/s", 400, 900.0, target={"p50": 860})
    assert (row.verdict, row.asked) == ("ok", "≥ 860")
    assert row.aiming(p50=1850).verdict == "short"


def test_what_was_not_measured_is_neither_ok_nor_short() -> None:
    row = absent("13 peer", "ms", "not installed: apt-get install it").aiming(p50=1)
    assert row.verdict == ""
    assert "apt-get install it" in page({"cores": 2}, [row])


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    before = f"# Bench\n\n{BEGIN}\nold | table\n{END}\n\n## Next\n"
    row = Row("1 receipt", "ms", 3, 2.5, 4.0, note="one at a time")
    after = with_page(before, page({"cores": 2, "cpu": "a"}, [row]))
    assert after.startswith(f"# Bench\n\n{BEGIN}\ncores 2; cpu a.")
    assert after.endswith(f"{END}\n\n## Next\n")
    assert "old | table" not in after
    assert "| 1 receipt | 3 | 2.5 ms | 4 |" in after
    assert with_page(after, page({"cores": 2, "cpu": "a"}, [row])) == after


def test_what_was_heard_stands_in_a_table_of_its_own_beside_the_other() -> None:
    timed = Row("1 receipt", "ms", 3, 2.5)
    note = "same audio"
    heard = [
        Compared("20 DTMF, 9 dB", "%", 300, 99.5, false=1, peer=26.0, peer_false=4, note=note,
                 target={"p50": 99}),
        Compared("20 DTMF, 0 dB", "%", 300, 98.9, note=note, target={"p50": 99}),
    ]  # fmt: skip
    text = page({"cores": 2}, [heard[0], timed, heard[1]])
    first, second = text.split("Beside ours")
    assert "| 1 receipt | 3 | 2.5 ms |" in first
    assert "DTMF" not in first
    assert "| 20 DTMF, 9 dB | 300 | 99.5 % | 1 | 26 | 4 | ≥ 99 | ok |" in second
    assert "| 20 DTMF, 0 dB | 300 | 98.9 % |  |  |  | ≥ 99 | short |" in second
    assert second.count(note) == 1
    assert "- 20 DTMF, 9 dB … 20 DTMF, 0 dB: same audio." in second


def test_false_digits_are_told_by_the_hour_and_bass_is_not_held_against_the_tones_below() -> (
    None
):
    hour = 3600 * 8000
    runs = [
        Counter({"samples": hour, "cut samples": hour * 3 // 4, "dtmf": 3, "ctcss under bass": 7}),
        Counter({"samples": hour, "cut samples": hour * 3 // 4, "ctcss": 1, "selcall": 1}),
    ]
    rows = {row.name: row for row in false_rows(27, "speech", runs)}
    digits = rows["27 speech: false DTMF digits an hour"]
    assert (digits.p50, digits.count, digits.verdict) == (1.5, 2, "short")
    assert rows["27 speech: false five-tone addresses"].verdict == "short"
    assert rows["27 speech: false MDC1200 packets"].verdict == "ok"
    tones = rows["27 speech: false openings by any of 50 CTCSS tones"]
    assert tones.p50 == 1
    assert tones.note == "1.5 h; 7 more in 0.5 h of voices with their bass"


def test_a_decision_is_held_against_the_next_edge_of_its_own_channel() -> None:
    edges = [[10.0, 0, True], [14.0, 0, False], [20.005, 1, True], [20.011, 0, True]]
    decided = [(20.002, "c0"), (20.0, "c1"), (30.0, "c0")]
    assert keyed_s(decided, edges) == pytest.approx([0.009, 0.005])


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_readme_without_its_markers_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        with_page(text, page({}, []))


def test_frames_on_the_grid_are_not_late_and_one_that_waited_is() -> None:
    at_s = 100.0 + np.arange(50) * 0.02
    first = [((65_530 + n) % 65_536, float(s)) for n, s in enumerate(at_s)]
    # The second channel is played 1 ms after the first, and its tenth frame 7 ms later still.
    second = [(n, float(s) + 0.001 + 0.007 * (n == 10)) for n, s in enumerate(at_s)]
    late = lateness_ms([first, second])
    assert late[:50] == pytest.approx(np.zeros(50), abs=1e-6)
    assert late[50 + 10] == pytest.approx(8.0, abs=1e-6)
    assert sorted(late[50:])[:49] == pytest.approx(np.ones(49), abs=1e-6)


def test_a_grid_that_moved_for_good_counts_as_late() -> None:
    frames = [(n, 5.0 + n * 0.02 + (0.03 if n >= 20 else 0.0)) for n in range(40)]
    assert lateness_ms([frames])[20:] == pytest.approx(np.full(20, 30.0), abs=1e-6)


def test_a_level_one_is_overtaken_only_on_its_own_channel_and_by_lower_levels() -> None:
    sent = {"a": 1, "b": 2, "c": 3, "d": 1}
    second = 1_000_000
    begun = [(2 * second, "c1", "b"), (3 * second, "c0", "c"), (4 * second, "c1", "d"),
             (5 * second, "c1", "a"), (6 * second, "c1", "c")]  # fmt: skip
    assert overtaken("a", second, begun, sent) == 1
    assert overtaken("a", 2 * second, begun, sent) == 0


def test_closed_orders_are_a_journal_that_verifies(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "journal.sqlite3"
    add_closed_orders(path, 0, 40)
    add_closed_orders(path, 40, 60)
    verdict = verify(path)
    assert (verdict.ok, verdict.rows) == (True, 60 * ROWS_AN_ORDER), verdict.findings
