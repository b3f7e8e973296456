"""From a file to settings: read, fill in, validate, cross-check; every mistake at once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.interfaces import SetupError
from gateway.settings.check import cross_check
from gateway.settings.explain import explain
from gateway.settings.geometry import fill_polygons
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.resolve import DriverModels, validate
from gateway.settings.schema import SchemaView, json_schema
from gateway.settings.yaml_source import Document, KeyPath, Node, Problem, read

_ROUNDS = 8
# Nobody reads more; looking for what each was meant to be takes its time.
_EXPLAINED = 1000
# Stand-ins for required sections that are wrong, so that the others can still be checked.
_STAND_IN: dict[str, Any] = {
    "site": {"id": "x", "name": "x", "datum": "GCJ-02"},
    "command_centre": {},
    "organisations": {},
}


class SettingsError(SetupError):
    """The settings cannot be used; the message lists every mistake with its place.

    Attributes:
        problems: All of them, warnings too, in the order of the file.
    """

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems."""
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def load(
    path: str | Path, models: DriverModels, *, base_dir: Path | None = None
) -> Settings:
    """Return the settings of a file.

    Args:
        path: The YAML file.
        models: The drivers' settings models.
        base_dir: Folder that relative paths in it start from; by default the file's own.

    Raises:
        SettingsError: There are mistakes; it holds all of them.
    """
    settings, problems = examine(path, models, base_dir=base_dir)
    if settings is None:
        raise SettingsError(problems)
    return settings


def check(path: str | Path, models: DriverModels) -> list[Problem]:
    """Return every mistake and warning, in the order of the file; secrets are not read."""
    return examine(path, models)[1]


def examine(
    path: str | Path, models: DriverModels, *, base_dir: Path | None = None
) -> tuple[Settings | None, list[Problem]]:
    """Return the settings, None when there is an error, and every mistake and warning."""
    document = read(Path(path))
    if document.root is None:
        return None, document.sorted_problems()
    base_dir = base_dir or Path(path).absolute().parent
    gone = set(_broken(document.root)) | fill_polygons(document, base_dir)
    settings = _settings(document, models, str(base_dir), gone)
    if settings is not None:
        known = Known(document.root.plain(), frozenset(gone), frozenset(document.doubtful))
        for finding in cross_check(settings, known):
            document.report(
                finding.path,
                finding.message,
                on_key=finding.on_key,
                severity="warning" if finding.warning else "error",
            )
    problems = document.sorted_problems()
    failed = any(problem.severity == "error" for problem in problems)
    return (None if failed else settings), problems


def _broken(node: Node, path: KeyPath = ()) -> Iterable[KeyPath]:
    """Yield the paths of values that could not be read, up to the list they stand in."""
    if node.broken:
        yield _up_to_list(path)
    if isinstance(node.value, dict):
        for key, below in node.value.items():
            yield from _broken(below, (*path, key))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _broken(below, (*path, index))


def _settings(
    document: Document, models: DriverModels, base_dir: str, gone: set[KeyPath]
) -> Settings | None:
    """Return what validates after leaving out what is wrong; report that, add it to ``gone``.

    None when so much is wrong that nothing is left to check.
    """
    assert document.root is not None
    tree = document.root.plain()
    for path in gone:
        _leave_out(tree, path)
    reported = False
    for _ in range(_ROUNDS):
        try:
            return validate(tree, models, base_dir)
        except ValidationError as error:
            errors: list[Any] = error.errors(include_url=False)
        if not reported:
            _report(errors, document, models, gone)
            reported = True
        for item in errors:
            path = _wrong_part(item)
            gone.add(path)
            _leave_out(tree, path)
    return None


def _report(
    errors: list[Any], document: Document, models: DriverModels, gone: set[KeyPath]
) -> None:
    view = SchemaView(json_schema(models))
    for finding in explain(errors[:_EXPLAINED], document, view):
        if not any(finding.path[: len(path)] == path for path in gone):
            document.report(finding.path, finding.message, on_key=finding.on_key)


def _wrong_part(error: Any) -> KeyPath:  # noqa: ANN401  # pydantic's details
    """Return the smallest part that can be left out to get rid of an error."""
    loc: KeyPath = error["loc"]
    if loc and loc[-1] == "[key]":
        loc = loc[:-1]
    cut = _up_to_list(loc)
    if error["type"] == "missing" and cut == loc and len(loc) > 1:
        return loc[:-1]
    return cut


def _up_to_list(path: KeyPath) -> KeyPath:
    """Return the path up to the first list: entries of a list keep their numbers."""
    index = next((n for n, step in enumerate(path) if isinstance(step, int)), len(path))
    return path[:index]


def _leave_out(tree: dict[str, Any], path: KeyPath) -> None:
    part: Any = tree
    for step in path[:-1]:
        part = part.get(step) if isinstance(part, dict) else None
    if isinstance(part, dict) and path:
        part.pop(path[-1], None)
    if len(path) == 1 and path[0] in _STAND_IN:
        tree[str(path[0])] = _STAND_IN[str(path[0])]
