"""`gridcall simulate`: days of a county in a minute, judged."""

import gc
import json
import logging
from typing import Annotated, Literal

import structlog
import typer

from gateway.interfaces import SetupError
from gateway.simulate import FAULTS as KINDS
from gateway.simulate import Plan, Result, simulate

FAULTS = ",".join(KINDS)
# Nearly all that a run makes is gone in its turn: to look for cycles at every 700th object was
# a fifth of its time.
COLLECTED_EVERY = (100_000, 20, 100)


def run(
    guards: Annotated[int, typer.Option(min=1, help="Guards of the county.")] = 280,
    grids: Annotated[int, typer.Option(min=1, max=96, help="Its grids.")] = 7,
    channels: Annotated[int, typer.Option(min=1, max=64, help="Its radio channels.")] = 4,
    alerts_per_day: Annotated[float, typer.Option(min=0, help="Alerts of people.")] = 20,
    hours: Annotated[float, typer.Option(min=0.01, help="How long, virtual hours.")] = 24,
    storms: Annotated[int, typer.Option(min=0, help="Storms of machine alerts.")] = 2,
    storm_alerts: Annotated[int, typer.Option(min=1, help="Alerts of a storm.")] = 600,
    seed: Annotated[int, typer.Option(help="One seed is one run.")] = 1,
    faults: Annotated[str, typer.Option(help=f"Of {FAULTS}; empty for none.")] = FAULTS,
    journal: Annotated[str, typer.Option(help="memory or sqlite.")] = "memory",
    break_: Annotated[
        str | None,
        typer.Option("--break", help="Plant a fault; the judge of that must object: exit 1."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Play days of a county through the real engine and journal, on virtual time.

    People with manners, paths that fail, an engine that is killed. Judges compare what the
    outside logged with the journal. Exit 0: no violation; 1: violations; 2: usage.
    """
    gc.set_threshold(*COLLECTED_EVERY)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    plan = Plan(
        guards=guards, grids=grids, channels=channels, alerts_per_day=alerts_per_day,
        hours=hours, storms=storms, storm_alerts=storm_alerts, seed=seed,
        faults=_kinds(faults), journal=_journal(journal), planted=break_,
    )  # fmt: skip
    try:
        result = simulate(plan)
    except (SetupError, ValueError, KeyError) as error:
        typer.echo(f"gridcall simulate: {error}", err=True)
        raise typer.Exit(2) from error
    _say(result, as_json=as_json)
    if result.missed is not None:
        typer.echo(f"nobody noticed the planted fault: {result.missed} has no teeth", err=True)
    raise typer.Exit(1 if result.violations or result.missed else 0)


def _kinds(faults: str) -> frozenset[str]:
    kinds = frozenset(kind.strip() for kind in faults.split(",") if kind.strip())
    unknown = kinds - set(KINDS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: faults are of {FAULTS}")
    return kinds


def _journal(name: str) -> Literal["memory", "sqlite"]:
    if name not in ("memory", "sqlite"):
        raise typer.BadParameter(f"{name}: the journal is memory or sqlite")
    return "memory" if name == "memory" else "sqlite"


def _say(result: Result, *, as_json: bool) -> None:
    if as_json:
        found = {"figures": result.figures, "findings": result.findings}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    typer.echo("  ".join(f"{name} {value}" for name, value in result.figures.items()))
    for finding in result.findings:
        mark = "✗" if finding["violations"] else "✓" if finding["compared"] else "–"
        typer.echo(f"{mark} {finding['text']}")
        for violation in finding["violations"][:20]:
            typer.echo(violation)
