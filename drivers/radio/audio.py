"""Where a channel's sound goes in and out: a sound card or RTP, by URL.

``rtp://HOST:PORT?local_port=N&codec=l16`` is a device server or another radio over the network
(``rtp.py``). ``sound:DEVICE`` is a sound card of this computer through miniaudio. Both keep the
same contract, ``AudioLink``: one frame in and one frame out per 20 ms tick, nothing blocks, and
once open nothing raises.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, unquote

import numpy as np

from drivers.radio.jitter import LinkStatistics
from drivers.radio.refused import Refused
from drivers.radio.rtp import RtpLink
from drivers.radio.samples import (
    FRAME_MS,
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Int16Array,
    band_shaped,
    faded,
    frames_of,
    level_dbfs,
    limited,
    resampled,
    silence,
)
from gateway.interfaces import LinkError, SetupError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "AudioLink",
    "SoundCardLink",
    "open_audio",
    "LinkStatistics",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "SAMPLE_RATE_HZ",
    "Int16Array",
    "band_shaped",
    "faded",
    "frames_of",
    "level_dbfs",
    "limited",
    "resampled",
    "silence",
]

_FRAME_BYTES = 2 * FRAME_SAMPLES
# 120 ms each way: two periods of the card and the wander of two clocks.
_RING_FRAMES_MAX = 6
# Played only once this much waits, so that one late tick is not heard.
_PREFILL_FRAMES = 2
_URL_FORM = "sound:DEVICE[?playback=DEVICE][&backend=alsa|pulseaudio|jack|null][&period_ms=20]"


class AudioLink(Protocol):
    """One channel's sound, both ways, in frames of 160 samples (8 kHz mono int16)."""

    def send(self, frame: Int16Array) -> bool:
        """Hand over the frame of this tick; return whether it left, else it is counted."""
        ...

    def receive(self) -> Int16Array | None:
        """Return the frame of this tick; None while the other side gives no sound at all."""
        ...

    def delay_frames(self) -> int:
        """Return by how many frames sound is later here than on its arrival."""
        ...

    def filled(self) -> bool:
        """Return whether the frame just received was invented."""
        ...

    def holed(self) -> bool:
        """Return whether the frame just received stands for sound that never came.

        A single frame filled in from the last one is no hole: a tone goes on through it. Sound
        that was left out because too much of it came at once is one.
        """
        ...

    def pump(self) -> None:
        """Take in what has arrived, without waiting."""
        ...

    def fileno(self) -> int | None:
        """Return a descriptor that becomes readable with sound, or None."""
        ...

    def refused(self) -> tuple[Refused, ...]:
        """Return what came and was not taken since the last call, one a kind."""
        ...

    def statistics(self) -> LinkStatistics:
        """Return a copy of the counts."""
        ...

    def close(self) -> None:
        """Let go of the device; closing twice does nothing."""
        ...


def open_audio(url: str) -> AudioLink:
    """Open the sound of a channel.

    Args:
        url: ``rtp://HOST:PORT?local_port=N&codec=l16|pcmu`` or ``sound:DEVICE``.

    Raises:
        SetupError: the URL is wrong, or there is no such device or port.
        LinkError: the other side cannot be found, or the device is busy, now.
    """
    if url.startswith("rtp:"):
        return RtpLink(url)
    if url.startswith("sound:"):
        return SoundCardLink(url)
    msg = f"audio {url!r}: unknown kind; write rtp://HOST:PORT?… or {_URL_FORM}"
    raise SetupError(msg)


@dataclass(frozen=True, slots=True)
class SoundCardAddress:
    """Which sound card, by the names that the operating system shows.

    Attributes:
        capture: Name of the device that hears the radio, or part of it; ``default``.
        playback: Name of the device that feeds the radio, or part of it; ``default``.
        backend: miniaudio's name of the sound system, or None for the best one at hand.
        period_ms: How much the card takes at once.
    """

    capture: str
    playback: str
    backend: str | None
    period_ms: int


def parse_sound_url(url: str) -> SoundCardAddress:
    """Return the parts of ``sound:DEVICE?…``.

    Raises:
        SetupError: the URL has another form; the message says what is expected.
    """
    name, _, query = url.removeprefix("sound:").partition("?")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        period_ms = int(options.pop("period_ms", "20"))
    except ValueError as error:
        msg = f"audio {url!r}: {error}; write {_URL_FORM}"
        raise SetupError(msg) from error
    capture = unquote(name).strip("/") or "default"
    playback = options.pop("playback", capture)
    backend = options.pop("backend", None)
    if options or not 5 <= period_ms <= 100:
        wrong = (
            f"unknown option {', '.join(options)}" if options else "period_ms is not 5 to 100"
        )
        msg = f"audio {url!r}: {wrong}; write {_URL_FORM}"
        raise SetupError(msg)
    return SoundCardAddress(capture, playback, backend, period_ms)


class _Ring:
    """Bytes between the card's thread and ours: bounded, the oldest leave first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = bytearray()

    def put(self, data: bytes) -> int:
        """Append the data; return how many whole frames had to make room."""
        limit = _RING_FRAMES_MAX * _FRAME_BYTES
        with self._lock:
            self._bytes += data
            if len(self._bytes) <= limit:
                return 0
            # Down to half, so that a fast clock costs one short cut now and then, not crackle.
            excess = (len(self._bytes) - limit // 2) // _FRAME_BYTES
            del self._bytes[: excess * _FRAME_BYTES]
            return excess

    def take(self, size: int) -> bytes:
        """Remove and return at most ``size`` bytes."""
        with self._lock:
            data = bytes(self._bytes[:size])
            del self._bytes[:size]
        return data

    def __len__(self) -> int:
        with self._lock:
            return len(self._bytes)


class SoundCardLink:
    """The sound of one base radio through a sound card.

    Args:
        url: As ``parse_sound_url`` takes it.

    Raises:
        SetupError: no such device, or no sound system; the message lists what there is.
        LinkError: the device is there but will not start now (busy, being plugged in).
    """

    def __init__(self, url: str) -> None:
        address = parse_sound_url(url)
        self._counts = LinkStatistics()
        self._holed, self._skipped_before = False, 0
        self._heard, self._to_play = _Ring(), _Ring()
        self._playing = self._hearing = False
        module = _miniaudio()
        self._capture, self._playback = _open_devices(module, address)
        capturer, player = self._capturing(), self._feeding()
        next(capturer)
        next(player)
        try:
            self._capture.start(capturer)
            self._playback.start(player)
        except module.MiniaudioError as error:
            self.close()
            msg = f"audio {url!r}: the device does not start ({error.args[0]}); is it in use?"
            raise LinkError(msg) from error

    def _capturing(self) -> Generator[None, bytes, None]:
        """Run in the card's thread: take what it heard."""
        while True:
            data = yield
            self._counts.skipped += self._heard.put(bytes(data))

    def _feeding(self) -> Generator[bytes, int, None]:
        """Run in the card's thread: give what it asks for, silence where there is nothing."""
        wanted = yield b""
        while True:
            if not self._playing:
                self._playing = len(self._to_play) >= _PREFILL_FRAMES * _FRAME_BYTES
            data = self._to_play.take(2 * wanted) if self._playing else b""
            if len(data) < 2 * wanted:
                self._playing = False
                data += bytes(2 * wanted - len(data))
            wanted = yield data

    def send(self, frame: Int16Array) -> bool:
        """Hand a frame to the card; what the card does not fetch in 120 ms is left out."""
        left_out = self._to_play.put(frame.astype("<i2").tobytes())
        self._counts.sent += 1
        self._counts.send_failures += left_out
        return not left_out

    def receive(self) -> Int16Array | None:
        """Return the next 20 ms heard; silence while the card is late, None after 200 ms."""
        if not self._hearing:
            self._hearing = len(self._heard) >= _PREFILL_FRAMES * _FRAME_BYTES
        if not self._hearing or len(self._heard) < _FRAME_BYTES:
            self._hearing = False
            return self._nothing_heard()
        self._counts.received += 1
        self._counts.silent = 0
        self._holed = self._counts.skipped > self._skipped_before
        self._skipped_before = self._counts.skipped
        return np.frombuffer(self._heard.take(_FRAME_BYTES), "<i2").astype(np.int16)

    def delay_frames(self) -> int:
        """Return how many frames the card has given that were not received yet."""
        return len(self._heard) // _FRAME_BYTES

    def filled(self) -> bool:
        """Return whether the card was late."""
        return self._counts.silent > 0

    def holed(self) -> bool:
        """Return whether the card was late by more than a frame, or sound was left out."""
        return self._holed

    def _nothing_heard(self) -> Int16Array | None:
        self._counts.silent += 1
        self._holed = self._counts.silent > 1
        if self._counts.received == 0 or self._counts.silent > 10:
            return None
        self._counts.concealed += 1
        return silence()

    def pump(self) -> None:
        """Do nothing: the card's own thread brings the sound."""

    def fileno(self) -> int | None:
        """Return None: a sound card has no descriptor of ours."""
        return None

    def refused(self) -> tuple[Refused, ...]:
        """Return nothing: a card has one other end."""
        return ()

    def statistics(self) -> LinkStatistics:
        """Return a copy of the counts."""
        return replace(self._counts)

    def close(self) -> None:
        """Stop and let go of the card; closing twice does nothing."""
        for device in (self._capture, self._playback):
            device.close()


class _Device(Protocol):
    """What we use of miniaudio's devices."""

    def start(
        self, callback: Generator[None, bytes, None] | Generator[bytes, int, None]
    ) -> None:
        """Begin; the generator runs in the device's own thread."""

    def close(self) -> None:
        """Stop and free the device."""


def _miniaudio() -> ModuleType:
    """Import miniaudio only where a sound card is wanted: it loads sound systems at once."""
    try:
        import miniaudio
    except ImportError as error:
        msg = "audio: a sound card needs the package miniaudio; pip install miniaudio"
        raise SetupError(msg) from error
    module: ModuleType = miniaudio
    return module


def _open_devices(module: ModuleType, address: SoundCardAddress) -> tuple[_Device, _Device]:
    backends = _backends(module, address.backend)
    try:
        devices = module.Devices(backends)
        captures, playbacks = devices.get_captures(), devices.get_playbacks()
    except module.MiniaudioError as error:
        msg = f"audio: no sound system here ({error.args[0]}); is the sound driver loaded?"
        raise SetupError(msg) from error
    heard_by = _chosen("capture", address.capture, captures)
    played_by = _chosen("playback", address.playback, playbacks)
    # "sample_rate" is ours: miniaudio converts from whatever the card runs at.
    common = {
        "nchannels": 1,
        "sample_rate": SAMPLE_RATE_HZ,
        "buffersize_msec": address.period_ms,
        "backends": backends,
        "app_name": "gridcall",
    }
    try:
        capture = module.CaptureDevice(device_id=heard_by, **common)
    except module.MiniaudioError as error:
        raise _not_opened("capture", address.capture, error) from error
    try:
        playback = module.PlaybackDevice(device_id=played_by, **common)
    except module.MiniaudioError as error:
        capture.close()
        raise _not_opened("playback", address.playback, error) from error
    return capture, playback


def _not_opened(kind: str, name: str, error: Exception) -> LinkError:
    return LinkError(
        f"audio: the {kind} device {name!r} cannot be opened now ({error.args[0]})"
    )


def _backends(module: ModuleType, name: str | None) -> list[object]:
    if name is None:
        # Without the null backend at the end of the list: a site whose card is unplugged must
        # hear of it, not play into nothing.
        return [b for b in module.Backend if b.name not in {"NULL", "CUSTOM"}]
    for backend in module.Backend:
        if backend.name == name.upper():
            return [backend]
    names = ", ".join(b.name.lower() for b in module.Backend)
    msg = f"audio: sound system {name!r} is unknown; one of {names}"
    raise SetupError(msg)


def _chosen(kind: str, name: str, devices: list[dict[str, object]]) -> object:
    """Return the id of the device of that name, or of the only one whose name contains it."""
    names = [str(device["name"]) for device in devices]
    if name == "default" and devices:
        return None
    exact = [d for d, n in zip(devices, names, strict=True) if n == name]
    similar = [d for d, n in zip(devices, names, strict=True) if name.lower() in n.lower()]
    found = exact or similar
    if len(found) == 1:
        return found[0]["id"]
    there = "; ".join(names) or "none at all"
    what = "more than one" if found else "no"
    msg = f"audio: there is {what} {kind} device {name!r}; this computer has: {there}"
    raise SetupError(msg)
