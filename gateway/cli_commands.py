"""Commands that others bring, found by entry point and imported when they are wanted.

A package names them under ``gridcall.commands`` in its setup.cfg: the name is the command's,
the value a function for typer or a typer application. `gridcall run` imports none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib.metadata import EntryPoint, entry_points

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

GROUP = "gridcall.commands"
Command = TyperCommand | TyperGroup

__all__ = ["GROUP", "LateGroup"]


class LateGroup(TyperGroup):
    """The command group of the command line: our own commands and the late ones."""

    def __init__(self, **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        # Declared with a command type that typer keeps to itself.
        self.commands = _Commands(self.commands)  # type: ignore[assignment,arg-type]


class _Commands(MutableMapping[str, Command]):
    """Commands by name; a late one is imported when it is looked at, and then kept."""

    def __init__(self, own: MutableMapping[str, Command]) -> None:
        self._known = dict(own)
        late = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
        self._late = {entry.name: entry for entry in late if entry.name not in own}

    def __getitem__(self, name: str) -> Command:
        if name not in self._known and name in self._late:
            self._known[name] = _command_of(self._late[name])
        return self._known[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        self._late.pop(name, None)
        self._known.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self._late})

    def __len__(self) -> int:
        return len({**self._known, **self._late})


def _command_of(entry: EntryPoint) -> Command:
    """Return what an entry point brings as a command of that name."""
    try:
        brought = entry.load()
    except (ImportError, AttributeError) as error:
        sys.stderr.write(
            f"gridcall {entry.name}: {entry.value} cannot be loaded ({error}); "
            "install the package again\n"
        )
        raise SystemExit(3) from error
    if not isinstance(brought, typer.Typer):
        function, brought = brought, typer.Typer(add_completion=False)
        brought.command(entry.name)(function)
    command = get_command(brought)
    assert isinstance(command, Command)
    command.name = entry.name
    return command
