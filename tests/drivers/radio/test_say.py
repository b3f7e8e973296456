"""`gridcall say`: the transmissions of a page, and the command as a technician runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drivers.radio.decode import decode
from drivers.radio.rehearsal import on_one_tape, rehearse, rendered
from drivers.radio.samples import Int16Array
from drivers.radio.settings import RadioChannel
from drivers.radio.speech import Rendered
from drivers.radio.speech_pipe import Manner
from drivers.radio.tones import attention_tone
from drivers.radio.wav import parse_wav, wav_bytes
from gateway.core.effects import PageChannel

ROOT = Path(__file__).parents[3]
ALERT = {
    "kind": "alert", "id": "JQ-1", "sender": "zhzx", "sent": "2026-11-22T03:00:00+08:00",
    "category": "fight", "level": 2, "text": "莘庄有人打架", "place": "东街17号", "needs": 2,
}  # fmt: skip


def channel(**fields: object) -> RadioChannel:
    return RadioChannel.model_validate_json(
        json.dumps(
            {
                "name": "一号信道",
                "control": {"url": "/dev/ttyUSB0"},
                "audio": {"url": "rtp://127.0.0.1:5004?local_port=5006"},
                **fields,
            }
        )
    )


def page(*text: str, **fields: object) -> PageChannel:
    how: dict[str, object] = {"page": "p1", "channel": "a", "order": "o1", "level": 2}
    how |= {"number": "12", "language": "zh_CN", "not_after_us": 1 << 60, "text": text}
    return PageChannel(**{**how, **fields})  # type: ignore[arg-type]


def humming(*seconds: float) -> dict[str, Rendered]:
    def sound(s: float) -> Int16Array:
        return (3000 * np.sin(np.arange(int(8000 * s)))).astype(np.int16)

    return {f"{s}": Rendered(f"{s}", sound(s)) for s in seconds}


def test_a_page_is_cut_at_its_sentences_under_the_time_out() -> None:
    known = humming(4.0, 3.0, 2.5)
    made = rehearse(page("4.0", "3.0", "2.5"), channel(time_out_s=10), known)
    assert [each.sentences for each in made] == [("4.0", "3.0"), ("2.5",)]
    assert all(each.duration_s < 10 for each in made)
    first = made[0].samples
    assert not first[: 300 * 8].any(), "the TX delay"
    tone = attention_tone(2)
    assert np.array_equal(first[2400 : 2400 + len(tone)], tone)
    whole = sum(len(r.samples) for r in known.values() if r.samples is not None)
    assert sum(np.count_nonzero(each.samples) for each in made) > 0.99 * whole


def test_a_sentence_longer_than_any_transmission_is_shown_in_both() -> None:
    made = rehearse(page("12.0", "1.0"), channel(time_out_s=10), humming(12.0, 1.0))
    assert [each.sentences for each in made] == [("12.0…",), ("…12.0", "1.0")]


def test_what_cannot_be_spoken_is_the_fallback() -> None:
    known = {"x": Rendered("x", None, "no engine"), **humming(1.0)}
    made = rehearse(page("x", "1.0"), channel(), known)
    assert [(each.sentences, each.fallback) for each in made] == [((), True)]
    assert made[0].duration_s > 3


def test_calls_go_before_the_tone_and_are_heard_in_the_file(tmp_path: Path) -> None:
    called = page("1.0", calls=("zvei1:12345", "mdc1200:ack:1234"))
    made = rehearse(called, channel(), humming(1.0))
    (tmp_path / "air.wav").write_bytes(wav_bytes(on_one_tape(made)))
    heard = [(h.kind, h.value) for h in decode(tmp_path / "air.wav")]
    assert ("selcall", "12345") in heard
    assert any(kind == "mdc1200" for kind, _ in heard)


def test_sentences_are_rendered_as_the_worker_does() -> None:
    said = rendered(Manner(), ["收到", "😀", "收到"], "zh_CN")
    assert said["收到"].samples is not None
    assert said["😀"].samples is None


def gridcall(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    text = (ROOT / "config" / "examples" / "one_post.yaml").read_text("utf-8")
    speech = "speech:\n  pronunciation: {莘庄: xin1 zhuang1}\n"
    path = tmp_path / "site.yaml"
    path.write_text(speech + text.replace("language: zh_CN", "number_style: radio"), "utf-8")
    return path


def test_an_alert_is_shown_and_sounds_as_it_would(site: Path, tmp_path: Path) -> None:
    alert, wav = tmp_path / "alert.json", tmp_path / "out.wav"
    alert.write_text(json.dumps(ALERT), "utf-8")
    ran = gridcall("say", site, alert, wav)
    assert ran.returncode == 0, ran.stderr
    assert "二级警情，幺洞号，东街幺拐号，莘庄有人打架" in ran.stdout
    assert "→" in ran.stdout
    assert "xin1 zhuang1" in ran.stdout
    assert "【二级警情 10号】东街网格" in ran.stdout
    assert "[收到]" in ran.stdout
    sound = parse_wav(wav.read_bytes())
    tone = attention_tone(2)
    assert np.array_equal(sound[2400 : 2400 + len(tone)], tone)
    assert 8 < len(sound) / 8000 < 40
    assert not (tmp_path / "state" / "journal.sqlite3").exists()
    told = json.loads(gridcall("say", site, alert, "--json").stdout)
    assert told["pages"][0]["number"] == "10"
    assert "东街17号" in told["cards"][0]["text"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 2, "alert.json"),
        (json.dumps(ALERT | {"level": 9}), 2, "level"),
        (json.dumps(ALERT | {"place": "别处", "text": "在外面"}), 1, "不属于任何网格"),
    ],
)
def test_what_cannot_be_said_is_told(
    site: Path, tmp_path: Path, body: str, status: int, words: str
) -> None:
    (tmp_path / "alert.json").write_text(body, "utf-8")
    ran = gridcall("say", site, tmp_path / "alert.json")
    assert (ran.returncode, words in ran.stderr) == (status, True), ran.stderr


def test_an_order_needs_the_daemon_and_a_file_must_be_there(site: Path) -> None:
    ran = gridcall("say", site, "o12")
    assert ran.returncode == 3
    assert "daemon" in ran.stderr
    ran = gridcall("say", site, "no/such.json")
    assert ran.returncode == 2
    assert "no/such.json: No such file" in ran.stderr
