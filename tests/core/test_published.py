"""Reports told from memory: the same as from the journal, in order, none twice, none lost."""

import asyncio
import unicodedata

import pytest

import gateway.published as published_module
from gateway.core.effects import ReportStatus
from gateway.interfaces import Report
from gateway.published import Published


def status(n, **fields):
    return ReportStatus(at_us=n, order="o1", number="10", node="told", **fields)


def from_journal(n):
    return Report(
        seq=n, part=0, at_us=n, order="o1", number="10", node="told", person=None, name=None,
        medium=None, assurance=None, detail="from the journal",
    )  # fmt: skip


class Site:
    """Published reports over a journal of which everything can be read."""

    def __init__(self):
        self.names = {"p1": "张三"}
        self.last, self.reads = 0, 0
        self.published = Published(self.names.get, self.from_disk)

    async def from_disk(self, after, limit):
        self.reads += 1
        await asyncio.sleep(0)
        return [from_journal(n) for n in range(after + 1, self.last + 1)][:limit]

    def happen(self, *reports):
        self.last += 1
        self.published.add(self.last, reports)

    async def told(self, after, count):
        found = []
        async with asyncio.timeout(5):
            async for report in self.published.follow(after):
                found.append(report)
                if len(found) == count:
                    break
        return found


@pytest.mark.asyncio
async def test_who_follows_is_told_from_memory_part_by_part():
    site = Site()
    async with asyncio.TaskGroup() as group:
        told = group.create_task(site.told(0, 3))
        await asyncio.sleep(0)
        site.happen(status(1, person="p1"), status(2, person="nobody"))
        await asyncio.sleep(0)
        site.happen(status(3))
    assert [(r.seq, r.part, r.name) for r in told.result()] == [
        (1, 0, "张三"), (1, 1, None), (2, 0, None),
    ]  # fmt: skip
    assert site.reads == 0


@pytest.mark.asyncio
async def test_who_is_far_behind_is_led_up_from_the_journal(monkeypatch):
    monkeypatch.setattr(published_module, "KEPT", 10)
    monkeypatch.setattr(published_module, "CHUNK", 7)
    site = Site()
    for n in range(50):
        site.happen(status(n))
    told = await site.told(0, 50)
    assert [r.seq for r in told] == list(range(1, 51))
    assert site.reads > 0
    assert told[-1].detail is None, "the last ones came from memory"


@pytest.mark.asyncio
async def test_a_row_is_kept_whole_or_not_at_all(monkeypatch):
    monkeypatch.setattr(published_module, "KEPT", 4)
    site = Site()
    site.happen(*(status(n) for n in range(3)))
    site.happen(*(status(n) for n in range(3)))
    told = await site.told(1, 3)
    assert [(r.seq, r.part) for r in told] == [(2, 0), (2, 1), (2, 2)]
    assert site.reads == 0
    assert (await site.told(0, 1))[0].detail == "from the journal"


@pytest.mark.asyncio
async def test_after_an_erasure_everything_is_read_anew():
    site = Site()
    site.happen(status(1, person="p1", detail="孩子病了"))
    site.published.begin(site.last)
    assert (await site.told(0, 1))[0].detail == "from the journal"


@pytest.mark.asyncio
async def test_words_are_told_as_they_stand_in_the_journal():
    site = Site()
    typed = unicodedata.normalize("NFD", "Café 一号门")
    site.happen(status(1, detail=typed))
    assert (await site.told(0, 1))[0].detail == unicodedata.normalize("NFC", typed)
