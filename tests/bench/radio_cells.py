"""Rows of how well each kind of signalling is heard in noise, beside another on the same audio.

Each function makes its rows alone, in a process of its own. Everything is seeded; a ratio is
that of the powers, with the noise in 300 to 3000 Hz.
"""

import numpy as np

from tests.bench import dtmf_cells, hearing, subtones
from tests.bench.dtmf_cells import Cell, in_standard_cells
from tests.bench.figures import Compared

# Below this ratio the standard asks for nothing.
STANDARD_DB = 9
NOMINAL_DB = (12, 9, 6, 3, 0, -3)
REJECTED = {
    "tones 3.5 % high": Cell(50, 0, 0.035, 30),
    "tones 3.5 % low": Cell(50, 0, -0.035, 30),
    "tones of 20 ms": Cell(20, 0, 0.0, 30),
}
FIVE_TONE = ((0.0, 6.0), (0.015, 3.0), (-0.015, 3.0), (0.0, 0.0))
# Of these ratios the table has a few; the others are for finding where half is lost.
PACKETS_DB = (9, 6, 3, 2, 1, 0, -1, -2, -3)
SHOWN_DB = (9, 6, 3, 0, -3)
HALF = 50.0
CTCSS_MS = 250


def _share(hits, sent):
    return 100 * hits / sent


def _of(results, name, target=None, note=""):
    """Return the row of several cells together."""
    sent = sum(r.ours.sent for r in results)
    peers = [r.peer for r in results if r.peer is not None]
    return Compared(
        name, "%", sent, _share(sum(r.ours.hits for r in results), sent),
        false=sum(r.ours.false for r in results), target=target, note=note,
        peer=_share(sum(p.hits for p in peers), sent) if peers else None,
        peer_false=sum(p.false for p in peers) if peers else None,
    )  # fmt: skip


# ---- DTMF ----


def dtmf_grid(sizes):
    """Return the rows of every tone that the standard allows, by ratio, and the worst cells."""
    cells = in_standard_cells(sizes.dtmf_ms, sizes.dtmf_db)
    results = dtmf_cells.measure(cells, sizes.digits)
    lengths = "/".join(map(str, sizes.dtmf_ms))
    said = (
        f"{len(cells) // len(sizes.dtmf_db)} cells of {sizes.digits} digits each: tones and gaps "
        f"of {lengths} ms, twist -8/-4/0/+4 dB, -1.5/0/+1.5 %"
    )
    rows = []
    for snr_db in sizes.dtmf_db:
        there = [r for r in results if r.cell.snr_db == snr_db]
        target = {"p50": 99} if snr_db >= STANDARD_DB else None
        rows.append(_of(there, f"20 DTMF, all in the standard, {snr_db:g} dB", target, said))
    return rows + _worst(results)


def _worst(results):
    within = [r for r in results if r.cell.snr_db >= STANDARD_DB]
    read = sum(r.ours.share >= 0.99 for r in within)
    peers = [r.peer.share >= 0.99 for r in within if r.peer]
    worst = min(within, key=lambda r: r.ours.share)
    back = max(results, key=dtmf_cells.behind)
    rows = [
        Compared(
            f"20 DTMF cells from {STANDARD_DB} dB up of which ≥ 99 % is read", "%", len(within),
            _share(read, len(within)), peer=_share(sum(peers), len(peers)) if peers else None,
            target={"p50": 99},
        ),
        _of([worst], f"20 DTMF, our worst cell from {STANDARD_DB} dB up", {"p50": 99},
            str(worst.cell)),
    ]  # fmt: skip
    if peers:
        note = f"{back.cell}; {100 * back.ours.share:.1f} against {100 * back.peer.share:.1f} %"
        rows.append(Compared("20 DTMF, furthest behind in any cell", "% behind", len(results),
                             100 * dtmf_cells.behind(back), target={"p50": 1}, note=note))  # fmt: skip
    return rows


def dtmf_nominal(sizes):
    """Return the rows of nominal tones of 50/50 ms by ratio, and of what must not be read."""
    found = dtmf_cells.measure([Cell(50, 0, 0.0, db) for db in NOMINAL_DB], sizes.digits)
    rows = [
        _of([r], f"21 DTMF, nominal 50/50 ms, {r.cell.snr_db:g} dB",
            {"p50": 99} if r.cell.snr_db >= 3 else None)
        for r in found
    ]  # fmt: skip
    found = dtmf_cells.measure(list(REJECTED.values()), sizes.digits)
    for name, result in zip(REJECTED, found, strict=True):
        ours, peer = result.ours, result.peer
        # Whatever is told of them is a mistake, in the right order or not.
        rows.append(Compared(
            f"22 DTMF to be left alone: {name}", "% taken", ours.sent,
            _share(ours.hits + ours.false, ours.sent), target={"p50": 0},
            peer=_share(peer.hits + peer.false, peer.sent) if peer else None,
        ))  # fmt: skip
    return rows


# ---- calls and packets ----


def five_tone(sizes, table):
    """Return the `Cell` of each condition for the calls of one table, all tables listening."""
    return [hearing.selcall_cell(table, off, db, sizes.calls) for off, db in FIVE_TONE]


def five_tone_rows(by_table):
    """Return the rows of all tables together, and of each where it is hardest.

    Args:
        by_table: name of a table → what `five_tone` returned of it.
    """
    note = "ours listens for all five tables at once, the other for this one alone"
    rows = []
    for number, (off, snr_db) in enumerate(FIVE_TONE[:-1]):
        cells = [cells[number] for cells in by_table.values()]
        worst = min(cells, key=lambda cell: cell.heard)
        how = f"{100 * off:+.1f} %, " if off else ""
        said = f"worst: {worst.name}, {_share(worst.heard, worst.sent):.1f} %"
        rows.append(_of_cells(cells, f"23 five-tone, five tables, {how}{snr_db:g} dB",
                              {"p50": 99}, said))  # fmt: skip
    hardest = FIVE_TONE[-1][1]
    for table, cells in by_table.items():
        rows.append(_of_cells(cells[-1:], f"23 five-tone, {table}, {hardest:g} dB",
                              {"p50": 99}, note))  # fmt: skip
    return rows


def _of_cells(cells, name, target=None, note=""):
    """Return the row of several cells together."""
    sent = sum(cell.sent for cell in cells)
    peers = [cell for cell in cells if cell.peer_heard is not None]
    return Compared(
        name, "%", sent, _share(sum(cell.heard for cell in cells), sent),
        false=sum(cell.invented for cell in cells), target=target, note=note,
        peer=_share(sum(cell.peer_heard for cell in peers), sent) if peers else None,
        peer_false=sum(cell.peer_invented for cell in peers) if peers else None,
    )  # fmt: skip


def packets(sizes):
    """Return the rows of MDC1200 by ratio, and at the ratio where half is lost uncorrected."""
    note = "beside: the simulators' receiver, which corrects nothing"
    found = {db: hearing.packet_cell(db, count=sizes.calls, beside=True) for db in PACKETS_DB}
    rows = [
        _of_cells([found[db]], f"24 MDC1200, {db} dB",
                  {"p50": 99} if db >= STANDARD_DB else None, note)
        for db in SHOWN_DB
    ]  # fmt: skip
    half = min(found, key=lambda db: abs(_share(found[db].peer_heard, sizes.calls) - HALF))
    where = f"24 MDC1200 where half is heard uncorrected: {half} dB"
    double = hearing.packet_cell(9.0, double=True, count=sizes.calls)
    rows.append(_of_cells([found[half]], where, {"p50": 90}, note))
    return [*rows, _of_cells([double], "24 MDC1200, double packets, 9 dB", {"p50": 99})]


# ---- below the voice ----


def below_the_voice(sizes):
    """Return the rows of CTCSS and DCS under voice: how surely and how soon."""
    rows = []
    for off, snr_db in ((0.0, None), (0.003, None), (-0.003, None), (0.0, 6), (0.0, 0)):
        answers = subtones.ctcss_answers(1, sizes.tone_tries, 180.0, off, snr_db)
        sure = (answers.open_ms <= CTCSS_MS) & answers.right
        rows.append(Compared(
            f"25 CTCSS under voice{_how(off, snr_db)}: the right tone within {CTCSS_MS} ms", "%",
            len(sure), _share(int(sure.sum()), len(sure)), false=int((~answers.right).sum()),
            target={"p50": 99} if snr_db is None else None,
            note=f"250 Hz of ±5 kHz; {_times(answers)}",
        ))  # fmt: skip
    for level_dbfs, snr_db in ((-20.0, None), (-20.0, 6)):
        answers = subtones.dcs_answers(1, level_dbfs, snr_db)
        right = answers.right & np.isfinite(answers.open_ms)
        rows.append(Compared(
            f"26 DCS under voice{_how(0.0, snr_db)}: every code, both polarities", "%",
            len(right), _share(int(right.sum()), len(right)), false=int((~answers.right).sum()),
            target={"p50": 99} if snr_db is None else None, note=_times(answers),
        ))  # fmt: skip
    return rows


def _how(off, snr_db):
    parts = [f", {100 * off:+.1f} %"] if off else []
    return "".join(parts + ([f", tone at {snr_db} dB in noise"] if snr_db is not None else []))


def _times(answers):
    opened, closed = answers.open_ms, answers.close_ms
    return (
        f"opens after {np.nanmedian(opened):.0f} ms, at most {np.nanmax(opened):.0f}; "
        f"closes after {np.nanmedian(closed):.0f}, at most {np.nanmax(closed):.0f}"
    )


# ---- speech outwards ----


def speech(sizes):
    """Return the rows of how well our own sentences are understood after the channel."""
    from tests.bench.intelligibility import WAYS, points

    ways = {way: WAYS[way] for way in ("unshaped", "shaped")}
    found, rows = {}, []
    for point in points(sizes.sentences, sizes.cnrs_db, ways):
        found.setdefault((point.language, point.cnr_db), {})[point.way] = point
    for (language, cnr_db), by_way in found.items():
        ours, theirs = by_way["shaped"], by_way["unshaped"]
        rows.append(Compared(
            f"32 speech shaped for the air, {language}, carrier {cnr_db:g} dB over noise: STOI",
            "", ours.sentences, ours.stoi, peer=theirs.stoi,
            note=f"beside: the same unshaped; ESTOI {ours.estoi:.3f} against {theirs.estoi:.3f}",
        ))  # fmt: skip
    return rows
