"""`gridcall run`: settings checked, the site held, then this process becomes the supervisor.

Apart from the rest of the command line because a post that was cut off from its power waits for
it: nothing is imported here that checking settings does not need.
"""

import fcntl
import os
import sys
from pathlib import Path
from typing import NoReturn

from gateway.installed import load_settings
from gateway.interfaces import SetupError
from gateway.settings import Secret, SettingsError, resolved
from gateway.state_files import plan


class RefusedError(SetupError):
    """The site is as it is on purpose or by mistake of a person; trying again is no use."""


def become_daemon(config: Path, *, only_radio: bool = False) -> NoReturn:
    """Turn this process into the supervisor of a site's daemon.

    Raises:
        SettingsError: There are mistakes in the settings.
        RefusedError: A secret cannot be read, or a daemon of this site runs already.
        SetupError: The state folder cannot be written.
    """
    settings = load_settings(config)
    if not only_radio and (absent := unreadable_secrets(resolved(settings))):
        raise RefusedError("\n".join(absent))
    _hold_site(Path(settings.site.state_dir))
    file = plan(settings, config, only_radio=only_radio)
    # The supervisor takes this process over: it must stay small and depend on nothing.
    os.execv(sys.executable, [sys.executable, "-m", "gateway.supervisor", str(file)])  # noqa: S606


def unreadable_secrets(tree: object) -> list[str]:
    """Return why each secret of resolved settings that cannot be read cannot."""
    if not isinstance(tree, dict):
        return []
    if tree.keys() != Secret.model_fields.keys():
        return [line for value in tree.values() for line in unreadable_secrets(value)]
    try:
        Secret.model_validate(tree).read()
    except SetupError as error:
        return [str(error)]
    return []


def _hold_site(state_dir: Path) -> None:
    """Hold the site until this process ends, also as the supervisor it becomes.

    A second daemon of one site would throw the first one off its serial ports.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(state_dir / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RefusedError(f"{state_dir}: {_held_by(lock)}") from None
    os.ftruncate(lock, 0)
    os.set_inheritable(lock, True)


def _held_by(lock: int) -> str:
    """Return who holds a site, and what to do: a technician's command has signed the lock."""
    pid, _, command = os.pread(lock, 300, 0).decode("utf-8", "replace").partition(" ")
    if pid.isdigit() and command.strip():
        named = "".join(c for c in command.strip() if c.isprintable())
        return (
            f"`{named}` (process {pid}) holds the ports of this site; wait until it has ended, "
            f"or end it (`kill {pid}`)"
        )
    return (
        "a daemon of this site runs already; stop it first, or give it new settings with "
        "`gridcall reload`"
    )


def run(config: Path, *, only_radio: bool = False) -> int:
    """Turn into the supervisor; when that cannot be, say why and return the exit status."""
    try:
        become_daemon(config, only_radio=only_radio)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1 if isinstance(error, SettingsError | RefusedError) else 3
