"""The section `event_plans`: each mistake at its place, and what the core makes of it."""

import pytest

from gateway.settings import catalogues, check, load, site_of
from tests.config.examples import MODELS, ONE_POST, copy_of

SQUARE = "name: 庙会广场, zone: centre, aliases: [庙会], channel: gate"
DAY = 'from: "2027-02-06T08:00", to: "2027-02-06T22:00"'
STAFF = "roster: [{person: p_zhang}]"


def written(folder, *plans):
    section = "\n".join(f"  {plan}" for plan in plans)
    return copy_of(folder, f"{ONE_POST.read_text('utf-8')}\nevent_plans:\n{section}\n")


def problems(folder, *plans):
    path = written(folder, *plans)
    lines = path.read_text("utf-8").splitlines()
    return [(lines[p.line - 1].strip(), p.severity, str(p)) for p in check(path, MODELS)]


def grid(**more):
    fields = ", ".join(f"{key}: {value}" for key, value in more.items())
    return f"fair: {{name: 庙会, {DAY}, grids: {{sq: {{{SQUARE}, {fields}}}}}, {STAFF}}}"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (grid(neighbours="[nowhere]"), 'no grid "nowhere"'),
        (grid(neighbours="[sq]"), "its own neighbour"),
        (grid(chat="work/nowhere"), "no chat group"),
        (grid(station="p_zhang"), "role station"),
        (grid(station="nobody"), 'no person "nobody"'),
        (grid(codes='["330702001"]'), 'code "330702001" already belongs to "bank_street"'),
        (grid(polygon="[[29.1, 119.65], [29.11, 119.66], [29.1, 119.66], [29.11, 119.65]]"),
         "crosses itself"),
        (grid(polygon="[[119.65, 29.1], [119.66, 29.1], [119.66, 29.11]]"), "latitude"),
        (grid(polygon_file="x.geojson"), "takes polygon"),
        (f"fair: {{name: 庙会, {DAY}, grids: {{sq: {{name: a, zone: nowhere}}}}, {STAFF}}}",
         'no zone "nowhere"'),
        (f"fair: {{name: 庙会, {DAY}, grids: {{bank_street: {{{SQUARE}}}}}, {STAFF}}}",
         "stands in changes"),
        (f"fair: {{name: 庙会, {DAY}, posts: {{bank: {{name: a, grid: bank_street}}}}}}",
         'a post "bank" already'),
        (f"fair: {{name: 庙会, {DAY}, posts: {{p: {{name: 建行, grid: nowhere}}}}}}",
         'no grid "nowhere"'),
        (f"fair: {{name: 庙会, {DAY}, changes: {{nowhere: {{channel: gate}}}}}}", "no grid"),
        (f"fair: {{name: 庙会, {DAY}, changes: {{bank_street: {{channel: x}}}}}}", "no channel"),
        (f"fair: {{name: 庙会, {DAY}, changes: {{bank_street: {{}}}}}}", "changes nothing"),
        (f"fair: {{name: 庙会, {DAY}}}", "adds nothing"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: nobody}}]}}", "no person"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: p_liu}}]}}", "role guard"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: p_zhang, grids: [x]}}]}}", "no grid"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: p_zhang, post: x}}]}}", "no post"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: p_zhang, to: 2027-02-07T01:00}}]}}",
         "outside the plan"),
        (f"fair: {{name: 庙会, {DAY}, roster: [{{person: p_zhang, from: 2027-02-05T01:00}}]}}",
         "outside the plan"),
        ('fair: {name: 庙会, from: "2027-02-06T08:00", to: "2027-02-06T07:00", '
         "roster: [{person: p_zhang}]}", "to should be after from"),
        ('fair: {name: 庙会, from: "2027-02-06T08:00", roster: [{person: p_zhang}]}',
         "needs from and to"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_in_its_plan(tmp_path, plan, words):
    found = [f for f in problems(tmp_path, plan) if f[1] == "error"]
    assert found
    assert all(at.startswith("fair:") for at, _, _ in found), found
    assert any(words in text for _, _, text in found), found


def test_two_plans_at_one_time_do_not_share_a_grid(tmp_path):
    """One after the other they do; and one that is started by hand is seen to then."""
    change = "changes: {bank_street: {channel: gate}}"
    first = f"one: {{name: 一, {DAY}, {change}}}"
    later = 'from: "2027-02-06T22:00", to: "2027-02-06T23:00"'
    same = problems(tmp_path, first, f"two: {{name: 二, {DAY}, {change}}}")
    assert [at.partition(":")[0] for at, _, _ in same] == ["two"]
    assert 'is of the plan "one" at the same time' in same[0][2]
    assert problems(tmp_path, first, f"two: {{name: 二, {later}, {change}}}") == []
    assert problems(tmp_path, first, f"two: {{name: 二, {change}}}") == []


def test_a_grid_that_nobody_serves_is_a_warning(tmp_path):
    plan = f"fair: {{name: 庙会, {DAY}, grids: {{sq: {{{SQUARE}}}}}}}"
    ((_, severity, text),) = problems(tmp_path, plan)
    assert (severity, "nobody" in text) == ("warning", True)


def test_the_core_has_it_in_utc(tmp_path):
    """Local times become UTC, and who names no grid serves all of the plan's."""
    settings = load(written(tmp_path, grid()), MODELS)
    (plan,) = site_of(settings, catalogues()).event_plans.values()
    assert (plan.to_us - plan.from_us) == 14 * 3600 * 1_000_000
    assert plan.from_us == 1801872000 * 1_000_000
    assert plan.roster[0].grids == ("sq",)
    assert plan.grids["sq"].channel == "gate"
