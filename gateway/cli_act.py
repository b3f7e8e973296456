"""`gridcall act`: whatever the centre's people may do to the site, from the command line."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from gateway.cli import AsJson, By, Config, ask, fail, login, print_json
from gateway.core.centre.centre_acts import CENTRE_ACTS

USAGE = 2


def act(
    config: Config,
    name: Annotated[
        str, typer.Argument(help="What is to be done; `gridcall act SITE list` names all.")
    ],
    fields: Annotated[
        list[str] | None,
        typer.Argument(help="Its fields as name=value; a value that reads as JSON is JSON."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Act on the running site as the centre's people may: people, readiness, releases."""
    if name == "list":
        for known, found in sorted(CENTRE_ACTS.items()):
            typer.echo(f"{known:<20} {' '.join(found.fields):<40} {found.says}")
        return
    asked = {"act": name, "by": by or login(), **_fields(fields or ())}
    said = ask(config, do="centre_act", act=asked)
    if as_json:
        print_json(said)
        return
    # What was begun without an order has an id of its own, by which it is given up.
    made = said.get("order") or said.get("id")
    shown = f", {made}" if made and made != name else ""
    typer.echo(f"{name}: done, journal row {said['journal']}{shown}")
    if said.get("reason"):
        typer.echo(said["reason"])


def _fields(pairs: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            fail(f"{pair!r}: write a field as name=value", USAGE)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
