"""Whether a journal is what was written: its chain, anchors, and tables folded from it."""

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Final

import apsw

from gateway.journal.chain import COLUMNS, Broken, ChainedRow, explain, gone
from gateway.journal.contract import Anchor
from gateway.journal.fold import compare_postings, compare_rest, fold, wrong_entities
from gateway.journal.held import Held, names_of
from gateway.journal.reading import reading
from gateway.journal.verdict import Fault, Finding, Findings, Verdict
from gateway.journal.verify_process import Read, cores, ends_of, read_here, read_with

__all__ = ["Fault", "Finding", "Verdict", "verify"]

# A shorter journal is read before other processes have started.
_WORTH_HELPERS_ROWS: Final = 50_000
_MOST_STRETCHES: Final = 8


def verify(
    path: Path,
    anchors: Iterable[Anchor] | None = None,
    *,
    tables: bool = True,
    stretches: int | None = None,
) -> Verdict:
    """Return what a reading of the whole file found; the daemon may go on writing meanwhile.

    Args:
        path: The journal, or a backup of it.
        anchors: Points of the chain that were kept elsewhere. Without them a chain that was
            computed anew from its first row, or cut at its end with its tables, looks whole.
        tables: Also fold every change again and compare with the projection, outbox, reports
            and sealed values.
        stretches: Into how many to cut the rows, each read by a process of its own; 1 reads
            all in this one. By default one for each core, if there are many rows.

    Raises:
        SetupError: It is not a journal, or cannot be opened.
        JournalError: The file is damaged so far that it cannot be read.
    """
    parts = _worth(path) if stretches is None else stretches
    read = (read_here if parts == 1 else read_with)(path, parts, tables=tables)
    with reading(path) as db:
        return _verdict(db, read, {anchor.seq: anchor for anchor in anchors or ()})


def _worth(path: Path) -> int:
    with reading(path) as db:
        first, last = ends_of(db)
    return 1 if last - first < _WORTH_HELPERS_ROWS else min(cores(), _MOST_STRETCHES)


def _verdict(db: apsw.Connection, read: Read, anchors: Mapping[int, Anchor]) -> Verdict:
    chains = [stretch.chain for stretch in read.stretches]
    last_seq, last_hash = chains[-1].last_seq, chains[-1].last_hash
    of_rows = [stretch.findings for stretch in read.stretches]
    of_rows.append(_anchored(db, anchors, last_seq))
    if read.held is not None:
        postings = Findings()
        said = [stretch.said.postings for stretch in read.stretches]
        compare_postings(said, read.held.postings, postings)
        of_rows.append(postings)
    found = Findings().joined(*of_rows)
    explain(reduce(Broken.joined, (chain.broken for chain in chains)), last_seq, found)
    for seq in sorted(anchors):
        if seq > last_seq:
            text = gone(last_seq + 1, seq) + ", by an anchor"
            found.add("cut_tail", last_seq + 1, text)
    if read.held is not None:
        _compare_tables(db, read, read.held, last_seq, found)
    end = Anchor(seq=last_seq, hash=last_hash.hex())
    findings = tuple(finding for _, finding in found.kept)
    return Verdict(sum(chain.rows for chain in chains), end, findings, found.more)


def _anchored(db: apsw.Connection, anchors: Mapping[int, Anchor], last_seq: int) -> Findings:
    """Find the anchored rows that are whole in themselves, but not those that were anchored."""
    findings = Findings()
    for seq in sorted(anchors):
        sql = f"SELECT {COLUMNS} FROM journal WHERE seq = ?"  # noqa: S608
        found = db.execute(sql, (seq,)).fetchone() if seq <= last_seq else None
        if found is None:
            continue
        row = ChainedRow._make(found)
        if row.own.hex() != anchors[seq].hash and row.fits():
            text = "whole in itself, but not the row that was anchored elsewhere"
            findings.add("rewritten", seq, text)
    return findings


def _compare_tables(
    db: apsw.Connection, read: Read, held: Held, last_seq: int, findings: Findings
) -> None:
    for table, beyond in held.beyond.items():
        if beyond:
            text = f"{table}: {beyond} rows of journal rows that are not there"
            findings.add("projection", last_seq, text)
    said = [stretch.said for stretch in read.stretches]
    wrong, missing = wrong_entities(fold([part.changes for part in said]), held.entities)
    for name in names_of(db, findings.room_for(wrong)):
        findings.add("projection", last_seq, f"entity {name}: not what the rows add up to")
    if missing:
        text = f"entity: {missing} are gone from the table"
        findings.add("projection", last_seq, text)
    compare_rest(said, held, last_seq, findings)
