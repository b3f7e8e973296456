"""Settings of a site: YAML in, a frozen ``Settings`` out, or every mistake with its place."""

from gateway.settings.models import (
    ChannelSettings,
    ChatSettings,
    HttpDoor,
    MqttBase,
    Settings,
    Token,
)
from gateway.settings.resolve import DriverModels, from_resolved, resolved
from gateway.settings.site import people_of, site_of
from gateway.settings.values import Id, Model, PathText, Secret

__all__ = [
    "ChannelSettings",
    "ChatSettings",
    "DriverModels",
    "HttpDoor",
    "Id",
    "Model",
    "MqttBase",
    "PathText",
    "Secret",
    "Settings",
    "Token",
    "from_resolved",
    "people_of",
    "resolved",
    "site_of",
]
