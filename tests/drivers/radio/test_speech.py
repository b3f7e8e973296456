"""Speech: real workers on real pipes, workers that misbehave, pieces, fallback."""

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
from drivers.radio.speech import Rendered, SpeechConfig, SpeechWorker
from drivers.radio.speech_engines import (
    TEXT_CHARACTERS_MAX,
    CommandEngine,
    RecordingsEngine,
    make_engine,
    plain,
    spoken_pieces,
)
from drivers.radio.speech_pipe import AnswerParser, pack_message
from drivers.radio.wav import wav_bytes
from gateway.interfaces import LinkError, SetupError, WireError

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
        SpeechConfig(engine="recordings", folder=str(tmp_path / "none"), budget_s=2.0)
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
    engine = CommandEngine([sys.executable, "-c", SPEAKER, "{language}", "--rate={rate_wpm}"])
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
        make_engine("command", None, [])


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
    assert set(CLIPS[language]) == set(CLIPS["en"])
    levels = [fallback_phrase("7", level, language) for level in (1, 2, 3)]
    assert not np.array_equal(levels[0], levels[1])
    assert not np.array_equal(levels[1], levels[2])
    drill = fallback_phrase("7", 1, language, exercise=True)
    assert len(drill) > len(levels[0])


def test_hostile_order_numbers_do_no_harm() -> None:
    assert np.array_equal(fallback_phrase("1x../2", 9, "fr"), fallback_phrase("12", 3, "zh_CN"))


def test_the_recordings_are_made_by_the_tool_that_is_named(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "drivers.radio.speech", "--make-fallback", str(tmp_path)],
        check=True,
        timeout=30,
    )
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert len(made) == 32
    shipped = Path(__file__).parents[3] / "gateway" / "data" / "speech"
    assert {p.name for p in shipped.glob("*.wav")} == set(made)
