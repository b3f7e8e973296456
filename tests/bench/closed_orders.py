"""Journals with many closed orders, written by the journal's own file in large transactions."""

from dataclasses import replace

from gateway.core.order import Drop, OrderStatus, Put
from gateway.journal.file import JournalFile
from gateway.journal.rows import prepare
from gateway.journal.seal import Sealer
from tests.core.journal_stories import START_US, entry, opened, order

GROUP = 2_000


def add_closed_orders(path, first, last):
    """Return once the orders from ``first`` to before ``last`` stand in a journal, all closed.

    Each is two rows, opened with two effects and closed, and its number is free again.
    """
    file = JournalFile(path, boot_id="bench")
    file.open()
    sealer = Sealer(file.keys())
    try:
        for start in range(first, last, GROUP):
            file.begin()
            for n in range(start, min(start + GROUP, last)):
                written = file.add(prepare(opened(n), sealer))
                file.add(prepare(_closed(n, written), sealer))
            file.commit()
    finally:
        file.close()


def _closed(n, written):
    at_us = START_US + n * 1000 + 500
    ended = replace(order(n), status=OrderStatus.CLOSED, closed_us=at_us, outcome="已处置")
    return entry(
        None, Put(ended), Drop("timer", f"acknowledge/{ended.id}"),
        Drop("number", ended.number), at_us=at_us, settles=written.outbox_ids,
    )  # fmt: skip
