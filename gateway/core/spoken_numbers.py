"""Numbers as they are said on the air: order numbers, house numbers, times. Pure.

On a noisy channel 一 and 七, 二 and 儿, 零 and 六 are easily taken for one another; services
therefore say 洞 幺 两 拐 勾 for 0 1 2 7 9. A site chooses by ``site.number_style``. Counts
(三人, 二十米) stay as everybody says them, in either style.
"""

import re
from typing import Final

_FULL_WIDTH: Final = str.maketrans("０１２３４５６７８９：", "0123456789:")
_DIGITS: Final = {
    "plain": str.maketrans("0123456789", "零一二三四五六七八九"),
    "radio": str.maketrans("0123456789", "洞幺两三四五六拐八勾"),
}
_UNITS: Final = "零一二三四五六七八九"
_TIME: Final = re.compile(r"(?<![0-9:.])([01]?[0-9]|2[0-3]):([0-5][0-9])(?![0-9:]|\.[0-9])")
# A run of digits, not a piece of 3.5 or of 1:20000.
_NUMBER: Final = re.compile(r"(?<![0-9.:])[0-9]+(?![0-9]|[.:][0-9])")
# What a number names and does not count, by what stands behind it.
_NAMED: Final = re.compile(r"[号室栋幢座弄房门组层楼巷]|单元|#")
_ROOM: Final = re.compile(r"[室房]")
# A number of so many digits is a telephone or a plate.
_COUNT_DIGITS_MAX: Final = 4


def spoken_number(number: str, language: str, style: str) -> str:
    """Return an order number digit by digit, as a speech engine should read it."""
    if language != "zh_CN":
        return " ".join(number)
    return one_by_one(number, style)


def one_by_one(digits: str, style: str) -> str:
    """Return digits as words, 一二七 or in the style ``radio`` 幺两拐."""
    return digits.translate(_DIGITS["radio" if style == "radio" else "plain"])


def spoken_numbers(text: str, language: str, style: str) -> str:
    """Return a text with the numbers in it that an engine would say otherwise in words.

    Chinese only: house numbers digit by digit in the style ``radio``, and times; rooms of three
    or four digits in either style. Whatever counts something is left to the engine.

    Args:
        text: As written.
        language: ``zh_CN``, or another, in which nothing is changed.
        style: ``plain`` or ``radio``.
    """
    if language != "zh_CN":
        return text
    usual = text.translate(_FULL_WIDTH)
    text = _TIME.sub(lambda found: _time(found[1], found[2], style), usual)
    return _NUMBER.sub(lambda found: _number(found, style), text)


def _time(hour: str, minute: str, style: str) -> str:
    """Return 两三幺五时, or 二十三点十五分."""
    if style == "radio":
        return one_by_one(f"{int(hour):02}{minute}时", style)
    if minute == "00":
        return f"{_to_60(int(hour))}点整"
    zero = "零" if minute.startswith("0") else ""
    return f"{_to_60(int(hour))}点{zero}{_to_60(int(minute))}分"


def _to_60(number: int) -> str:
    tens, units = divmod(number, 10)
    said = ("" if tens == 1 else _UNITS[tens]) + "十" if tens else ""
    return said + (_UNITS[units] if units or not tens else "")


def _number(found: re.Match[str], style: str) -> str:
    digits, behind = found[0], found.string[found.end() :]
    if style == "radio":
        names = len(digits) > _COUNT_DIGITS_MAX or digits[0] == "0"
        names = names or _NAMED.match(behind) is not None
    else:
        names = len(digits) > 2 and _ROOM.match(behind) is not None
    return one_by_one(digits, style) if names else digits
