"""The serial ports and sound cards of this computer, by names that outlive a reboot.

``/dev/ttyUSB0`` is whichever adapter answered first; ``/dev/serial/by-id/…`` is that adapter in
any socket, and the USB path is that socket with any adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from serial.tools import list_ports

from drivers.radio.audio import parse_sound_url
from drivers.radio.settings import RadioChannel
from gateway.interfaces import SetupError

__all__ = ["Ports", "SerialPort", "SoundDevice", "find_ports"]

_BY_ID: Final = Path("/dev/serial/by-id")
_CARDS: Final = Path("/sys/class/sound")
# ALSA's own way of saying that there is no card.
_NO_CARD: Final = "Discard all samples"


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One serial port.

    Attributes:
        device: Its name now, such as ``/dev/ttyUSB0``.
        by_id: Its lasting name, or None when the system keeps none.
        usb_path: The socket it is plugged into, such as ``1-1.4``, or None.
        description: What it says of itself.
        used_by: Channels of the settings that use it.
    """

    device: str
    by_id: str | None
    usb_path: str | None
    description: str
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """One direction of a sound card.

    Attributes:
        name: As ``audio.url: "sound:NAME"`` wants it.
        direction: ``capture`` hears the radio, ``playback`` feeds it.
        used_by: Channels of the settings that use it.
    """

    name: str
    direction: str
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ports:
    """What there is.

    Attributes:
        serial: Serial ports.
        sound: Sound devices.
        cards: Kernel's sound card ids → the socket they are plugged into.
        missing: Channel → what its settings name and this computer has not.
        network: Channel → its device server and sound over the network.
        sound_fault: Why no sound devices are known, or None.
    """

    serial: tuple[SerialPort, ...]
    sound: tuple[SoundDevice, ...]
    cards: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    network: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sound_fault: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return asdict(self)


def find_ports(channels: Mapping[str, RadioChannel]) -> Ports:
    """Return the ports of this computer and who of the channels uses them; opens none."""
    serial = _serial_ports(channels)
    sound, fault = _sound_devices(channels)
    return Ports(
        serial,
        sound,
        cards=_cards(_CARDS),
        missing=_missing(channels, serial, sound),
        network={name: urls for name, c in channels.items() if (urls := _network(c))},
        sound_fault=fault,
    )


def _serial_ports(channels: Mapping[str, RadioChannel]) -> tuple[SerialPort, ...]:
    lasting = by_id_names(_BY_ID)
    return tuple(
        SerialPort(
            device=found.device,
            by_id=lasting.get(_real(found.device)),
            usb_path=found.location,
            description="" if found.description == "n/a" else found.description,
            used_by=tuple(
                name
                for name, channel in channels.items()
                if _real(channel.control.url) == _real(found.device)
            ),
        )
        for found in sorted(list_ports.comports(), key=lambda port: str(port.device))
    )


def by_id_names(folder: Path) -> dict[str, str]:
    """Return real device → lasting name, as the links in a folder tell it."""
    if not folder.is_dir():
        return {}
    return {_real(str(link)): str(link) for link in sorted(folder.iterdir())}


def _real(device: str) -> str:
    return str(Path(device).resolve()) if device.startswith("/dev/") else device


def _sound_devices(
    channels: Mapping[str, RadioChannel],
) -> tuple[tuple[SoundDevice, ...], str | None]:
    try:
        import miniaudio
    except ImportError:
        return (), "the package miniaudio is not installed"
    real = [b for b in miniaudio.Backend if b.name not in {"NULL", "CUSTOM"}]
    try:
        devices = miniaudio.Devices(real)
        found = [("capture", d["name"]) for d in devices.get_captures()]
        found += [("playback", d["name"]) for d in devices.get_playbacks()]
    except miniaudio.MiniaudioError as error:
        return (), f"no sound system here ({error.args[0]})"
    return tuple(
        SoundDevice(str(name), direction, _users(str(name), direction, channels))
        for direction, name in found
        if not str(name).startswith(_NO_CARD)
    ), None


def _users(
    device: str, direction: str, channels: Mapping[str, RadioChannel]
) -> tuple[str, ...]:
    return tuple(
        name
        for name, channel in channels.items()
        if (wanted := _wanted(channel, direction)) and wanted.lower() in device.lower()
    )


def _wanted(channel: RadioChannel, direction: str) -> str | None:
    """Return the device that a channel's sound names, None when it is not on a card."""
    if not channel.audio.url.startswith("sound:"):
        return None
    try:
        address = parse_sound_url(channel.audio.url)
    except SetupError:
        return None
    return address.capture if direction == "capture" else address.playback


def _cards(folder: Path) -> dict[str, str]:
    """Return the kernel's sound cards by id, and the socket each is plugged into."""
    found = {}
    for card in sorted(folder.glob("card[0-9]*")) if folder.is_dir() else ():
        try:
            name = (card / "id").read_text("utf-8").strip()
        except OSError:
            continue  # unplugged this moment
        # …/usb1/1-1/1-1.4/1-1.4:1.0: the interface's name without its number.
        found[name] = (card / "device").resolve().name.partition(":")[0]
    return found


def _missing(
    channels: Mapping[str, RadioChannel],
    serial: tuple[SerialPort, ...],
    sound: tuple[SoundDevice, ...],
) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, channel in channels.items():
        lacks = []
        control = channel.control.url
        if control.startswith("/dev/") and not any(name in p.used_by for p in serial):
            lacks.append(control)
        for direction in ("capture", "playback"):
            wanted = _wanted(channel, direction)
            there = any(name in d.used_by and d.direction == direction for d in sound)
            if wanted not in {None, "default"} and not there:
                lacks.append(f"{direction} device {wanted!r}")
        if lacks:
            found[name] = tuple(lacks)
    return found


def _network(channel: RadioChannel) -> tuple[str, ...]:
    urls = (channel.control.url, channel.audio.url)
    return tuple(url for url in urls if urlsplit(url).scheme in {"rfc2217", "rtp"})
