"""What the radio process counts, and how whoever watches the daemon reads it."""

from drivers.radio.floor import Counts
from drivers.radio.jitter import LinkStatistics
from drivers.radio.protocol import Figures, decode, encode
from drivers.radio.readings import RadioReadings
from drivers.radio.tally import ChannelTally, talk_figures
from drivers.radio.timing import Lateness
from gateway.metrics import Metrics


def figures(**fields: object) -> Figures:
    tally = ChannelTally()
    for on_air in (False, True, True, True, False, True, False):
        tally.tick(on_air=on_air)
    tally.over(2500)
    tally.over(1200)
    link = LinkStatistics(received=90, lost=3, late=2, silent=50)
    talk = talk_figures(Counts(talks=4, refused=1, cut=2, dropped=10, muted=5))
    of_one = {"by_channel": {"gate": tally.figures(link)}, "by_group": {"yard": talk}}
    return Figures(1, 500, 1.5, 80.0, 2, 9.0, 9.5, 2.0, 3, 1, **(of_one | fields))  # type: ignore[arg-type]


def scraped(readings: RadioReadings) -> str:
    return Metrics().text(seq=1, open_orders=0, paths={}, readings=readings)


def test_what_passed_over_a_channel_is_counted_and_survives_the_wire() -> None:
    told = decode(encode(figures()))
    assert isinstance(told, Figures)
    gate = told.by_channel["gate"]
    assert (gate.overs, gate.heard_s) == (2, 3.7)
    assert (gate.transmissions, round(gate.keyed_s, 3)) == (2, 0.08)
    assert (gate.sound["lost"], gate.sound["late"], gate.silent_s) == (3, 2, 1.0)
    assert "silent" not in gate.sound


def test_a_scrape_names_every_figure_with_its_unit() -> None:
    readings = RadioReadings()
    readings.note(figures())
    readings.note(figures())
    text = scraped(readings)
    for line in (
        'gridcall_radio_overs_total{channel="gate"} 2.0',
        'gridcall_radio_heard_seconds_total{channel="gate"} 3.7',
        'gridcall_radio_keyed_seconds_total{channel="gate"} 0.08',
        'gridcall_radio_sound_frames_total{channel="gate",what="lost"} 3.0',
        'gridcall_radio_sound_silent_seconds{channel="gate"} 1.0',
        'gridcall_radio_talk_total{group="yard",what="cut"} 2.0',
        'gridcall_radio_talk_dropped_seconds_total{group="yard"} 0.2',
        'gridcall_radio_frame_late_seconds{quantile="0.99"} 0.0015',
        'gridcall_radio_frame_late_seconds{quantile="1"} 0.08',
        "gridcall_radio_tick_cpu_seconds 0.002",
        "gridcall_radio_frames_total 1000.0",
        "gridcall_radio_late_frames_total 6.0",
        "gridcall_radio_keyings_total 4.0",
        "gridcall_radio_speech_restarts_total 1.0",
    ):
        assert line in text.splitlines(), line
    assert text.count("# TYPE gridcall_radio_sound_frames_total counter") == 1


def test_a_radio_process_that_is_away_has_no_figures_but_its_counts_go_on() -> None:
    readings = RadioReadings()
    readings.note(figures())
    readings.forget()
    assert "gridcall_radio" not in scraped(readings)
    readings.note(figures())
    assert "gridcall_radio_frames_total 1000.0" in scraped(readings)


def test_only_spans_that_are_long_count_as_long() -> None:
    late = Lateness(long_ms=20)
    for ms in (0.1, 20.0, 20.1, 700.0):
        late.add(ms)
    assert (late.count, late.long) == (4, 2)
    late.take()
    assert (late.count, late.long) == (0, 0)
