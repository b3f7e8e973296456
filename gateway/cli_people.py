"""`gridcall people`: who is in the register, how he comes in and goes, who is on duty when."""

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway import control
from gateway.cli import (
    NO,
    OUTSIDE_FAILED,
    AsJson,
    By,
    Config,
    Radio,
    ask,
    fail,
    login,
    plainly,
    print_json,
    settings_of,
    zone_of,
)
from gateway.core.people import Person
from gateway.core.register.fields import FIELDS
from gateway.core.register.table import (
    CHARSETS,
    UTF_8,
    Mistake,
    Plan,
    TableError,
    decoded,
    handed_over,
    person_from,
    planned,
    rows_of,
    table_of,
)
from gateway.settings import catalogues, site_of

USAGE = 2
_WIDEST_CHARS = 10_000
# Mistakes that are printed; more help nobody.
SHOWN = 200

app = typer.Typer(
    help="The register of people.", no_args_is_help=True, add_completion=False
)

Who = Annotated[str, typer.Argument(help="Person id of the register.")]
Pairs = Annotated[
    list[str] | None,
    typer.Argument(help=f"name=value; a dash takes one away; of: {', '.join(FIELDS)}"),
]
Charset = Annotated[
    str | None, typer.Option(help="utf-8 or gb18030; found out where it is plain.")
]


def _act(config: Path, name: str, by: str | None, **fields: object) -> None:
    said = ask(config, do="centre_act", act={"act": name, "by": by or login(), **fields})
    if said.get("reason"):
        typer.echo(said["reason"])


def _fields(pairs: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or name not in FIELDS:
            fail(f"{pair!r}: write name=value, of {', '.join(FIELDS)}", USAGE)
        found[name] = value or "-"
    return found


def _people(config: Path) -> list[dict[str, Any]]:
    people = ask(config, do="people")["people"]
    assert isinstance(people, list)
    return people


# ---- looking ----


@app.command("list")
def list_people(
    config: Config,
    organisation: Annotated[str | None, typer.Option(help="Only people of this body.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the register of the running daemon."""
    people = [p for p in _people(config) if organisation in (None, p["organisation"])]
    if as_json:
        print_json(people)
        return
    headings = ("id", "name", "role", "of", "code", "crew", "grids", "chats", "duty", "active")
    table = Table(*headings)
    for p in people:
        table.add_row(
            p["id"], p["name"], p["role"], p["organisation"], p["guard_code"], p["crew"],
            " ".join(p["grids"]), " ".join(p["chats"]), "on" if p["on_duty"] else "off",
            "yes" if p["active"] else "left",
        )  # fmt: skip
    # As wide as it needs: a column that is cut to "cr…" tells nothing.
    Console(width=_WIDEST_CHARS).print(table)


@app.command()
def show(config: Config, person: Who, as_json: AsJson = False) -> None:
    """Show all that the register says of one person."""
    found = next((p for p in _people(config) if p["id"] == person), None)
    if found is None:
        fail(f"there is no person {person} in the register", NO)
    if as_json:
        print_json(found)
        return
    state = "left" if not found["active"] else "on duty" if found["on_duty"] else "off duty"
    typer.echo(f"{person}: {state}; chats: {' '.join(found['chats']) or 'none'}")
    for name, value in found["fields"].items():
        if value:
            typer.echo(f"  {name:<20} {value}")


@app.command()
def duty(
    config: Config,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days ahead.")] = 60,
    person: Annotated[str | None, typer.Option(help="Only this person's shifts.")] = None,
    grid: Annotated[str | None, typer.Option(help="Only this grid's guards, by id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who stands which shift in the days to come, and grids where nobody does."""
    found: Mapping[str, Any] = ask(config, do="duty", days=days, person=person, grid=grid)
    if as_json:
        print_json(found)
        return
    table = Table("day", "shift", "from", "to", "crews", "guards", "nobody in")
    for shift in found["shifts"]:
        who = " ".join(shift["people"]) if grid else str(shift["count"])
        table.add_row(
            shift["day"], shift["shift"], shift["from"], shift["to"], " ".join(shift["crews"]),
            "" if person else who, " ".join(shift["empty"]),
        )  # fmt: skip
    Console().print(table)
    for change in found["changes"]:
        typer.echo(
            f"{change['person']}: {change['duty']} duty {change['from']} to {change['to']} "
            f"by {change['by']} {change['reason']}".rstrip()
        )


# ---- one person ----


@app.command()
def enter(config: Config, person: Who, fields: Pairs = None, by: By = None) -> None:
    """Put one person into the register: name=… organisation=… and what else is known."""
    _act(config, "person_enter", by, person=person, **_fields(fields))
    typer.echo(f"{person} is in the register; `gridcall people enrol` gives him his code")


@app.command("set")
def set_fields(config: Config, person: Who, fields: Pairs = None, by: By = None) -> None:
    """Change what the register says of a person."""
    _act(config, "person_change", by, person=person, **_fields(fields))
    typer.echo(f"{person}: changed")


@app.command()
def move(
    config: Config,
    person: Who,
    organisation: Annotated[str, typer.Argument(help="The body he goes to.")],
    fields: Pairs = None,
    by: By = None,
) -> None:
    """Take a person to another body, and where wanted to another post, crew or grid."""
    words = {**_fields(fields), "organisation": organisation}
    _act(config, "person_change", by, person=person, **words)
    typer.echo(f"{person} is of {organisation} now")


@app.command()
def enrol(config: Config, person: Who, as_json: AsJson = False, by: By = None) -> None:
    """Issue a one-time code; the guard sends it to the bot in a private chat."""
    answer = ask(config, do="enrol", person=person, by=by or login())
    if as_json:
        print_json(answer)
        return
    until = datetime.fromisoformat(str(answer["expires"])).astimezone(zone_of(config))
    typer.echo(f"code for {person}: {answer['code']}  (until {until:%H:%M:%S}, used once)")
    typer.echo("he sends it, alone, to the bot in a private chat")


@app.command()
def leave(config: Config, person: Who, by: By = None) -> None:
    """Strike a person from duty at once, on every medium."""
    _act(config, "person_leave", by, person=person)
    typer.echo(f"{person} has left: nothing of this person is accepted any more")


@app.command()
def rejoin(config: Config, person: Who, fields: Pairs = None, by: By = None) -> None:
    """Take a person back who had left: his accounts, codes and radios are given anew."""
    _act(config, "person_rejoin", by, person=person, **_fields(fields))
    typer.echo(f"{person} is back; `gridcall people enrol` gives him a new code")


@app.command()
def erase(
    config: Config,
    person: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = None,
) -> None:
    """Strike a person off and make his name, accounts and words unreadable for ever."""
    if not yes:
        typer.confirm(f"erase {person}? It cannot be undone", abort=True)
    ask(config, do="erase", person=person, by=by or login())
    typer.echo(f"{person} is erased from the journal; the chain of its rows holds as before")
    typer.echo(f"still to do by hand: {config}, older backups, recordings and photos of him")


@app.command("radio-lost")
def radio_lost(config: Config, radio: Radio, by: By = None) -> None:
    """Report a radio lost or stolen: each use is told at once and applied to nothing."""
    _act(config, "radio_lost", by, radio=radio)
    typer.echo(f"{radio} is lost: nothing it says is applied, each use is reported")


@app.command("radio-found")
def radio_found(config: Config, radio: Radio, by: By = None) -> None:
    """Take back that a radio was lost."""
    _act(config, "radio_found", by, radio=radio)
    typer.echo(f"{radio} is known again as whoever has it")


# ---- tables ----


@app.command("import")
def import_people(
    config: Config,
    file: Annotated[Path, typer.Argument(help="CSV with headings, such as export writes.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    all_or_nothing: Annotated[
        bool,
        typer.Option(
            "--all-or-nothing/--good-lines",
            help="Take nothing while a line is wrong, or the good lines all the same.",
        ),
    ] = True,
    charset: Charset = None,
    by: By = None,
) -> None:
    """Take people in from a table; each becomes a row of the journal with who did it."""
    text = _text_of(file, charset)
    rows, broken = rows_of(text)
    site = site_of(settings_of(config), catalogues())
    register = _register(config)
    plan = planned(rows, register, site)
    mistakes = sorted([*broken, *plan.mistakes], key=lambda mistake: mistake.line)
    _print_mistakes(file, mistakes)
    headless = any(mistake.line <= 1 for mistake in broken)
    if mistakes and (all_or_nothing or headless):
        fail(f"{file}: nothing was taken; correct the {len(mistakes)} mistakes above", NO)
    good = _without(plan, {row.line: row.id for row in rows}, mistakes)
    counts = f"{len(good.enter)} to enter, {len(good.change)} to change, {good.same} as before"
    if dry_run:
        typer.echo(f"{file}: {counts}; nothing was done")
    else:
        _send(config, file, good, handed_over(good.change, register), by or login())
        typer.echo(f"{file}: {counts}; done")
    if mistakes:
        raise typer.Exit(NO)


def _text_of(file: Path, charset: str | None) -> str:
    if charset not in (None, *CHARSETS):
        fail(f"--charset {charset}: should be {' or '.join(CHARSETS)}", USAGE)
    try:
        text, found = decoded(file.read_bytes(), charset)
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}", OUTSIDE_FAILED)
    except TableError as error:
        fail(f"{file}: {error}", NO)
    if charset is None and not text.isascii():
        sys.stderr.write(f"{file}: read as {found}; --charset says otherwise\n")
    return text


def _register(config: Path) -> dict[str, Person]:
    return {
        p["id"]: person_from(p["id"], p["fields"], active=p["active"])
        for p in _people(config)
        if p["fields"]["organisation"] and p["fields"]["name"]
    }


def _print_mistakes(file: Path, mistakes: list[Mistake]) -> None:
    for mistake in mistakes[:SHOWN]:
        sys.stderr.write(f"{file}: {mistake}\n")
    if len(mistakes) > SHOWN:
        sys.stderr.write(f"{file}: and {len(mistakes) - SHOWN} more\n")


def _without(plan: Plan, ids: Mapping[int, str], mistakes: list[Mistake]) -> Plan:
    """Return a plan without the people of the lines that are wrong."""
    bad = {ids[mistake.line] for mistake in mistakes if mistake.line in ids}
    return Plan(
        enter=[(id_, words) for id_, words in plan.enter if id_ not in bad],
        change=[(id_, words) for id_, words in plan.change if id_ not in bad],
        same=plan.same,
    )


def _send(
    config: Path, file: Path, plan: Plan, first: list[tuple[str, dict[str, str]]], by: str
) -> None:
    """Have the running daemon do what was planned, one person an act."""
    path = Path(settings_of(config).site.state_dir) / "control.sock"
    changes = [*first, *plan.change]
    acts = [*_acts("person_change", changes, by), *_acts("person_enter", plan.enter, by)]
    done = 0
    with plainly():
        for answer in control.ask_each(path, acts):
            if answer.get("ok") is False:
                why = answer.get("errors")
                who = acts[done]["act"]["person"]
                fail(f"{file}: stopped after {done} of {len(acts)} at {who}: {why}", NO)
            done += 1


def _acts(
    name: str, people: list[tuple[str, dict[str, str]]], by: str
) -> Iterator[dict[str, Any]]:
    for id_, words in people:
        fields = {field: text or "-" for field, text in words.items()}
        act = {"act": name, "by": by, "person": id_, **fields}
        yield {"do": "centre_act", "act": act}


@app.command()
def export(
    config: Config,
    target: Annotated[
        Path | None, typer.Argument(help="File; standard output if left out.")
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="Only people of this body.")] = None,
    charset: Charset = UTF_8,
) -> None:
    """Write the active people as a table that a spreadsheet opens and import reads again."""
    if charset not in CHARSETS:
        fail(f"--charset {charset}: should be {' or '.join(CHARSETS)}", USAGE)
    people = [
        person
        for person in _register(config).values()
        if person.active and organisation in (None, person.organisation)
    ]
    table = table_of(people, charset)
    if target is None:
        sys.stdout.buffer.write(table)
        return
    try:
        # It holds names and certificates: for its owner only.
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(table)
    except OSError as error:
        fail(f"{target}: cannot be written: {error.strerror}", OUTSIDE_FAILED)
    typer.echo(f"written: {target} ({len(people)} people)")
