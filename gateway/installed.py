"""The installed drivers and the settings they bring, each imported only as far as it is wanted.

The one importer of drivers: they are told by the entry points ``gridcall.drivers`` of the
installed package. A driver's package names ``KIND`` and ``MODEL`` in its module ``settings``;
the rest of it, and the libraries under that, are imported when one is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from gateway.interfaces import AlertFormat, Driver, SetupError, Surroundings
from gateway.settings import DriverModels, Problem, Settings, check, load


class Plugin(Protocol):
    """What every driver's package offers under its entry point."""

    def build(self, name: str, settings: object, around: Surroundings) -> Driver:
        """Return a driver, not running yet."""
        ...


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed driver.

    Attributes:
        kind: ``channel``, ``chat`` or ``centre``.
        model: The model of its settings.
        entry: Where its plugin is.
    """

    kind: str
    model: Any
    entry: EntryPoint

    def build(self, name: str, settings: object, around: Surroundings) -> Driver:
        """Return a driver, not running yet."""
        return cast("Plugin", self.entry.load()).build(name, settings, around)


def drivers() -> dict[str, Installed]:
    """Return the installed drivers by name.

    Raises:
        SetupError: The package is not installed, so that no driver is known.
    """
    found = {}
    for entry in entry_points(group="gridcall.drivers"):
        settings = import_module(f"{entry.module.rpartition('.')[0]}.settings")
        found[entry.name] = Installed(settings.KIND, settings.MODEL, entry)
    if not found:
        msg = "no drivers are installed: install the package (`pip install .`) and try again"
        raise SetupError(msg)
    return found


def alert_formats(settings: Settings) -> tuple[AlertFormat, ...]:
    """Return how a centre may write to a site beside our own JSON, their code imported."""
    cap = settings.command_centre.cap
    if cap is None:
        return ()
    (entry,) = entry_points(group="gridcall.formats", name="cap")
    return (entry.load()(cap, settings.site.id, settings.site.timezone),)


def driver_models(known: Mapping[str, Installed]) -> DriverModels:
    """Return the settings models of the installed drivers."""
    centre = [driver.model for driver in known.values() if driver.kind == "centre"]
    models = DriverModels(
        channels={n: driver.model for n, driver in known.items() if driver.kind == "channel"},
        chats={n: driver.model for n, driver in known.items() if driver.kind == "chat"},
    )
    return DriverModels(
        channels=models.channels, chats=models.chats, mqtt=centre[0] if centre else models.mqtt
    )


def load_settings(path: Path) -> Settings:
    """Return the checked settings of a site.

    Raises:
        SettingsError: Every mistake with its place.
    """
    return load(path, driver_models(drivers()))


def check_settings(path: Path) -> list[Problem]:
    """Return every mistake and warning in a settings file, in the order of the file."""
    return check(path, driver_models(drivers()))
