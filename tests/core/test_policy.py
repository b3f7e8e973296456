"""Which alerts go to guards, in whose words, and what is said of them where."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.calls.escalation import Response
from gateway.core.policy.policy import EXCEEDING, Category, Policy, objections
from gateway.core.policy.redaction import redacted
from gateway.core.policy.templates import OrderKind, faults, filled
from gateway.settings.policy import PolicySettings, folding

FOLDING = folding()


def policy(**fields):
    return replace(PolicySettings().policy(Response()), **fields)


def alert(text="有人打架", **fields):
    usual = {"kind": AlertKind.ALERT, "id": "a", "sender": "s", "sent_us": 0}
    usual |= {"category": "fight", "level": Level.TWO}
    return Alert(**(usual | {"text": text} | fields))


def why(policy_, alert_):
    return [(each.key, each.what) for each in objections(policy_, alert_)]


# ---- the simple-alert filter ----


def test_a_site_without_a_list_takes_every_category():
    assert why(policy(), alert(category="whatever")) == []


def test_categories_beyond_the_list_and_levels_beyond_the_ceiling_are_held():
    limited = policy(categories={"fight": Category(name="打架", most_urgent=2)})
    assert why(limited, alert()) == []
    assert why(limited, alert(category="robbery")) == [("held_category", "robbery")]
    assert why(limited, alert(level=Level.ONE)) == [("held_level", "1")]


@pytest.mark.parametrize(
    "text", ["有人持槍", "有人持 枪", "有人持-枪", "歹徒持\u200b枪", "持枪"]
)
def test_a_forbidden_word_is_found_however_it_is_written(text):
    assert why(policy(forbidden=("持枪",)), alert(text)) == [("held_word", "持枪")]


@pytest.mark.parametrize("text", ["打１１０", "打一一零", "打110", "打幺幺洞", "打①①⓪"])
def test_digits_are_found_in_every_writing(text):
    assert why(policy(forbidden=("110",)), alert(text.replace("打", "打 "))) == [
        ("held_word", "110")
    ]


def test_a_latin_word_stands_by_itself():
    strict = policy(forbidden=("rest",))
    assert why(strict, alert("arrested restful bar")) == []
    assert why(strict, alert("take ＲＥＳＴ now")) == [("held_word", "rest")]


def test_the_place_is_looked_at_too():
    assert why(policy(forbidden=("军营",)), alert(place="東門軍營"))


@pytest.mark.parametrize("text", ["必要时使用警棍", "對嫌疑人上手銬", "Use force if needed"])
def test_an_instruction_to_use_equipment_is_held_whatever_the_site_says(text):
    found = why(policy(beyond="mark", exceeding=()), alert(text))
    assert {key for key, _ in found} == {"held_equipment"}


def test_words_beyond_guards_powers_are_held_where_the_site_says_so():
    assert why(policy(), alert("立即抓捕")) == []
    assert why(policy(beyond="hold"), alert("立即抓捕")) == [("held_powers", "抓捕")]


def test_what_a_guard_on_the_spot_asks_for_is_never_held():
    strict = policy(categories={"fight": Category(name="打架")}, forbidden=("刀",))
    assert why(strict, alert("有刀", category="emergency", reporter="zhang")) == []


def test_a_task_must_stand_on_the_closed_list():
    assert why(policy(), alert(tasks=("救助",))) == []
    assert why(policy(), alert(tasks=("打人",))) == [("held_task", "打人")]


def test_words_beyond_powers_are_replaced_where_they_stand():
    lawful = policy().reworded(alert("两人，立即 抓 捕 并搜身"), "由民警处置")
    assert lawful.text == "两人，立即 由民警处置 并由民警处置"


@given(
    st.sampled_from(EXCEEDING),
    st.text(st.characters(exclude_categories=["Cs", "L", "N"]), max_size=4),
)
def test_no_signs_between_the_characters_hide_a_word(word, noise):
    if word.isascii() or any(c.isalnum() for c in unicodedata.normalize("NFKC", noise)):
        return
    assert policy().beyond_powers(alert(f"请{noise.join(word)}他"))


# ---- what is taken out ----


def kept(text, fields=("names", "plates", "phones", "ids"), private=()):
    return redacted(text, fields, private, FOLDING, lambda field: f"<{field}>")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("电话13800138000", "电话<phones>"),
        ("电话138-0013 8000，东街", "电话<phones>，东街"),
        ("电话１３８００１３８０００", "电话<phones>"),
        ("电话一三八零零一三八零零零", "电话<phones>"),
        ("拨0591-87654321", "拨<phones>"),
        ("证号11010519491231002X", "证号<ids>"),
        ("闽A·12345黑色轿车", "<plates>黑色轿车"),
        ("粵B 1234学", "粵B 1234学"),
        ("京ad12345向北", "<plates>向北"),
        ("报警人李小明，在门口", "报警人<names>，在门口"),
        ("走失老人名叫歐陽鋒", "走失老人名叫<names>"),
        ("张先生被打", "<names>先生被打"),
        ("王小丽，女，7岁", "<names>，女，7岁"),
    ],
)
def test_names_plates_and_numbers_are_taken_out(text, left):
    assert kept(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "东街十七号建设银行门口有人打架", "2026-11-22 12:30 三楼", "嫌疑人向北逃跑，白色上衣",
        "3号楼2单元501室", "110报警", "两三百人聚集", "2026/11/22 发生", "限速60公里",
    ],
)  # fmt: skip
def test_places_dates_and_directions_are_left(text):
    assert kept(text) == text


def test_a_word_that_the_centre_calls_private_is_found_wherever_it_stands():
    assert kept("阿明打了陳阿明", private=("阿明",)) == "<names>打了陳<names>"


@given(st.integers(13_000_000_000, 19_999_999_999), st.sampled_from(["", " ", "-", ".", "·"]))
def test_no_mobile_number_is_ever_left(number, between):
    text = f"请打{between.join(str(number))}联系"
    assert not any(c.isdigit() for c in kept(text))


@given(st.text(max_size=80))
def test_any_text_at_all_comes_through(text):
    assert isinstance(kept(text), str)


# ---- templates ----


def test_a_gap_is_filled_once_and_what_fills_it_is_no_template():
    assert filled("{number}号，{text}", {"number": "{text}", "text": "x"}) == "{text}号，x"


def test_a_template_with_an_unknown_gap_or_a_loose_brace_is_refused():
    assert faults("{number}号") == []
    assert len(faults("{nummer}号")) == 1
    assert faults("{number号")
    assert faults("{text.__class__}")


def test_other_words_are_another_version():
    one = OrderKind(id="k", name="k", say={"zh_CN": ("{number}号",)})
    two = OrderKind(id="k", name="k", say={"zh_CN": ("第{number}号",)})
    assert one.version != two.version
    assert one.version.startswith("k@")
    assert OrderKind(id="k", name="k").version is None


def test_the_defaults_of_the_core_and_of_the_settings_are_the_same():
    assert replace(PolicySettings().policy(Response()), kinds={}) == Policy()
