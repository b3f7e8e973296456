"""The JSON Schema of the YAML, made of the core's models and the drivers' own."""

import re
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from pydantic import BaseModel, Field, create_model

from gateway.settings.models import CommandCentre, Settings
from gateway.settings.resolve import DriverModels
from gateway.settings.values import Id
from gateway.settings.yaml_source import KeyPath

Json = dict[str, Any]
_DOCUMENTED = re.compile(r"^ {8}(\w+): (.+(?:\n {10,}.+)*)", re.MULTILINE)


def json_schema(models: DriverModels) -> Json:
    """Return the JSON Schema (2020-12) of the YAML, with what each key means.

    Editors use it for completion; ``config/schema.json`` is its printed form.
    """
    schema = _whole(models).model_json_schema(by_alias=True, mode="validation")
    classes = _classes(BaseModel)
    for name, part in [("Settings", schema), *schema.get("$defs", {}).items()]:
        _describe(part, classes[name])
    _tidy(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _whole(models: DriverModels) -> type[BaseModel]:
    """Return ``Settings`` with the driver-owned entries spelt out."""
    door: Any = (models.mqtt | None, Field(default=None))
    centre = create_model("CommandCentre", __base__=CommandCentre, mqtt=door)
    fields: dict[str, Any] = {
        section: (_by_id(known), Field(default_factory=dict))
        for section, known in (("channels", models.channels), ("chats", models.chats))
        if known
    }
    fields["command_centre"] = (centre, ...)
    return create_model("Settings", __base__=Settings, **fields)


def _by_id(known: Mapping[str, type[BaseModel]]) -> Any:  # noqa: ANN401  # a type
    """Return the type of a section whose entries are of some of these models."""
    entry: Any = reduce(or_, known.values())
    return dict[Id, entry]


def _classes(base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return every model by its name; of two the one that is not generated."""
    found: dict[str, type[BaseModel]] = {}
    for sub in base.__subclasses__():
        for name, model in {sub.__name__: sub, **_classes(sub)}.items():
            found.setdefault(name, model)
    return found


def _describe(part: Json, model: type[BaseModel]) -> None:
    """Put the docstrings' words into a model's schema."""
    part["description"] = (model.__doc__ or "").split("\n\n")[0]
    meanings: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__ != "pydantic.main":
            meanings |= dict(_DOCUMENTED.findall(base.__doc__ or ""))
    for key, schema in part.get("properties", {}).items():
        text = meanings.get(key, meanings.get(f"{key}_", ""))
        if text:
            schema["description"] = re.sub(r"\s+", " ", text).replace("``", "`")


def _tidy(part: Any) -> None:  # noqa: ANN401  # JSON
    """Drop generated titles; refuse ids of the wrong form."""
    if isinstance(part, list):
        for item in part:
            _tidy(item)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("title"), str):
        del part["title"]
    if "patternProperties" in part:
        part.setdefault("additionalProperties", False)
    for item in part.values():
        _tidy(item)


class SchemaView:
    """Looks up what the schema says of a place in the document."""

    def __init__(self, schema: Json) -> None:
        """Look into this schema."""
        self._schema = schema

    def at(self, path: KeyPath) -> list[Json]:
        """Return the schemas that a value at this path may follow."""
        found = self._open(self._schema)
        for step in path:
            found = [
                sub
                for part in found
                for below in _step(part, step)
                for sub in self._open(below)
            ]
        return found

    def keys(self, path: KeyPath) -> list[str]:
        """Return the keys that are known at this path."""
        return list(
            dict.fromkeys(k for part in self.at(path) for k in part.get("properties", ()))
        )

    def first(self, path: KeyPath, word: str) -> Any:  # noqa: ANN401  # JSON
        """Return the first value of a schema word at this path, or None."""
        return next((part[word] for part in self.at(path) if word in part), None)

    def _open(self, part: Json) -> list[Json]:
        """Return the part with references and alternatives followed."""
        if "$ref" in part:
            name = part["$ref"].rsplit("/", 1)[-1]
            return self._open(self._schema["$defs"][name])
        ways = part.get("anyOf", []) + part.get("oneOf", []) + part.get("allOf", [])
        return [part, *(sub for way in ways for sub in self._open(way))]


def _step(part: Json, step: str | int) -> list[Json]:
    """Return the schemas one step down."""
    if isinstance(step, int):
        prefix = part.get("prefixItems", [])
        below = prefix[step] if step < len(prefix) else part.get("items")
        return [below] if isinstance(below, dict) else []
    if step in part.get("properties", {}):
        return [part["properties"][step]]
    below = part.get("additionalProperties")
    patterns = list(part.get("patternProperties", {}).values())
    return patterns + ([below] if isinstance(below, dict) else [])
