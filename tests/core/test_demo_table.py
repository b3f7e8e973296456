"""The demo's last table shows the surest word there is, and a refusal as a refusal."""

from io import StringIO
from itertools import pairwise
from zoneinfo import ZoneInfo

from rich.console import Console

from gateway.core.alert import Assurance
from gateway.demo_table import NODES, SUREST_FIRST, is_drill, row_of, table_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT_US = 1_795_325_512_000_000  # 2026-11-22 13:31:52 in Shanghai


def stamp(node: str, medium: str, assurance: str, after_s: int = 0) -> dict[str, object]:
    at_us = AT_US + after_s * 1_000_000
    return {"node": node, "at_us": at_us, "medium": medium, "assurance": assurance}


def person(*stamps: dict[str, object], reason: str | None = None) -> dict[str, object]:
    return {"name": "东街派出所值班室", "stamps": list(stamps), "reason": reason}


def test_every_assurance_has_its_rank() -> None:
    assert set(SUREST_FIRST) == {a.value for a in Assurance}


def test_the_surer_word_is_shown_whatever_its_letters() -> None:
    for surer, less in pairwise(SUREST_FIRST):
        for pair in ((surer, less), (less, surer)):
            stamps = [stamp("acknowledged", "radio", word) for word in pair]
            assert row_of(person(*stamps), SHANGHAI)[1].split()[-1] == surer


def test_the_first_time_stands_with_every_medium() -> None:
    cells = row_of(
        person(
            stamp("told", "chat", "M"),
            stamp("acknowledged", "radio", "R1", 30),
            stamp("acknowledged", "centre", "H", 33),
        ),
        SHANGHAI,
    )
    assert cells == ["13:31:52\nchat", "13:32:22\nradio+centre H", "–", "–"]


def test_who_declined_is_shown_declining() -> None:
    cells = row_of(
        person(stamp("told", "chat", "M"), stamp("declined", "chat", "C1", 6), reason="离不开"),
        SHANGHAI,
    )
    assert cells[1] == "不能去\ncannot come\n13:31:58\nchat C1\n离不开"


def test_who_came_after_all_is_shown_coming() -> None:
    said = stamp("declined", "chat", "C1"), stamp("acknowledged", "chat", "C2", 9)
    cells = row_of(person(*said), SHANGHAI)
    assert cells[1] == "13:32:01\nchat C2"


def test_the_table_fits_eighty_columns_uncut() -> None:
    everything = [stamp(node, m, "H") for node in NODES[1:] for m in ("radio", "centre")]
    everything += [stamp("told", m, "M") for m in ("radio", "chat")]
    console = Console(width=80, record=True, file=StringIO())
    console.print(table_of([{"number": "1234", "people": [person(*everything)]}], SHANGHAI))
    shown = console.export_text()
    assert "东街派出所值班室" in shown and shown.count("radio+centre H") == 3
    assert "…" not in shown


def shown(*orders: dict[str, object]) -> str:
    console = Console(width=80, record=True, file=StringIO())
    console.print(table_of(orders, SHANGHAI))
    return console.export_text()


def test_of_an_order_that_is_off_it_shows_who_knows() -> None:
    knows = person(stamp("told", "chat", "M"), stamp("stood_down", "radio", "R1", 20))
    not_yet = person(stamp("told", "chat", "M"), stamp("arrived", "chat", "C2", 5))
    assert row_of(knows, SHANGHAI, is_off=True)[3] == "知道撤回\nstood down\n13:32:12\nradio R1"
    assert row_of(not_yet, SHANGHAI, is_off=True)[3] == "13:31:57\nchat C2\n未回撤回\nnot heard"
    assert row_of(person(), SHANGHAI, is_off=True)[3] == "–", "who was never told need not know"
    text = shown({"number": "10", "status": "cancelled", "people": [knows, not_yet]})
    assert text.count("取消") == 1 and "stood down" in text and "not heard" in text


def test_how_somebody_came_to_an_order_is_shown() -> None:
    saw_it = {**person(stamp("arrived", "chat", "C1")), "role": "reporter", "rung": 0}
    fetched = {**person(stamp("told", "chat", "M")), "role": "guard", "rung": 2}
    head = {**person(stamp("told", "chat", "M")), "role": "manager", "rung": 3}
    text = shown({"number": "12", "people": [saw_it, fetched, head]})
    assert "reported it" in text
    assert text.count("by the ladder") == 1, "a manager is not fetched from a neighbour"


def test_a_drill_is_known_as_one() -> None:
    assert is_drill({"alert": {"exercise": True}})
    assert not is_drill({"alert": {"exercise": False}})
    assert not is_drill({"number": "10"})
