"""What the technician's commands know of a site, and who holds its ports.

The settings come from ``gridcall check --resolved``, as for everybody outside the gateway: the
mistakes a technician reads are the same ones, with their places.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivers.radio.background import module_command, module_environment
from drivers.radio.settings import RadioChannel
from gateway.interfaces import LinkError, SetupError

__all__ = ["Site", "ports_held", "read_site"]

# Who holds the ports: process id and command, in the lock itself.
_SIGNATURE_BYTES = 300


@dataclass(frozen=True, slots=True)
class Site:
    """A site as the technician's commands need it.

    Attributes:
        config: The settings file.
        id: The site's id.
        version: Version of the settings.
        timezone: Name of its zone, such as ``Asia/Shanghai``.
        state_dir: Where the daemon keeps its sockets and locks.
        channels: Radio channels by id.
        radio_ids: What radios send by themselves, in capitals → name of person or post.
        guard_codes: What guards key → name of the person.
    """

    config: Path
    id: str
    version: str
    state_dir: Path
    channels: Mapping[str, RadioChannel]
    radio_ids: Mapping[str, str] = field(default_factory=dict)
    guard_codes: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"

    def channel(self, name: str) -> RadioChannel:
        """Return a channel's settings.

        Raises:
            SetupError: There is none of that name; the message says which there are.
        """
        if name not in self.channels:
            there = ", ".join(self.channels) or "none"
            raise SetupError(f"{self.config}: no radio channel {name!r}; there is: {there}")
        return self.channels[name]


def read_site(config: Path) -> Site:
    """Return the checked settings of a site.

    Raises:
        SetupError: There are mistakes in them; the message names each with its place.
    """
    command = module_command("gateway", ["check", "--resolved", str(config)])
    answer = subprocess.run(
        command, env=module_environment(), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SetupError(answer.stderr.strip() or f"{config}: cannot be checked")
    try:
        return _site_of(config, json.loads(answer.stdout))
    except (ValueError, KeyError, ValidationError) as error:
        raise SetupError(f"{config}: not as this version resolves it: {error}") from error


def _site_of(config: Path, tree: Mapping[str, Any]) -> Site:
    people = tree["people"].values()
    owners = [*tree["posts"].values(), *people]
    radio_ids = {r.upper(): o["name"] for o in owners for r in o.get("radios") or ()}
    radio_ids |= {p["radio_id"].upper(): p["name"] for p in people if p["radio_id"]}
    return Site(
        config=config,
        id=tree["site"]["id"],
        version=tree["version"],
        state_dir=Path(tree["base_dir"]) / tree["site"]["state_dir"],
        channels={
            name: RadioChannel.model_validate_json(json.dumps(channel))
            for name, channel in tree["channels"].items()
            if channel["driver"] == "radio"
        },
        radio_ids=radio_ids,
        guard_codes={p["guard_code"]: p["name"] for p in people if p["guard_code"]},
        timezone=tree["site"].get("timezone", "UTC"),
    )


@contextlib.contextmanager
def ports_held(site: Site) -> Iterator[None]:
    """Hold the site's ports: no daemon runs, and none starts, until this is left.

    Raises:
        LinkError: A daemon or another technician's command holds them.
        SetupError: The state folder cannot be written.
    """
    try:
        site.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The daemon's own lock.
        lock = os.open(site.state_dir / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        msg = f"{site.state_dir}: cannot be written: {error.strerror}; whose is it?"
        raise SetupError(msg) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, _SIGNATURE_BYTES, 0).decode("utf-8", "replace")
        os.close(lock)
        raise LinkError(_taken(site, holder)) from None
    try:
        _sign(lock)
        yield
    finally:
        os.ftruncate(lock, 0)
        os.close(lock)


def _sign(lock: int) -> None:
    """Write into the lock which command this is: whoever finds it taken says so."""
    words = " ".join(["gridcall", *sys.argv[1:]])
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {words}".encode()[:_SIGNATURE_BYTES], 0)


def _taken(site: Site, holder: str) -> str:
    pid, _, command = holder.partition(" ")
    if pid.isdigit() and command:
        named = "".join(c for c in command if c.isprintable())
        return (
            f"{site.state_dir}: `{named}` (process {pid}) holds the ports of this site; wait "
            f"until it has ended, or end it (`kill {pid}`)"
        )
    try:
        pid = json.loads((site.state_dir / "processes.json").read_text("utf-8"))["supervisor"]
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return (
            f"{site.state_dir}: a daemon that is starting or stopping holds the ports of this "
            "site; wait for it"
        )
    return (
        f"the daemon of site {site.id} runs (process {pid}) and holds the ports; stop it "
        f"first (`kill {pid}`, or its service), or watch it with "
        f"`gridcall channel monitor {site.config} CHANNEL`"
    )
