"""The section `readiness`: each mistake at its place, and what the core makes of it."""

import pytest

from gateway.core.readiness.settings import RollCallRule
from gateway.settings import check
from gateway.settings.readiness import ReadinessSettings
from tests.config.examples import MODELS, ONE_POST, copy_of


def problems(folder, section):
    path = copy_of(folder, f"{ONE_POST.read_text('utf-8')}\nreadiness:\n{section}\n")
    lines = path.read_text("utf-8").splitlines()
    return [(lines[p.line - 1].strip(), p.severity, str(p)) for p in check(path, MODELS)]


@pytest.mark.parametrize(
    ("section", "line", "words"),
    [
        ("  roll_calls: [{grids: [nowhere], every_min: 30}]", "nowhere", "there is no grid"),
        ("  roll_calls: [{}]", "roll_calls", "needs a time"),
        ("  roll_calls: [{at: [\"25:00\"]}]", "25:00", "a time of day"),
        ("  drills: [{grid: nowhere, day: mon, at: \"09:00\", text: x}]", "nowhere", "no grid"),
        ("  drills: [{grid: nowhere, day: monday, at: \"09:00\", text: x}]", "monday", "mon"),
        ("  self_test: {channels: [nowhere]}", "nowhere", "there is no channel"),
        ("  self_test: {people: [nobody]}", "nobody", "there is no person"),
        ("  self_test: {chats: [work/nowhere]}", "nowhere", "there is no chat group"),
        ("  cover: {ahead_h: 1000}", "1000", "0 to 168"),
    ],
)
def test_each_mistake_stands_at_its_place(tmp_path, section, line, words):
    found = [f for f in problems(tmp_path, section) if f[1] == "error"]
    assert found
    assert all(line in at for at, _, _ in found), found
    assert any(words in text for _, _, text in found), found


def test_times_are_minutes_of_the_day():
    """And what is absent asks for nothing but the watch over the cover."""
    rule = {"at": ["08:30"], "every_min": 60}
    policy = ReadinessSettings.model_validate_json(f'{{"roll_calls": [{rule}]}}'.replace("'", '"'))
    assert policy.policy().roll_calls == (RollCallRule(every_min=60, at_min=(510,)),)
    plain = ReadinessSettings().policy()
    assert (plain.roll_calls, plain.drills, plain.self_test.at_min) == ((), (), None)
    assert (plain.cover, plain.ahead_h, plain.unheard_h) == (True, 24, 0)
