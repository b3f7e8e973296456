"""What the READMEs name is there, and what is there they name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli import app

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE, GUIDE = "README.md", "README.zh-CN.md", "config/README.md"
TEXTS = (ENGLISH, CHINESE, GUIDE)
_FILE = re.compile(r"(?<![\w./-])([a-z_][a-z0-9_]*\.(?:py|json)|[a-z_]+/)(?=[\s·,():]|$)")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
_COMMAND = re.compile(r"\bgridcall ([a-z][a-z-]*(?: [a-z][a-z-]*)?)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def house_map() -> list[tuple[Path, str]]:
    """Return each line of the map with the folder it stands in."""
    block = text_of(ENGLISH).split("## Map of the rooms")[1].split("```")[1]
    lines, top, room, outer = [], Path(), Path(), Path()
    for line in block.strip("\n").splitlines():
        head = re.match(r"^( *)([a-z_]+)/", line)
        if head and not head[1]:
            top = room = Path(head[2])
        elif head and len(head[1]) == 2:
            room = outer = top / head[2]
        elif head and len(head[1]) == 4:
            room = outer / head[2]
        elif re.match(r"^  \S", line):
            room = top
        lines.append((room, line))
    return lines


def named() -> set[Path]:
    """Return every path the map names, from the project's root."""
    found: set[Path] = set()
    for room, line in house_map():
        top = Path(room.parts[0])
        for name in _FILE.findall(line):
            paths = (room / name, room.parent / name, top / name, Path(name))
            found.add(next((p for p in paths if (ROOT / p).exists()), room / name))
    return found


def test_the_map_names_nothing_that_is_not_there() -> None:
    assert [str(p) for p in sorted(named()) if not (ROOT / p).exists()] == []


def rooms() -> Iterator[Path]:
    """Yield what must stand in the map: every module of a top folder, every folder below it."""
    for top in ("gateway", "drivers", "simulators"):
        yield Path(top)
        for path in sorted((ROOT / top).iterdir()):
            is_room = path.is_dir() and any(path.glob("*"))
            if (is_room or path.suffix == ".py") and path.name not in ("__init__.py", "__pycache__"):
                yield path.relative_to(ROOT)
    for path in sorted((ROOT / "gateway" / "core").rglob("*.py")):
        if path.name != "__init__.py":
            yield path.relative_to(ROOT)


@pytest.mark.parametrize("path", list(rooms()), ids=str)
def test_every_room_and_module_stands_in_the_map(path: Path) -> None:
    assert path in named(), f"{path} is not in the map of README.md"


def test_every_test_folder_stands_in_the_map() -> None:
    folders = {
        p.parent.relative_to(ROOT / "tests").parts[0]
        for p in (ROOT / "tests").glob("*/**/test_*.py")
    }
    line = next(line for _, line in house_map() if line.startswith("tests/"))
    assert {f for f in folders if f"{f}/" not in line} == set()


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    here = (ROOT / name).parent
    assert [link for link in _LINK.findall(text_of(name)) if not (here / link).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_is_one(name: str) -> None:
    known = typer.main.get_command(app)
    wrong = [words for words in commands_in(text_of(name)) if not is_command(known, words)]
    assert wrong == []
    assert len(list(commands_in(text_of(name)))) >= 3


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield what follows `gridcall` where it is code, not prose."""
    code = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    for piece in code:
        for words in _COMMAND.findall(piece):
            yield words.split()


def is_command(group: Any, words: list[str]) -> bool:
    first = group.commands.get(words[0])
    within = getattr(first, "commands", None)
    if within is None:
        return first is not None
    return len(words) == 1 or words[1] in within


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_every_option_of_a_command_is_one(name: str) -> None:
    known = typer.main.get_command(app)
    for words, rest in re.findall(r"\bgridcall ([a-z-]+(?: [a-z-]+)?)([^`#\n|&]*)", text_of(name)):
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in options_of(known, words.split()), f"gridcall {words} {option}"


def options_of(group: Any, words: list[str]) -> set[str]:
    command = group.commands[words[0]]
    if hasattr(command, "commands"):
        command = command.commands[words[1]]
    return {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_every_make_target_is_one(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    code = "\n".join(re.findall(r"```\w*\n(.*?)```", text_of(name), re.DOTALL))
    used = set(re.findall(r"^make ([a-z]+)", code, re.MULTILINE))
    assert used and used <= targets
