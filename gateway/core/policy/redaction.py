"""What is taken out of a text before it goes on open radio, or into a chat.

Theory of operation. A number of seven digits or more is a telephone or an identity card,
whatever stands between its digits and however they are written; dates are left. A plate is a
province's character and a letter before five or six more. A name is found where the words
around it say that one comes (名叫…, 报警人…, …先生): nothing tells a name that stands by itself
from other words, so the centre can say in the alert which words are nobody's business
(``private``), and those are always found.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from gateway.core.policy.folding import Folding, Span, without_spans

Field = Literal["place", "names", "plates", "phones", "ids"]

_BETWEEN: Final = r"[\s.\-–—·_/]{0,2}"
_DIGIT: Final = "[0123456789零〇洞幺一二两三四五六七拐八九勾壹贰叁肆伍陆柒捌玖]"
_ONE_DIGIT: Final = frozenset(_DIGIT)
_NUMBER_DIGITS: Final = 7
_NUMBER: Final = re.compile(
    rf"(?<!{_DIGIT})\+?{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{6,}}(?:{_BETWEEN}x(?![a-z]))?"
)
_DATE: Final = re.compile(
    r"(?<![0-9])(?:19|20)[0-9]{2}([-/.])[0-9]{1,2}\1[0-9]{1,2}(?:[ t]{1,2}[0-9]{1,2}:[0-9]{2})?"
)
# An identity card has fifteen or eighteen characters; what is shorter is a telephone.
_ID_DIGITS: Final = 15
_PLATE: Final = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]\s?[a-z]"
    r"[·•.\-\s]{0,2}[a-z0-9](?:[·.\-\s]?[a-z0-9]){4,5}[警学挂港澳]?(?![a-z0-9])"
)

_COMPOUND: Final = "欧阳|司马|上官|诸葛|司徒|东方|尉迟|公孙|慕容|令狐|皇甫|夏侯|端木|独孤"
_SURNAME: Final = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛奚范彭"
    "郎鲁韦昌马苗凤方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元顾孟"
    "平黄穆萧尹姚邵汪祁毛狄米贝明臧戴谈宋庞熊纪舒屈项祝董梁杜阮蓝闵席季贾路娄江童颜郭梅盛林"
    "钟徐邱骆高夏蔡田樊胡凌霍虞万柯管卢莫房解应宗丁宣邓洪包左石崔吉龚程邢裴陆翁荀甄封储段焦"
    "巴牧车侯全班秋仲宫宁仇栾甘厉祖武符刘景詹龙叶司黎薄印白蒲从卓屠池乔阴胥苍闻党翟谭劳申冉"
    "桑桂牛边燕尚温庄晏柴瞿阎连习容向古易廖终步耿满匡国文寇广欧沃蔚越隆师巩聂晁敖冷辛阚简饶"
    "曾关荆游权盖益桓付闫肖代岳赖涂兰艾查覃佟苟占"
)
_NAME: Final = rf"(?P<name>(?:{_COMPOUND}|[{_SURNAME}])[·一-鿿]{{1,2}})"
_SAYS_SO: Final = re.compile(
    rf"(?:姓名|名叫|名字叫?|叫做|本名|自称|我叫|我是|她叫|他叫|叫)[\s:：是为]{{0,3}}{_NAME}"
)
_PERSON_OF_CASE: Final = re.compile(
    r"(?:嫌疑人|嫌疑犯|犯罪嫌疑人|报警人|报案人|受害人|被害人|当事人|事主|失主|伤者|死者|走失者|"
    rf"走失人员|联系人|户主|业主|租客|房东|老人|女童|男童|儿童|孩子|司机|店主|老板)[\s:：是为叫]{{0,3}}"
    rf"(?![向从于往和在]){_NAME}(?=[\s,，、。.;；(（:：!！男女0-9的]|先生|女士|电话|$)"
)
_CALLED: Final = re.compile(
    rf"{_NAME}(?=[\s,，(（]{{0,2}}[男女](?:[\s,，)）0-9。]|$))"
)
_TITLED: Final = re.compile(
    rf"(?P<name>(?:{_COMPOUND}|[{_SURNAME}])[·一-鿿]{{0,2}})(?=先生|女士|小姐|太太)"
)
_LATIN_NAME: Final = re.compile(
    r"(?:named|name is|name:|called|mr\.?|mrs\.?|ms\.?)\s+(?P<name>[a-z]+(?:[ -][a-z]+)?)"
)
_NAMES: Final = (_SAYS_SO, _PERSON_OF_CASE, _CALLED, _TITLED, _LATIN_NAME)


def redacted(
    text: str,
    fields: Iterable[str],
    private: Iterable[str],
    folding: Folding,
    word: Callable[[str], str],
) -> str:
    """Return a text without what may not be said in it.

    Args:
        text: As the centre wrote it.
        fields: What is taken out: ``names``, ``plates``, ``phones``, ``ids``.
        private: Words of this alert that are taken out wherever they stand.
        folding: Finds words however they are written.
        word: What stands in the place of each of them.
    """
    for name in private:
        text = without_spans(text, folding.spans_of(text, name), word("names"))
    for field in fields:
        find = _FINDERS.get(field)
        if find is not None and (spans := list(find(folding.simple(text)))):
            text = without_spans(text, spans, word(field))
    return text


def _numbers(text: str, *, ids: bool) -> Iterator[Span]:
    if sum(c in _ONE_DIGIT for c in text) < _NUMBER_DIGITS:
        return
    dates = [found.span() for found in _DATE.finditer(text)]
    for found in _NUMBER.finditer(text):
        if any(a < found.end() and found.start() < b for a, b in dates):
            continue
        if (sum(c.isalnum() for c in found[0]) >= _ID_DIGITS) is ids:
            yield found.span()


def _names(text: str) -> Iterator[Span]:
    for pattern in _NAMES:
        for found in pattern.finditer(text):
            yield found.span("name")


_FINDERS: Final[dict[str, Callable[[str], Iterable[Span]]]] = {
    "phones": lambda text: _numbers(text, ids=False),
    "ids": lambda text: _numbers(text, ids=True),
    "plates": lambda text: (found.span() for found in _PLATE.finditer(text)),
    "names": _names,
}
