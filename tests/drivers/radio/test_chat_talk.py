"""Talk from chats on the air: ready before it is keyed, below every order, hostile files."""

import subprocess
import time

import imageio_ffmpeg
import numpy as np
import pytest

from drivers.radio.chat_talk import CROWDED, MAKING_MAX, NOT_DECODED, ChatTalk, TalkDesk
from drivers.radio.samples import SAMPLE_RATE_HZ
from drivers.radio.speech import Rendered
from drivers.radio.voice_notes import LARGEST_BYTES, LONGEST_S, VoiceNotes
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import TalkOnChannel
from gateway.core.talk.events import RecordingKept
from tests.drivers.radio.harness import now_us, page, wait_until, working_bench
from tests.drivers.radio.test_channel import T0_US, Air

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
LOUD = np.full(SAMPLE_RATE_HZ, 8000, np.int16)


def talk(name="t1", **fields):
    defaults = {
        "page": name, "channel": "gate", "speaker": "p_zhang", "text": ("张三说：你好",),
        "language": "zh_CN", "not_after_us": T0_US + 30_000_000,
    }  # fmt: skip
    return TalkOnChannel(**defaults | fields)


def tone_file(path, *, seconds=2, codec="libopus"):
    subprocess.run(
        [FFMPEG, "-y", "-loglevel", "error", "-f", "lavfi", "-i",
         f"sine=440:duration={seconds}", "-c:a", codec, str(path)], check=True,
    )  # fmt: skip
    return path


# ---- voice notes ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A media folder as guards and their enemies fill it."""
    root = tmp_path_factory.mktemp("media")
    good = tone_file(root / "good.ogg").read_bytes()
    tone_file(root / "long.ogg", seconds=LONGEST_S + 20)
    tone_file(root / "flac.ogg", codec="flac")
    (root / "half.ogg").write_bytes(good[: len(good) // 2])
    (root / "junk.ogg").write_bytes(b"OggS" + bytes(range(256)) * 20)
    (root / "list.ogg").write_text("#EXTM3U\nfile:///etc/passwd\n")
    (root / "empty.ogg").write_bytes(b"")
    (root / "huge.ogg").write_bytes(good + bytes(LARGEST_BYTES))
    (root.parent / "outside.ogg").write_bytes(good)
    return root


@pytest.fixture(scope="module")
def decoded(folder):
    """What becomes of each file."""
    names = [
        "good.ogg", "long.ogg", "flac.ogg", "half.ogg", "junk.ogg", "list.ogg", "empty.ogg",
        "huge.ogg", "gone.ogg", "../outside.ogg", "/etc/hostname",
    ]  # fmt: skip
    notes = VoiceNotes(folder)
    for name in names:
        notes.request(name, name)
    found = {}
    until_s = time.monotonic() + 60
    while len(found) < len(names) and time.monotonic() < until_s:
        found |= {result.key: result for result in notes.results()}
        time.sleep(0.02)
    notes.close()
    return found


def test_a_voice_note_becomes_sound_that_carries(decoded):
    sound = decoded["good.ogg"].samples
    assert len(sound) == pytest.approx(2 * SAMPLE_RATE_HZ, rel=0.02)
    middle = sound[4000:12000].astype(float)
    loudest = np.argmax(np.abs(np.fft.rfft(middle)))
    assert loudest * SAMPLE_RATE_HZ / len(middle) == pytest.approx(440, abs=2)


def test_one_without_an_end_is_cut_and_a_broken_one_is_played_as_far_as_it_goes(decoded):
    assert len(decoded["long.ogg"].samples) == LONGEST_S * SAMPLE_RATE_HZ
    assert 0 < len(decoded["half.ogg"].samples) < 2 * SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    "name",
    ["flac.ogg", "junk.ogg", "list.ogg", "empty.ogg", "huge.ogg", "gone.ogg",
     "../outside.ogg", "/etc/hostname"],
)  # fmt: skip
def test_anything_else_is_refused_by_its_name(decoded, name):
    assert decoded[name].samples is None
    assert name in decoded[name].why


# ---- the desk ----


class Instant:
    """Speech and decoder whose results a test hands out."""

    def __init__(self):
        self.asked = []

    def request(self, key, *_):
        self.asked.append(key)


def desk():
    maker = Instant()
    ready, failed = [], []
    made = TalkDesk(
        maker, maker, ready=ready.append, failed=failed.append, now_us=lambda: T0_US
    )
    return made, maker, ready, failed


def test_talk_is_ready_when_all_of_its_sound_is_there():
    made, maker, ready, _ = desk()
    made.take(talk(media="note.ogg"))
    assert sorted(maker.asked) == ["t1/0", "t1/media"]
    made.rendered(Rendered("t1/media", LOUD))
    made.rendered(Rendered("p9/0", LOUD))
    assert not ready
    made.rendered(Rendered("t1/0", LOUD[:800]))
    (programme,) = ready
    programme.begin(60_000)
    frames = []
    while (frame := programme.next_frame(0, 0, stop=False)) is not None:
        frames.append(frame)
    sound = np.concatenate(frames)
    assert np.all(sound[:800] == 8000), "his name first"
    assert not sound[800:2400].any(), "a pause"
    assert np.all(sound[2400:10400] == 8000), "then his note"
    assert programme.finished
    made.rendered(Rendered("t1/media", LOUD))
    assert len(ready) == 1


def test_talk_without_sound_has_failed_and_nothing_is_keyed():
    made, _, ready, failed = desk()
    made.take(talk(media="note.ogg"))
    made.rendered(Rendered("t1/media", None, "no Opus"))
    made.rendered(Rendered("t1/0", LOUD))
    assert not ready
    assert [(f.page, f.reason) for f in failed] == [("t1", NOT_DECODED)]


def test_talk_that_is_taken_back_while_it_is_made_is_never_played():
    made, _, ready, failed = desk()
    made.take(talk(media="note.ogg"))
    made.withdraw("p9", "left")
    made.withdraw("t1", "left")
    made.rendered(Rendered("t1/media", LOUD))
    made.rendered(Rendered("t1/0", LOUD))
    assert not ready
    assert [(f.page, f.reason, f.state) for f in failed] == [("t1", "left", "withdrawn")]


def test_a_crowd_is_turned_away():
    made, _, _, failed = desk()
    for number in range(MAKING_MAX + 1):
        made.take(talk(f"t{number}"))
    assert [(f.page, f.reason) for f in failed] == [(f"t{MAKING_MAX}", CROWDED)]


# ---- on the channel, with a clock of its own ----


def offer(air, name="t1", seconds=2.0, **fields):
    samples = np.full(int(SAMPLE_RATE_HZ * seconds), 8000, np.int16)
    air.channel.take_talk(ChatTalk(talk(name, **fields), samples), air.now)


def ends(air):
    return [e for e in air.events if isinstance(e, PageSpoken | PageFailed)]


def test_talk_is_played_to_its_end():
    air = Air()
    offer(air)
    air.run(for_s=4)
    assert [type(e).__name__ for e in air.events if hasattr(e, "page")] == [
        "PageStarted",
        "PageSpoken",
    ]
    assert ends(air)[0].speech == "spoken"
    loud = [f for f in air.played if f.any()]
    assert len(loud) == 100


def test_talk_is_cut_under_the_time_out_and_says_so():
    air = Air(time_out_s=10)
    offer(air, seconds=30)
    air.run(for_s=14)
    assert ends(air)[0].speech == "cut"
    assert air.keyer.keyings == 1
    assert sum(bool(f.any()) for f in air.played) * 0.02 < 10


def test_any_order_breaks_talk_off_and_it_does_not_come_back():
    air = Air()
    offer(air, seconds=20)
    air.run(for_s=2)
    air.page("p1", level=3, text=("1 order",))
    air.run(for_s=8)
    order, told = [e.page for e in ends(air)], ends(air)[0]
    assert order == ["t1", "p1"]
    assert isinstance(told, PageFailed)
    assert told.state == "withdrawn"


def test_talk_waits_for_answers_and_expires_with_the_reason_told():
    air = Air()
    air.page("p1", level=3, text=("1 order",), answer_window_s=20)
    air.run(for_s=4)
    assert isinstance(ends(air)[0], PageSpoken)
    offer(air, not_after_us=air.now.us + 3_000_000)
    air.run(for_s=5)
    waits = [e for e in air.events if isinstance(e, PageWaited)]
    assert [(w.page, w.reason) for w in waits] == [("t1", "window")]
    assert (ends(air)[1].page, ends(air)[1].state) == ("t1", "expired")


def test_orders_that_wait_go_before_talk_that_came_first():
    air = Air()
    air.squelch(True)
    air.run(for_s=1)
    offer(air)
    air.page("p1", level=3, text=("1 order",))
    air.run(for_s=2)
    air.squelch(False)
    air.run(for_s=8)
    started = [e.page for e in air.events if isinstance(e, PageStarted)]
    assert started == ["p1", "t1"]


def test_talk_on_a_channel_that_is_swapped_has_failed():
    air = Air()
    air.squelch(True)
    air.run(for_s=1)
    offer(air)
    assert air.channel.give_up("the channel's settings changed", air.now) == []
    assert [e.page for e in ends(air)] == ["t1"]


def test_a_channel_without_a_licence_does_not_talk():
    air = Air(licence=None)
    offer(air)
    air.run(for_s=3)
    assert "licence" in ends(air)[0].reason
    assert air.keyer.keyings == 0


# ---- on the wire ----


@pytest.mark.asyncio
async def test_a_voice_note_is_heard_on_the_air_and_recorded(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    tone_file(media / "note.ogg", seconds=2)
    async with working_bench(tmp_path) as (site, engine):
        engine.do(talk(text=(), media="note.ogg", not_after_us=now_us() + 60_000_000))
        engine.do(talk("t2", text=(), media="gone.ogg", not_after_us=now_us() + 60_000_000))
        spoken = await engine.event(PageSpoken, page="t1")
        assert spoken.speech == "spoken"
        assert (await engine.event(PageFailed, page="t2")).reason == NOT_DECODED
        (over,) = [o for o in site.ether.overs if o.kind == "base"]
        assert over.voiced_s == pytest.approx(2.0, abs=0.3)
        kept = await engine.event(RecordingKept, what="t1")
        assert (tmp_path / "recordings" / kept.path).exists()
        # Told again, as after a crash of the engine: it is not heard twice.
        row = engine.do(talk(text=(), media="note.ogg"), again=True)
        await wait_until(lambda: any(row in t.settles for t in engine.told), 5, "its end again")
        engine.do(talk("t3", text=(), media="note.ogg"), again=True)
        anew = await engine.event(PageFailed, page="t3")
        assert "started anew" in anew.reason
        engine.do(page("p1", attention=True))
        await engine.event(PageSpoken, page="p1")
        assert len([o for o in site.ether.overs if o.kind == "base"]) == 2

