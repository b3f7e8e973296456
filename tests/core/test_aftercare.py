"""After the call: results, visits, corrections, complaints, holds, reopening, and who closes."""

import json
import os
from dataclasses import replace

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.after.acts import MAX_CAUTION_CHARS
from gateway.core.after.entities import LegalHold, Photo, PhotoReply, ResultCode
from gateway.core.after.events import PhotoPosted
from gateway.core.answers.events import MediaReceived
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.centre.strict_json import Refusal
from gateway.core.dispatch import step
from gateway.core.effects import (
    PageChannel,
    PostPhoto,
    RecallPhoto,
    Receipt,
    ReportStatus,
    SendText,
)
from gateway.core.events import ClockStepped
from gateway.core.order import Assignment, Node, NumberLease, Order, OrderStatus, Put
from gateway.journal import MemoryJournal, SqliteJournal
from gateway.journal.contract import Entry
from gateway.records import Records
from gateway.retention import expire, needed
from gateway.settings import RetentionSettings
from tests.core.site_for_tests import NOON_US, US, Desk, make_site

RESULTS = {
    "settled": ResultCode(code="settled", name="纠纷—化解", follow_up_days=7),
    "passed_on": ResultCode(code="passed_on", name="纠纷—移交"),
}
PHOTO = "ab" * 16


def listed_site():
    return replace(make_site(), results=RESULTS)


def asked(desk, act, **fields):
    """Somebody of the centre acts; return (receipt, what was reported)."""
    raw = json.dumps({"act": act, "by": "李警官", "order": "o1", **fields}).encode()
    effects = desk.take(decode_centre_act(raw, now_us=desk.now_us))
    (receipt,) = [e for e in effects if isinstance(e, Receipt)]
    return receipt, [e for e in effects if isinstance(e, ReportStatus)]


def nodes(desk, name):
    return [e for e in desk.asked if isinstance(e, ReportStatus) and e.node == name]


@pytest.fixture
def desk():
    desk = Desk()
    desk.alert()
    return desk


# ---- results and visits (B8, D6) ----


def test_b8_where_results_are_listed_an_order_closes_only_with_one_of_them():
    desk = Desk(site=listed_site())
    desk.alert()
    for wrong in (None, "好了", "Settled"):
        refused = desk.act("close", result=wrong)
        assert refused.status == "refused"
        assert "settled (纠纷—化解)" in refused.reason
    assert desk.state.find(Order, "o1").open
    assert desk.act("close", result="settled 双方握手").status == "accepted"
    order = desk.state.find(Order, "o1")
    assert (order.result, order.outcome) == ("settled", "纠纷—化解 双方握手")


def test_b8_who_was_accountable_is_reminded_each_day_until_he_was_there():
    desk = Desk(site=listed_site())
    desk.alert()
    desk.press("zhang", "5")
    desk.act("close", result="settled")
    desk.wait(7 * 86_400 - 60)
    assert nodes(desk, "follow_up_due") == []
    before = len(desk.asked)
    desk.wait(86_400)
    written = [e for e in desk.asked[before:] if isinstance(e, SendText)]
    assert [e.address for e in written] == ["1001"]
    assert [e.person for e in nodes(desk, "follow_up_due")] == ["zhang"]
    receipt, told = asked(desk, "followed_up", note="都好")
    assert receipt.status == "accepted"
    assert [e.node for e in told] == ["followed_up"]
    desk.wait(20 * 86_400)
    assert len(nodes(desk, "follow_up_due")) == 1
    assert asked(desk, "followed_up", note="再次")[0].status == "refused"


def test_b8_a_visit_outlives_its_order_in_the_memory_and_ends_by_itself(desk):
    asked(desk, "follow_up", person="li", days=3)
    desk.act("close", result="好了")
    desk.wait(2 * 86_400)
    desk.alert(id="JQ-2", grid="G3")
    desk.act("close", result="好了")  # this sweeps what has rested
    assert desk.state.find(Order, "o1") is None
    desk.wait(60 * 86_400)
    assert [e.order for e in nodes(desk, "follow_up_due")] == ["o1"] * 7, "a week of days"
    assert asked(desk, "follow_up", person="nobody", days=1)[0].status == "refused"


# ---- the record (A28, A34) ----


def test_a28_a_correction_says_what_stood_there_and_changes_nothing_of_it(desk):
    before = desk.state.find(Order, "o1")
    receipt, (told,) = asked(
        desk, "correct", what="到场时间", old="12:05", new="12:15", why="记错了"
    )
    assert receipt.status == "accepted"
    assert told.node == "corrected"
    for word in ("到场时间", "12:05", "12:15", "记错了", "李警官"):
        assert word in told.detail
    assert desk.state.find(Order, "o1") == before


class Kept(Desk):
    """A desk whose steps stand in a journal with files beside it."""

    def __init__(self, folder, **more):
        self.entries = []
        super().__init__(**more)
        self.folder, self.now_us = folder, NOON_US
        self.journal = SqliteJournal(folder / "journal.sqlite3", boot_id="b")
        self.records = Records(folder / "journal.sqlite3")

    def take(self, event):
        self.entries.append((event, step(self.state, self.site, event)))
        return super().take(event)

    async def submit(self, event, *, settles=(), cursor=None):
        del settles, cursor
        self.take(event)
        await self.write_down()

    async def write_down(self):
        entries, self.entries = self.entries, []
        for event, outcome in entries:
            reports = tuple(e for e in outcome.effects if isinstance(e, ReportStatus))
            await self.journal.append(
                Entry(
                    event=event, changes=outcome.changes, outbox=(), reports=reports,
                    receipt=None, settles=(), cursor=None, settings="v", at_us=event.at_us,
                    mono_us=0,
                )
            )  # fmt: skip


@pytest_asyncio.fixture
async def kept(tmp_path):
    desk = Kept(tmp_path, site=listed_site())
    await desk.journal.recover()
    yield desk
    await desk.journal.close()


@pytest.mark.asyncio
async def test_a34_what_a_complaint_is_about_is_kept_until_a_named_person_lets_it_go(kept):
    photo = kept.folder / "media" / "work-3.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"photo")
    os.utime(photo, (NOON_US / US, NOON_US / US))
    kept.alert()
    kept.take(
        MediaReceived(
            at_us=kept.now_us, chat="work", address="1001", group=None, kind="photo",
            message="9", path="work-3.jpg", sha256="0" * 64,
        )
    )  # fmt: skip
    kept.act("close", result="passed_on")
    receipt, told = asked(kept, "complaint", reference="TS-2026-17")
    assert receipt.status == "accepted"
    assert [e.node for e in told] == ["complaint", "hold"]
    assert "TS-2026-17" in told[0].detail
    assert kept.state.find(LegalHold, "o1") is not None
    kept.pass_time(400 * 86_400)
    await kept.write_down()
    assert "work-3" in await needed(kept.records)
    answer = await kept.records.order("o1")
    assert answer["held"]["by"] == "李警官"

    async def keep():
        await expire(
            RetentionSettings(), kept.folder, kept.records, kept, kept.now_us, kept.journal
        )
        return photo.exists()

    assert await keep()
    assert asked(kept, "hold", why="诉讼")[0].status == "refused", "it is held already"
    assert asked(kept, "unhold", why="已结案")[0].status == "accepted"
    await kept.write_down()
    assert not await keep()
    assert asked(kept, "unhold", why="再次")[0].status == "refused"


@pytest.mark.asyncio
async def test_e11_the_record_has_the_photo_its_groups_and_the_time_to_the_first_clue(kept):
    kept.alert()
    asked(kept, "photo", media=PHOTO, to=["grid/G1", "grid/G3"], caption="走失老人")
    posts = [e for e in kept.asked if isinstance(e, PostPhoto)]
    assert [p.address for p in posts] == ["-101", "-103"]
    for n, post in enumerate(posts):
        kept.take(PhotoPosted(at_us=kept.now_us, post=post.post, message=str(50 + n)))
    kept.pass_time(600)
    kept.take(
        MediaReceived(
            at_us=kept.now_us, chat="work", address="1002", group="-101", kind="location",
            message="60", place="25000000,118000000", reply_to="50",
        )
    )  # fmt: skip
    kept.act("close", result="settled")
    await kept.write_down()
    (photo,) = (await kept.records.order("o1"))["photos"]
    assert photo["first_useful_s"] == 600.0
    assert photo["by"] == "李警官"
    assert photo["recalled"] == "closed"
    assert [g["group"] for g in photo["groups"]] == ["east", "west"]
    figures = await kept.records.statistics(from_us=0, to_us=kept.now_us + 1)
    assert figures["by_result"] == {"settled": 1}
    # The chained row holds neither what was asked nor who released it.
    rows = kept.folder / "export.jsonl"
    with rows.open("w", encoding="utf-8") as out:
        await kept.records.export(out)
    assert "走失老人" not in rows.read_text(encoding="utf-8")


def test_e11_words_count_as_a_clue_when_a_dispatcher_says_so(desk):
    asked(desk, "photo", media=PHOTO, to="grid/G1")
    assert asked(desk, "photo_useful")[0].status == "refused", "nobody has answered yet"
    photo = desk.state.find(Photo, "f1")
    reply = PhotoReply(at_us=desk.now_us + 90 * US, kind="text", person="li")
    desk.state.apply(Put(replace(photo, posted_us=desk.now_us, replies=(reply,))))
    receipt, told = asked(desk, "photo_useful")
    assert receipt.status == "accepted"
    assert [e.node for e in told] == ["photo_useful"]
    assert desk.state.find(Photo, "f1").first_useful_s == 90.0


def test_e11_a_stranger_in_a_group_is_told_of_without_his_words(desk):
    asked(desk, "photo", media=PHOTO, to="grid/G1")
    post = next(e for e in desk.asked if isinstance(e, PostPhoto))
    desk.take(PhotoPosted(at_us=desk.now_us, post=post.post, message="50"))
    for n in range(30):
        desk.take(
            MediaReceived(
                at_us=desk.now_us, chat="work", address="666", group="-101", kind="photo",
                message=str(60 + n), path=f"work-{n}.jpg", caption="张某住三楼", reply_to="50",
            )
        )  # fmt: skip
    told = nodes(desk, "photo_reply")
    assert 1 <= len(told) < 30, "a flood is not passed on"
    assert all(e.person is None and "张某" not in e.detail for e in told)
    assert nodes(desk, "photo_useful") == [], "nor is it of use by itself"


def test_e11_a_photo_is_taken_back_once(desk):
    asked(desk, "photo", media=PHOTO, to="grid/G1")
    post = next(e for e in desk.asked if isinstance(e, PostPhoto))
    desk.take(PhotoPosted(at_us=desk.now_us, post=post.post, message="50"))
    assert asked(desk, "photo_recall")[0].status == "accepted"
    assert asked(desk, "photo_recall")[0].status == "refused"
    desk.act("close", result="好了")
    desk.wait(86_400)
    assert len([e for e in desk.asked if isinstance(e, RecallPhoto)]) == 1


# ---- opening again ----


def test_an_order_is_opened_again_with_its_number_or_with_one_that_is_told(desk):
    desk.press("zhang", "5")
    number = desk.state.find(Order, "o1").number
    assert asked(desk, "reopen", why="早了")[0].status == "refused", "it is open"
    desk.act("close", result="好了")
    receipt, _ = asked(desk, "reopen", why="又打起来了")
    assert receipt.number == number
    order = desk.state.find(Order, "o1")
    assert (order.status, order.open, order.result) == (OrderStatus.CALLING, True, None)
    assert desk.state.find(NumberLease, number).free_us is None
    part = desk.state.find(Assignment, "o1/zhang")
    assert part.said[-1].node is Node.RELEASED
    assert part.stamp(Node.DONE) is not None, "what was said stays said"
    pages = [e for e in desk.asked if isinstance(e, PageChannel) and e.order == "o1"]
    assert len(pages) >= 2
    desk.press("zhang", "1")
    assert desk.state.find(Order, "o1").status is OrderStatus.ACKNOWLEDGED


@pytest.mark.parametrize("moved", ["before", "between", "not"])
def test_an_order_opened_again_says_whether_its_earlier_times_are_in_doubt(desk, moved):
    if moved == "before":
        desk.take(ClockStepped(at_us=desk.now_us, by_us=3600 * US))
    desk.act("close", result="好了")
    if moved == "between":
        desk.now_us -= 3600 * US
    asked(desk, "reopen", why="又打起来了")
    assert ("clock_doubt" in desk.state.find(Order, "o1").flags) is (moved != "not")


def test_a_number_that_another_order_has_now_is_not_taken_from_it(desk):
    before = desk.state.find(Order, "o1")
    desk.act("close", result="好了")
    desk.state.apply(Put(NumberLease(number=before.number, order="o9")))
    receipt, told = asked(desk, "reopen", why="又来了")
    assert receipt.number != before.number
    (node,) = [e for e in told if e.node == "reopened"]
    assert before.number in node.detail
    assert receipt.number in node.detail


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sqlite", "memory"])
async def test_every_journal_finds_an_order_that_has_left_the_memory(tmp_path, kind):
    desk = Kept(tmp_path)
    if kind == "memory":
        await desk.journal.close()
        desk.journal = MemoryJournal()
    await desk.journal.recover()
    desk.alert()
    desk.press("zhang", "0")
    desk.act("close", result="好了")
    await desk.write_down()
    found = await desk.journal.find_order("o1")
    assert found.order == desk.state.find(Order, "o1")
    assert {p.person for p in found.parts} >= {"zhang", "li"}
    assert {p.key: p for p in found.parts} == {
        p.key: p for p in desk.state.kind_of_order(Assignment, "o1")
    }
    assert await desk.journal.find_order("o7") is None
    await desk.journal.close()


# ---- nobody but a named person ends an order ----


@settings(max_examples=25)
@given(st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", "5", "6", "0"]), st.sampled_from(["zhang", "li"]),
              st.floats(1, 40_000)), max_size=8,
))  # fmt: skip
def test_no_answer_and_no_clock_ever_closes_an_order(said):
    desk = Desk()
    desk.alert()
    asked(desk, "photo", media=PHOTO, to="grid/G1", minutes=5)
    for action, who, seconds in said:
        desk.press(who, action)
        desk.wait(seconds)
    desk.wait(3 * 86_400)
    assert desk.state.find(Order, "o1").open
    assert nodes(desk, "closed") == nodes(desk, "cancelled") == []


# ---- what acts refuse ----


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"act": "caution", "order": "o1", "text": "长" * (MAX_CAUTION_CHARS + 1)}, "text"),
        ({"act": "caution", "order": "o1", "text": "a\u202eb"}, "text"),
        ({"act": "correct", "order": "o1", "what": "x", "old": "a", "new": "b"}, "why"),
        ({"act": "photo", "order": "o1", "media": "../x.jpg", "to": "grid/G1"}, "media"),
        ({"act": "photo", "order": "o1", "media": "a.ogg", "to": "grid/G1"}, "media"),
        ({"act": "photo", "order": "o1", "media": PHOTO, "to": []}, "to"),
        ({"act": "photo", "order": "o1", "media": PHOTO, "to": "G1"}, "to"),
        ({"act": "photo", "order": "o1", "media": PHOTO, "to": "grid/G1", "minutes": 2880},
         "minutes"),
        ({"act": "follow_up", "order": "o1", "person": "li", "days": 0}, "days"),
        ({"act": "hold", "order": "o1"}, "why"),
        ({"act": "complaint", "order": "o1", "reference": "@\x00"}, "reference"),
    ],
)  # fmt: skip
def test_an_act_with_something_wrong_names_the_field(fields, field):
    raw = json.dumps({"by": "李警官"} | fields).encode()
    with pytest.raises(Refusal) as refusal:
        decode_centre_act(raw, now_us=0)
    assert str(refusal.value).startswith(field)


def test_an_order_that_nobody_knows_is_refused(desk):
    for act, more in (("caution", {"text": "x"}), ("hold", {"why": "x"}),
                      ("reopen", {"why": "x"}), ("photo", {"media": PHOTO, "to": "grid/G1"})):
        receipt, told = asked(desk, act, order="o77", **more)
        assert (receipt.status, told) == ("refused", [])
        assert "o77" in receipt.reason
