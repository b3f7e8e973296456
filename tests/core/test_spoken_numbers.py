"""Numbers on the air: what names is said digit by digit, what counts is left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.spoken_numbers import spoken_numbers


@pytest.mark.parametrize(
    ("text", "plain", "radio"),
    [
        ("东街17号", "东街17号", "东街幺拐号"),
        ("2栋3单元1709室", "2栋3单元一七零九室", "两栋三单元幺拐洞勾室"),
        ("需要3人，20米外", "需要3人，20米外", "需要3人，20米外"),
        ("约3.5米", "约3.5米", "约3.5米"),
        ("03:15打架", "三点十五分打架", "洞三幺五时打架"),
        ("23:05，10:00", "二十三点零五分，十点整", "两三洞五时，幺洞洞洞时"),
        ("0:30", "零点三十分", "洞洞三洞时"),
        ("电话13812345678", "电话13812345678", "电话幺三八幺两三四五六拐八"),
        ("编号012", "编号012", "编号洞幺两"),
        ("１７号，２３：１５", "17号，二十三点十五分", "幺拐号，两三幺五时"),
        ("比例1:20000，25:70，12:30:45", "比例1:20000，25:70，12:30:45", "比例1:20000，25:70，12:30:45"),
        ("2026年", "2026年", "2026年"),
    ],
)  # fmt: skip
def test_house_numbers_rooms_and_times(text: str, plain: str, radio: str) -> None:
    assert spoken_numbers(text, "zh_CN", "plain") == plain
    assert spoken_numbers(text, "zh_CN", "radio") == radio
    assert spoken_numbers(text, "en", "radio") == text


@given(st.text(max_size=80))
def test_whatever_is_written_only_numbers_change(text: str) -> None:
    for style in ("plain", "radio"):
        said = spoken_numbers(text, "zh_CN", style)
        # Once said, nothing of it is said anew.
        assert spoken_numbers(said, "zh_CN", style) == said
        if not any(c.isdigit() or c == "：" for c in text):
            assert said == text
