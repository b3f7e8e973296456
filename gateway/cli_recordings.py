"""`gridcall recordings` and `gridcall talk`: what was said, and who is patched to whom."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from gateway.cli import (
    NO,
    AsJson,
    By,
    Config,
    ask,
    fail,
    login,
    plainly,
    print_json,
    settings_of,
    zone_of,
)
from gateway.interfaces import Wanted
from gateway.records import Records
from gateway.settings import Settings

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_WIDEST_CHARS = 10_000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _ListUnlessNamed(TyperGroup):
    """`gridcall recordings CONFIG` lists; `gridcall recordings verify CONFIG` verifies."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer's own context class
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListUnlessNamed,
    help="Recordings of the air: find them (`gridcall recordings SITE` does), verify them.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list")
def list_recordings(
    config: Config,
    begin: Annotated[
        str | None, typer.Option("--from", help="Local time, such as 2026-11-22T03:00.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Local time, not included.")] = None,
    channel: Annotated[str | None, typer.Option(help="Channel id.")] = None,
    person: Annotated[str | None, typer.Option(help="Person id of who spoke.")] = None,
    order: Annotated[str | None, typer.Option(help="Order id, spoken or answered.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Find recordings by time, channel, person and order; newest first."""
    settings = settings_of(config)
    zone = ZoneInfo(settings.site.timezone)
    wanted = Wanted(
        from_us=_moment_us(begin, zone, 0),
        to_us=_moment_us(end, zone, 2**62),
        channel=channel,
        person=person,
        order=order,
        limit=limit,
    )
    with plainly():
        found = asyncio.run(_records(settings).recordings(wanted))
    if not found:
        _known("--channel", channel, [*settings.channels, *_dispatchers(settings)])
        _known("--person", person, settings.people)
    if as_json:
        print_json(found)
        return
    table = Table("begun", "channel", "what", "who", "order", "length", "file")
    for item in found:
        at_us, duration_ms = item["at_us"], item["duration_ms"]
        assert isinstance(at_us, int) and isinstance(duration_ms, int)
        begun = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(zone)
        table.add_row(
            f"{begun:%Y-%m-%d %H:%M:%S}", str(item["channel"]), str(item["kind"]),
            str(item["name"] or item["person"] or item["radio"] or ""),
            str(item["order"] or ""), f"{duration_ms / 1000:.1f} s", str(item["path"]),
        )  # fmt: skip
    # As wide as it needs: a file's name that is cut leads nowhere.
    Console(width=_WIDEST_CHARS).print(table)
    typer.echo(f"{len(found)} recordings, below {_folder(settings)}")


@app.command()
def verify(config: Config, as_json: AsJson = False) -> None:
    """Hold every recording against its digest in the journal; 1 when one is missing or bad."""
    settings = settings_of(config)
    with plainly():
        verdict = asyncio.run(_records(settings).verify_recordings(_folder(settings)))
    if as_json:
        print_json(asdict(verdict) | {"ok": verdict.ok})
    else:
        for path, problem in verdict.problems:
            typer.echo(f"{path}: {problem}")
        typer.echo(
            f"{verdict.good} recordings are what was recorded, {verdict.expired} have expired, "
            f"{len(verdict.problems)} are missing or damaged"
        )
    if not verdict.ok:
        raise typer.Exit(NO)


def _dispatchers(settings: Settings) -> list[str]:
    """Return as what the dispatchers' own voices are recorded."""
    groups = settings.talk_groups.items()
    return [f"dispatcher:{name}" for name, group in groups if group.dispatcher]


def _known(option: str, name: str | None, names: Iterable[str]) -> None:
    """Leave when somebody asks for what is neither recorded nor in the settings."""
    known = sorted(names)
    if name is None or name in known:
        return
    near = get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
    hint = f"; the nearest: {', '.join(near)}" if near else ""
    fail(f"{option} {name}: nothing is recorded of it and the settings know none{hint}", NO)


def _records(settings: Settings) -> Records:
    return Records(Path(settings.journal.file))


def _folder(settings: Settings) -> Path:
    return Path(settings.site.state_dir) / "recordings"


def _moment_us(text: str | None, zone: ZoneInfo, otherwise: int) -> int:
    """Return a local or an absolute time as UTC microseconds."""
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no time: write it like 2026-11-22T03:00", 2)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1_000_000)


class Switch(StrEnum):
    """Whether a talk group is patched."""

    ON = "on"
    OFF = "off"


def talk(
    config: Config,
    group: Annotated[str, typer.Argument(help="Talk group of the settings.")],
    switch: Annotated[Switch, typer.Argument(help="`on` or `off`.")],
    lasting: Annotated[
        str | None,
        typer.Option("--for", help="How long: 2h, 30m; then its settings hold again."),
    ] = None,
    by: By = None,
) -> None:
    """Patch a talk group's channels and chats together, or part them, from now on."""
    for_s = None if lasting is None else _seconds(lasting)
    on = switch is Switch.ON
    answer = ask(config, do="talk", group=group, on=on, for_s=for_s, by=by or login())
    until_us = answer["until_us"]
    end = ""
    if isinstance(until_us, int):
        until = datetime.fromtimestamp(until_us / 1e6, UTC).astimezone(zone_of(config))
        end = f" until {until:%Y-%m-%d %H:%M:%S}"
    typer.echo(f"talk group {group} is {switch.value}{end}")


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= timedelta(days=366).total_seconds():
        fail(f"--for {text}: should be like 30m, 2h or 1d, a year at most", 2)
    return seconds
