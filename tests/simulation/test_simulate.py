"""Simulated days: no violation on any seed, and no judge without teeth."""

import copy
import logging

import pytest
import structlog
from typer.testing import CliRunner

import gateway.simulate as simulation
from gateway.cli import app
from gateway.simulate import Plan, simulate
from simulators.checkers.days import CHECKS, judge
from simulators.checkers.planted import PLANTED, plant

# A bad two hours in a small county: a storm, and everything goes wrong once.
SMALL = {
    "guards": 16, "grids": 4, "channels": 2, "hours": 2, "alerts_per_day": 100, "storms": 1,
    "storm_alerts": 12,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    """What the engine logs is no part of this."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def _violations(result):
    return [v for finding in result.findings for v in finding["violations"]]


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_bad_day_shows_no_violation(seed):
    """`gridcall simulate --seed N` with these figures shows the same again."""
    result = simulate(Plan(seed=seed, **SMALL))
    assert _violations(result) == [], f"seed {seed}"
    assert result.figures["kills"] >= 1
    assert result.figures["pages_whole"] > 2
    assert result.figures["leavers"] == 1
    assert result.figures["boots"] >= 1
    assert result.figures["clock_steps"] >= 4
    assert result.figures["acts"] >= 2


def test_the_same_on_a_file():
    """The journal in SQLite, closed at each kill and read again, is judged alike."""
    result = simulate(Plan(seed=3, journal="sqlite", **SMALL | {"storms": 0}))
    assert _violations(result) == []
    assert result.figures["kills"] >= 1


def test_one_seed_is_one_run():
    """The rows of two runs of a seed are the same to the last byte, those of another not."""
    chains = [_evidence(Plan(seed=seed, **SMALL)).lines[-1]["hash"] for seed in (5, 5, 6)]
    assert chains[0] == chains[1] != chains[2]


def _evidence(plan):
    """Return what the outside and the journal have to say of a run."""
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        real = simulation._Run.evidence
        patch.setattr(
            simulation._Run, "evidence", lambda run: kept.append(real(run)) or kept[-1]
        )
        simulate(plan)
    return kept[0]


@pytest.fixture(scope="module")
def bad_day():
    """Evidence of one run, to be spoilt: so few alerts that there is time for drills."""
    return _evidence(Plan(seed=1, **SMALL | {"alerts_per_day": 40, "hours": 12}))


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_objected_to(fault, bad_day):
    """Each judge objects to the fault that is his, and finds nothing without it."""
    assert [f.check for f in judge(bad_day) if f.violations] == []
    spoilt = copy.deepcopy(bad_day)
    expected = plant(spoilt, fault)
    assert expected in [f.check for f in judge(spoilt) if f.violations]


def test_every_judge_has_a_fault_planted_for_him(bad_day):
    """All but the one that looks for faults of the gateway's own core."""
    names = {check(bad_day).check for check in CHECKS}
    assert names - {judge for judge, _ in PLANTED.values()} == {"core"}


def test_the_command_tells_and_exits_as_it_should():
    """Figures, a line a judge, exit 1 when a fault was planted, 2 for what is no plan."""
    small = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    told = CliRunner().invoke(app, ["simulate", *small, "--break", "ack", "--seed", "1"])
    assert told.exit_code == 1
    assert "✗ I5" in told.output
    assert "seed 1" in told.output
    assert CliRunner().invoke(app, ["simulate", "--faults", "moon"]).exit_code == 2
    assert CliRunner().invoke(app, ["simulate", "--guards=2", "--grids=9"]).exit_code == 2
