"""What a technician sees of a channel: levels, squelch, tones, who, what the link loses.

Fed with sights, wherever they come from; gives records of plain values, one JSON line each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from drivers.radio.decode import as_json
from drivers.radio.dtmf_frames import DtmfFramer, DtmfMessage
from drivers.radio.hearing import Heard, Hearing, MdcPacket
from drivers.radio.jitter import LinkStatistics
from drivers.radio.samples import FRAME_SAMPLES, SAMPLE_RATE_HZ, Int16Array, level_dbfs
from drivers.radio.settings import RadioChannel
from drivers.radio.technician_bench import every_kind
from drivers.radio.technician_door import Sight
from drivers.radio.technician_site import Site
from drivers.radio.technician_sound import peak_dbfs
from gateway.core.answers.replies import parse_digits

__all__ = ["Record", "View", "words_of"]

Record = dict[str, Any]

_STATE_FRAMES: Final = 10
_LOWEST_DBFS: Final = -99.0
_BAR: Final = 24
_BAR_FROM_DBFS: Final = -60.0


class View:
    """Turns the sights of one channel into records.

    Args:
        site: Names of radios and guards.
        settings: The channel's.
    """

    def __init__(self, site: Site, settings: RadioChannel) -> None:
        self._site = site
        self._hearing = Hearing([every_kind(settings)])
        ani = settings.ani
        self._framer = DtmfFramer(ani.digits, ani.position) if ani else DtmfFramer()
        self._heard_samples = 0
        self._begun_s: float | None = None
        self._frames: list[Int16Array] = []
        self._ticks = 0
        self._open = False
        self._open_s = 0.0
        self._digits = ""

    def take(self, sight: Sight) -> list[Record]:
        """Return what one tick brings: nothing, a state five times a second, what was heard."""
        if self._begun_s is None:
            self._begun_s = sight.at_s
        records: list[Record] = []
        if sight.squelch and not self._open:
            records += self._opened(sight)
        records += self._heard(sight)
        if self._open and not sight.squelch:
            records += self._closed(sight)
        self._frames += [sight.frame] if sight.frame is not None else []
        self._ticks += 1
        if self._ticks % _STATE_FRAMES == 0:
            records.append(self._state(sight))
            self._frames.clear()
        return records

    def _at(self, sight: Sight) -> float:
        assert self._begun_s is not None
        return round(sight.at_s - self._begun_s, 3)

    def _opened(self, sight: Sight) -> list[Record]:
        self._open, self._open_s, self._digits = True, sight.at_s, ""
        self._framer.over_started()
        return [{"what": "squelch", "t": self._at(sight), "open": True}]

    def _closed(self, sight: Sight) -> list[Record]:
        self._open = False
        over: Record = {
            "what": "over", "t": self._at(sight),
            "duration": round(sight.at_s - self._open_s, 3),
        }  # fmt: skip
        message = self._framer.over_ended()
        if self._digits:
            over |= {"digits": self._digits, "ani": message.ani, "who": self._who_in(message)}
        return [over, {"what": "squelch", "t": self._at(sight), "open": False}]

    def _heard(self, sight: Sight) -> list[Record]:
        frame = np.zeros(FRAME_SAMPLES, np.int16) if sight.frame is None else sight.frame
        listening = np.array([sight.squelch and sight.frame is not None])
        found = self._hearing.step(frame[np.newaxis, :], listening)
        self._heard_samples += FRAME_SAMPLES
        self._framer.tick(sight.at_s)
        return [self._told(heard, sight) for heard in found]

    def _told(self, heard: Heard, sight: Sight) -> Record:
        if heard.kind == "dtmf":
            self._digits += heard.value
            self._framer.heard(heard.value, sight.at_s)
        ago_s = (self._heard_samples - heard.start_sample) / SAMPLE_RATE_HZ
        record = {"what": "heard", **as_json(heard), "who": self._who(heard)}
        return record | {"t": round(max(0.0, self._at(sight) - ago_s), 3)}

    def _who(self, heard: Heard) -> str | None:
        if heard.kind == "dtmf":
            return None  # a digit is nobody; the over's end tells
        unit = heard.detail.unit if isinstance(heard.detail, MdcPacket) else heard.value
        ids = (f"{heard.set or heard.kind}:{unit}", f"{heard.kind}:{unit}", unit)
        return next((name for i in ids if (name := self._named(i)) is not None), None)

    def _named(self, radio_id: str) -> str | None:
        return self._site.radio_ids.get(radio_id.upper())

    def _who_in(self, message: DtmfMessage) -> str | None:
        """Return whose radio, else whose guard's number, the digits of an over hold."""
        name = self._named(f"dtmf:{message.ani}") or self._named(message.ani or "")
        if name is not None:
            return name
        for digits in message.frames:
            reply = parse_digits(digits)
            name = self._site.guard_codes.get(reply.guard_code or "") if reply else None
            if name is not None:
                return name
        return None

    def _state(self, sight: Sight) -> Record:
        sound = np.concatenate(self._frames) if self._frames else None
        return {
            "what": "state",
            "t": self._at(sight),
            "rms_dbfs": None if sound is None else _rounded(level_dbfs(sound)),
            "peak_dbfs": None if sound is None else _rounded(peak_dbfs(sound)),
            "squelch": sight.squelch,
            "terms": dict(sight.terms),
            "ptt": sight.ptt,
            "fault": sight.fault,
            "link": link_record(sight.link),
        }


def link_record(link: LinkStatistics) -> Record:
    """Return the counts of a sound link that tell a good network from a bad one."""
    came = link.received + link.lost
    return {
        "received": link.received,
        "lost": link.lost,
        "lost_percent": round(100.0 * link.lost / came, 2) if came else 0.0,
        "late": link.late,
        "concealed": link.concealed,
        "skipped": link.skipped,
        "foreign": link.foreign,
        "malformed": link.malformed,
    }


def _rounded(dbfs: float) -> float:
    return round(max(dbfs, _LOWEST_DBFS), 1)


def words_of(record: Mapping[str, Any]) -> str:
    """Return a record as a line for people."""
    match record["what"]:
        case "state":
            return _state_words(record)
        case "squelch":
            return f"{record['t']:8.2f} s  squelch {'open' if record['open'] else 'closed'}"
        case "over":
            digits = f"  digits {record['digits']}" if "digits" in record else ""
            who = f"  {record['who']}" if record.get("who") else ""
            return f"{record['t']:8.2f} s  over of {record['duration']:.2f} s{digits}{who}"
        case _:
            name = " ".join(filter(None, (record["kind"], record["set"])))
            who = f"  {record['who']}" if record["who"] else ""
            return f"{record['t']:8.2f} s  {name:<14} {record['value']}{who}"


def _state_words(record: Mapping[str, Any]) -> str:
    if record["rms_dbfs"] is None:
        level = f"{'no sound':<{_BAR + 14}}"
    else:
        filled = (record["rms_dbfs"] - _BAR_FROM_DBFS) / -_BAR_FROM_DBFS * _BAR
        bar = "#" * round(min(max(filled, 0), _BAR))
        level = f"{record['rms_dbfs']:6.1f} [{bar:<{_BAR}}] {record['peak_dbfs']:6.1f}"
    terms = " ".join(f"{name}={value:d}" for name, value in record["terms"].items())
    link = record["link"]
    squelch = "open  " if record["squelch"] else "closed"
    fault = f"  FAULT {record['fault']}" if record["fault"] else ""
    return (
        f"{level} dBFS  squelch {squelch} {terms}  ptt {record['ptt']}  "
        f"lost {link['lost_percent']:.1f} % late {link['late']}{fault}"
    )
