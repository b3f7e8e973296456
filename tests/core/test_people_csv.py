"""A table of people: read in either charset, checked whole, taken once, written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.people import Person
from gateway.core.register.fields import COLUMNS, FIELDS, changed, new_person, written
from gateway.core.register.table import (
    TableError,
    decoded,
    handed_over,
    planned,
    rows_of,
    table_of,
)
from tests.core.site_for_tests import PEOPLE, Desk, make_site
from tests.core.test_register import act

SITE = make_site()
HEADINGS = "编号,姓名,单位,网格,班组,回复号码,电台"
GOOD = f"{HEADINGS}\nqian,钱十,guard,G1 G2,A,110,mdc1200:1A2B/SN7\nma,马十一,guard,G1,B,111,\n"


def plan_of(text, register=()):
    rows, mistakes = rows_of(text)
    plan = planned(rows, {p.id: p for p in register}, SITE)
    plan.mistakes += mistakes
    return plan


def people_after(plan, register=()):
    people = {p.id: p for p in register}
    people |= {id_: new_person(id_, words) for id_, words in plan.enter}
    people |= {id_: changed(people[id_], words) for id_, words in plan.change}
    return people


# ---- charsets ----


@pytest.mark.parametrize(
    ("raw", "declared", "charset"),
    [
        (GOOD.encode("utf-8"), None, "utf-8"),
        (GOOD.encode("utf-8-sig"), None, "utf-8"),
        (GOOD.encode("gb18030"), None, "gb18030"),
        (GOOD.encode("gb18030"), "gb18030", "gb18030"),
        (b"id,name,organisation\nqian,Qian,guard\n", None, "utf-8"),
        ("id,name,organisation\nqian,𠮷野,guard\n".encode("gb18030"), "gb18030", "gb18030"),
    ],
)
def test_either_charset_is_read_declared_or_found_out(raw, declared, charset):
    text, found = decoded(raw, declared)
    assert found == charset
    assert "qian" in text
    assert "\ufeff" not in text


@pytest.mark.parametrize(
    ("raw", "declared", "says"),
    [
        (GOOD.encode("gb18030"), "utf-8", "is not utf-8 at line 1"),
        (GOOD.encode("utf-8-sig"), "gb18030", "mark of UTF-8"),
        (GOOD.encode("utf-16"), None, "is UTF-16; save it as CSV UTF-8"),
        (b"id,name\nq,\xff\xff\n", None, "neither UTF-8 nor GB18030"),
        ("id,name\nqian,钱七\nsun,孙".encode()[:-1], None, "little sense as GB18030; say which"),
    ],
)
def test_a_charset_that_is_wrong_or_unclear_is_refused_with_what_to_do(raw, declared, says):
    with pytest.raises(TableError, match=says):
        decoded(raw, declared)


def test_bytes_that_make_sense_in_both_charsets_must_be_declared():
    raw = b"id,name\nq,\xc3\xa9\n"  # José's last letter, or a cogon grass: 茅
    with pytest.raises(TableError, match="could be UTF-8 as well as GB18030; say which"):
        decoded(raw)
    assert "茅" in decoded(raw, "gb18030")[0]
    assert "é" in decoded(raw, "utf-8")[0]


@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "gb18030"]))
def test_any_bytes_are_a_table_or_are_refused(raw, declared):
    try:
        text, _ = decoded(raw, declared)
    except TableError:
        return
    plan = plan_of(text)
    assert not (plan.enter and plan.mistakes == [] and "id" not in text and "编号" not in text)


# ---- what is wrong in it ----


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("编号,姓明\n", ["line 1: 姓明: is no column of people; did you mean 姓名?"]),
        ("姓名,单位\n", ["line 1: needs a column id (编号)"]),
        ("id,name,name\n", ["line 1: name: stands twice"]),
        ("id,name\nqian\n", ["line 2: has 1 cells; the headings are 2"]),
        ("id,name,organisation\nq x,钱,guard\n", ["line 2: id: should be 1 to 32 letters"]),
        ("id,name,organisation\nqian,,guard\n", ["line 2: name: is missing"]),
        ("id,name,organisation\nqian,钱,gaurd\n", [
            "line 2: organisation: the settings know no gaurd; did you mean guard?"
        ]),
        ("id,name,organisation,guard_code\nqian,钱,guard,11\nma,马,guard,1a1\n", [
            "line 2: guard_code: should be three digits", "line 3: guard_code",
        ]),
        ("id,name,organisation\n\nqian,钱,guard\nqian,钱,xi\n", [
            "line 4: id: qian stands in line 3 too, in guard and in xi: a guard is of one",
            "line 4: organisation: the settings know no xi",
        ]),
        ("id,name,organisation,guard_code\nqian,钱,guard,101\n", [
            "line 2: guard_code: 101 is also that of zhang"
        ]),
        ("id,name,organisation,radios\nqian,钱,guard,dtmf:1000\nma,马,guard,dtmf:1000\n", [
            "line 2: radios: dtmf:1000 is also that of ma (line 3)",
            "line 3: radios: dtmf:1000 is also that of qian (line 2)",
        ]),
        ('id,name,organisation\nqian,"钱,guard\n', ["line 2: cannot be read"]),
        ("id,name,organisation\nqian,钱\u202e,guard\n", ["line 2: name: holds U+202E"]),
    ],
)  # fmt: skip
def test_every_bad_line_is_named_with_what_is_right(text, says):
    found = [str(m) for m in plan_of(text, PEOPLE.values()).mistakes]
    assert len(found) == len(says), found
    for mistake, expected in zip(sorted(found), sorted(says), strict=True):
        assert mistake.startswith(expected)


def test_a_guard_of_another_company_is_not_taken_over_by_a_table():
    zhang = PEOPLE["zhang"]
    site_people = [Person(**{f: getattr(zhang, f) for f in ("id", "name")}, organisation="xi")]
    (mistake,) = plan_of(f"id,organisation\n{zhang.id},guard\n", site_people).mistakes
    assert "zhang is of xi; a guard is of one body (`gridcall people move`" in str(mistake)


def test_who_has_left_is_not_brought_back_by_a_table():
    gone = Person(id="qian", name="钱", organisation="guard", active=False)
    (mistake,) = plan_of("id,name\nqian,钱\n", [gone]).mistakes
    assert "has left; `gridcall people rejoin` him" in str(mistake)


# ---- taken, once ----


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_the_second_time_changes_nothing(separator):
    text = GOOD.replace(",", separator)
    plan = plan_of(text)
    assert [id_ for id_, _ in plan.enter] == ["qian", "ma"]
    assert plan.mistakes == []
    after = people_after(plan)
    assert after["qian"].serials == (("mdc1200:1A2B", "SN7"),)
    again = plan_of(text, after.values())
    assert (again.enter, again.change, again.same) == ([], [], 2)


def test_only_columns_that_are_there_change_and_an_empty_cell_takes_away():
    before = people_after(plan_of(GOOD)).values()
    plan = plan_of("id,crew,radios\nqian,B,\nma,B,\n", before)
    assert plan.change == [("qian", {"crew": "B", "radios": ""})]
    assert plan.same == 1  # ma was of B, and had no radio
    assert people_after(plan, before)["qian"].name == "钱十"


def test_codes_may_change_hands_within_one_table():
    before = people_after(plan_of(GOOD)).values()
    plan = plan_of("id,guard_code\nqian,111\nma,110\n", before)
    assert plan.mistakes == []
    assert {id_: c["guard_code"] for id_, c in plan.change} == {"qian": "111", "ma": "110"}


def test_codes_and_radios_change_hands_in_the_running_register():
    """Each act alone must hold: nobody may get what another still has."""
    desk = Desk("zhang", "li")
    radios = {"zhang": "mdc1200:1111", "li": "mdc1200:2222"}
    for id_, radio in radios.items():
        assert act(desk, "person_change", person=id_, radios=radio).status == "accepted"
    before = {id_: desk.state.find(Person, id_) for id_ in radios}
    codes = {id_: person.guard_code for id_, person in before.items()}
    table = "id,guard_code,radios\n" + "".join(
        f"{one},{codes[other]},{radios[other]}\n" for one, other in (("zhang", "li"), ("li", "zhang"))
    )
    rows, _ = rows_of(table)
    plan = planned(rows, before, desk.site)
    assert plan.mistakes == []
    first = handed_over(plan.change, before)
    assert {id_: set(words) for id_, words in first} == {
        id_: {"guard_code", "radios"} for id_ in before
    }
    for id_, words in [*first, *plan.change]:
        fields = {name: text or "-" for name, text in words.items()}
        assert act(desk, "person_change", person=id_, **fields).status == "accepted"
    for one, other in (("zhang", "li"), ("li", "zhang")):
        assert desk.state.find(Person, one).guard_code == codes[other]
    assert handed_over([("zhang", {"crew": "B"})], before) == [], "only what is given away"


# ---- and back ----

SIGNS = st.characters(codec="utf-8", categories=("L", "N", "P", "S"))
NAMES = st.text(SIGNS, min_size=1, max_size=12)


@given(NAMES, st.sampled_from(["utf-8", "gb18030"]))
def test_what_is_written_is_read_again(name, charset):
    name = name.strip("-'") or "x"
    person = changed(PEOPLE["zhang"], {"name": name, "leave_hours": "22:00-06:00"})
    text, found = decoded(table_of([person], charset), None if charset == "utf-8" else charset)
    assert found == charset
    plan = plan_of(text, [person])
    assert (plan.mistakes, plan.change, plan.same) == ([], [], 1)


def test_a_cell_that_a_spreadsheet_would_compute_is_kept_as_text():
    person = changed(PEOPLE["zhang"], {"call_sign": "=1+1"})
    table = table_of([person]).decode("utf-8-sig")
    assert ",'=1+1," in table
    assert plan_of(table, [person]).same == 1


def test_every_field_is_written_and_read():
    words = written(PEOPLE["zhang"])
    assert set(words) == set(FIELDS)
    assert changed(PEOPLE["zhang"], words).addresses == PEOPLE["zhang"].addresses


def test_what_a_whole_table_shares_is_told_in_a_few_words_a_line():
    """Somebody filled a column downwards: each line would name all the others."""
    text = "id,name,organisation,guard_code\n"
    text += "".join(f"p{i},n{i},guard,101\n" for i in range(2000))
    rows, wrong = rows_of(text)
    assert wrong == []
    mistakes = planned(rows, {}, make_site()).mistakes
    assert len(mistakes) == 2000
    assert mistakes[0].what.endswith("p5 (line 7) and 1994 more")
    assert sum(len(str(mistake)) for mistake in mistakes) < 400_000


def test_a_table_with_a_million_columns_is_one_mistake():
    rows, mistakes = rows_of(",".join(f"c{i}" for i in range(100_000)) + "\n1\n")
    assert rows == []
    assert [str(m) for m in mistakes] == [
        f"line 1: has 100000 columns, and people have {len(COLUMNS)}: is it their table?"
    ]
