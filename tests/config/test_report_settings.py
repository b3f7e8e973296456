"""The section `reports` and the blocking points: each mistake at its place."""

import pytest

from gateway.settings import check
from tests.config.examples import MODELS, ONE_POST, copy_of


def problems(folder, section):
    path = copy_of(folder, f"{ONE_POST.read_text('utf-8')}\nreports:\n{section}\n")
    lines = path.read_text("utf-8").splitlines()
    return [(lines[p.line - 1].strip(), p.severity, str(p)) for p in check(path, MODELS)]


@pytest.mark.parametrize(
    ("section", "line", "words"),
    [
        ("  emergency: ordr", "emergency: ordr", 'did you mean "order"'),
        ('  codes: {"5": emergency}', '"5"', "one digit, 6 to 9"),
        ('  mdc_status: {"1": report}', '"1"', "is a reply already, in policy.mdc_status"),
        ('  selcall_status: {"G": report}', '"G"', "one digit"),
        ("  repeat_s: 5", "repeat_s: 5", "10 to 3600"),
        ("  voice: never", "voice: never", "keep"),
        ("  shout: true", "shout: true", "is not known here"),
    ],
)
def test_each_mistake_stands_at_its_place(tmp_path, section, line, words):
    found = problems(tmp_path, section)
    assert [severity for _, severity, _ in found] == ["error"], found
    assert line in found[0][0]
    assert words in found[0][2]


def test_two_points_of_one_name_are_named(tmp_path):
    text = ONE_POST.read_text("utf-8")
    points = "[{name: 南门, at: [29.1, 119.6]}, {name: 南门, at: [29.1, 119.61]}]"
    grid = next(i for i, part in enumerate(text.splitlines()) if part.startswith("grids:"))
    lines = text.splitlines()
    lines.insert(grid + 2, f"    blocking_points: {points}")
    path = copy_of(tmp_path, "\n".join(lines) + "\n")
    found = [p for p in check(path, MODELS) if p.severity == "error"]
    assert len(found) == 2, [str(p) for p in found]
    assert "each needs its own" in str(found[0])
