"""What stands in the file, for checks of what one section promises another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.settings.yaml_source import KeyPath


@dataclass(frozen=True, slots=True)
class Known:
    """What stands in the file, also where it could not be taken.

    Attributes:
        tree: The file as plain values, before anything was left out.
        gone: Paths that were left out because they are wrong in themselves.
        doubtful: Paths of sections from which something is missing, such as a second key.
    """

    tree: Mapping[str, Any]
    gone: frozenset[KeyPath] = frozenset()
    doubtful: frozenset[KeyPath] = frozenset()

    def ids(self, *path: str) -> list[str]:
        """Return the keys of a section as written."""
        part: Any = self.tree
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        return list(part) if isinstance(part, dict) else []

    def texts(self, *path: str) -> list[str]:
        """Return the texts of a list as written."""
        part: Any = self.tree
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        return (
            [item for item in part if isinstance(item, str)] if isinstance(part, list) else []
        )

    def groups(self) -> list[str]:
        """Return every ``chat/group``."""
        return [
            f"{chat}/{group}"
            for chat in self.ids("chats")
            for group in self.ids("chats", chat, "groups")
        ]

    def lost(self, *path: str | int) -> bool:
        """Return whether something at, above or below the path was left out."""
        return any(path[: len(gone)] == gone[: len(path)] for gone in self.gone | self.doubtful)

    def duty_lost(self) -> bool:
        """Return whether something was left out that decides who is on duty where."""
        return any(
            path[:1] in ((), ("people",))
            and (len(path) < 3 or path[2] in ("crew", "grids", "role"))
            for path in self.gone | self.doubtful
        )
