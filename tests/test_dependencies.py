"""setup.cfg asks for what the code imports, each with a reason, and for nothing else."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = {"gateway", "drivers", "simulators"}
# Never imported by us, and why it is asked for all the same.
NEEDED_BY_OTHERS = {
    "audioop-lts": "pydub imports audioop, which left the library in 3.13",
    "httptools": "uvicorn takes its parser in C where it is installed",
}


def install_requires() -> list[str]:
    """Return the lines of install_requires, comments included."""
    text = (ROOT / "setup.cfg").read_text("utf-8")
    section = text.split("\ninstall_requires =\n")[1].split("\n\n")[0]
    return section.splitlines()


def required() -> set[str]:
    names = (re.match(r" +([A-Za-z0-9][A-Za-z0-9._-]*)", line) for line in install_requires())
    return {plain(found[1]) for found in names if found}


def plain(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> set[str]:
    """Return the top packages that the product and the simulators import from outside."""
    found: set[str] = set()
    for top in OURS:
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    found.add(node.module.partition(".")[0])
    return found - OURS - sys.stdlib_module_names


def distributions() -> set[str]:
    """Return the distributions that bring what is imported."""
    known = packages_distributions()
    return {plain(dist) for package in imported() for dist in known.get(package, [package])}


def test_every_import_is_asked_for() -> None:
    assert distributions() - required() == set()


def test_nothing_is_asked_for_that_nobody_imports() -> None:
    assert required() - distributions() - NEEDED_BY_OTHERS.keys() == set()


def test_every_dependency_has_its_reason() -> None:
    lines = [line.strip() for line in install_requires()]
    bare = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if not line.startswith("#") and not before.startswith("#")
    ]
    assert bare == []
