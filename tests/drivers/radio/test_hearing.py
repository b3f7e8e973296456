"""One engine, many channels: each hears what it wishes, and speech makes nothing up."""

import numpy as np
import numpy.typing as npt

from drivers.radio import ctcss, dcs, dtmf, mdc1200_words, selcall_tables
from drivers.radio.decode import EVERYTHING
from drivers.radio.hearing import Heard, Hearing, Wishes
from drivers.radio.samples import to_int16
from drivers.radio.selcall_tables import TABLES
from tests.bench.voices import in_manner, spoken

FS = 8000
Samples = npt.NDArray[np.int16]


def everything_sounds() -> tuple[Samples, list[tuple[str, str]]]:
    """Return one over in which everything is sent, and what it says, in order of its end."""
    call = selcall_tables.encode(TABLES["ccir"], "12234")
    packet = mdc1200_words.encode(mdc1200_words.packet_of(b"\x01\x80\x12\x34"))
    parts = [dtmf.encode("*11#"), call, packet]
    sound = np.concatenate([np.pad(part, (1600, 800)) for part in parts])
    tone = ctcss.encode(88.5, 1000.0 * len(sound) / FS, reverse_burst_deg=None)[: len(sound)]
    both = np.pad(sound.astype(np.int64) + tone, (800, 2400))
    told = [
        *(("dtmf", s) for s in "*11#"),
        ("selcall", "12234"),
        ("mdc1200", "PTT ID start 1234"),
    ]
    return to_int16(both.astype(float)), [*told, ("ctcss", "88.5")]


def run(hearing: Hearing, samples: Samples, listening: list[bool]) -> list[Heard]:
    """Give every channel the same samples, to the end of the over."""
    yes = np.array(listening)
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 160)
    found = [h for f in frames for h in hearing.step(np.stack([f] * len(yes)), yes)]
    return found + hearing.step(np.zeros((len(yes), 160), np.int16), yes & False)


def told(found: list[Heard], channel: int) -> list[tuple[str, str]]:
    return [(h.kind, h.value) for h in found if h.channel == channel]


def test_everything_at_once_is_heard_on_every_channel_that_wishes_it() -> None:
    sound, expected = everything_sounds()
    ccir = (TABLES["ccir"],)
    hearing = Hearing(
        [
            EVERYTHING,
            Wishes(),
            Wishes(dtmf=True),
            Wishes(selcall=ccir, mdc1200=True),
            EVERYTHING,
        ]
    )
    found = run(hearing, sound, [True, True, True, True, False])
    assert sorted(told(found, 0)) == sorted(expected)
    assert told(found, 1) == []
    assert told(found, 2) == [e for e in expected if e[0] == "dtmf"]
    assert told(found, 3) == [e for e in expected if e[0] in ("selcall", "mdc1200")]
    assert told(found, 4) == []


def test_an_over_is_heard_however_long_nobody_was_on_the_air_before() -> None:
    sound, expected = everything_sounds()
    for idle_frames in (*range(24), 101):
        hearing = Hearing([EVERYTHING])
        for _ in range(idle_frames):
            hearing.step(np.zeros((1, 160), np.int16), np.array([False]))
        found = told(run(hearing, sound, [True]), 0)
        assert sorted(found) == sorted(expected), idle_frames


def test_what_one_step_tells_is_in_order_of_its_beginning() -> None:
    sound, _ = everything_sounds()
    found = run(Hearing([EVERYTHING] * 2), sound[: len(sound) - 2000], [True, True])
    by_step = [(h.start_sample, h.channel) for h in found if h.kind in ("selcall", "mdc1200")]
    assert by_step == sorted(by_step)


def test_a_piece_at_once_is_heard_as_step_by_step() -> None:
    sound, _ = everything_sounds()
    whole = np.pad(sound, (0, -len(sound) % 160))
    yes = np.array([True, False])
    piece = Hearing([EVERYTHING] * 2).hear(np.stack([whole, whole]), yes)
    hearing = Hearing([EVERYTHING] * 2)
    steps = [h for f in whole.reshape(-1, 160) for h in hearing.step(np.stack([f, f]), yes)]
    assert len(piece) >= 5
    assert piece == sorted(steps, key=lambda h: h.start_sample)


def test_pieces_of_any_length_begun_anywhere_are_heard_as_step_by_step() -> None:
    sound, _ = everything_sounds()
    frames = np.pad(sound, (0, -len(sound) % 160)).reshape(-1, 160)
    yes, rng = np.array([True, False]), np.random.default_rng(4)
    hearing = Hearing([EVERYTHING] * 2)
    steps = [h for f in frames for h in hearing.step(np.stack([f, f]), yes)]
    for longest in (3, 12, 60):
        hearing, found, at = Hearing([EVERYTHING] * 2), list[Heard](), 0
        while at < len(frames):
            end = at + int(rng.integers(1, longest + 1))
            piece = frames[at:end].reshape(1, -1)
            found += hearing.hear(np.concatenate([piece, piece]), yes)
            at = end
        assert {str(h) for h in found} == {str(h) for h in steps}
        assert len(found) == len(steps) >= 5


def test_a_tone_squelch_is_at_hand_where_it_is_wished() -> None:
    code = dcs.encode("023N", 1500.0, turn_off_ms=0.0)
    hearing = Hearing([Wishes(dcs=("023N",)), Wishes(dcs=("025N",))])
    assert hearing.ctcss is None
    assert hearing.dcs is not None
    for frame in code[: 160 * 60].reshape(-1, 160):
        hearing.step(np.stack([frame, frame]), np.array([True, True]))
    assert hearing.dcs.present.tolist() == [True, False]


def test_nobody_wishes_anything() -> None:
    assert run(Hearing([Wishes(), Wishes()]), everything_sounds()[0], [True, True]) == []
    assert Hearing([]).step(np.zeros((0, 160), np.int16), np.zeros(0, np.bool_)) == []


def test_speech_makes_up_no_calls_and_no_packets() -> None:
    """A slice; the hours are in the bench (`python -m tests.bench.hearing talk`)."""
    wishes = Wishes(selcall=tuple(TABLES.values()), mdc1200=True)
    said = [spoken("zh", "+f2", 12.0, 5), spoken("en", "", 12.0, 6)]
    rows = [in_manner(s, manner) for s in said for manner in ("clean", "narrow", "clipped")]
    hearing, yes = Hearing([wishes] * len(rows)), np.ones(len(rows), np.bool_)
    samples = np.stack(rows)
    for k in range(0, samples.shape[1] // 160 * 160, 160):
        assert hearing.step(samples[:, k : k + 160], yes) == []


def test_what_is_under_way_survives_when_channels_come_and_go() -> None:
    """Each frame another list of channels: what stays hears as if nothing had happened."""
    sound, expected = everything_sounds()
    frames = np.pad(sound, (0, -len(sound) % 160)).reshape(-1, 160)
    hearing, place, found = Hearing([EVERYTHING]), 0, []
    kinds: list[str] = []
    for number, frame in enumerate([*frames, np.zeros(160, np.int16)]):
        count = 1 + number % 3
        at = number % count
        sources = [place if row == at else None for row in range(count)]
        wishes = [EVERYTHING if row == at else Wishes(dtmf=True) for row in range(count)]
        hearing, place = hearing.rearranged(sources, wishes), at
        rows = np.zeros((count, 160), np.int16)
        rows[place] = frame
        on = np.zeros(count, np.bool_)
        on[place] = number < len(frames)
        found += [h for h in hearing.step(rows, on) if h.channel == place]
        kinds += [p.kind for p in hearing.changed()]
    assert sorted((h.kind, h.value) for h in found) == sorted(expected)
    assert kinds == ["ctcss", "ctcss"], "come and gone, once each"
    assert len(hearing.rearranged([], []).step(np.zeros((0, 160), np.int16), on[:0])) == 0
