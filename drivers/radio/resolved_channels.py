"""The radio channels of resolved settings, as the radio process reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivers.radio.settings import RadioChannel
from gateway.interfaces import SetupError


def load_channels(path: Path) -> tuple[dict[str, RadioChannel], Path]:
    """Return the radio channels of resolved settings, and the site's state folder.

    Raises:
        SetupError: the file cannot be read, or holds no resolved settings.
    """
    try:
        tree: Mapping[str, Any] = json.loads(path.read_bytes())
        language = tree["site"].get("language", "zh_CN")
        channels = {
            name: _channel(channel, language)
            for name, channel in tree["channels"].items()
            if channel.get("driver", "radio") == "radio"
        }
        state = Path(tree.get("base_dir", ".")) / tree["site"].get("state_dir", "state")
    except (OSError, ValidationError, ValueError, KeyError, AttributeError) as error:
        msg = f"{path} holds no resolved settings: {error}"
        raise SetupError(msg) from error
    return channels, state


def _channel(channel: Mapping[str, Any], language: str) -> RadioChannel:
    """Return a channel that identifies itself in the site's language unless it says another."""
    said = channel.get("identification")
    if said is not None and said.get("language") is None:
        channel = {**channel, "identification": {**said, "language": language}}
    return RadioChannel.model_validate_json(json.dumps(channel))
