"""The settings of a site as frozen, strict models: one class a section of the YAML.

Attribute names are the YAML's keys (``from`` is ``from_``); every quantity carries its unit in
its name and its range in its type. What one section promises another (references, reachability,
the roster) is checked in ``gateway.settings.check``.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.settings.cap import CapSettings
from gateway.settings.event_plans import EventPlanSettings
from gateway.settings.machine_alerts import MachineAlertsSettings
from gateway.settings.policy import PolicySettings
from gateway.settings.readiness import ReadinessSettings
from gateway.settings.register import (
    AdmissionSettings,
    OrganisationSettings,
    PersonSettings,
    PremisesSettings,
)
from gateway.settings.reports import ReportSettings
from gateway.settings.response import ResponseSettings
from gateway.settings.results import ResultSettings
from gateway.settings.sections import (
    GridSettings,
    JournalSettings,
    PostSettings,
    RetentionSettings,
    RosterSettings,
    RouteSettings,
    SpeechSettings,
    TalkGroup,
    ZoneSettings,
)
from gateway.settings.values import (
    Day,
    Host,
    Id,
    Language,
    Model,
    Name,
    PathText,
    Secret,
    SiteId,
    TcpPort,
    Text,
    TimeZone,
    port_in_range,
    written,
)


class StationLicence(Model):
    """The station licence (电台执照) of the whole site.

    Attributes:
        holder: Who holds it.
        number: Its number.
        expires: Last day it is valid, ``2029-12-31``.
    """

    holder: Name
    number: Name
    expires: Day


class SiteSettings(Model):
    """What the site is and how its figures are meant.

    Attributes:
        id: Short name, part of every MQTT topic.
        name: As written to people.
        language: Language of everything said and written, ``zh_CN`` or ``en``.
        timezone: Zone of every time in this file.
        datum: Reference of every coordinate in this file, ``GCJ-02`` or ``WGS-84``.
        number_style: How digits are spoken: ``plain``, or ``radio`` (幺两拐勾洞).
        state_dir: Folder of journal, recordings and sockets; relative to this file.
        licence: The station licence.
    """

    id: SiteId
    name: Name
    language: Language = "zh_CN"
    timezone: TimeZone = "Asia/Shanghai"
    datum: Literal["GCJ-02", "WGS-84"]
    number_style: Literal["plain", "radio"] = "plain"
    state_dir: PathText = Field(default="state", validate_default=True)
    licence: StationLicence | None = None


Scope = Literal["alert:write", "alert:cancel", "order:write", "event:read"]


def _digest(value: str) -> str:
    """Refuse anything but a SHA-256; a token written here in clear is named as such."""
    if len(value) == 64 and all(char in "0123456789abcdef" for char in value):
        return value
    if value.startswith("gwk_"):
        raise PydanticCustomError(
            "secret_in_file",
            "a token must not stand in this file; write the SHA-256 of the whole token "
            "(printf %s TOKEN | sha256sum)",
        )
    raise PydanticCustomError("sha256", "should be a SHA-256: 64 digits of 0-9 a-f")


class Token(Model):
    """A bearer token of the HTTP door; only its digest is kept.

    Attributes:
        id: Who uses it; the token reads ``gwk_<id>_<secret>``.
        sha256: SHA-256 of the whole token, 64 hex digits.
        scopes: What it may do.
        expires: Last day it is taken, ``2027-12-31``; absent = until it is removed.
        organisation: Whose token it is: it sees, orders and changes that body's own people
            only; absent = the centre's or the police's, who may order anybody's.
    """

    id: SiteId
    sha256: Annotated[str, AfterValidator(_digest)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    expires: Day | None = None
    organisation: Id | None = None


class ServerTls(Model):
    """Certificate of a server.

    Attributes:
        cert_file: Certificate chain, PEM.
        key_file: Private key, PEM.
    """

    cert_file: PathText
    key_file: PathText


class HttpDoor(Model):
    """The HTTP API.

    Attributes:
        listen: Address and port, ``127.0.0.1:8080``; port 0 takes a free one.
        tokens: Who may come in.
        tls: Certificate; absent = plain HTTP, for this machine only.
        body_limit_kb: Longest request body, kilobytes.
        alerts_per_s: Most alerts a second and token.
    """

    listen: Annotated[
        str,
        written(
            r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$", "address:port, 127.0.0.1:8080"
        ),
        AfterValidator(port_in_range),
    ]
    tokens: tuple[Token, ...] = ()
    tls: ServerTls | None = None
    body_limit_kb: Annotated[int, Field(ge=1, le=1024)] = 64
    alerts_per_s: Annotated[int, Field(ge=1, le=1000)] = 10


class MqttBase(Model):
    """What every MQTT door has; the driver's own model adds the rest.

    Attributes:
        host: Broker's name or address.
        port: Broker's TCP port.
        username: Name at the broker.
        password: Where the password is kept.
    """

    host: Host
    port: TcpPort = 1883
    username: Name | None = None
    password: Secret | None = None


class LicenceOverride(Model):
    """Leave to transmit without a licence entry; recorded in the journal.

    Attributes:
        reason: Why, such as a test on a dummy load.
        by: Who answers for it.
    """

    reason: Text
    by: Name


class ChannelLicence(Model):
    """Licence entry of one channel: a frequency and its number, or a recorded override.

    Attributes:
        frequency_mhz: Assigned frequency, MHz.
        number: Number in the licence.
        override: Leave to transmit without one.
    """

    frequency_mhz: Annotated[float, Field(ge=25, le=1000)] | None = None
    number: Name | None = None
    override: LicenceOverride | None = None

    @model_validator(mode="after")
    def _entry_or_override(self) -> Self:
        entry = (self.frequency_mhz, self.number)
        if self.override is None and None in entry:
            raise PydanticCustomError(
                "licence", "needs frequency_mhz and number, or override: {reason, by}"
            )
        if self.override is not None and entry != (None, None):
            raise PydanticCustomError("licence", "write frequency_mhz and number, or override")
        return self


class ChannelSettings(Model):
    """What the core knows of a channel; the driver's own model adds the rest.

    Attributes:
        driver: Which driver serves it.
        name: As said and written.
        licence: Licence entry; absent = it never transmits.
        answer_window_s: The channel is kept clear for answers after an order, seconds.
    """

    driver: str = "radio"
    name: Name
    licence: ChannelLicence | None = None
    answer_window_s: Annotated[int, Field(ge=1, le=120)] = 15

    @property
    def ani_digits(self) -> int:
        """Length of a radio's own id on this channel, 0 when it has none."""
        return 0

    def ports(self) -> dict[tuple[str, ...], str]:
        """Return what it occupies alone: path of the key → name of the port."""
        return {}

    def listeners(self) -> dict[tuple[str, ...], str]:
        """Return the channels that have to hear it: path of the key → channel id."""
        return {}

    def five_tone_tables(self) -> tuple[str, ...]:
        """Return the five-tone tables that it knows: the trade's, and its own."""
        return ()

    def to_hear(self, radio: str) -> str | None:
        """Return what to write so that it hears who a radio is; None when it does."""
        del radio
        return None

    def to_call(self, call: str) -> str | None:
        """Return what to write so that it sends a selective call; None when it does."""
        del call
        return None


class ChatSettings(Model):
    """What the core knows of a chat; the driver's own model adds the rest.

    Attributes:
        driver: Which driver serves it.
        groups: Our name of a group → the platform's address of it.
    """

    driver: str = "telegram"
    groups: dict[Id, str] = Field(default_factory=dict)


def _by_driver(
    section: Literal["channels", "chats", "mqtt"],
) -> Any:  # noqa: ANN401  # a pydantic marker
    """Return a validator that reads an entry with the model its ``driver`` names."""

    def read(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:  # noqa: ANN401
        if isinstance(value, BaseModel) or not isinstance(value, dict) or not info.context:
            return handler(value)
        known: dict[str, type[Model]] = info.context["models"][section]
        default = next(iter(known), "")
        driver = value.get("driver", default)
        if not isinstance(driver, str) or driver not in known:
            raise PydanticCustomError(
                "driver",
                "{driver} is no driver of this section; known: {known}",
                {"driver": repr(driver), "known": ", ".join(known), "options": list(known)},
            )
        model = known[driver]
        return model.model_validate_json(json.dumps(value), context=info.context)

    return WrapValidator(read)


class CommandCentre(Model):
    """The command centre and the doors it comes in by.

    Attributes:
        name: What guards hear as the caller.
        http: The HTTP door; absent = none.
        mqtt: The MQTT door; absent = none.
        cap: CAP 1.2 beside our JSON, by every door; absent = none.
    """

    name: Name = "指挥中心"
    http: HttpDoor | None = None
    mqtt: Annotated[SerializeAsAny[MqttBase] | None, _by_driver("mqtt")] = None
    cap: CapSettings | None = None


AnyChannel = Annotated[SerializeAsAny[ChannelSettings], _by_driver("channels")]
AnyChat = Annotated[SerializeAsAny[ChatSettings], _by_driver("chats")]


class Settings(Model):
    """A whole site.

    Attributes:
        site: What the site is and how its figures are meant.
        command_centre: The centre's name and its doors.
        channels: Analogue radio channels, by our own short name.
        chats: Chat accounts, by our own short name.
        talk_groups: Channels and chat groups patched together.
        zones: Patrol zones.
        grids: Grids.
        posts: Points where guards stand.
        routes: Routes that must be patrolled.
        organisations: Guard companies, employers, police bodies.
        premises: Places that are guarded.
        people: Who can be called.
        admission: What is asked of people before they are called.
        roster: Who is on duty when.
        response: The clocks and the ladder.
        reports: What guards report of themselves, and what becomes of it.
        readiness: Roll-calls, drills, the self-test, and what cover is watched.
        event_plans: What is added for an event, from a start to an end.
        results: What an order may end in (code to words); absent = any words.
        policy: What may be asked and said.
        speech: How sentences for the air are spoken.
        retention: How long things are kept.
        journal: Where the journal is kept.
        machine_alerts: How alarms of hosts become orders.
    """

    site: SiteSettings
    command_centre: CommandCentre
    channels: dict[Id, AnyChannel] = Field(default_factory=dict)
    chats: dict[Id, AnyChat] = Field(default_factory=dict)
    talk_groups: dict[Id, TalkGroup] = Field(default_factory=dict)
    zones: Annotated[dict[Id, ZoneSettings], Field(min_length=1)]
    grids: Annotated[dict[Id, GridSettings], Field(min_length=1)]
    posts: dict[Id, PostSettings] = Field(default_factory=dict)
    routes: dict[Id, RouteSettings] = Field(default_factory=dict)
    organisations: dict[Id, OrganisationSettings]
    premises: dict[Id, PremisesSettings] = Field(default_factory=dict)
    people: Annotated[dict[Id, PersonSettings], Field(min_length=1)]
    admission: AdmissionSettings = AdmissionSettings()
    roster: RosterSettings = RosterSettings()
    response: ResponseSettings = ResponseSettings()
    reports: ReportSettings = ReportSettings()
    readiness: ReadinessSettings = ReadinessSettings()
    event_plans: dict[Id, EventPlanSettings] = Field(default_factory=dict)
    results: dict[Id, ResultSettings] = Field(default_factory=dict)
    policy: PolicySettings = PolicySettings()
    speech: SpeechSettings = SpeechSettings()
    retention: RetentionSettings = RetentionSettings()
    machine_alerts: MachineAlertsSettings = MachineAlertsSettings()
    journal: JournalSettings = Field(default=JournalSettings(), validate_default=True)

    _base_dir: str = PrivateAttr(default="")

    @field_validator("journal")
    @classmethod
    def _in_state_dir(cls, value: JournalSettings, info: ValidationInfo) -> JournalSettings:
        site = info.data.get("site")
        if site is None:
            return value
        return value.model_copy(update={"file": str(Path(site.state_dir, value.file))})

    @model_validator(mode="after")
    def _remember_base_dir(self, info: ValidationInfo) -> Self:
        self._base_dir = str((info.context or {}).get("base_dir", ""))
        return self

    @property
    def base_dir(self) -> Path:
        """Absolute folder of the settings file."""
        return Path(self._base_dir)

    def tree(self) -> dict[str, Any]:
        """Return everything with defaults filled in and paths absolute, ready for JSON."""
        return self.model_dump(mode="json", by_alias=True)

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of the resolved settings."""
        text = json.dumps(
            self.tree(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]
