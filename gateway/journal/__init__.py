"""The durable record: append-only chained rows, projection, outbox, sealed personal data.

``contract`` says what it promises, ``sqlite`` writes it, ``memory`` is its twin for simulation;
``rows`` and ``codec`` say how a row is written, ``seal`` keeps personal values beside the
chain, ``verify`` and ``backup`` are for people.
"""

from gateway.journal.backup import backup
from gateway.journal.memory import MemoryJournal, MemoryTables
from gateway.journal.sqlite import SqliteJournal
from gateway.journal.verify import Finding, Verdict, verify

__all__ = [
    "Finding",
    "MemoryJournal",
    "MemoryTables",
    "SqliteJournal",
    "Verdict",
    "backup",
    "verify",
]
