"""Settings of a site: YAML in, a frozen ``Settings`` out, or every mistake with its place."""

from gateway.settings.catalogues import catalogues
from gateway.settings.load import SettingsError, check, examine, load
from gateway.settings.models import (
    ChannelSettings,
    ChatSettings,
    HttpDoor,
    MqttBase,
    Settings,
    Token,
)
from gateway.settings.resolve import DriverModels, from_resolved, resolved
from gateway.settings.schema import json_schema
from gateway.settings.sections import RetentionSettings, SpeechSettings, TalkGroup
from gateway.settings.site import people_of, site_of
from gateway.settings.values import Id, Model, PathText, Secret, port_in_range, written
from gateway.settings.yaml_source import Problem

__all__ = [
    "ChannelSettings",
    "ChatSettings",
    "DriverModels",
    "HttpDoor",
    "Id",
    "Model",
    "MqttBase",
    "PathText",
    "Problem",
    "RetentionSettings",
    "Secret",
    "Settings",
    "SettingsError",
    "SpeechSettings",
    "TalkGroup",
    "Token",
    "catalogues",
    "check",
    "examine",
    "from_resolved",
    "json_schema",
    "load",
    "people_of",
    "port_in_range",
    "resolved",
    "site_of",
    "written",
]
