"""The composition root: settings → drivers → engine.

``python -m gateway.app CONFIG`` is the engine's process; ``gridcall run`` starts it beside the
radio process under the supervisor. Which drivers there are, ``gateway.installed`` tells.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import structlog
import uvloop
from pydantic import BaseModel

from gateway.backups import Backups
from gateway.ballast import Ballast
from gateway.control import ControlServer
from gateway.core.places import Site
from gateway.disk_room import DiskRoom
from gateway.engine import Engine
from gateway.housekeeping import keep_house
from gateway.installed import alert_formats, driver_models, load_settings
from gateway.installed import drivers as installed_drivers
from gateway.interfaces import Driver, GridcallError, Surroundings
from gateway.journal import SqliteJournal
from gateway.journal.put_aside import all_aside
from gateway.logs import configure_logs
from gateway.records import Records
from gateway.reloaded import Reloaded
from gateway.retention import keep_within
from gateway.settings import (
    Secret,
    Settings,
    SettingsError,
    catalogues,
    load,
    people_of,
    site_of,
)
from gateway.state_files import accept, write_resolved
from gateway.supervisor import keep_running

log = structlog.get_logger("gridcall.app")

ALIVE_EVERY_S = 1.0
# How long drivers and doors have to end before the engine ends under them.
STOP_WAIT_S = 3.0
# Before this moment a wall clock has surely not been set: no site existed yet.
EPOCH_OF_GRIDCALL_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> int:
        """Return UTC microseconds since 1970."""
        return time.time_ns() // 1000

    def synchronised(self) -> bool:
        """Return False while the clock has plainly not been set since boot."""
        return self.now_us() >= EPOCH_OF_GRIDCALL_US


def surroundings(settings: Settings, engine: Engine, clock: SystemClock) -> Surroundings:
    """Return what drivers are built with."""
    return Surroundings(
        site=settings.site.id,
        formats=alert_formats(settings),
        language=settings.site.language,
        base_dir=settings.base_dir,
        state_dir=Path(settings.site.state_dir),
        clock=clock,
        queries=engine,
    )


def import_drivers(settings: Settings) -> None:
    """Return with the code of every driver that the settings name imported."""
    known = installed_drivers()
    named = {chat.driver for chat in settings.chats.values()}
    named |= {"radio"} if settings.channels else set()
    named |= {"mqtt"} if settings.command_centre.mqtt is not None else set()
    for name in named:
        known[name].entry.load()


def build_drivers(settings: Settings, around: Surroundings) -> dict[str, Driver]:
    """Return a driver for each way the settings name: radio, every chat, the broker."""
    known = installed_drivers()
    built: list[Driver] = []
    if settings.channels:
        built.append(known["radio"].build("radio", settings.channels, around))
    for chat_id, chat in settings.chats.items():
        built.append(known[chat.driver].build(chat_id, chat, around))
    if settings.command_centre.mqtt is not None:
        built.append(known["mqtt"].build("mqtt", settings.command_centre.mqtt, around))
    return {d.name: d for d in built}


class Daemon:
    """The engine's process: the engine, its drivers and its doors as supervised tasks."""

    def __init__(self, config: Path, accepted: Path | None = None) -> None:
        self._config = config
        self._clock = SystemClock()
        self._settings = _settings_to_go_on_with(config, accepted)
        self._site = site_of(self._settings, catalogues())
        state_dir = Path(self._settings.site.state_dir)
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state_dir / "media").mkdir(exist_ok=True)
        journal_file = Path(self._settings.journal.file)
        ballast = Ballast(journal_file.parent)
        ballast.free_where_full()
        self._disk_room = DiskRoom(journal_file.parent, self._clock, ballast)
        self._journal = SqliteJournal(
            journal_file,
            boot_id=boot_id(),
            aside=self._clock,
            make_room=self._disk_room.make_room,
        )
        self._engine = Engine(
            journal=self._journal,
            records=Records(journal_file),
            site=self._site,
            clock=self._clock,
            reloader=self._reload,
        )
        self._backups = Backups(
            self._settings.site.id, journal_file, self._backup_folder, self._clock
        )
        self._engine.also_healthy |= {
            "backup": self._backups.standing,
            "disk": self._disk_room.standing,
            "journals_put_aside": lambda: list(all_aside(journal_file)),
        }
        self._engine.last_backup = self._backups.newest_name
        self._around = surroundings(self._settings, self._engine, self._clock)
        self._drivers = build_drivers(self._settings, self._around)
        self._secrets = secret_digests(self._settings)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            JournalError: The journal cannot be trusted or written; start again.
        """
        clean = False
        try:
            await self._serve()
        except asyncio.CancelledError:
            clean = True
            raise
        finally:
            await self._journal.close()
            if clean:
                await self._backups.at_stop()

    def _backup_folder(self) -> Path | None:
        folder = self._settings.journal.backup_dir
        return None if folder is None else Path(folder)

    async def _serve(self) -> None:
        ready = asyncio.Event()
        people, contacts = people_of(self._settings)
        async with asyncio.TaskGroup() as group:
            self._group = group
            engine = self._engine.run(self._drivers, people, contacts, ready)
            group.create_task(engine, name="engine")
            await ready.wait()
            for driver in self._drivers.values():
                self._start_driver(driver)
            await self._start_doors()
            log.info("ready", site=self._site.id, settings=self._site.version)
            try:
                await keep_house(self._engine.quiet)
            finally:
                await self._stop_tasks()

    async def _stop_tasks(self) -> None:
        """End drivers and doors while the engine is there to take in what they conclude."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=STOP_WAIT_S)

    def _start_driver(self, driver: Driver, after: "asyncio.Task[None] | None" = None) -> None:
        async def run() -> None:
            if after is not None:
                # Two of one account at a time would throw each other out.
                await asyncio.wait((after,), timeout=STOP_WAIT_S)
            await driver.run(self._engine)

        self._start(driver.name, run)

    def _start(self, name: str, work: object) -> None:
        assert self._group is not None
        supervised = keep_running(name, work, _tell_failure)  # type: ignore[arg-type]
        self._tasks[name] = self._group.create_task(supervised, name=name)

    async def _start_doors(self) -> None:
        engine, settings = self._engine, self._settings
        http = settings.command_centre.http
        if http is not None:
            # The door's libraries take a while: the drivers find their other ends meanwhile.
            web_app = await asyncio.to_thread(import_module, "gateway.web.app")
            web_server = await asyncio.to_thread(import_module, "gateway.web.server")
            application = web_app.build(
                http, engine, engine, engine, self._clock, self._around.media_dir,
                self._around.recordings_dir, self._around.formats,
            )  # fmt: skip
            self._start("http", lambda: web_server.serve(application, http))
        control = ControlServer(
            path=Path(settings.site.state_dir) / "control.sock",
            intake=engine,
            queries=engine,
            control=engine,
            clock=self._clock,
            site=settings.site.id,
            formats=self._around.formats,
        )
        self._start("control", control.run)
        records = Records(Path(settings.journal.file))
        state_dir = Path(settings.site.state_dir)
        self._start(
            "retention",
            lambda: keep_within(
                lambda: self._settings.retention, state_dir, records, engine, self._clock,
                self._journal,
            ),
        )

        self._start("backups", self._backups.run)
        self._start("disk", lambda: self._disk_room.run(engine))

    async def _reload(self, path: str) -> Reloaded:
        """Read and check new settings in a thread; they are put in force all or nothing."""
        config = self._config
        try:
            if path and not await asyncio.to_thread(_same_file, config, Path(path)):
                wrong = f"this daemon runs {config}: change that, or start again with {path}"
                return Reloaded(errors=(wrong,))
            settings = await asyncio.to_thread(load_settings, config)
            fixed = _unchangeable(self._settings, settings)
            if fixed:
                return Reloaded(errors=fixed)
            around = surroundings(settings, self._engine, self._clock)
            await asyncio.to_thread(import_drivers, settings)
            drivers = build_drivers(settings, around)
            secrets = secret_digests(settings)
        except SettingsError as error:
            return Reloaded(errors=tuple(str(p) for p in error.problems))
        except GridcallError as error:
            return Reloaded(errors=(str(error),))
        people, contacts = people_of(settings)
        site = await asyncio.to_thread(lambda: site_of(settings, catalogues()))
        return Reloaded(
            site=site,
            people=people,
            contacts=contacts,
            apply=lambda: self._apply(settings, site, drivers, secrets),
        )

    def _apply(
        self,
        settings: Settings,
        site: Site,
        drivers: dict[str, Driver],
        secrets: dict[str, str],
    ) -> None:
        """Swap what changed: an unchanged driver goes on with its connections.

        Raises:
            SetupError: The state folder cannot be written; nothing has changed.
        """
        accept(settings, self._config)
        write_resolved(settings)
        before, self._settings, self._site = self._settings, settings, site
        secrets_before, self._secrets = self._secrets, secrets
        kept = {
            name: self._drivers[name]
            for name in drivers
            if name in self._drivers
            and _same(name, before, settings)
            and secrets_before.get(name) == secrets.get(name)
        }
        ending = {name: self._tasks.pop(name) for name in set(self._drivers) - set(kept)}
        for task in ending.values():
            task.cancel()
        fresh = {name: driver for name, driver in drivers.items() if name not in kept}
        self._drivers = {**kept, **fresh}
        self._engine.change_drivers(self._drivers)
        for driver in fresh.values():
            self._start_driver(driver, ending.get(driver.name))
        for driver in kept.values():
            configure = getattr(driver, "configure", None)
            if configure is not None:
                configure(Path(settings.site.state_dir) / "resolved.json")


def _same(name: str, before: Settings, now: Settings) -> bool:
    """Return whether a driver can go on as it is; the radio link always can (it is told)."""
    if name == "radio":
        return True
    if name == "mqtt":
        return before.command_centre.mqtt == now.command_centre.mqtt
    chat = name.removeprefix("chat:")
    same_language = before.site.language == now.site.language
    return same_language and before.chats.get(chat) == now.chats.get(chat)


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def secret_digests(settings: Settings) -> dict[str, str]:
    """Return, by driver name, a digest of the secrets of each chat, to see whether one changed.

    Raises:
        SetupError: One cannot be read.
    """
    found = {}
    for chat, part in settings.chats.items():
        secrets = [secret.read(settings.base_dir) for secret in _secrets_in(part)]
        found[f"chat:{chat}"] = hashlib.sha256("\0".join(secrets).encode()).hexdigest()
    return found


def _secrets_in(part: BaseModel) -> Iterator[Secret]:
    for value in dict(part).values():
        if isinstance(value, Secret):
            yield value
        elif isinstance(value, BaseModel):
            yield from _secrets_in(value)


def _settings_to_go_on_with(config: Path, accepted: Path | None) -> Settings:
    """Return the settings of the site's file or, while it is wrong, those accepted last."""
    try:
        return load_settings(config)
    except SettingsError as error:
        if accepted is None or not accepted.is_file():
            raise
        mistakes = [str(problem) for problem in error.problems]
        log.error("wrong settings; going on with those accepted last", mistakes=mistakes[:20])
        base_dir = config.absolute().parent
        return load(accepted, driver_models(installed_drivers()), base_dir=base_dir)


def _unchangeable(before: Settings, now: Settings) -> tuple[str, ...]:
    """Name what only a restart can change."""
    wrong = []
    if before.site.id != now.site.id:
        wrong.append("site.id")
    if before.site.state_dir != now.site.state_dir:
        wrong.append("site.state_dir")
    if before.journal.file != now.journal.file:
        wrong.append("journal.file")
    if before.command_centre.http != now.command_centre.http:
        wrong.append("command_centre.http")
    if before.command_centre.cap != now.command_centre.cap:
        wrong.append("command_centre.cap")
    if bool(before.channels) != bool(now.channels):
        wrong.append("channels (the first, or none at all)")
    return tuple(f"{key}: changing it needs a restart, not a reload" for key in wrong)


def _tell_failure(name: str, error: Exception) -> None:
    known = isinstance(error, GridcallError)
    log.warning("task failed, will be tried again", task=name, why=str(error),
                kind=type(error).__name__, exc_info=None if known else error)  # fmt: skip


def boot_id() -> str:
    """Return this boot of the machine, so that monotonic times can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return f"pid-{os.getpid()}"


async def _stop_on_eof(stop: asyncio.Event) -> None:
    """Set ``stop`` when the supervisor, at the other end of our standard input, is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with contextlib.suppress(ValueError, OSError):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.read(1024):
            pass
        stop.set()


async def _tell_alive() -> None:
    """Tell the supervisor each second that this loop turns."""
    while True:
        with contextlib.suppress(OSError):
            os.write(sys.stdin.fileno(), b".")
        await asyncio.sleep(ALIVE_EVERY_S)


async def serve(
    config: Path, accepted: Path | None = None, *, supervised: bool
) -> None:
    """Run the engine's process until SIGTERM, or until the supervisor is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    daemon = Daemon(config, accepted)
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_stop_on_eof(stop), name="watch") if supervised else None
        alive = group.create_task(_tell_alive(), name="alive") if supervised else None
        work = group.create_task(daemon.run(), name="daemon")
        stopped = group.create_task(stop.wait(), name="stop")
        await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        for task in (work, stopped, watch, alive):
            if task is not None:
                task.cancel()


def _status_of(problem: BaseException) -> int:
    """Say what ended the engine; return the exit status it stands for."""
    if isinstance(problem, BaseExceptionGroup):
        return max(_status_of(inner) for inner in problem.exceptions)
    if isinstance(problem, SettingsError):
        sys.stderr.write(f"{problem}\n")
        return 1
    if isinstance(problem, GridcallError):
        log.error("the engine cannot go on", why=str(problem))
        return 3
    log.error("the engine failed", why=str(problem), exc_info=problem)
    return 3


def main() -> int:
    """Run the engine's process; return its exit status."""
    configure_logs()
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        files = [Path(argument) for argument in sys.argv[1:3]]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(*files, supervised=not sys.stdin.isatty()))
    except (GridcallError, ExceptionGroup) as problem:
        return _status_of(problem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
