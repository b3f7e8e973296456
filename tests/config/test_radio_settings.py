"""What channels, talk groups and radios promise one another, and what is said when they do not."""

import re

import pytest

from gateway.settings import check
from tests.config.examples import COUNTY, EXAMPLES, MODELS, copy_of

TEXT = COUNTY.read_text("utf-8")
PATCHED = "\ntalk_groups: {all: {members: [channel:c1, channel:c2]}}\nzones:"


def spoilt(tmp_path, *changes):
    """Return the problems of the county with these changes, as severity, path and message."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    problems = check(copy_of(tmp_path, text), MODELS)
    return [(p.severity, re.sub(r"^.*?\d+:\d+: (warning: )?", "", str(p))) for p in problems]


def test_the_county_itself_is_well(tmp_path):
    assert spoilt(tmp_path) == []


@pytest.mark.parametrize("mhz", ["409.7500", "409.75", "409.751"])
def test_a_talk_group_on_one_frequency_is_refused(tmp_path, mhz):
    changes = [("frequency_mhz: 409.7625", f"frequency_mhz: {mhz}"), ("\nzones:", PATCHED)]
    ((severity, message),) = spoilt(tmp_path, *changes)
    assert severity == "error"
    assert message.startswith('talk_groups.all.members[1]: is on 409.75 MHz as "c1" is')


def test_neighbouring_frequencies_may_be_patched(tmp_path):
    changes = [("frequency_mhz: 409.7625", "frequency_mhz: 409.75625"), ("\nzones:", PATCHED)]
    assert spoilt(tmp_path, *changes) == []


def test_two_channels_on_one_frequency_are_named_unless_one_listens_to_the_other(tmp_path):
    same = ("frequency_mhz: 409.7625", "frequency_mhz: 409.7500")
    ((severity, message),) = spoilt(tmp_path, same)
    assert severity == "warning"
    assert message.startswith(
        'channels.c2.licence.frequency_mhz: 409.75 MHz is the frequency of "c1" too'
    )
    listens = ("    name: 一号信道\n", "    name: 一号信道\n    monitor: {channel: c2}\n")
    assert spoilt(tmp_path, same, listens) == []


@pytest.mark.parametrize(
    ("radio", "write"),
    [
        ("zvei2:12345", "signalling: {selcall: [zvei2]}"),
        ("mdc1200:1A2B", "signalling: {mdc1200: true}"),
        ("ctcss:88.5", "signalling: {ctcss: [88.5]}"),
        ("dcs:023N", "signalling: {dcs: [023N]}"),
    ],
)
def test_a_radio_that_no_channel_listens_for_is_named_with_what_to_write(
    tmp_path, radio, write
):
    person = ('radio_id: "10011"', f'radios: ["{radio}"]')
    ((severity, message),) = spoilt(tmp_path, person)
    assert severity == "warning"
    assert f"radios[0]: no channel listens for {radio}; write {write}" in message
    if radio.startswith(("ctcss", "dcs")):
        return  # these need the detector's own audio besides
    channel = ("    name: 四号信道\n", f"    name: 四号信道\n    {write}\n")
    assert spoilt(tmp_path, person, channel) == [], "one that does is enough"


def test_a_number_keyed_by_the_radio_needs_a_channel_that_expects_one(tmp_path):
    problems = spoilt(tmp_path, *[("    ani:", "    #ani:")] * TEXT.count("    ani:"))
    assert problems
    assert {severity for severity, _ in problems} == {"warning"}
    assert all("write ani: {digits: 5} at its channel" in message for _, message in problems)


def test_a_call_that_his_channel_cannot_send_is_named(tmp_path):
    person = ('radio_id: "10011"', 'radio_id: "10011", calls: [zvei1:12345, "mdc1200:call:1A2B"]')
    ((severity, message),) = spoilt(tmp_path, person)
    assert severity == "warning"
    assert "calls[1]: left out on channel" in message
    assert "mdc_unit" in message


def test_a_table_of_one_channel_is_not_known_to_another(tmp_path):
    tones = ", ".join(f'"{d}": {900 + 60 * n}' for n, d in enumerate("0123456789E"))
    own = f"signalling: {{selcall: [{{name: ours, tone_ms: 70, tones: {{{tones}}}}}]}}"
    elsewhere = ("    name: 四号信道\n", f"    name: 四号信道\n    {own}\n")
    person = ('radio_id: "10011"', 'radio_id: "10011", calls: ["ours:12345"]')
    ((severity, message),) = spoilt(tmp_path, elsewhere, person)
    assert (severity, "write its table ours in signalling.selcall" in message) == ("warning", True)


SIGNALLING = "    name: 一号信道\n    signalling: "


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            ("tx_delay_ms: 300", "tx_delay_ms: 0.3"),
            ["channels.c1.tx_delay_ms: should be a whole number, is 0.3"],
        ),
        (
            ("tx_delay_ms: 300", "tx_delay_ms: ３００"),
            ['channels.c1.tx_delay_ms: should be a whole number, is "３００"; write 300'],
        ),
        (
            ("frequency_mhz: 409.7500", 'frequency_mhz: "409,75"'),
            [
                'channels.c1.licence.frequency_mhz: should be a number, is "409,75"; '
                "write 409.75"
            ],
        ),
        (
            ("    name: 一号信道\n", SIGNALLING + "{selcall: [zvei3]}\n"),
            [
                "channels.c1.signalling.selcall[0]: should be zvei1, zvei2, ccir, eea, eia or "
                'dzvei, is "zvei3"; did you mean "zvei2"?'
            ],
        ),
        (
            ("    name: 一号信道\n", SIGNALLING + "{ctcss: [88.5]}\n"),
            [
                "channels.c1: signalling.ctcss needs audio: {kind: discriminator}: a "
                "loudspeaker's sound has nothing below the voice"
            ],
        ),
        (
            (
                "    name: 一号信道\n",
                '    name: 一号信道\n    identification: {text: 东河, dtmf: "12"}\n',
            ),
            ["channels.c1.identification: needs text or dtmf, one of the two"],
        ),
        (
            ("squelch: cts}", "squelch: !cts }"),
            [
                "channels.c1.control.squelch: tags (!cts) are not taken; remove it, or put "
                "the text in quotes"
            ],
        ),
        (
            ("tx_delay_ms: 300", "tx_delay_ms：300"),
            [
                "is not YAML: could not find expected ':'; write \"key: value\", a colon and a "
                "space after it, not a full-width one"
            ],
        ),
    ],
)
def test_a_slip_of_the_pen_is_named_with_the_right_form(tmp_path, change, messages):
    found = [message.splitlines()[0] for _, message in spoilt(tmp_path, change)]
    assert found == messages


def test_a_key_without_its_colon_is_shown_in_its_own_line(tmp_path):
    text = TEXT.replace("tx_delay_ms: 300", "tx_delay_ms：300", 1)
    (problem,) = check(copy_of(tmp_path, text), MODELS)
    assert "tx_delay_ms：300" in problem.excerpt


def test_a_faulty_channel_makes_nobodys_radio_unheard(tmp_path):
    """Who is heard by a channel is not known while the channel is not."""
    text = (EXAMPLES / "bench.yaml").read_text("utf-8")
    text = text.replace("rfc2217://127.0.0.1:7001", "COM3")
    paths = [problem.path for problem in check(copy_of(tmp_path, text), MODELS)]
    assert paths == ["channels.gate.control.url", "response.ladder"]
