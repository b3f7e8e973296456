"""What the settings say of each talk group, as the radio process needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.interfaces import SetupError
from gateway.settings import TalkGroup

# The member of a talk group that is no channel.
DISPATCHER: Final = "dispatcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One talk group, as the radio process needs it.

    Attributes:
        channels: Ids of its channels.
        sources: Who may talk, ``channel:gate``; empty for all.
        minutes: Minutes of the local day from and to which it is patched, None for always;
            over midnight when the second is the smaller.
        relay: Whether it is patched unless it was switched on.
        dispatcher: RTP URL of the dispatcher's own voice, or None.
    """

    channels: tuple[str, ...]
    sources: tuple[str, ...] = ()
    minutes: tuple[int, int] | None = None
    relay: bool = True
    dispatcher: str | None = None

    def patched(self, minute: int) -> bool:
        """Return whether it is patched in this minute of the local day."""
        if not self.relay or self.minutes is None:
            return self.relay
        begin, end = self.minutes
        return begin <= minute < end if begin < end else minute >= begin or minute < end

    def lets(self, source: str) -> bool:
        """Return whether this member may talk."""
        return not self.sources or source == DISPATCHER or source in self.sources


def load_rules(path: Path) -> tuple[dict[str, Rules], tzinfo]:
    """Return the talk groups of resolved settings, and the zone in which their hours are.

    Raises:
        SetupError: the file cannot be read, or holds no resolved settings.
    """
    try:
        tree: Mapping[str, Any] = json.loads(path.read_bytes())
        groups = {
            name: _rules(TalkGroup.model_validate_json(json.dumps(group)))
            for name, group in tree.get("talk_groups", {}).items()
        }
        zone = ZoneInfo(tree["site"].get("timezone", "UTC"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        msg = f"{path} holds no resolved settings: {error}"
        raise SetupError(msg) from error
    return groups, zone


def _rules(group: TalkGroup) -> Rules:
    channels = (m.partition(":")[2] for m in group.members if m.startswith("channel:"))
    return Rules(
        channels=tuple(channels),
        sources=group.from_,
        minutes=group.minutes,
        relay=group.relay,
        dispatcher=group.dispatcher,
    )
