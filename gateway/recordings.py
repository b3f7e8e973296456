"""Recordings of the air: found in the journal's rows, held against the files on the disk."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateway.interfaces import Wanted

Answer = dict[str, object]

# A recording is told when its over has ended and, smaller, some minutes later: hours at most.
LATE_US = 6 * 3600 * 1_000_000
# Only what this pattern fits was ever written by the recorder.
PATH = re.compile(r"[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}\.(?:ogg|wav)")
_FORMS = """
    SELECT seq, body FROM journal INDEXED BY journal_sounds WHERE kind = 'RecordingKept'
    AND substr(json_extract(body, '$.event.path'), 1,
               length(json_extract(body, '$.event.path')) - 4) = ?
    ORDER BY seq"""
_PAGE, _TALK = re.compile(r"p\d+"), re.compile(r"t\d+")


def search(
    db: apsw.Connection, wanted: Wanted, name_of: Callable[[str | None], str | None]
) -> list[Answer]:
    """Return recordings, newest first; each in its last form, with all that was ever known."""
    found: list[Answer] = []
    for recording in _newest_first(db, wanted.from_us, wanted.to_us + LATE_US):
        if len(found) >= wanted.limit:
            break
        if wanted.takes(recording):
            found.append({**recording, "name": name_of(_text(recording["person"]))})
    return found


def one(db: apsw.Connection, seq: int) -> Answer | None:
    """Return the recording that a row of the journal tells of, in its last form, or None."""
    row = db.execute(
        "SELECT seq, body FROM journal WHERE seq = ? AND kind = 'RecordingKept'", (seq,)
    ).get
    return None if row is None else _whole(db, _stem(row[1]))


def _newest_first(db: apsw.Connection, from_us: int, to_us: int) -> Iterator[Answer]:
    rows = db.execute(
        "SELECT body FROM journal INDEXED BY journal_recordings"
        " WHERE kind = 'RecordingKept' AND at_us >= ? AND at_us < ?"
        " ORDER BY at_us DESC, seq DESC",
        (from_us, min(to_us, 2**63 - 1)),
    )
    seen: set[str] = set()
    for (body,) in rows:
        stem = _stem(body)
        if stem not in seen:
            seen.add(stem)
            yield _whole(db, stem)


def _stem(body: str) -> str:
    """Return what all forms of one sound have in common, ``.wav`` or ``.ogg``."""
    return str(json.loads(body)["event"]["path"])[:-4]


def _whole(db: apsw.Connection, stem: str) -> Answer:
    """Return a sound in the form it was told of last, with what was known of it.

    After a kill or a power cut it may have been told of once more than was needed, or days
    late, when the core had long forgotten whose it was.
    """
    forms = list(db.execute(_FORMS, (stem,)))
    known: Answer = {}
    for _, body in forms:
        known = _known(body) or known
    seq, body = forms[-1]
    return _told(seq, body, known)


def _known(body: str) -> Answer:
    """Return what the core knew of a recording in a row; empty when it was nothing."""
    known: Answer = {}
    for change in json.loads(body)["changes"]:
        if change[0] == "put" and change[1] == "recording":
            known = change[3]
    return known


def _told(seq: int, body: str, known: Answer) -> Answer:
    """Return what a row tells of a recording, and what was known."""
    event = json.loads(body)["event"]
    what, duration_ms = event["what"], event["duration_ms"]
    kind = "page" if _PAGE.fullmatch(what) else "talk" if _TALK.fullmatch(what) else "over"
    return {
        "id": seq,
        "kind": kind,
        "what": what,
        "channel": event["channel"],
        "channels": known.get("channels") or [],
        "at_us": known.get("began_us", event["at_us"] - 1000 * duration_ms),
        "duration_ms": duration_ms,
        "person": known.get("person"),
        "radio": known.get("radio"),
        "order": known.get("about"),
        "path": event["path"],
        "sha256": event["sha256"],
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def expired_before_us(db: apsw.Connection) -> int:
    """Return the moment before which recordings have been taken away, 0 when none have."""
    bodies = db.execute(
        "SELECT body FROM journal INDEXED BY journal_expired WHERE kind = 'RecordingsExpired'"
    )
    moments = (json.loads(body)["event"]["recordings_before_us"] for (body,) in bodies)
    return max(moments, default=0)


# ---- files ----


def file_of(root: Path, path: str) -> Path:
    """Return where a recording lies. Raises ValueError when it cannot be one of ours."""
    if PATH.fullmatch(path) is None:
        raise ValueError(f"{path[:200]!r} is no recording's path")
    file = root / path
    if not file.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{path} leads out of the recordings folder")
    return file


def content_of(root: Path, recording: Answer) -> bytes:
    """Return a recording's bytes, which are those that were recorded.

    Raises:
        FileNotFoundError: It is not there (any more).
        ValueError: It is not what was recorded.
        OSError: It cannot be read.
    """
    data = file_of(root, str(recording["path"])).read_bytes()
    if hashlib.sha256(data).hexdigest() != recording["sha256"]:
        raise ValueError(f"{recording['path']} is not what was recorded")
    return data


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holding the files against the journal came to.

    Attributes:
        good: How many files are what was recorded.
        expired: How many had served their time and are gone.
        problems: (path, what is wrong) of the others.
    """

    good: int
    expired: int
    problems: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Whether every file is there, whole, that should be."""
        return not self.problems


def verify(db: apsw.Connection, root: Path) -> Verdict:
    """Return which recordings are missing or are not what was recorded."""
    gone_before_us = expired_before_us(db)
    good, expired = 0, 0
    problems: list[tuple[str, str]] = []
    for recording in _newest_first(db, 0, 2**62):
        path, began_us = str(recording["path"]), recording["at_us"]
        assert isinstance(began_us, int)
        try:
            content_of(root, recording)
        except FileNotFoundError:
            if began_us < gone_before_us:
                expired += 1
            else:
                problems.append((path, "missing"))
        except ValueError:
            problems.append((path, "damaged: it is not what was recorded"))
        except OSError as error:
            problems.append((path, f"cannot be read: {error.strerror}"))
        else:
            good += 1
    return Verdict(good, expired, tuple(problems))
