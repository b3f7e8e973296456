"""`gridcall channel …`: the technician's bench in the terminal.

Exit status: 0 done, 1 the answer is no, 2 usage, 3 the outside failed.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from drivers.radio.ports import Ports, find_ports
from drivers.radio.samples import Int16Array, silence
from drivers.radio.settings import RadioChannel
from drivers.radio.technician_accept import Acceptance, Check, accepted
from drivers.radio.technician_bench import Bench, BenchRadio
from drivers.radio.technician_calibrate import calibrate as measure
from drivers.radio.technician_calibrate import yaml_of
from drivers.radio.technician_door import WATCH_SOCKET, Sight, watch
from drivers.radio.technician_protocol import protocol_of
from drivers.radio.technician_site import Site, ports_held, read_site
from drivers.radio.technician_sound import tone as tone_of
from drivers.radio.technician_view import View, words_of
from gateway.core.airtime import NO_LICENCE
from gateway.interfaces import LinkError, SetupError, WireError

__all__ = ["channel"]

channel = typer.Typer(
    help="A technician's bench: ports, levels, tones, delays, acceptance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

NO, USAGE, OUTSIDE_FAILED = 1, 2, 3
_CLEAR_WAIT_S = 10.0
_CLEAR_S = 0.5
_MARGIN_S = 1.0
_ANSWER_WAIT_S = 600.0

Config = Annotated[
    Path, typer.Argument(help="The site's YAML file.", exists=True, dir_okay=False)
]
Name = Annotated[str, typer.Argument(help="The channel's id in it.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Seconds = Annotated[float, typer.Option(help="For how long.", min=0.1)]
With = Annotated[
    str | None,
    typer.Option(
        "--with",
        help="A channel of the file whose radio hears this one (and, with a licence, is heard "
        "by it); by default the one under `monitor`.",
    ),
]


def _fail(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(status)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn our own errors into a message and an exit status.

    Ctrl-C ends a command also where the shell that started it had told it to pass it over, as
    it does for what it puts into the background: a transmitter can always be unkeyed by hand.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except SetupError as error:
        _fail(str(error), NO)
    except (LinkError, WireError) as error:
        _fail(str(error), OUTSIDE_FAILED)
    except KeyboardInterrupt:
        _fail("ended by hand; the transmitter is unkeyed", NO)


def _site(config: Path) -> Site:
    with _plainly():
        return read_site(config)


@contextmanager
def _bench(site: Site, *names: str) -> Iterator[Bench]:
    """Open channels, have them ready, and unkey and close them afterwards, whatever happens."""
    with ports_held(site):
        bench = Bench()
        try:
            for name in names:
                bench.add(BenchRadio(name, site.channel(name)))
            bench.ready()
            yield bench
        finally:
            bench.close()


# ---- list ----


@channel.command("list")
def list_command(
    config: Annotated[
        Path | None,
        typer.Argument(help="The site's YAML file: who uses what.", exists=True),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show serial ports and sound cards by lasting names, and which channels use them."""
    ports = find_ports(_site(config).channels if config else {})
    if as_json:
        _say(json.dumps(ports.as_json(), ensure_ascii=False, indent=1))
    else:
        for line in _port_lines(ports):
            _say(line)


def _port_lines(ports: Ports) -> Iterator[str]:
    yield "serial ports (control.url) · 串口"
    for port in ports.serial:
        path = f"  USB {port.usb_path}" if port.usb_path else ""
        yield (
            f"  {port.by_id or port.device}{_now(port.by_id, port.device)}{path}"
            + (f"  {port.description}" if port.description else "")
            + _used(port.used_by)
        )
    if not ports.serial:
        yield "  none"
    yield 'sound devices (audio.url: "sound:NAME") · 声卡'
    for device in ports.sound:
        yield f"  {device.direction:<8} {device.name}{_used(device.used_by)}"
    for card, socket in ports.cards.items():
        yield f"  card     {card}  USB {socket}"
    if not ports.sound:
        yield f"  none{f': {ports.sound_fault}' if ports.sound_fault else ''}"
    for name, urls in ports.network.items():
        yield f"over the network, {name}: {'  '.join(urls)}"
    for name, lacks in ports.missing.items():
        yield f"NOT HERE, {name}: {', '.join(lacks)}"


def _now(lasting: str | None, device: str) -> str:
    return f" (now {device})" if lasting else ""


def _used(channels: tuple[str, ...]) -> str:
    return f"  used by {', '.join(channels)}" if channels else ""


# ---- monitor ----


@channel.command()
def monitor(
    config: Config,
    name: Name,
    seconds: Annotated[float | None, typer.Option(help="For how long.", min=0.1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show a channel live: levels, squelch, tones, who, losses, PTT; also while it runs.

    With the daemon running it is shown by the radio process; otherwise its ports are opened.
    """
    site = _site(config)
    show = _show_json if as_json else _Screen().show
    with _plainly(), suppress(KeyboardInterrupt):
        view = View(site, site.channel(name))
        sights = watch(site.state_dir / WATCH_SOCKET, name)
        if sights is not None:
            _follow(sights, view, show, seconds)
            return
        with _bench(site, name) as bench:
            radio = bench.radios[0]
            bench.watchers.append(lambda _: _each(view, radio.sight, show))
            bench.run(float("inf") if seconds is None else seconds)


Show = Callable[[dict[str, object]], None]


def _follow(sights: Iterator[Sight], view: View, show: Show, seconds: float | None) -> None:
    begun_s = time.monotonic()
    for sight in sights:
        _each(view, sight, show)
        if seconds is not None and time.monotonic() - begun_s >= seconds:
            return


def _each(view: View, sight: Sight, show: Show) -> None:
    for record in view.take(sight):
        show(record)


def _show_json(record: dict[str, object]) -> None:
    _say(json.dumps(record, ensure_ascii=False))


class _Screen:
    """States overwrite one another on a terminal, and come once a second elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._states = 0

    def show(self, record: dict[str, object]) -> None:
        """Print a record."""
        words = words_of(record)
        if record["what"] != "state":
            sys.stdout.write(f"\r\x1b[K{words}\n" if self._terminal else f"{words}\n")
        elif self._terminal:
            # One that wraps would not be overwritten.
            columns = shutil.get_terminal_size().columns
            sys.stdout.write(f"\r\x1b[K{words[: columns - 1]}")
        elif self._states % 5 == 0:
            sys.stdout.write(f"{words}\n")
        self._states += record["what"] == "state"
        sys.stdout.flush()


# ---- tone, key ----


@channel.command()
def tone(
    config: Config,
    name: Name,
    frequency_hz: Annotated[float, typer.Argument(help="Hz.", min=50, max=3800)] = 1000.0,
    seconds: Seconds = 5.0,
    level: Annotated[float, typer.Option(help="dBFS.", min=-60, max=0)] = -10.0,
) -> None:
    """Transmit a tone: for levels and deviation."""
    _transmit(config, name, seconds, lambda: tone_of(frequency_hz, 1000.0 * seconds, level))


@channel.command()
def key(config: Config, name: Name, seconds: Seconds = 5.0) -> None:
    """Transmit a bare carrier: for power and frequency."""
    _transmit(config, name, seconds, lambda: silence(1000.0 * seconds))


def _transmit(config: Path, name: str, seconds: float, sound: Callable[[], Int16Array]) -> None:
    site = _site(config)
    with _plainly():
        settings = site.channel(name)
    _may_transmit(name, settings, seconds)
    with _plainly(), _bench(site, name) as bench:
        radio = bench.radios[0]
        if not _clear(bench, radio):
            _fail(
                f"channel {name}: not keyed, somebody has been heard for {_CLEAR_WAIT_S:g} s; "
                "wait, or look at control.squelch",
                NO,
            )
        radio.send(sound(), bench.now_s)
        _say(f"{name} transmits for {seconds:g} s; Ctrl-C ends it")
        failure = bench.sent(radio, seconds + 10.0)
        if failure is not None:
            _fail(f"channel {name}: broke off: {failure}", OUTSIDE_FAILED)
    _say(f"{name} is unkeyed")


def _may_transmit(name: str, settings: RadioChannel, seconds: float) -> None:
    if settings.licence is None:
        _fail(f"channel {name}: {NO_LICENCE}; enter `licence`, or an override for a bench", NO)
    delays_s = (settings.tx_delay_ms + settings.hang_ms) / 1000.0
    longest_s = settings.time_out_s - delays_s - _MARGIN_S
    if seconds > longest_s:
        _fail(f"--seconds {seconds:g}: {name}'s time_out_s allows {longest_s:.1f}", USAGE)


def _clear(bench: Bench, radio: BenchRadio) -> bool:
    """Wait for a clear channel; return whether it came in time."""
    quiet_s = bench.now_s

    def long_enough() -> bool:
        nonlocal quiet_s
        if radio.squelch_open:
            quiet_s = bench.now_s
        return bench.now_s - quiet_s >= _CLEAR_S

    return bench.until(long_enough, _CLEAR_WAIT_S)


# ---- calibrate, accept ----


def _partner(site: Site, name: str, wanted: str | None) -> str | None:
    """Return the channel whose radio hears this one: as asked, or the monitor's."""
    settings = site.channel(name)
    if wanted is None and settings.monitor is not None:
        wanted = settings.monitor.channel
    if wanted == name:
        raise SetupError(f"--with {name}: that is the channel itself; give a second radio's")
    if wanted is not None:
        site.channel(wanted)
    return wanted


@channel.command()
def calibrate(config: Config, name: Name, other: With = None, as_json: AsJson = False) -> None:
    """Measure delays, levels and squelch over a second radio, and print the lines to write."""
    site = _site(config)
    with _plainly():
        partner = _partner(site, name, other)
    with _plainly(), _bench(site, name, *([partner] if partner else [])) as bench:
        radio, *others = bench.radios
        found = measure(
            bench, radio, others[0] if others else None, guide=lambda t: _guide(t, as_json)
        )
    if as_json:
        _say(json.dumps(asdict(found), ensure_ascii=False))
    else:
        for note in found.notes:
            _say(f"  {note}")
        for missing in found.missing:
            _say(f"  not measured: {missing}")
        if found.values:
            _say("write · 写入:")
            _say(yaml_of(name, found.values))
    if found.missing:
        raise typer.Exit(NO)


def _guide(text: str, as_json: bool) -> None:
    (sys.stderr if as_json else sys.stdout).write(f"{text}\n")


@channel.command()
def accept(
    config: Config,
    name: Name,
    other: With = None,
    out: Annotated[
        Path | None, typer.Option(help="The protocol's file; by default named by the day.")
    ] = None,
    whole_time_out: Annotated[
        bool, typer.Option(help="Wait for time_out_s, not for a short timer.")
    ] = False,
    unattended: Annotated[
        bool,
        typer.Option(help="Ask nothing (a handheld is waited for); the rest is not tested."),
    ] = False,
) -> None:
    """Go through the checks of a channel and write the protocol; 0 accepted, 1 not."""
    site = _site(config)
    with _plainly():
        settings, partner = site.channel(name), _partner(site, name, other)
    _may_transmit(name, settings, 0.1)
    if out is not None and not out.parent.is_dir():
        # Before half an hour of checks, not after it.
        _fail(f"{out}: cannot be written: there is no folder {out.parent}", OUTSIDE_FAILED)
    checks: list[Check] = []
    with _plainly(), _bench(site, *([partner] if partner else [])) as bench:
        ear = bench.radios[0] if partner else None
        radio = BenchRadio(name, settings)
        bench.spare(radio)
        acceptance = Acceptance(
            bench, radio, partner=ear, ear=ear or _own_ear(radio),
            ask=lambda text: None if unattended else _ask(bench, text),
            tell=_say, whole_time_out=whole_time_out,
        )  # fmt: skip
        for check in acceptance.checks():
            checks.append(check)
            _say(f"{check.verdict:<10}  {check.what}: {check.detail}")
    _write_protocol(site, name, checks, out)
    if not accepted(checks):
        raise typer.Exit(NO)


def _own_ear(radio: BenchRadio) -> BenchRadio | None:
    """Return the channel itself where its settings say that it hears what it transmits."""
    monitor = radio.settings.monitor
    return radio if monitor is not None and monitor.channel is None else None


def _ask(bench: Bench, question: str) -> bool | None:
    """Return the technician's yes or no, None for neither."""
    _say(f"{question} [y/n]")
    said = (bench.answer(_ANSWER_WAIT_S) or "").lower()
    return {"y": True, "yes": True, "是": True, "n": False, "no": False, "否": False}.get(said)


def _write_protocol(site: Site, name: str, checks: list[Check], out: Path | None) -> None:
    now = datetime.fromtimestamp(time.time(), ZoneInfo(site.timezone))
    path = out or Path(f"acceptance_{name}_{now:%Y%m%d-%H%M}.md")
    date = f"{now:%Y-%m-%d %H:%M %z} ({site.timezone})"
    try:
        path.write_text(protocol_of(site, name, checks, date), "utf-8")
    except OSError as error:
        _fail(f"{path}: cannot be written: {error.strerror}", OUTSIDE_FAILED)
    verdict = "accepted" if accepted(checks) else "NOT accepted"
    _say(f"{name}: {verdict}; protocol: {path}")
