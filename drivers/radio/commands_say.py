"""`gridcall say`: what would be said and written for an alert, and how it would sound."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import msgspec
import typer

from drivers.radio.background import module_command, module_environment
from drivers.radio.rehearsal import Transmission, on_one_tape, rehearse, rendered
from drivers.radio.settings import RadioChannel
from drivers.radio.speech_pipe import Manner
from drivers.radio.spoken import spoken_pieces
from drivers.radio.wav import wav_bytes
from gateway.core.alert import Alert, AlertKind
from gateway.core.centre.alert_json import Refusal, decode_alert
from gateway.core.dispatch import step
from gateway.core.effects import Effect, PageChannel, PostCard, Receipt, ReportStatus
from gateway.core.intake.events import AlertReceived
from gateway.core.order import Counter
from gateway.core.register.events import RegisterSeeded
from gateway.core.state import State
from gateway.interfaces import GridcallError, LinkError, SetupError
from gateway.settings import (
    ChatSettings,
    DriverModels,
    Settings,
    catalogues,
    from_resolved,
    people_of,
    site_of,
)

__all__ = ["say"]

_NO, _USAGE, _OUTSIDE_FAILED = 1, 2, 3
_ORDER: Final = re.compile(r"o[0-9]{1,12}", re.ASCII)
_FAR_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A page and its transmissions."""

    page: PageChannel
    transmissions: list[Transmission]


def say(
    config: Annotated[Path, typer.Argument(help="The site's YAML file.", exists=True)],
    what: Annotated[
        str,
        typer.Argument(
            help="An alert as JSON, or the id of an order of the running daemon (o12).",
            metavar="ORDER|ALERT.json",
        ),
    ],
    wav: Annotated[
        Path | None, typer.Argument(help="The WAV file to write, as it would go on the air.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print what would be said and written now for an alert, and write how it would sound."""
    try:
        alert, number = _alert_of(config, what)
        settings = _settings_of(_resolved(config))
        effects = _asked(settings, alert, number)
        pages = _pages(settings, effects)
        cards = [effect for effect in effects if isinstance(effect, PostCard)]
        typer.echo(_as_json(pages, cards) if as_json else _as_text(settings, pages, cards))
        for told in effects:
            if isinstance(told, Receipt) and told.reason:
                sys.stderr.write(f"the centre is answered: {told.reason}\n")
        if not pages and not cards:
            details = {e.detail for e in effects if isinstance(e, ReportStatus) and e.detail}
            _fail(f"nobody would be told: {'; '.join(sorted(details))}", _NO)
        for path in _written(wav, pages) if wav is not None else ():
            sys.stderr.write(f"written: {path}\n")
    except SetupError as error:
        _fail(str(error), _NO)
    except Refusal as error:
        _fail(f"{what}: {error}", _USAGE)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}", _USAGE)
    except GridcallError as error:
        _fail(str(error), _OUTSIDE_FAILED)


def _fail(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(status)


# ---- settings and alert -------------------------------------------------------------------


def _gridcall(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command of the command line: it knows every driver and the daemon."""
    return subprocess.run(
        module_command("gateway", arguments),
        env=module_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def _resolved(config: Path) -> dict[str, Any]:
    answer = _gridcall("check", "--resolved", str(config))
    if answer.returncode:
        raise SetupError(answer.stderr.strip() or f"{config}: cannot be checked")
    tree: dict[str, Any] = json.loads(answer.stdout)
    return tree


def _settings_of(tree: Mapping[str, Any]) -> Settings:
    """Return the settings as far as the core and the radio need them.

    Of the chats only driver and groups: what else they have only their drivers know.
    """
    chats = {
        name: {key: chat[key] for key in ("driver", "groups")}
        for name, chat in tree["chats"].items()
    }
    radio = {n: c for n, c in tree["channels"].items() if c["driver"] == "radio"}
    centre = {**tree["command_centre"], "mqtt": None}
    drivers = {chat["driver"] for chat in chats.values()}
    models = DriverModels(
        channels={"radio": RadioChannel}, chats=dict.fromkeys(sorted(drivers), ChatSettings)
    )
    ours = {**tree, "chats": chats, "channels": radio, "command_centre": centre}
    return from_resolved(ours, models)


def _alert_of(config: Path, what: str) -> tuple[Alert, str | None]:
    """Return the alert, and its order's number when it has one."""
    now_us = time.time_ns() // 1000
    if _ORDER.fullmatch(what) and not Path(what).exists():
        answer = _gridcall("order", "show", str(config), what, "--json")
        if answer.returncode:
            raise LinkError(answer.stderr.strip() or f"order {what} cannot be had")
        order = json.loads(answer.stdout)
        alert = msgspec.convert(order["alert"], Alert, strict=False)
        number = str(order["number"])
    else:
        alert = decode_alert(Path(what).read_bytes(), kind=AlertKind.ALERT, now_us=now_us)
        number = None
    # As if it came now: neither late nor expired.
    return replace(alert, kind=AlertKind.ALERT, sent_us=now_us, expires_us=None), number


def _asked(settings: Settings, alert: Alert, number: str | None) -> tuple[Effect, ...]:
    """Return what the core would ask of the outside if the alert came now."""
    site = site_of(settings, catalogues())
    people, contacts = people_of(settings)
    state = State(_up_to(number))
    seeded = RegisterSeeded(at_us=alert.sent_us, people=people, contacts=contacts)
    for change in step(state, site, seeded).changes:
        state.apply(change)
    came = AlertReceived(at_us=alert.sent_us, door="control", alert=alert)
    return step(state, site, came).effects


def _up_to(number: str | None) -> list[Counter]:
    """Return the counters after which the next order has this number."""
    if number is None:
        return []
    shorter = range(2, len(number))
    full = [Counter(name=f"number_{digits}_full", value=_FAR_US) for digits in shorter]
    return [*full, Counter(name=f"number_{len(number)}", value=int(number) - 1)]


def _pages(settings: Settings, effects: tuple[Effect, ...]) -> list[_Spoken]:
    manner = Manner.read(settings.speech.model_dump(mode="json"))
    found = []
    for page in (effect for effect in effects if isinstance(effect, PageChannel)):
        channel = settings.channels[page.channel]
        assert isinstance(channel, RadioChannel)
        sentences = rendered(manner, page.text, page.language)
        for text, result in sentences.items():
            if result.samples is None:
                sys.stderr.write(f"not spoken, the fallback is: {text!r}: {result.why}\n")
        found.append(_Spoken(page, rehearse(page, channel, sentences)))
    return found


# ---- what is told -------------------------------------------------------------------------


def _as_text(settings: Settings, pages: list[_Spoken], cards: list[PostCard]) -> str:
    lines: list[str] = []
    for spoken in pages:
        name = settings.channels[spoken.page.channel].name
        for index, each in enumerate(spoken.transmissions, start=1):
            lines.append(
                f"channel {spoken.page.channel} ({name}), transmission {index} of "
                f"{len(spoken.transmissions)}: {each.duration_s:.1f} s"
            )
            if index == 1:
                lines += [f"  call {call}" for call in spoken.page.calls]
                lines.append(f"  attention tone of level {spoken.page.level}")
            if each.fallback:
                lines.append("  the fallback phrase, from recordings")
            for sentence in () if each.fallback else each.sentences:
                lines += _sentence_lines(sentence, spoken.page.language, settings)
    for card in cards:
        lines.append(f"{'private message' if card.private else 'card'} in chat {card.chat}:")
        lines += [f"  {line}" for line in card.text.split("\n")]
        lines += ["  " + "  ".join(f"[{b.label}]" for b in row) for row in card.buttons]
    return "\n".join(lines)


def _sentence_lines(sentence: str, language: str, settings: Settings) -> list[str]:
    """Return a sentence, and how it is pronounced where the list says otherwise."""
    sounds = settings.speech.pronunciation
    said = " ".join(words for _, words in spoken_pieces(sentence, language, sounds))
    usual = " ".join(words for _, words in spoken_pieces(sentence, language))
    return [f"  {sentence}"] + ([f"    → {said}"] if said != usual else [])


def _as_json(pages: list[_Spoken], cards: list[PostCard]) -> str:
    told = {
        "pages": [
            {
                "channel": spoken.page.channel,
                "level": spoken.page.level,
                "number": spoken.page.number,
                "calls": spoken.page.calls,
                "transmissions": [
                    {
                        "duration_s": round(each.duration_s, 2),
                        "sentences": each.sentences,
                        "fallback": each.fallback,
                    }
                    for each in spoken.transmissions
                ],
            }
            for spoken in pages
        ],
        "cards": [
            {
                "chat": card.chat,
                "private": card.private,
                "text": card.text,
                "buttons": [[asdict(button) for button in row] for row in card.buttons],
            }
            for card in cards
        ],
    }
    return json.dumps(told, ensure_ascii=False)


def _written(wav: Path, pages: list[_Spoken]) -> list[Path]:
    """Write a file a page; where several channels speak, each file is named after its own."""
    if not pages:
        raise SetupError("nothing goes on the air: no channel of this grid transmits")
    paths = []
    for spoken in pages:
        own = wav.with_name(f"{wav.stem}-{spoken.page.channel}{wav.suffix}")
        path = own if len(pages) > 1 else wav
        path.write_bytes(wav_bytes(on_one_tape(spoken.transmissions)))
        paths.append(path)
    return paths
