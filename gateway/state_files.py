"""The small files in a site's state folder: plan, the radio's settings, what was accepted."""

import json
import os
import sys
from pathlib import Path

from gateway.ballast import Ballast
from gateway.interfaces import SetupError
from gateway.settings import Settings, resolved

# Linux takes no longer name for a Unix socket.
LONGEST_SOCKET_PATH = 107
# A process that has given no sign of life for so long hangs. Keyers and radios time out much
# earlier; this is for coming back.
SILENT_S = 30.0


def write_resolved(settings: Settings) -> Path:
    """Write what the radio process needs of the settings, nobody's name; return the file.

    Raises:
        SetupError: The state folder cannot be written.
    """
    tree = resolved(settings)
    for personal in ("people", "roster"):
        tree.pop(personal, None)
    text = json.dumps(tree, ensure_ascii=False, indent=1)
    return _write(Path(settings.site.state_dir) / "resolved.json", text)


def _write(target: Path, text: str) -> Path:
    """Return the file, which its owner alone may read, once it stands there whole."""
    fresh = target.with_suffix(".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
        fresh.replace(target)
    except OSError as error:
        why = f"{error.strerror}; is it ours, is the disk full?"
        raise SetupError(f"{target.parent}: cannot be written: {why}") from error
    return target


def accept(settings: Settings, config: Path) -> Path:
    """Keep a copy of the settings file that is in force; return the copy.

    An engine that is started again in the middle of somebody's editing goes on with it.

    Raises:
        SetupError: It cannot be written.
    """
    target = Path(settings.site.state_dir) / "accepted.yaml"
    return _write(target, config.read_text("utf-8"))


def plan(settings: Settings, config: Path, *, only_radio: bool) -> Path:
    """Write down which processes the supervisor keeps alive; return the plan's file.

    Raises:
        SetupError: The state folder cannot be written, or its path is too long.
    """
    state_dir = Path(settings.site.state_dir)
    if len(os.fsencode(state_dir / "control.sock")) > LONGEST_SOCKET_PATH:
        msg = (
            f"site.state_dir: {state_dir} is too long for the sockets in it "
            f"(over {LONGEST_SOCKET_PATH} bytes); choose a shorter one"
        )
        raise SetupError(msg)
    Ballast(Path(settings.journal.file).parent).free_where_full()
    resolved_file = write_resolved(settings)
    children: list[dict[str, object]] = []
    if settings.channels:
        argv = [sys.executable, "-m", "drivers.radio.process", str(resolved_file)]
        argv.append(str(state_dir / "radio.sock"))
        radio = {"name": "radio", "argv": argv, "vital": only_radio, "silent_s": SILENT_S}
        children.append(radio)
    if not only_radio:
        # Not resolved: where the site's file is a link, a later start follows it anew.
        argv = [sys.executable, "-m", "gateway.app", str(config.absolute())]
        argv.append(str(accept(settings, config)))
        engine = {"name": "engine", "argv": argv, "vital": True, "silent_s": SILENT_S}
        children.append(engine)
    pid_file = str(state_dir / "processes.json")
    text = json.dumps({"children": children, "pid_file": pid_file})
    return _write(state_dir / "plan.json", text)
