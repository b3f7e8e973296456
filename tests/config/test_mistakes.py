# rows are read as rows
"""Ten classes of mistakes in copies of the examples, each reported at its line and column.

A row is (example, old text, new text, words of the report). The mark ‸ in the new text is not
written: it stands where the report should point. Where the new text is no place for it, a fifth
entry is the text that the report points at. Nothing else may be reported as an error.
"""

import re

import pytest

from gateway.settings import SettingsError, check, load
from tests.config.examples import COUNTY, MODELS, ONE_POST, copy_of

MARK = "‸"
TEXT = {"post": ONE_POST.read_text("utf-8"), "county": COUNTY.read_text("utf-8")}

UNKNOWN = [
    ("post", "    name: 一号信道", "    ‸nmae: 一号信道", 'did you mean "name"'),
    ("post", "tx_delay_ms: 300", "‸tx_delai_ms: 300", 'did you mean "tx_delay_ms"'),
    ("county", "\nretention:", "\n‸retenion:", 'did you mean "retention"'),
    ("county", "    heartbeat_s: 10", "    ‸heart_beat_s: 10", 'did you mean "heartbeat_s"'),
    ("county", "guard_code: \"007\"", '‸guardcode: "007"', 'did you mean "guard_code"'),
    ("county", "ladder: [", "‸Ladder: [", 'did you mean "ladder"'),
    ("post", "\nzones:", "\n‸timezone: Asia/Shanghai\nzones:", 'it belongs under "site"'),
    ("county", "{from: \"08:00\", to: \"16:00\"}", '{from: "08:00", to: "16:00", ‸colour: 1}',
     "is not known here"),
    ("post", "ptt: rts   ", "‸ptt_line: rts   ", 'did you mean "ptt"'),
]  # fmt: skip

DUPLICATE = [
    ("post", "\nzones:", "\n‸site:\n  id: x\nzones:", "is written twice; the first is in line"),
    ("post", "  p_li:", "  ‸p_zhang:", "is written twice"),
    ("county", "channel: c1\n", "channel: c1\n    ‸channel: c2\n", "is written twice"),
    ("county", "crew: D, grids: [g7], ", "crew: D, grids: [g7], ‸crew: A, ", "is written twice"),
    ("county", "    keepalive_s: 15\n", "    keepalive_s: 15\n    ‸keepalive_s: 20\n", "is written"),
    ("county", 'guard_code: "011"', "guard_code: ‸\"010\"", 'already belongs to "p010"'),
    ("county", 'radio_id: "10011"', "radio_id: ‸\"10010\"", 'already belongs to "p010"'),
    ("county", 'codes: ["330702002"]', 'codes: ["330702012", ‸"330702001"]', 'belongs to "g1"'),
    ("county", "aliases: [北门, ", "aliases: [北门, ‸东街, ", 'already belongs to "g2"'),
    ("county", '"rfc2217://127.0.0.1:7002', '‸"rfc2217://127.0.0.1:7001', 'already belongs to "c1"'),
    ("county", '"rtp://127.0.0.1:7104?local_port=7204', '‸"rtp://127.0.0.1:7104?local_port=7201', 'UDP port 7201" already belongs to "c1"'),
    ("county", "\nzones:", "\ntalk_groups: {all: {members: [channel:c1, channel:c2], dispatcher: ‸\"rtp://127.0.0.1:9000?local_port=7201\"}}\nzones:",
     'UDP port 7201" already belongs to "c1"'),
    ("county", "\nzones:", "\ntalk_groups: {one: {members: [channel:c1], dispatcher: &D}, two: {members: [channel:c2], dispatcher: ‸&D}}\nzones:".replace("&D", '"rtp://127.0.0.1:9000?local_port=9001"'),
     'already belongs to "dispatcher of one"'),
    ("county", "{date: \"2027-02-06\"", '{date: ‸"2027-02-05"', "stands twice"),
    ("county", "crews: [A, B, C, D]", "crews: [A, B, C, D, ‸A]", "stands twice"),
    ("county", "      - id: wall", "      - id: ‸centre", 'token id "centre" already belongs'),
    ("county", 'radio_id: "10011"', 'radio_id: "10011", radios: [‸"dtmf:10010"]', 'already belongs to "p010"'),
]  # fmt: skip

TYPE = [
    ("post", 'guard_code: "034"', "guard_code: ‸734", 'write "734" in quotes'),
    ("post", "    time_out_s: 60 ", '    time_out_s: ‸"60" ', "write 60 without quotes"),
    ("county", "  open_radio: true", "  open_radio: ‸yes", "did you mean true?"),
    ("county", "grids: [g1], team: t01}", "grids: ‸g1, team: t01}", "should be a list"),
    ("county", "  general: {name: 一般区, grade: 3}", '  general: {name: 一般区, grade: ‸"3"}',
     "write 3 without quotes"),
    ("county", "ptt: rts", "ptt: ‸rst", 'did you mean "rts"'),
    ("post", "listen: 127.0.0.1:8080", "listen: ‸8080", 'write "8080" in quotes'),
    ("county", 'start: "2026-01-01"', "start: ‸01/01/2026", "should be a day"),
    ("county", 'from: "2026-11-20T08:00"', "from: ‸tomorrow", "should be a local time"),
    ("post", r"audio:\n.*\n", "audio: ‸sound\n", "should be a section of keys"),
    ("post", "zone: centre", "zone: ‸[centre]", "should be text, is a list of 1"),
    ("post", "id: dongjie ", "id: ‸Dong_Jie ", "small letters"),
]  # fmt: skip

UNIT = [
    ("post", "    time_out_s: 60 ", "    ‸time_out: 60 ", 'lacks its unit; write "time_out_s", in'),
    ("post", "tx_delay_ms: 300", "‸tx_delay: 300", 'lacks its unit; write "tx_delay_ms"'),
    ("post", "tx_delay_ms: 300", "‸tx_delay_s: 300", 'has another unit; write "tx_delay_ms"'),
    ("post", "    time_out_s: 60 ", "    time_out_s: ‸60s ", "the key says seconds: write 60"),
    ("county", "    keepalive_s: 15\n", "    ‸keepalive_min: 15\n", "write \"keepalive_s\", in sec"),
    ("county", "arrive_min: [1, 3, 5]", "‸arrive_s: [60, 180, 300]", 'write "arrive_min", in min'),
    ("county", "  media_days: 90", "  ‸media: 90", 'write "media_days", in days'),
    ("county", "  journal_years: 3", "  journal_years: ‸3年", "should be a whole number"),
    ("county", "body_limit_kb: 64", "body_limit_kb: ‸64 kB", "the key says kilobytes: write 64"),
    ("post", "frequency_mhz: 409.75", "‸frequency: 409.75", 'write "frequency_mhz", in megahertz'),
    ("county", "rung_s: [30, 60, 60]", "‸rung: [30, 60, 60]", 'write "rung_s", in seconds'),
]  # fmt: skip

RANGE = [
    ("post", "    time_out_s: 60 ", "    time_out_s: ‸600 ", "should be 5 to 180 seconds, is 600"),
    ("county", "recordings_days: 90", "recordings_days: ‸29", "should be 30 to 3650 days, is 29"),
    ("county", "port: 1883", "port: ‸70000", "should be 1 to 65535, is 70000"),
    ("county", "warn_percent: [50, 80]", "warn_percent: [50, ‸100]", "should be 1 to 99 percent"),
    ("county", "busy_wait_s: [10, 60, 300]", "busy_wait_s: ‸[10, 60]", "has too few figures: 2"),
    ("county", "busy_wait_s: [10, 60, 300]", "busy_wait_s: ‸[60, 10, 300]", "should grow"),
    ("post", "[29.1000, 119.6500]", "‸[119.6500, 29.1000]", "did you mean [29.1, 119.65]"),
    ("post", "[29.1000, 119.6500]", "‸[2.91, 11.965]", "is not in China"),
    ("county", "acknowledge_s: [30, 60, 60]", "acknowledge_s: [60, ‸30, 60]", "should grow"),
    ("county", "warn_percent: [50, 80]", "warn_percent: [80, ‸50]", "should grow"),
    ("county", "expire_min: [10, 30, 60]", "expire_min: [1, ‸1, ‸1]",
     "ends before its window"),
    ("post", "frequency_mhz: 409.75", "frequency_mhz: ‸409750", "should be 25 to 1000 megahertz"),
    ("county", "\nzones:", "\ntalk_groups: {all: {members: [channel:c1], dispatcher: ‸\"rtp://127.0.0.1:9000?local_port=99999\"}}\nzones:",
     "local_port should be 1 to 65535, is 99999"),
    ("county", '{person: p002, from: "2026-11-20', '‸{person: p002, from: "2026-11-24',
     "to should be after from"),
    ("post", 'from: "08:00", to: "16:00"', 'from: ‸"8:00", to: "16:00"', "00:00 to 23:59"),
    ("post", "listen: 127.0.0.1:8080", "listen: ‸127.0.0.1:80800", "should be a port"),
    ("county", 'radio_id: "10011"', 'radio_id: "10011", radios: [‸"mdc1200:FFFF"]',
     "should be what a radio says of itself"),
    ("county", 'radio_id: "10011"', 'radios: [‸"dtmf:1001"]', "has 4 digits; his channel's ani has 5"),
    ("county", 'radio_id: "10011"', 'calls: [zvei1:12345, ‸"mdc1200:1A2B"]', "is no selective call"),
    ("county", "  open_radio: true", '  open_radio: true\n  mdc_status: {"1": ‸acknowledged}',
     'did you mean "acknowledge"'),
    ("county", "  open_radio: true", '  open_radio: true\n  selcall_status: {‸"12": arrived}',
     "one digit"),
    ("post", "      - [29.1030, 119.6500]\n", "      - ‸[29.1000, 119.6500]\n", "leave it out"),
    ("post", "      - [29.1000, 119.6540]\n      - [29.1030, 119.6540]\n",
     "      - [29.1030, 119.6540]\n      - [29.1000, 119.6540]\n", "crosses itself",
     "- [29.1000, 119.6500]"),
]  # fmt: skip

REFERENCE = [
    ("post", "zone: centre", "zone: ‸center", 'there is no zone "center"; did you mean "centre"?'),
    ("post", "    channel: gate", "    channel: ‸gates", 'there is no channel "gates"'),
    ("post", "chat: work/east", "chat: ‸work/west", 'there is no chat group "work/west"'),
    ("county", "neighbours: [g1, g3, g7]", "neighbours: [g1, g3, g7, ‸g9]", 'there is no grid "g9"'),
    ("county", "neighbours: [g1, g3, g7]", "neighbours: [g1, g3, g7, ‸g5]", '"g5" does not name'),
    ("county", "grids: [g6], team: t06", "grids: [g6, ‸g66], team: t06", "there is no grid"),
    ("post", "    crew: A ", "    crew: ‸a ", 'there is no crew "a"'),
    ("county", "first_manager: p_leader_g3", "first_manager: ‸p_leader_g33", "there is no person"),
    ("county", "station: p_station_g3", "station: ‸p_head_g3", "should be a person of role station"),
    ("post", "organisation: dongmen\n", "organisation: ‸dongman\n", 'did you mean "dongmen"'),
    ("county", "{name: 收费站驻点, grid: g7", "{name: 收费站驻点, grid: ‸g8", 'there is no grid "g8"'),
    ("county", "{person: p044", "{person: ‸p440", 'there is no person "p440"'),
    ("county", "crews: {day: [B, D], evening", "crews: {day: [B, D, ‸X], evening", "no crew"),
    ("county", 'days: [day, evening, "off", ', 'days: [day, ‸evenings, evening, "off", ', "no shift"),
    ("county", "grids: [g1, g2, g3], points", "grids: [g1, ‸g22, g3], points", "there is no grid"),
    ("county", "team: t03}", "team: t03, contacts: {‸wrok: \"700100003\"}}", 'there is no chat'),
    ("county", "\nzones:", "\ntalk_groups: {all: {members: [channel:c1, ‸channel:c9]}}\nzones:",
     'there is no member "channel:c9"'),
    ("county", "    name: 二号信道\n", "    name: 二号信道\n    monitor: {channel: ‸c33}\n",
     'there is no channel "c33"; did you mean "c3"?'),
    ("county", 'radio_id: "10011"', 'radios: [‸"zvei3:12345"]', 'there is no five-tone table "zvei3"'),
    ("county", 'radio_id: "10011"', 'calls: [‸"zwei1:12345"]', 'did you mean "zvei1"?'),
]  # fmt: skip

REACH = [
    ("post", "    callback_key: {file: secrets/callback_key}", "    #", "callback_key: is missing here",
     "work:\n"),
    ("post", "    first_manager: p_liu ", "    # ", 'the rung first_manager, and "bank_street" has',
     "bank_street:\n"),
    ("county", "    second_manager: p_head_g4\n", "", 'the rung second_manager, and "g4" has none',
     "g4:\n"),
    ("county", "    channel: c4\n    chat: work/g7\n", "", "cannot be reached", "g7:\n"),
    ("county", r"(?s)    licence: {freq[^\n]*-04}\n(.*)    chat: work/g7\n", r"\1",
     "needs a chat, or a channel that transmits", "g7:\n"),
    ("county", r"grids: \[g5\]", "grids: [g6]", "has no guard", "g5:\n"),
    ("post", "    channel: gate\n    chat: work/east\n", "", "cannot be reached",
     "bank_street:\n"),
    ("post", r"(?s)  http: .*?\nchannels:", r"\nchannels:", "has no door", "command_centre:"),
    ("post", "role: station", "role: ‸statoin", 'did you mean "station"'),
]  # fmt: skip

ALIAS = [
    ("post", "zone: centre", "zone: ‸*z", "aliases (*z) are not taken"),
    ("post", "zone: centre", "zone: ‸&z centre", "anchors (&z) are not taken"),
    ("county", "grade: 2}", "grade: 2, ‸<<: {grade: 3}}", "merge keys (<<) are not taken"),
    ("county", "grade: 3}", "grade: ‸!!int 3}", "tags (tag:yaml.org,2002:int) are not taken"),
    ("county", "warn_percent: [50, 80]", "warn_percent: [50, ‸*x]", "aliases (*x)"),
    ("county", "- {person: p044", "- ‸!person {person: p044", "tags (!person) are not taken"),
    ("county", "  g1:\n    name", "  g1: ‸&first\n    name", "anchors (&first) are not taken"),
    ("post", "\nresponse:", "\n‸--- \nresponse:", "a second document begins here"),
    ("county", "\nzones:\n", "\nzones:\n  ‸12: {name: x, grade: 1}\n", 'write "12"'),
]  # fmt: skip

SECRET = [
    ("county", "password: {file: secrets/mqtt_password}", "password: ‸hunter2-hunter2", "chmod 600"),
    ("county", "password: {file: secrets/mqtt_password}", "password: ‸1234567890", "chmod 600"),
    ("post", "token: {file: secrets/telegram_token}", "token: ‸123456789:AAHdqTcvCH1vGWJxfSeof",
     "a secret must not stand in this file"),
    ("post", "callback_key: {file: secrets/callback_key}", 'callback_key: ‸"4f2a11c0ffee"',
     "a secret must not stand in this file"),
    ("post", "70a78c8cc3fcfb8f6d0b11eb5ea7e84b1a0f6fd0f4b1a2b7d7b8a4b2b4fd4b5a",
     "‸gwk_centre_Jh3kd92kslw0", "a token must not stand in this file"),
    ("county", "    groups:\n", "    api_base_url: ‸https://me:hunter2@example.com/bot\n    groups:\n",
     "without a name or password in it"),
    ("county", "password: {file: secrets/mqtt_password}", "password: ‸{file: a, env: B}",
     "exactly one of them"),
    ("county", "password: {file: secrets/mqtt_password}", "password: {‸flie: a}", 'did you mean "file"'),
]  # fmt: skip

HOLE = [
    ("county", 'days: [day, evening, "off", night]', 'days: ‸[day, evening, "off", "off"]',
     'grid "g3" has nobody on duty on 2026-01-01 at 00:00'),
    ("county", 'evening: {from: "16:00", to: "00:00"}', 'evening: {from: "16:00", to: "23:00"}',
     "no shift covers 23:00 to 00:00", "shifts:"),
    ("county", r"crew: B, grids: \[g5\]", "crew: A, grids: [g5]",
     'grid "g5" has nobody on duty on 2026-01-01 at 00:00: on duty is B, its guards are of A and C',
     '[day, evening, "off", night]', "crews: {day: [A, C]"),
    ("county", "evening: [D], night: [B]}", "evening: [D]}",
     'grid "g1" has nobody on duty on 2027-02-05 at 00:00', "crews: {day: [A, C]"),
    ("post", "days: [night, evening, day]", "days: ‸[night, evening, day, off]",
     'grid "bank_street" has nobody on duty'),
    ("post", "    crew: C\n", "    crew: B\n", "on duty is C, its guards are of A and B",
     "[night, evening, day]"),
    ("post", r'(?s)    night: {from: .*?\n(.*)\[night, ', r"\1[",
     "no shift covers 00:00 to 08:00", "shifts:"),
    ("post", r"(?s)  cycle:.*\nresponse:", "\nresponse:", "there is no cycle", "[A, B, C]\n"),
    ("post", "    day: {from", "    ‸off: {from", '"off" means no shift', "day]   # 每天"),
]  # fmt: skip


def spoil(row):
    """Return the spoilt text and the places where it should be reported."""
    which, old, new, _, *points_at = row
    text = TEXT[which]
    marked = text.replace(old, new, 1) if old in text else re.sub(old, new, text)
    assert marked != text, f"the example no longer has {old!r}"
    places = []
    while MARK in marked:
        before, _, after = marked.partition(MARK)
        places.append(place(before))
        marked = before + after
    return marked, places + [place(marked[: marked.index(words)]) for words in points_at]


def place(before):
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def errors_of(path):
    return [problem for problem in check(path, MODELS) if problem.severity == "error"]


CLASSES = {
    "unknown": UNKNOWN, "duplicate": DUPLICATE, "type": TYPE, "unit": UNIT, "range": RANGE,
    "reference": REFERENCE, "reach": REACH, "alias": ALIAS, "secret": SECRET, "hole": HOLE,
}  # fmt: skip
ROWS = [
    pytest.param(row, id=f"{name}-{n}")
    for name, rows in CLASSES.items()
    for n, row in enumerate(rows)
]


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_reported_where_it_stands_and_nothing_else(row, tmp_path):
    text, places = spoil(row)
    path = copy_of(tmp_path, text)
    errors = errors_of(path)
    report = "\n".join(str(error) for error in errors)
    assert {(error.line, error.column) for error in errors} == set(places), report
    assert row[3] in report
    for line, column in places:
        assert f"{path}:{line}:{column}: " in report


def test_each_class_has_five_at_least():
    assert len(CLASSES) == 10
    assert all(len(rows) >= 5 for rows in CLASSES.values())


@pytest.mark.parametrize("row", SECRET)
def test_a_secret_in_the_file_is_not_shown(row, tmp_path):
    text, _ = spoil(row)
    report = "\n".join(str(error) for error in errors_of(copy_of(tmp_path, text)))
    for secret in ("hunter2", "1234567890", "AAHdqTcvCH1vGWJxfSeof", "4f2a11c0ffee", "Jh3kd92"):
        assert secret not in report


def test_all_mistakes_are_reported_at_once(tmp_path):
    """One of each class that can stand beside the others, in one file."""
    text = TEXT["county"]
    pairs = [row[1:3] for row in (UNKNOWN[3], TYPE[2], UNIT[5], RANGE[1], REFERENCE[3], REFERENCE[5],
                                  ALIAS[2], SECRET[0], DUPLICATE[5], DUPLICATE[7], REACH[2], HOLE[3])]  # fmt: skip
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new.replace(MARK, ""), 1)
    errors = errors_of(copy_of(tmp_path, text))
    report = "\n".join(str(error) for error in errors)
    for words in ("heart_beat_s", "did you mean true?", 'write "arrive_min"', "30 to 3650 days",
                  '"g9"', '"g66"', "merge keys", "chmod 600", 'to "p010"', 'belongs to "g1"',
                  'the rung second_manager, and "g4"', "2027-02-05 at 00:00"):  # fmt: skip
        assert words in report, f"{words} is not in\n{report}"
    lines = [error.line for error in errors]
    assert lines == sorted(lines)


def test_the_caret_stands_under_the_mistake_also_after_chinese(tmp_path):
    text = TEXT["post"].replace("{name: 中心区, grade: 1}", "{name: 中心区, grade: 4}")
    (error,) = errors_of(copy_of(tmp_path, text))
    line, caret = error.excerpt.splitlines()
    before = line[: line.index("grade: ") + len("grade: ")]
    assert caret == "".join("  " if char > "\u2e80" else " " for char in before) + "^"


def test_loading_refuses_with_everything_in_the_message(tmp_path):
    text, _ = spoil(UNIT[0])
    path = copy_of(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(path, MODELS)
    assert str(path) in str(caught.value)
    assert caught.value.problems == check(path, MODELS)


def test_an_absent_file_is_reported(tmp_path):
    (error,) = errors_of(tmp_path / "none.yaml")
    assert "cannot be read: No such file" in str(error)
