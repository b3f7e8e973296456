"""The decoder of alerts: what is right goes in whole, what is wrong is named; no more."""

import json
import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.alert import Alert, AlertKind, Datum, Level, Position
from gateway.core.centre.act_json import ACTS, decode_act
from gateway.core.centre.alert_json import ALERT_SCHEMA, Refusal, alert_schema, decode_alert
from gateway.core.centre.strict_json import timestamp

NOW_US = 1_795_287_600_000_000
WHOLE = {
    "kind": "alert",
    "id": "JQ-1",
    "sender": "zhzx",
    "sent": "2026-11-22T03:00:00+08:00",
    "category": "fight",
    "level": 2,
    "text": "东街十七号建设银行门口有人打架",
    "place": "东街十七号",
    "location": {"lat": 29.1002, "lon": 119.6512345, "datum": "GCJ-02"},
    "grid": "G3",
    "needs": 2,
    "expires": "2026-11-22T03:30:00.5Z",
    "exercise": False,
    "attachments": ["0" * 32],
}


def raw(value=None, **changes):
    return json.dumps((value or WHOLE) | changes, ensure_ascii=False).encode()


def decoded(data, kind=None):
    return decode_alert(data, kind=kind, now_us=NOW_US)


def test_a_whole_alert_is_taken_as_it_stands():
    alert = decoded(raw(expires="2026-11-22T03:30:00.5+08:00"))
    assert alert.sent_us == NOW_US
    assert alert.expires_us == NOW_US + 1_800_500_000
    assert (alert.level, alert.kind) == (Level.TWO, AlertKind.ALERT)
    assert alert.location == Position(
        lat_udeg=29_100_200, lon_udeg=119_651_235, datum=Datum.GCJ_02
    )
    assert (alert.needs, alert.attachments, alert.place) == (2, ("0" * 32,), "东街十七号")
    assert len(alert.body_sha256) == 64


def test_the_digest_is_of_what_was_understood():
    first = decoded(raw())
    turned = json.dumps(dict(reversed(WHOLE.items())), indent=3).encode()
    assert decoded(turned) == first
    assert (
        decoded(raw({k: v for k, v in WHOLE.items() if k != "kind"}), AlertKind.ALERT) == first
    )
    for change in (
        {"text": "别的"},
        {"sent": "2026-11-22T03:00:01+08:00"},
        {"location": None},
        {"location": WHOLE["location"] | {"datum": "WGS-84"}},
        {"level": 1},
        {"kind": "update"},
    ):
        assert decoded(raw(**change)).body_sha256 != first.body_sha256
    same_moment = decoded(raw(sent="2026-11-21T19:00:00Z"))
    assert same_moment.body_sha256 == first.body_sha256


def test_a_cancel_need_only_say_which():
    cancel = {k: WHOLE[k] for k in ("kind", "id", "sender", "sent")} | {"kind": "cancel"}
    bare = decoded(raw(cancel))
    assert (bare.kind, bare.text, bare.level) == (AlertKind.CANCEL, "", Level.THREE)
    assert decoded(raw(cancel | {"text": "误报"})).text == "误报"
    with pytest.raises(Refusal, match="level: must be 1 to 3"):
        decoded(raw(cancel | {"level": 9}))
    with pytest.raises(Refusal, match="category: is missing"):
        decoded(raw(cancel | {"kind": "update"}))


WRONG = [
    ({"level": 7}, "level: must be 1 to 3; got 7"),
    ({"level": 2.0}, "level: must be a whole number"),
    ({"level": True}, "level: must be a whole number"),
    ({"level": "2"}, "level: must be a whole number 1 to 3; got text"),
    ({"levle": 2}, "levle: is not a known field; did you mean level?"),
    ({"级别": 2}, "'级别': is not a known field"),
    ({"needs": 0}, "needs: must be 1 to 50"),
    ({"needs": 51}, "needs: must be 1 to 50"),
    ({"needs": 10**20}, "needs: must be 1 to 50"),
    ({"text": ""}, "text: is empty"),
    ({"text": " \u3000"}, "text: is empty"),
    ({"text": "x" * 501}, "text: has 501 characters; the limit is 500"),
    ({"text": "a\nb"}, "text: has U+000A at character 1"),
    ({"text": "a\u0000"}, "text: has U+0000 at character 1"),
    ({"text": "\u202eabc"}, "text: has U+202E"),
    ({"text": "a\u2028"}, "text: has U+2028"),
    ({"text": ["a"]}, "text: must be text; got a list"),
    ({"text": None}, "text: is missing"),
    ({"place": "x" * 201}, "place: has 201 characters"),
    ({"id": ""}, "id: must be 1 to 64"),
    ({"id": "x" * 65}, "id: must be 1 to 64"),
    ({"id": "a b"}, "id: must be 1 to 64"),
    ({"id": "../x"}, "id: must be 1 to 64"),
    ({"id": "编号"}, "id: must be 1 to 64"),
    ({"id": 5}, "id: must be 1 to 64 of letters"),
    ({"sender": "a\n"}, "sender: must be"),
    (
        {"kind": "alarm"},
        "kind: must be one of alert, update, cancel; got 'alarm'; did you mean",
    ),
    ({"kind": 1}, "kind: must be one of"),
    ({"category": "打架"}, "category: must be 1 to 32"),
    ({"sent": "2026-11-22T03:00:00"}, "sent: must be RFC 3339 with an offset"),
    ({"sent": "2026-11-22 03:00:00Z"}, "sent: must be RFC 3339"),
    ({"sent": "2026-02-30T03:00:00Z"}, "sent: is no date and time"),
    ({"sent": "2026-11-22T25:00:00Z"}, "sent: is no date and time"),
    ({"sent": "1970-01-01T00:00:00Z"}, "sent: must lie between"),
    ({"sent": "9999-12-31T23:59:59-23:59"}, "sent: must lie between"),
    ({"sent": 1795287600}, "sent: must be RFC 3339"),
    ({"sent": "２026-11-22T03:00:00Z"}, "sent: must be RFC 3339"),
    ({"expires": "2026-11-22T02:00:00+08:00"}, "expires: must lie after sent"),
    ({"expires": "2026-12-22T03:00:00+08:00"}, "expires: lies more than 7 days ahead"),
    ({"location": {"lat": 29.1, "lon": 119.6}}, "location.datum: is missing"),
    ({"location": {"lat": 91, "lon": 0, "datum": "WGS-84"}}, "location.lat: must be -90 to 90"),
    ({"location": {"lat": 0, "lon": 181, "datum": "WGS-84"}}, "location.lon: must be -180"),
    ({"location": {"lat": "0", "lon": 0, "datum": "WGS-84"}}, "location.lat: must be degrees"),
    ({"location": {"lat": True, "lon": 0, "datum": "WGS-84"}}, "location.lat: must be degrees"),
    ({"location": {"lat": 0, "lon": 0, "datum": "BD-09"}}, "location.datum: must be one of"),
    ({"location": {"lat": 0, "lon": 0, "datum": "WGS84"}}, "did you mean WGS-84?"),
    ({"location": {"lat": 0, "lng": 0, "datum": "WGS-84"}}, "location.lng: is not a known"),
    ({"location": [0, 0]}, "location: must be an object"),
    ({"exercise": "no"}, "exercise: must be true or false"),
    ({"exercise": 0}, "exercise: must be true or false"),
    ({"attachments": "a"}, "attachments: must be a list"),
    ({"attachments": [str(n) for n in range(9)]}, "attachments: has 9 entries; the limit is 8"),
    ({"attachments": ["../a"]}, "attachments: each must be a media id"),
    ({"attachments": ["a", "a"]}, "attachments: has the same entry twice"),
    ({"attachments": [1]}, "attachments: each must be"),
]


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_what_is_wrong_is_named(change, reason):
    with pytest.raises(Refusal) as refused:
        decoded(raw(**change))
    assert reason in str(refused.value)
    for name in {"id", "sender"} - set(change):
        assert getattr(refused.value, name) == WHOLE[name], "a receipt must find its way"


BOMBS = [
    (b"", "body: is not JSON"),
    (b"null", "body: must be a JSON object; got null"),
    (b"[1]", "body: must be a JSON object; got a list"),
    (b'"x"', "body: must be a JSON object"),
    (b"\xff", "body: is not UTF-8 at byte 0"),
    (b"\xef\xbb\xbf{}", "body: is not JSON"),
    (json.dumps(WHOLE).encode("utf-16"), "body: is not UTF-8"),
    (b'{"kind":"alert",', "body: is not JSON"),
    (b"[" * 65_000, "body: is nested too deeply"),
    (b'{"a":' * 13_000, "body: is nested too deeply"),
    (b'{"level":NaN}', "body: holds NaN"),
    (b'{"level":-Infinity}', "body: holds -Infinity"),
    (b'{"level":' + b"9" * 60_000 + b"}", "body: holds a number of more than 32"),
    (b'{"level":0.' + b"9" * 60_000 + b"}", "body: holds a number of more than 32"),
    (b'{"id":"a","id":"b"}', "id: stands twice"),
    (b'{"location":{"lat":1,"lat":2}}', "lat: stands twice"),
    (b'{"' + b"k" * 60_000 + b'":1}', "is not a known field"),
    (b" " * 65_537, "body: is 65537 bytes; the limit is 65536"),
    (raw().replace(b"29.1002", b"1e999999999"), "location.lat: must be -90 to 90"),
    (raw().replace(b"29.1002", b"-1e-999999999"), None),
    (raw().replace("东街十七号".encode(), b"\\ud800"), "has U+D800 at character 0"),
    (raw().replace(b'"JQ-1"', b'"\\udc00"'), "id: must be 1 to 64"),
    (raw().replace(b'"grid"', b'"\\ud800"'), "'\\ud800': is not a known field"),
]


@pytest.mark.parametrize(("data", "reason"), BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_refused_in_no_time(data, reason):
    began = time.perf_counter()
    try:
        decoded(data)
        found = None
    except Refusal as refusal:
        found = str(refusal)
        found.encode(), refusal.field.encode()
        assert len(found) < 300, "a refusal is read by people"
    assert time.perf_counter() - began < 0.05
    assert found is None if reason is None else reason in found


def mutated(draw):
    data = bytearray(raw())
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["flip", "cut", "insert", "double"])):
            case "flip":
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 20))]
            case "insert":
                data[place:place] = draw(st.binary(max_size=12))
            case "double":
                data[place:place] = data[max(0, place - 30) : place]
        data = data or bytearray(b"x")
    return bytes(data)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*WHOLE])
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.composite(mutated)(), st.binary(max_size=200)))
def test_spoiled_bytes_are_refused_or_taken_and_nothing_else(data):
    check_total(data)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*WHOLE]), values, max_size=5))
def test_spoiled_values_are_refused_or_taken_and_nothing_else(changes):
    check_total(json.dumps(WHOLE | changes).encode())


def check_total(data):
    began = time.perf_counter()
    try:
        alert = decoded(data)
    except Refusal as refusal:
        str(refusal).encode()
    else:
        assert isinstance(alert, Alert)
        for text in (alert.text, alert.place or "", alert.grid or ""):
            text.encode()
            assert (
                text.isprintable() or "\u3000" in text or "\xa0" in text or not text.isascii()
            )
    for act in ACTS:
        try:
            decode_act(data, order="o1", act=act, now_us=NOW_US)
        except Refusal as refusal:
            str(refusal).encode()
    assert time.perf_counter() - began < 0.25


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*WHOLE]), values, max_size=3))
def test_whatever_is_taken_fits_the_published_schema(changes):
    message = WHOLE | changes
    data = json.dumps(message).encode()
    try:
        decoded(data)
    except Refusal:
        return
    jsonschema.validate(json.loads(data), ALERT_SCHEMA)


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_the_schema_refuses_what_the_decoder_refuses_by_form(change, reason):
    beyond_a_schema = ("has U+", "expires:", "is no date", "sent: must", "is empty")
    fits = jsonschema.Draft202012Validator(ALERT_SCHEMA).is_valid(WHOLE | change)
    # JSON Schema has one kind of number: 2.0 is whole to it, and the decoder is the stricter.
    # Python's "$" looks past a last line break, which is not the schema's fault.
    whole = change in ({"level": 2.0}, {"sender": "a\n"})
    assert not fits or whole or any(words in reason for words in beyond_a_schema)


def test_every_schema_is_a_schema():
    for kind in (None, *AlertKind):
        jsonschema.Draft202012Validator.check_schema(alert_schema(kind))


def test_a_time_is_told_with_all_its_digits():
    assert timestamp(NOW_US) == "2026-11-21T19:00:00.000000Z"
    assert timestamp(NOW_US + 1) == "2026-11-21T19:00:00.000001Z"


def test_the_decoder_is_quick():
    data = raw()
    began = time.perf_counter()
    for _ in range(200):
        decoded(data)
    assert (time.perf_counter() - began) / 200 < 0.005
