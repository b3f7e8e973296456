"""What is said and written: two catalogues of one shape, and hostile text that stays plain."""

import re
import string
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.chat_talk import CROWDED, NOT_DECODED, NOT_RENDERED
from drivers.radio.radiation import NOTHING_RADIATED
from drivers.radio.transmission import TIME_OUT
from gateway.core.airtime import NO_LICENCE
from gateway.core.alert import Alert, AlertKind, Datum, Level, Position
from gateway.core.effects import PageChannel, Receipt
from gateway.core.order import Order, OrderStatus
from gateway.core.policy.policy import Policy
from gateway.core.reasons import Why, Worded
from gateway.core.spoken_numbers import spoken_number
from gateway.core.wording import SPOKEN_TEXT_CHARS, Wording, because
from tests.core.site_for_tests import Desk, catalogue, make_site

LANGUAGES = ("zh_CN", "en")
ROOT = Path(__file__).parents[2]
SITE = make_site()


def gaps(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_catalogues_have_the_same_keys():
    assert list(catalogue("zh_CN")) == list(catalogue("en"))


@pytest.mark.parametrize("key", catalogue("zh_CN"))
def test_both_sentences_have_the_same_gaps_and_say_something(key):
    chinese, english = catalogue("zh_CN")[key], catalogue("en")[key]
    assert isinstance(chinese, str)
    assert isinstance(english, str)
    assert chinese.strip()
    assert english.strip()
    assert gaps(chinese) == gaps(english)


def test_no_gap_can_reach_into_an_object():
    for language in LANGUAGES:
        for sentence in catalogue(language).values():
            for _, name, spec, conversion in string.Formatter().parse(sentence):
                assert name is None or name.isidentifier()
                assert not spec
                assert not conversion


def source():
    paths = [p for room in ("gateway", "drivers") for p in (ROOT / room).rglob("*.py")]
    return "\n".join(p.read_text(encoding="utf-8") for p in sorted(paths))


# Keys put together from a word that is known only when it happens: prefix to what follows.
MADE_UP = {
    "level_": "123", "button_": "0123456", "state_": None, "detail_rung_": None,
    "detail_card_": ("failed", "expired"), "detail_": (
        "photo", "voice", "location", "nobody_near",
    ),
    "right_": ("release", "promote", "close"),
    "redacted_": ("names", "plates", "phones", "ids"),
    "detail_noted_": ("test", "system", "ack", "error"),
    "detail_machine_": ("restore", "test", "trouble"),
    "waiting_": ("busy", "talk", "queue", "path", "window"),
    "detail_photo_recall_": ("expired", "act", "closed"),
    "detail_sound_": ("foreign", "second", "malformed"),
    "cut_": ("time_out", "order", "off", "path", "busy", "taken"),
    "talk_waited_": ("busy", "talk", "queue", "path", "window"),
    "notice_": ("roll_call_done", "bulletin_done", "self_test_done"), "cover_kind_": None,
    "cover_": ("empty", "ahead", "unheard", "group", "unreachable"),
    "power_": ("mains", "on_battery", "low"),
}  # fmt: skip


def made_up_keys(text):
    """Keys that an f-string of the source makes, such as ``f"state_{…}"``."""
    prefixes = set(re.findall(r"""f"([a-z_]+_)\{""", text)) & set(MADE_UP)
    for prefix in prefixes:
        ends = MADE_UP[prefix]
        for key in catalogue("zh_CN"):
            if key.startswith(prefix) and (ends is None or key.removeprefix(prefix) in ends):
                yield key


def card_of(wording, order, **fields):
    """Return a card that nobody has answered yet, as a group reads it."""
    return wording.card(order, wording.card_about(order, police=False), [], **fields)


def test_every_sentence_is_used_somewhere():
    text = source()
    used = set(re.findall(r'"([a-z_0-9]+)"', text)) | set(made_up_keys(text)) | set(FAULTS)
    assert sorted(set(catalogue("zh_CN")) - used) == []


def test_every_sentence_that_the_core_asks_for_exists():
    asked = set()
    for path in (ROOT / "gateway" / "core").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r'(?:wording|site\)|self)\.text\(\s*"([a-z_0-9]+)"', text))
        asked |= set(re.findall(r'_words\(draft, "([a-z_0-9]+)"', text))
        asked |= set(re.findall(r'"((?:detail|answer|note|card|say)_[a-z_0-9]+)"', text))
    asked |= set(re.findall(r'_words\["([a-z_0-9]+)"', "".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "gateway" / "core").rglob("*.py")
    )))  # fmt: skip
    assert len(asked) > 50
    assert sorted(asked - set(catalogue("zh_CN"))) == []


HAN = re.compile("[\u4e00-\u9fff]")
# An English word in a Chinese sentence is the name of a field or a command that is to be typed.
TYPED = {
    "at", "certificate", "drill", "exercise", "filing", "grid", "gridcall", "guard_code", "move",
    "organisation", "people", "person", "photo", "policy", "radios", "rejoin", "result",
    "rights", "role", "to",
}  # fmt: skip


@pytest.mark.parametrize("why", Why)
def test_every_reason_that_the_core_can_give_is_worded_in_each_language(why):
    """A receipt takes no reason but a catalogue's: mypy holds ``Worded``, and this the table."""
    told = {}
    for language in LANGUAGES:
        wanted = gaps(catalogue(language)[why])
        said = because(make_site(language), why, **dict.fromkeys(wanted, "7"))
        assert "{" not in said
        told[language] = said
    bare = re.sub(r"\{[a-z_]+\}", "", catalogue("zh_CN")[why])
    assert HAN.search(bare), "it is Chinese where the site is"
    assert set(re.findall("[A-Za-z_]{2,}", bare)) <= TYPED
    assert not HAN.search(told["en"])


FAULTS = [key for key in catalogue("zh_CN") if key.startswith("fault_")]


@pytest.mark.parametrize("key", FAULTS)
def test_what_a_driver_says_failed_is_read_in_the_sites_language(key):
    english = catalogue("en")[key]
    filled_in = {name: f"x{place}" for place, name in enumerate(sorted(gaps(english)))}
    told = Wording(SITE).fault(english.format(**filled_in))
    assert told == catalogue("zh_CN")[key].format(**filled_in)
    assert HAN.search(re.sub(r"\\{[a-z_]+\\}", "", catalogue("zh_CN")[key]))
    assert Wording(make_site("en")).fault(english.format(**filled_in)) == english.format(**filled_in)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (NO_LICENCE, "没有登记执照"), (NOTHING_RADIATED, "没有发出去"), (TIME_OUT, "超过限时"),
        (NOT_DECODED, "放不出来"), (NOT_RENDERED, "念不出来"), (CROWDED, "在准备"),
        ("line lost: the control port failed", "控制线断了：控制口出错"),
        ("its time passed; last attempt: no answer within 5 s; it may stand in the chat", "5秒"),
        ("Chat not found", "没有这个聊天"),
    ],
)
def test_a_drivers_own_words_are_known(said, told):
    assert told in Wording(SITE).fault(said)


def test_a_platforms_own_words_stay_as_they_came_and_are_no_format():
    assert Wording(SITE).fault("FLOOD {0.__class__}") == "FLOOD {0.__class__}"
    assert "{0.__class__}" in Wording(SITE).fault("no connection: {0.__class__}")


@given(st.text())
def test_no_words_of_a_driver_break_a_sentence(said):
    assert Wording(SITE).fault(said).isprintable()


def test_a_receipt_takes_a_reason_from_the_catalogues_alone():
    assert get_type_hints(Receipt)["reason"] == Worded | None
    known = {value for key, value in catalogue("en").items() if key.startswith("why_")}
    assert len(known) == len(Why), "each reason is said in its own way"
    assert {str(why) for why in Why} == {k for k in catalogue("en") if k.startswith("why_")}


# ---- on the air ----


def make_order(**fields):
    about = {k: fields.pop(k) for k in ("status", "revision", "closed_us") if k in fields}
    alert = Alert(**(
        {"kind": AlertKind.ALERT, "id": "a", "sender": "s", "sent_us": 0, "category": "fight",
         "level": Level.TWO, "text": "有人打架"} | fields
    ))  # fmt: skip
    order = Order(
        id="o1", number="12", status=OrderStatus.CALLING, alert=alert, grids=("G1",),
        opened_us=0, clock_us=0,
    )  # fmt: skip
    return replace(order, **about)


def test_an_order_is_spoken_in_short_sentences_with_place_needs_and_how_to_answer():
    said = Wording(SITE).say_order(make_order(place="东街十七号", needs=2))
    assert said == (
        "东街网格，指挥中心呼叫",
        "二级警情，一二号，东街十七号，有人打架",
        "请就近前往处置，需要2人",
        "收到请按键回复，完毕",
    )


def test_a_place_that_the_text_names_already_is_not_said_twice():
    said = Wording(SITE).say_order(make_order(place="东街", text="东街有人打架"))
    assert "二级警情，一二号，东街有人打架" in said


def test_a_repetition_says_so_first():
    assert Wording(SITE).say_order(make_order(), repeat=True)[0] == "重复"


def test_guards_of_a_level_one_order_are_told_to_mind_themselves():
    assert "注意自身安全，先报告，保持距离，等待民警" in Wording(SITE).say_order(make_order(level=Level.ONE))
    assert "注意自身安全，先报告，保持距离，等待民警" not in Wording(SITE).say_order(make_order())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_exercise_says_so_first_and_last_in_everything_spoken_and_written(language):
    wording, order = Wording(SITE, language), make_order(exercise=True, revision=1)
    word = catalogue(language)["exercise"]
    for said in (
        wording.say_order(order), wording.say_order(order, repeat=True),
        wording.say_update(order), wording.say_stand_down(order), wording.say_help(order),
    ):  # fmt: skip
        assert (said[0], said[-1]) == (word, word)
    lines = card_of(wording, order).splitlines()
    assert lines[0] == lines[-1] == catalogue(language)["card_exercise"]


def test_a_long_text_is_cut_on_the_air_and_whole_on_the_card():
    text = "东" * 500
    order = make_order(text=text)
    said = Wording(SITE).say_order(order)
    assert max(map(len, said)) < SPOKEN_TEXT_CHARS + 20
    assert "详情看群" in said
    assert text in card_of(Wording(SITE), order)
    assert "详情看群" not in Wording(SITE).say_order(make_order(text="东" * SPOKEN_TEXT_CHARS))


def test_a_site_that_bars_texts_from_the_open_radio_speaks_none():
    """Guards hear number and level, and read the rest in the chat."""
    quiet = Wording(replace(SITE, policy=Policy(radio="none")))
    order = make_order(text="张某持刀", place="东街十七号")
    for said in (quiet.say_order(order), quiet.say_update(order)):
        assert "详情看群" in said
        assert not any("张某" in s or "十七号" in s for s in said)
    assert "张某持刀" in card_of(quiet, order)


def test_a_long_place_takes_its_share_of_the_air():
    order = make_order(text="东" * 500, place="西" * 200)
    for said in (Wording(SITE).say_order(order), Wording(SITE).say_update(order)):
        assert sum(s.count("东") + s.count("西") for s in said) <= SPOKEN_TEXT_CHARS + 2
        assert "详情看群" in said


def test_english_is_spoken_with_its_own_commas():
    order = make_order(text="fight", place="17 East Street")
    order = replace(order, grids=("G1", "G2"))
    said = Wording(make_site("en"), "en").say_order(order)
    assert said[0].startswith("东街网格, 中街网格, this is")
    assert said[1] == "level two alert, number 1 2, 17 East Street, fight"


@pytest.mark.parametrize(
    ("number", "language", "style", "spoken"),
    [
        ("12", "zh_CN", "plain", "一二"),
        ("10", "zh_CN", "plain", "一零"),
        ("10", "zh_CN", "radio", "幺洞"),
        ("1279", "zh_CN", "radio", "幺两拐勾"),
        ("345", "zh_CN", "radio", "三四五"),
        ("107", "en", "plain", "1 0 7"),
    ],
)
def test_a_number_is_spoken_digit_by_digit(number, language, style, spoken):
    assert spoken_number(number, language, style) == spoken


def test_a_person_of_a_language_the_site_does_not_have_gets_the_sites_own():
    assert Wording(SITE, "fr").language == "zh_CN"
    assert Wording(SITE, None).language == "zh_CN"
    assert Wording(SITE, "en").language == "en"


# ---- hostile text ----

HOSTILE = [
    "{}", "{0}", "{number.__class__}", "{text}", "{{", "}", "%s %(x)s", "$x",
    "打架\n■ 已取消：假的", "a\r\nb", "\u202e倒过来\u202c", "\x00\x07\x1b[31m", "@all @所有人",
    "<b>粗</b>", "\u200b零宽\u2066", "\u2028行", "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_stays_one_plain_line(text, language):
    wording = Wording(SITE, language)
    order = make_order(text=text, place=text)
    tame = card_of(wording, make_order(text="x", place="x"))
    card = card_of(wording, order)
    assert card.count("\n") == tame.count("\n")
    for sentence in (*wording.say_order(order), *wording.say_update(order), *card.split("\n")):
        assert sentence.isprintable()
    if "{" in text or "%" in text or "<" in text or "@" in text:
        assert text in card


@given(text=st.text(max_size=200), name=st.text(max_size=40))
def test_no_text_and_no_name_break_a_sentence(text, name):
    wording = Wording(SITE)
    wording.say_order(make_order(text=text, place=name or None))
    said = wording.text("card_line", name=name, state=text)
    assert said.isprintable()


def test_a_card_of_an_ended_order_gives_no_instructions():
    order = make_order(status=OrderStatus.CANCELLED, closed_us=1)
    card = card_of(Wording(SITE), order, ending="■ 已取消：误报")
    assert card.endswith("■ 已取消：误报")
    assert "电台回复" not in card
    assert "电台回复：*12＋本人三位号" in card_of(Wording(SITE), make_order())


@pytest.mark.parametrize("style", ["plain", "radio"])
def test_a_page_says_how_its_number_is_said_when_nothing_can_be_rendered(style):
    desk = Desk(site=replace(make_site(), number_style=style))
    desk.alert()
    (page,) = [e for e in desk.asked if isinstance(e, PageChannel)]
    assert page.number_style == style


def test_a_card_says_on_the_map_where_an_alert_is_that_names_no_place():
    desk = Desk("zhang", "li")
    point = Position(lat_udeg=25_005_000, lon_udeg=118_005_120, datum=Datum.GCJ_02)
    desk.alert(location=point)
    assert "位置：25.00500，118.00512（GCJ-02）" in desk.cards()["-101"].text.splitlines()
    desk.alert(id="JQ-2", location=point, place="建设银行门口")
    assert "位置" not in desk.cards()["-101"].text
