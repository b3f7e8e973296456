"""Settings for other processes and for the simulators: JSON out, the same settings back in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gateway.interfaces import SetupError
from gateway.settings.models import ChannelSettings, ChatSettings, MqttBase, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverModels:
    """The drivers' own settings models, by the name that ``driver:`` gives.

    Attributes:
        channels: Models of ``channels``; the first is the default.
        chats: Models of ``chats``; the first is the default.
        mqtt: Model of ``command_centre.mqtt``.
    """

    channels: Mapping[str, type[ChannelSettings]] = field(default_factory=dict)
    chats: Mapping[str, type[ChatSettings]] = field(default_factory=dict)
    mqtt: type[MqttBase] = MqttBase

    def context(self, base_dir: str) -> dict[str, Any]:
        """Return what the models need to know while they read."""
        models = {"channels": self.channels, "chats": self.chats, "mqtt": {"mqtt": self.mqtt}}
        return {"models": models, "base_dir": base_dir}


def validate(tree: Mapping[str, Any], models: DriverModels, base_dir: str) -> Settings:
    """Return the settings of a tree of plain values; raises pydantic's ValidationError.

    Read as JSON, because only there strict types let a list be a tuple and a text a date.
    """
    return Settings.model_validate_json(json.dumps(tree), context=models.context(base_dir))


def resolved(settings: Settings) -> dict[str, Any]:
    """Return JSON-ready settings: defaults filled in, paths absolute, secrets as references."""
    return settings.tree() | {"version": settings.version, "base_dir": str(settings.base_dir)}


def from_resolved(tree: Mapping[str, Any], models: DriverModels) -> Settings:
    """Return the settings that ``resolved`` was given; the version is the same.

    Raises:
        SetupError: The tree was made by another version, or by hand.
    """
    body = {key: value for key, value in tree.items() if key not in ("version", "base_dir")}
    try:
        return validate(body, models, str(tree.get("base_dir", "")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SetupError(
            f"resolved settings do not fit this version: {first['loc']}: {first['msg']}; "
            "make them anew with gridcall check --resolved"
        ) from error
