"""Acts of the centre's people: every one decodes, and what is wrong is named."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.centre.centre_acts import CENTRE_ACTS, centre_act_schema, decode_centre_act
from gateway.core.centre.strict_json import Refusal
from gateway.core.register.events import RadioBlocked


def decode(holder=None, **fields):
    return decode_centre_act(json.dumps(fields).encode(), now_us=7, holder=holder)


def test_a_radio_is_reported_lost_in_any_spelling():
    event = decode(act="radio_lost", by="李警官", radio="mdc1200:1a2b")
    assert event == RadioBlocked(at_us=7, radio="mdc1200:1A2B", lost=True, by="李警官")


def test_whoever_holds_the_token_acts_where_nobody_is_named():
    assert decode(holder="clerk", act="radio_found", radio="dtmf:10031").by == "clerk"
    assert decode(holder="clerk", act="radio_found", radio="dtmf:10031", by="x").by == "x"
    with pytest.raises(Refusal, match="by: is missing"):
        decode(act="radio_found", radio="dtmf:10031")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"by": "x"}, "act: is missing"),
        ({"act": "radio_lots", "by": "x"}, "did you mean radio_lost"),
        ({"act": "radio_lost", "by": "x", "rodio": "dtmf:1"}, "did you mean radio"),
        ({"act": "radio_lost", "by": "x", "radio": "10031"}, "radio: must be what a radio says"),
        ({"act": "radio_lost", "by": "a\u202eb", "radio": "dtmf:10031"}, "by: has U\\+202E"),
    ],
)
def test_what_is_wrong_is_named(fields, says):
    with pytest.raises(Refusal, match=says):
        decode(**fields)


@pytest.mark.parametrize("named", ["10", 10])
def test_an_order_is_named_by_its_number_however_it_is_written(named):
    assert decode(act="call_partner", by="x", order=named).order == "10"
    assert decode(act="call_partner", by="x", order="o7").order == "o7"


@pytest.mark.parametrize("named", ["R1", "r1", "1", 1])
def test_a_report_is_named_by_its_number_however_it_is_written(named):
    assert decode(act="promote", by="x", report=named).report == "R1"


@pytest.mark.parametrize("named", [True, -1, 1.5, 10**12, "o 7", "", ["o7"]])
def test_what_names_no_order_is_refused(named):
    for act, field in (("call_partner", "order"), ("promote", "report")):
        with pytest.raises(Refusal, match=f"^{field}: "):
            decode(act=act, by="x", **{field: named})


@given(st.binary(max_size=200) | st.sampled_from(sorted(CENTRE_ACTS)).map(
    lambda name: json.dumps({"act": name, "by": "x"}).encode()
))  # fmt: skip
def test_nothing_but_a_refusal_is_ever_raised(raw):
    try:
        decode_centre_act(raw, now_us=1)
    except Refusal as refusal:
        assert refusal.field


def test_the_schema_lists_every_act():
    schema = centre_act_schema()
    jsonschema.validate({"act": "radio_lost", "by": None, "radio": "dtmf:10031"}, schema)
    assert set(schema["properties"]["act"]["enum"]) == set(CENTRE_ACTS)
