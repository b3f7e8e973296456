"""What every settings model is made of: the strict base, ids, times, points, secrets."""

import os
import stat
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.interfaces import SetupError

SECRET_LIMIT_BYTES = 4096


class Model(BaseModel):
    """Frozen; unknown keys and every silent conversion are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=False,
        hide_input_in_errors=True,
    )


def _absolute(value: str, info: ValidationInfo) -> str:
    """Return the path joined to the folder of the settings file."""
    base = (info.context or {}).get("base_dir")
    return str(Path(base, value)) if base else value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PydanticCustomError(
            "timezone", "is no time zone this machine knows; write one like Asia/Shanghai"
        ) from error
    return value


def port_in_range(value: str) -> str:
    """Return an address that ends with a port; refuse a port over 65535."""
    port = value.rsplit(":", 1)[-1]
    if port.isascii() and port.isdigit() and int(port) > 65535:
        raise PydanticCustomError(
            "port", "should be a port of 0 to 65535, is {port}", {"port": port}
        )
    return value


def _this_century(value: date) -> date:
    if not 2000 <= value.year < 2100:
        raise PydanticCustomError("day", "should be a day of this century")
    return value


def _latitude_first(point: tuple[float, float]) -> tuple[float, float]:
    """Refuse a point that is not on the earth, most often one written longitude first."""
    lat, lon = point
    if abs(lat) <= 90 and abs(lon) <= 180:
        return point
    if abs(lon) <= 90 and abs(lat) <= 180:
        raise PydanticCustomError(
            "lat_lon_order",
            "is written longitude first; did you mean [{lon}, {lat}] (latitude, longitude)?",
            {"lat": lat, "lon": lon},
        )
    raise PydanticCustomError(
        "lat_lon_range", "is not on the earth: latitude -90 to 90, longitude -180 to 180"
    )


def written(pattern: str, means: str) -> Any:  # noqa: ANN401  # pydantic's own type
    """Return a text of this pattern; editors and ``check`` show what it means."""
    return Field(pattern=pattern, json_schema_extra={"patternErrorMessage": means})


Id = Annotated[
    str,
    written(
        r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", "1 to 32 letters a-z, digits, _ or -, no spaces"
    ),
]
SiteId = Annotated[
    str, written(r"^[a-z0-9-]{1,32}$", "1 to 32 small letters a-z, digits or -, no spaces")
]
Name = Annotated[
    str, written(r"^\S(.{0,62}\S)?$", "1 to 64 characters in one line, no spaces around")
]
Text = Annotated[str, Field(min_length=1, max_length=200)]
PathText = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_absolute)]
Point = Annotated[tuple[float, float], AfterValidator(_latitude_first)]
TimeOfDay = Annotated[
    str, written(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time of day from 00:00 to 23:59")
]
Day = Annotated[date, AfterValidator(_this_century)]
LocalTime = Annotated[datetime, AfterValidator(_this_century)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Language = Literal["zh_CN", "en"]
TcpPort = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, written(r"^[A-Za-z0-9._:-]{1,253}$", "a host name or an address")]
Account = Annotated[
    str, written(r"^[0-9A-Za-z_@.-]{1,64}$", "the platform's own number of an account")
]


class Secret(Model):
    """Where a secret is kept; the secret itself never stands in the settings.

    Attributes:
        file: Path of a file that only its owner may read; the last line break is dropped.
        env: Name of an environment variable.
    """

    file: PathText | None = None
    env: Annotated[str, written(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_in_the_file(cls, value: Any) -> Any:  # noqa: ANN401  # whatever the YAML says
        if isinstance(value, str | int | float):
            raise PydanticCustomError(
                "secret_in_file",
                "a secret must not stand in this file; put it into a file of its own "
                "(chmod 600) and write {file: secrets/…}, or {env: NAME}",
            )
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise PydanticCustomError("one_of", "write either file or env, exactly one of them")
        return self

    def read(self, base_dir: str | Path = "") -> str:
        """Return the secret.

        Args:
            base_dir: Folder that a relative ``file`` starts from; loaded settings are absolute.

        Raises:
            SetupError: It is missing, empty, or readable by others than its owner.
        """
        value = self._from_env() if self.env else self._from_file(Path(base_dir))
        if not value:
            raise SetupError(f"{self}: the secret is empty; put it there")
        return value

    def __str__(self) -> str:
        """Return the place, never the secret."""
        return f"environment variable {self.env}" if self.env else f"secret file {self.file}"

    def _from_env(self) -> str:
        value = os.environ.get(self.env or "")
        if value is None:
            raise SetupError(f"{self} is not set; export it for the service")
        return value

    def _from_file(self, base_dir: Path) -> str:
        path = base_dir / (self.file or "")
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if stat.S_IMODE(mode) & 0o077:
                    raise SetupError(f"{self} can be read by others; run: chmod 600 {path}")
                raw = file.read(SECRET_LIMIT_BYTES + 1)
        except OSError as error:
            raise SetupError(f"{self} cannot be read: {error.strerror}; create it") from error
        if len(raw) > SECRET_LIMIT_BYTES:
            raise SetupError(f"{self} is longer than {SECRET_LIMIT_BYTES} bytes")
        try:
            return raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise SetupError(f"{self} is not UTF-8 text") from error
