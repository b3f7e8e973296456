"""Journals with many closed orders, written by the journal's own file in large transactions.

A million orders would take minutes to encode one by one. So one order is written out by the
journal's own code with marks where its id and its times stand, and each further one is that
text with the marks filled in: same rows, same tables, same chain, proved by ``verify``.
"""

from dataclasses import replace

from gateway.core.after.events import OrderActed
from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.effects import PageChannel, PostCard, Receipt, ReportStatus
from gateway.core.intake.events import AlertReceived
from gateway.core.order import (
    AlertKey,
    Assignment,
    Drop,
    NumberLease,
    Order,
    OrderStatus,
    Put,
    Timer,
)
from gateway.core.people import Role
from gateway.journal.file import JournalFile
from gateway.journal.rows import Noted, Posting, Prepared, Removal, Upsert, prepare
from gateway.journal.seal import Sealer
from tests.core.journal_stories import START_US, entry

GROUP = 50_000
CACHE_KB = 300_000
ROWS_AN_ORDER = 2
# Marks that stand nowhere else in a row.
ID, OPENED_US, CLOSED_US = "Nx0", 1_733_333_333_111_111, 1_733_333_333_222_222
SETTLED = 999_999_999
# The newest order must lie before the daemon's own time, and its rows a millisecond apart.
STEP_US = 1_000


def add_closed_orders(path, first, last):
    """Return once the orders from ``first`` to before ``last`` stand in a journal, all closed.

    Each is two rows, opened with two effects and closed, and its number is free again.
    """
    file = JournalFile(path, boot_id="bench")
    file.open()
    # Nothing is measured yet, and what is half written after a power cut is not used. Whoever
    # opens the file next keeps a write-ahead log again.
    file.db.pragma("synchronous", "OFF")
    file.db.pragma("journal_mode", "OFF")
    file.db.pragma("cache_size", -CACHE_KB)
    file.db.pragma("secure_delete", False)
    sealer = Sealer(file.keys())
    opening = _Marked(prepare(_opening(), sealer))
    closing = _Marked(prepare(_closing(), sealer))
    try:
        for start in range(first, last, GROUP):
            file.begin()
            for n in range(start, min(start + GROUP, last)):
                written = file.add(opening.filled(n))
                file.add(closing.filled(n, STEP_US // 2, written.outbox_ids))
            file.commit()
    finally:
        file.close()


class _Marked:
    """A transaction whose texts, all in one, bear marks for what differs between orders."""

    def __init__(self, prepared):
        self._prepared = prepared
        self._text = "\0".join(_texts(prepared))

    def filled(self, n, later_us=0, settles=()):
        """Return the transaction of the order ``n``."""
        opened_us = START_US + n * STEP_US
        text = self._text.replace(ID, str(n)).replace(str(OPENED_US), str(opened_us))
        text = text.replace(str(CLOSED_US), str(opened_us + STEP_US // 2))
        if settles:
            text = text.replace(f"[{SETTLED}]", f"[{','.join(map(str, settles))}]")
        parts = iter(text.split("\0"))
        was, order, at_us = self._prepared, f"o{n}", opened_us + later_us
        changes = tuple(
            Upsert(c.kind, next(parts), c.order and order, next(parts))
            if isinstance(c, Upsert)
            else Removal(c.kind, next(parts))
            for c in was.changes
        )
        outbox = tuple(
            Posting(p.driver, p.kind, next(parts), p.level, p.not_after_us) for p in was.outbox
        )
        reports = tuple(Noted(order, at_us, next(parts)) for _ in was.reports)
        return Prepared(
            at_us=at_us, mono_us=n * STEP_US + later_us, settings=was.settings, kind=was.kind,
            order=order, changes=changes, outbox=outbox, reports=reports, settles=tuple(settles),
            cursor=was.cursor, head=next(parts), tail=next(parts), personal=was.personal,
            keys=was.keys,
        )  # fmt: skip


def _texts(prepared):
    """Yield every text of a transaction that may bear a mark, in the order of filling."""
    for change in prepared.changes:
        yield change.key
        if isinstance(change, Upsert):
            yield change.body
    yield from (posting.body for posting in prepared.outbox)
    yield from (report.body for report in prepared.reports)
    yield from (prepared.head, prepared.tail)


def _order():
    alert = Alert(
        kind=AlertKind.ALERT, id=f"A-{ID}", sender="centre", sent_us=OPENED_US, category="fight",
        level=Level.TWO, text="人民路三号有人打架", body_sha256="5e" * 32,
    )  # fmt: skip
    return Order(
        id=f"o{ID}", number="10", status=OrderStatus.CALLING, alert=alert, grids=("g1",),
        opened_us=OPENED_US, clock_us=OPENED_US,
    )  # fmt: skip


def _opening():
    new = _order()
    told = ("accepted", None, None), ("told", "p_li", "radio")
    return entry(
        AlertReceived(at_us=OPENED_US, door="mqtt", alert=new.alert),
        Put(new),
        Put(AlertKey(sender="centre", id=new.alert.id, sha256="5e" * 32, order=new.id,
                     number=new.number)),
        Put(NumberLease(number=new.number, order=new.id)),
        Put(Assignment(order=new.id, person="p_li", role=Role.GUARD)),
        Put(Timer(id=f"acknowledge/{new.id}", order=new.id, what="acknowledge",
                  due_us=OPENED_US)),
        at_us=OPENED_US,
        outbox=(
            ("radio", PageChannel(page=f"p{ID}", channel="east", order=new.id, level=2,
                                  number=new.number, text=("人民路三号", "有人打架"),
                                  language="zh_CN", not_after_us=START_US)),
            ("telegram", PostCard(card=f"c{ID}", chat="work", address="-1001001", private=False,
                                  order=new.id, text="警情", buttons=(), level=2,
                                  not_after_us=START_US)),
        ),
        reports=tuple(
            ReportStatus(at_us=OPENED_US, order=new.id, number=new.number, node=node,
                         person=person, medium=medium)
            for node, person, medium in told
        ),
        receipt=Receipt(status="accepted", sender="centre", id=new.alert.id, order=new.id,
                        number=new.number),
    )  # fmt: skip


def _closing():
    order = _order()
    ended = replace(order, status=OrderStatus.CLOSED, closed_us=CLOSED_US, outcome="已处置")
    return entry(
        OrderActed(at_us=CLOSED_US, order=order.id, act="close", by="", result="已处置"),
        Put(ended), Drop("timer", f"acknowledge/{order.id}"), Drop("number", order.number),
        at_us=CLOSED_US, settles=(SETTLED,),
        reports=(ReportStatus(at_us=CLOSED_US, order=order.id, number=order.number,
                              node="closed"),),
    )  # fmt: skip
