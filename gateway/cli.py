"""The `gridcall` command line.

Exit status: 0 done, 1 the answer is no, 2 usage, 3 the outside failed.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from enum import StrEnum
from getpass import getuser
from pathlib import Path
from typing import Annotated, NoReturn, get_args
from zoneinfo import ZoneInfo

import typer

from gateway import control, installed, start
from gateway.cli_commands import LateGroup
from gateway.cli_words import (
    event_line,
    health_lines,
    mistakes,
    order_line,
    verdict_lines,
)
from gateway.demo import Demo, Fault
from gateway.interfaces import GridcallError, JournalError, LinkError
from gateway.journal import backup as journal_backup
from gateway.journal import verify as journal_verify
from gateway.journal.contract import Anchor
from gateway.records import Records
from gateway.settings import Settings, SettingsError, json_schema, resolved
from gateway.voices import unconfirmed, voices_table
from gateway.web.tokens import Scope, new_token

app = typer.Typer(
    cls=LateGroup,
    help="Gridcall (网格呼): from the command centre to guards' radios and chats, and back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
journal_app = typer.Typer(help="The journal: verify, export, back up.", no_args_is_help=True)
order_app = typer.Typer(help="Orders of the running daemon.", no_args_is_help=True)
app.add_typer(journal_app, name="journal")
app.add_typer(order_app, name="order")

NO, OUTSIDE_FAILED = 1, 3
# What the HTTP door takes as the middle of a token.
HOLDER = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)

Config = Annotated[
    Path, typer.Argument(help="The site's YAML file.", exists=True, dir_okay=False)
]
Radio = Annotated[
    str, typer.Argument(help="What it says of itself, such as dtmf:10031 or mdc1200:1A2B.")
]
OrderNamed = Annotated[str, typer.Argument(help="Order id or number, such as o12 or 34.")]
By = Annotated[str | None, typer.Option(help="Who says so; the login name if left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


def fail(message: str, status: int) -> NoReturn:
    """Say why not, and leave with the status."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(status)


@contextmanager
def plainly() -> Iterator[None]:
    """Turn our own errors into one line and an exit status."""
    try:
        yield
    except SettingsError as error:
        fail(str(error), NO)
    except LinkError as error:
        fail(str(error), OUTSIDE_FAILED)
    except JournalError as error:
        fail(str(error), NO)
    except GridcallError as error:
        fail(str(error), OUTSIDE_FAILED)


def settings_of(config: Path) -> Settings:
    """Return the settings of a site; leave with every mistake when there are any."""
    with plainly():
        return installed.load_settings(config)


def zone_of(config: Path) -> ZoneInfo:
    """Return the site's zone, in which people are told times: the machine's may be another."""
    return ZoneInfo(settings_of(config).site.timezone)


def _socket(config: Path) -> Path:
    return Path(settings_of(config).site.state_dir) / "control.sock"


def ask(config: Path, *, about: str = "", **command: object) -> dict[str, object]:
    """Ask the running daemon; leave with its mistakes when the answer is no.

    Args:
        config: The site's YAML file.
        about: What the mistakes are in, such as a file's name; stands before each.
        command: As the control socket takes it.
    """
    path = _socket(config)
    with plainly():
        answer = control.ask(path, **command)
    if answer.get("ok") is False:
        where = f"{about}: " if about else ""
        fail("\n".join(f"{where}{mistake}" for mistake in mistakes(answer)), NO)
    return answer


def login() -> str:
    """Return who runs this command, as far as the machine knows."""
    try:
        return getuser()
    except (KeyError, OSError):  # a user id without an account, as in a container
        return "command line"


def print_json(value: object) -> None:
    """Print a value for a machine."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


@app.command()
def run(
    config: Config,
    only: Annotated[
        str | None, typer.Option(help="`radio`: the radio process alone.", metavar="radio")
    ] = None,
) -> None:
    """Run the daemon: the engine and the radio process, watched and restarted."""
    if only not in (None, "radio"):
        fail("--only takes `radio`", 2)
    raise typer.Exit(start.run(config, only_radio=only == "radio"))


@app.command()
def check(
    config: Config,
    show_resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the settings with all defaults, as JSON.")
    ] = False,
) -> None:
    """Name every mistake in a settings file with its line and column."""
    with plainly():
        problems = installed.check_settings(config)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if any(p.severity == "error" for p in problems):
        raise typer.Exit(NO)
    settings = settings_of(config)
    if show_resolved:
        print_json(resolved(settings))
        return
    counts = (
        f"{len(settings.grids)} grids, {len(settings.people)} people, "
        f"{len(settings.channels)} channels, {len(settings.chats)} chats"
    )
    for line in start.unreadable_secrets(resolved(settings)):
        sys.stderr.write(f"warning: {line}; the daemon does not start without it\n")
    typer.echo(f"{config}: good ({counts}; version {settings.version})")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file."""
    with plainly():
        print_json(json_schema(installed.driver_models(installed.drivers())))


@app.command()
def reload(config: Config) -> None:
    """Give the running daemon new settings: all of them, or none when there is a mistake."""
    answer = ask(config, do="reload", path=str(config.resolve()))
    typer.echo(f"in force: version {answer['version']}")


@app.command()
def health(config: Config, as_json: AsJson = False) -> None:
    """Print what the running daemon says of itself; 1 when it does not do its work."""
    path = _socket(config)
    with plainly():
        answer = control.ask(path, do="health")
    if as_json:
        print_json(answer)
    else:
        typer.echo("\n".join(health_lines(answer)))
    if not answer.get("ok"):
        raise typer.Exit(NO)


@app.command()
def alert(
    config: Config,
    file: Annotated[str, typer.Argument(help="An alert, JSON or CAP; - for standard input.")],
    follow: Annotated[bool, typer.Option(help="Go on and print its timeline.")] = True,
    as_json: AsJson = False,
) -> None:
    """Push an alert into the running daemon and follow what becomes of it."""
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{name}: cannot read the alert: {error}", 2)
    answer = ask(config, about=name, do="alert", alert=text)
    receipt = answer["receipt"]
    assert isinstance(receipt, dict)
    print_json(receipt)
    if not follow or receipt["order"] is None:
        return
    zone = zone_of(config)
    # A repeat is followed from its first moment: its order may be older than this receipt.
    after = 0 if receipt["status"] == "duplicate" else int(receipt["journal"]) - 1
    with plainly(), suppress(KeyboardInterrupt):
        for event in control.follow(_socket(config), after):
            if event["order"] != receipt["order"]:
                continue
            line = json.dumps(event, ensure_ascii=False) if as_json else event_line(event, zone)
            typer.echo(line)
            if event["node"] in ("closed", "cancelled"):
                return
        fail("the daemon has stopped; the order goes on when it is back", OUTSIDE_FAILED)


@app.command()
def token(
    holder: Annotated[str, typer.Argument(help="Who will use it, such as `centre`.")],
) -> None:
    """Make a bearer token for the HTTP door: the token once, and the digest for the YAML."""
    if not HOLDER.fullmatch(holder):
        fail(f"{holder!r}: a holder is 1 to 32 of a-z, 0-9 and -, such as `centre`", 2)
    secret, digest = new_token(holder)
    typer.echo(f"token (give it to {holder}, it is kept nowhere): {secret}")
    typer.echo("for command_centre.http.tokens; leave out what this holder shall not do:")
    typer.echo(f"- {{id: {holder}, sha256: {digest}, scopes: {json.dumps(get_args(Scope))}}}")


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="Chance of the simulated outside.")] = 7,
    speed: Annotated[
        float, typer.Option(min=0.5, max=10, help="Scales tempers and windows, not the sound.")
    ] = 1.0,
    hold: Annotated[bool, typer.Option(help="Keep running after the demonstration.")] = False,
    faults: Annotated[
        list[Fault] | None,
        typer.Option("--break", help="Plant a fault, or several; the demo must then fail."),
    ] = None,
    mqtt: Annotated[
        str | None, typer.Option(help="Broker, such as mqtt://127.0.0.1:1883.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for what it leaves.")] = Path(
        "demo-output"
    ),
) -> None:
    """Run the daemon and a simulated outside, from alert to arrival, and judge the outcome."""
    wanted = Demo(
        output=output, seed=seed, speed=speed, hold=hold, faults=tuple(faults or ()), mqtt=mqtt
    )
    with plainly():
        try:
            raise typer.Exit(wanted.run())
        except KeyboardInterrupt:
            fail("ended before the story did", NO)


# ---- orders ----


class Heard(StrEnum):
    """What a dispatcher has heard somebody say."""

    ACKNOWLEDGE = "acknowledge"
    EN_ROUTE = "en_route"
    ARRIVED = "arrived"
    DONE = "done"


@app.command()
def confirm(
    config: Config,
    order: Annotated[
        str | None, typer.Argument(help="Order id or number, such as o12 or 34.")
    ] = None,
    person: Annotated[str | None, typer.Argument(help="Person id whose voice it was.")] = None,
    heard: Annotated[Heard, typer.Argument(help="What he said.")] = Heard.ACKNOWLEDGE,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Confirm whose voice on the air an answer was; without an order: list what is left."""
    if order is None:
        settings = settings_of(config)
        with plainly():
            left = asyncio.run(unconfirmed(Records(Path(settings.journal.file))))
        if as_json:
            print_json(left)
        else:
            typer.echo(voices_table(left, settings.site.timezone))
        return
    if person is None:
        fail(f"confirm {order}: give the person whose voice it was, such as p_zhang", 2)
    node = "acknowledged" if heard is Heard.ACKNOWLEDGE else heard.value
    ask(
        config, do="act", act="confirm", order=order, person=person, node=node,
        by=by or login(),
    )  # fmt: skip
    typer.echo(f"{order}: {person} {node}, confirmed")


@order_app.command("list")
def order_list(
    config: Config,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show open orders, or all of the last hundred."""
    orders = ask(config, do="orders", open=not everything)["orders"]
    assert isinstance(orders, list)
    if as_json:
        print_json(orders)
        return
    typer.echo("\n".join(map(order_line, orders)) or "no orders")


@order_app.command("show")
def order_show(
    config: Config,
    order: OrderNamed,
    as_json: AsJson = False,
) -> None:
    """Show one order with its timeline."""
    found = ask(config, do="order", order=order)["order"]
    assert isinstance(found, dict)
    if as_json:
        print_json(found)
        return
    typer.echo(order_line(found))
    zone = zone_of(config)
    for event in found["timeline"]:
        typer.echo("  " + event_line(event, zone))


@order_app.command("close")
def order_close(
    config: Config,
    order: OrderNamed,
    by: Annotated[str, typer.Option(help="Who closes it.")],
    result: Annotated[str, typer.Option(help="What came of it.")],
) -> None:
    """Close an order as a named person."""
    ask(config, do="act", act="close", order=order, by=by, result=result)
    typer.echo(f"{order} closed")


@order_app.command("stand-down")
def order_stand_down(
    config: Config,
    order: OrderNamed,
    by: Annotated[str, typer.Option(help="Who calls it off.")],
    reason: Annotated[str, typer.Option(help="Why; guards read it.")],
) -> None:
    """Call everybody off, on every medium."""
    ask(config, do="act", act="stand_down", order=order, by=by, result=reason)
    typer.echo(f"{order} stood down")


# ---- journal ----


@journal_app.command("verify")
def verify_command(
    config: Config,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="ROW:HASH of an earlier verification; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash chain and the projection; 1 when anything was changed."""
    anchors = [_anchor(text) for text in anchor or ()]
    path = Path(settings_of(config).journal.file)
    with plainly():
        verdict = journal_verify(path, anchors)
    if as_json:
        print_json(asdict(verdict) | {"ok": verdict.ok})
    else:
        typer.echo("\n".join(verdict_lines(path, verdict)))
    if not verdict.ok:
        raise typer.Exit(NO)


def _anchor(text: str) -> Anchor:
    found = ANCHOR.fullmatch(text)
    if found is None:
        fail(f"--anchor {text}: should be ROW:HASH, as `gridcall journal verify` prints it", 2)
    return Anchor(seq=int(found[1]), hash=found[2])


@journal_app.command()
def export(
    config: Config,
    target: Annotated[
        Path | None, typer.Argument(help="File; standard output if left out.")
    ] = None,
    personal: Annotated[bool, typer.Option(help="Show names, accounts and texts.")] = False,
) -> None:
    """Write the journal as JSON lines."""
    records = Records(Path(settings_of(config).journal.file))
    with plainly():
        if target is None:
            asyncio.run(records.export(sys.stdout, personal=personal))
            return
        try:
            # It may hold names and accounts: for its owner only.
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                rows = asyncio.run(records.export(out, personal=personal))
        except OSError as error:
            fail(f"{target}: cannot be written: {error.strerror}", OUTSIDE_FAILED)
    typer.echo(f"written: {target} ({rows} rows)")


@journal_app.command()
def backup(
    config: Config, target: Annotated[Path, typer.Argument(help="The copy to make.")]
) -> None:
    """Copy the journal while the daemon runs, and verify the copy."""
    with plainly():
        verdict = journal_backup(Path(settings_of(config).journal.file), target)
    typer.echo(f"written and verified: {target} ({verdict.rows} rows)")
