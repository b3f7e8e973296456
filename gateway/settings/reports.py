"""What guards report of themselves: what counts as a report, and what becomes of it."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.core.guard_reports.report import BlockingPoint, ReportPolicy
from gateway.settings.values import Model, Name, Point, written

ReportWord = Literal["emergency", "report"]
Becomes = Literal["order", "offer"]


class BlockingPointSettings(Model):
    """A place where somebody stands so that nobody gets away (堵控点).

    Attributes:
        name: As said and written.
        at: [latitude, longitude] in the site's datum.
        side: From which side it closes, such as 南侧.
    """

    name: Name
    at: Point
    side: Name | None = None

    def point(self) -> BlockingPoint:
        """Return what the core decides by."""
        lat, lon = self.at
        position = round(lat * 1e6), round(lon * 1e6)
        return BlockingPoint(name=self.name, position=position, side=self.side)


class ReportSettings(Model):
    """What guards report of themselves (上报), and what becomes of it.

    Attributes:
        emergency: What an emergency of somebody known becomes at once: ``order`` (level 1, own
            grid, neighbours and station) or ``offer`` (the centre and the managers decide).
        others: The same of every other report; an order of level 2.
        unknown: The same of an emergency from a radio that is nobody's, or was lost.
        voice: What a known radio says unasked: ``keep`` (recorded only), ``offer`` (told to
            the dispatcher), ``report``.
        codes: Last digit of a frame → what it means: ``"9": emergency`` makes ``*9#`` and
            ``*031 9#`` emergencies. 6 to 9; the other digits are replies.
        mdc_status: Number of an MDC1200 status, hexadecimal → what it means. The emergency key
            is always an emergency.
        selcall_status: Last digit of a five-tone call → what it means.
        spoken: Whether a report on the air is answered by a spoken sentence after the tone.
        needs: Guards wanted at an emergency beside the one who is there.
        repeat_s: What the same person or radio sends within this is the same report, seconds.
        escalate_s: After so long the managers are told again that nobody has dealt with a
            report, seconds.
    """

    emergency: Becomes = "order"
    others: Becomes = "offer"
    unknown: Becomes = "offer"
    voice: Literal["keep", "offer", "report"] = "offer"
    codes: dict[Annotated[str, written(r"^[6-9]$", "one digit, 6 to 9")], ReportWord] = Field(
        default_factory=lambda: dict[str, ReportWord]({"9": "emergency"})
    )
    mdc_status: dict[
        Annotated[str, written(r"^[0-9A-F]{1,2}$", "a number such as 9, or 0 to FF")],
        ReportWord,
    ] = Field(default_factory=dict)
    selcall_status: dict[
        Annotated[str, written(r"^[0-9A-F]$", "one digit")], ReportWord
    ] = Field(default_factory=dict)
    spoken: bool = False
    needs: Annotated[int, Field(ge=1, le=50)] = 2
    repeat_s: Annotated[int, Field(ge=10, le=3600)] = 120
    escalate_s: Annotated[int, Field(ge=10, le=3600)] = 60

    def policy(self) -> ReportPolicy:
        """Return what the core decides by."""
        return ReportPolicy(
            emergency=self.emergency,
            others=self.others,
            unknown=self.unknown,
            voice=self.voice,
            codes=dict(self.codes),
            mdc_status={int(number, 16): word for number, word in self.mdc_status.items()},
            selcall_status=dict(self.selcall_status),
            spoken=self.spoken,
            needs=self.needs,
            repeat_s=self.repeat_s,
            escalate_s=self.escalate_s,
        )
