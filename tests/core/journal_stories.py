"""Transactions of a small site, and arbitrary instances of everything a row can hold."""

import unicodedata
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from gateway.core.alert import Alert, AlertKind, Assurance, Level, Medium
from gateway.core.answers.events import ButtonPressed
from gateway.core.effects import PageChannel, PostCard, Receipt, ReportStatus, SendText
from gateway.core.events import PathChanged, TimerFired
from gateway.core.intake.events import AlertReceived
from gateway.core.order import (
    AlertKey,
    Assignment,
    Change,
    Drop,
    Node,
    NumberLease,
    Order,
    OrderStatus,
    Path,
    Put,
    Stamp,
    Timer,
)
from gateway.core.people import Contact, Person, Role
from gateway.core.register.events import RegisterSeeded
from gateway.interfaces import Cursor
from gateway.journal.contract import Entry, Written

START_US = 1_760_000_000_000_000


def entry(event: Any = None, *changes: Change, at_us: int = START_US, **rest: Any) -> Entry:
    """Return a transaction with what matters to the story and nothing else."""
    given = {
        "outbox": (), "reports": (), "receipt": None, "settles": (), "cursor": None,
        "settings": "5e771465", "mono_us": at_us - START_US, **rest,
    }  # fmt: skip
    happened = event or TimerFired(at_us=at_us, timer="tick")
    return Entry(event=happened, changes=changes, at_us=at_us, **given)


def path_entry(n: int, text: str = "mqtt") -> Entry:
    """Return the smallest transaction that changes something: a path is up since ``n``."""
    at_us = START_US + n
    path = Path(id=text, up=True, since_us=n)
    return entry(PathChanged(at_us=at_us, path=text, up=True), Put(path), at_us=at_us)


ZHANG = Person(id="p1", name="张建国", guard_code="101")
LI = Person(id="p2", name="李秀英", guard_code="102")
ZHANG_ACCOUNT = Contact(person="p1", chat="work", address="700100", since_us=START_US)
LI_ACCOUNT = Contact(person="p2", chat="work", address="700200", since_us=START_US)


def people_seeded() -> Entry:
    """Return the transaction in which two guards and their accounts become known."""
    people, contacts = (ZHANG, LI), (ZHANG_ACCOUNT, LI_ACCOUNT)
    event = RegisterSeeded(at_us=START_US, people=people, contacts=contacts)
    return entry(event, *(Put(item) for item in people + contacts))


def alert(n: int) -> Alert:
    """Return the centre's ``n``-th alert."""
    return Alert(
        kind=AlertKind.ALERT, id=f"A-{n}", sender="centre", sent_us=START_US + n * 1000,
        category="fight", level=Level.ONE, text="人民路三号有人打架", body_sha256=f"{n:064x}",
    )  # fmt: skip


def order(n: int) -> Order:
    """Return the order of the ``n``-th alert."""
    return Order(
        id=f"o{n}", number=f"{n % 100:02}", status=OrderStatus.CALLING, alert=alert(n),
        grids=("g1",), opened_us=START_US + n * 1000, clock_us=START_US + n * 1000,
    )  # fmt: skip


def opened(n: int) -> Entry:
    """Return the transaction in which the ``n``-th alert becomes an order for 张建国."""
    new, at_us = order(n), START_US + n * 1000
    return entry(
        AlertReceived(at_us=at_us, door="mqtt", alert=new.alert),
        Put(new),
        Put(AlertKey(sender="centre", id=f"A-{n}", sha256=f"{n:064x}", order=new.id,
                     number=new.number)),
        Put(NumberLease(number=new.number, order=new.id)),
        Put(Assignment(order=new.id, person="p1", role=Role.GUARD)),
        Put(Timer(id=f"acknowledge/{new.id}", order=new.id, what="acknowledge",
                  due_us=at_us + 30_000_000)),
        at_us=at_us,
        outbox=(
            ("radio", PageChannel(page=f"p{n}", channel="north", order=new.id, level=1,
                                  number=new.number, text=("张建国", "人民路三号"),
                                  language="zh_CN", not_after_us=at_us + 60_000_000)),
            ("telegram", PostCard(card=f"c{n}", chat="work", address="700100", private=True,
                                  order=new.id, text="警情", buttons=(), level=1,
                                  not_after_us=at_us + 60_000_000)),
        ),
        reports=(
            ReportStatus(at_us=at_us, order=new.id, number=new.number, node="accepted"),
            ReportStatus(at_us=at_us, order=new.id, number=new.number, node="told", person="p1",
                         medium="radio"),
        ),
        receipt=Receipt(status="accepted", sender="centre", id=f"A-{n}", order=new.id,
                        number=new.number),
    )  # fmt: skip


def acknowledged(n: int, posted: Written, after_s: int = 12) -> Entry:
    """Return the transaction in which 张建国 presses 收到 on the card of that order."""
    at_us = START_US + n * 1000 + after_s * 1_000_000
    stamp = Stamp(
        node=Node.ACKNOWLEDGED, at_us=at_us, medium=Medium.CHAT, assurance=Assurance.C2
    )
    press = ButtonPressed(at_us=at_us, chat="work", address="700100", order=f"o{n}", action="1",
                          press="77", private=True)  # fmt: skip
    return entry(
        press,
        Put(Assignment(order=f"o{n}", person="p1", role=Role.GUARD, stamps=(stamp,))),
        Drop("timer", f"acknowledge/o{n}"),
        at_us=at_us,
        settles=posted.outbox_ids,
        cursor=Cursor(source="telegram:work", position=str(9000 + n)),
        reports=(
            ReportStatus(at_us=at_us, order=f"o{n}", number=f"{n:02}", node="acknowledged",
                         person="p1", medium="chat", assurance="C2"),
        ),
    )  # fmt: skip


def retired(n: int) -> Entry:
    """Return the transaction, a day after the close, in which the number is free again."""
    at_us = START_US + n * 1000 + 86_400_000_000
    timer = TimerFired(at_us=at_us, timer=f"free/o{n}")
    return entry(timer, Drop("number", f"{n % 100:02}"), at_us=at_us)


def line_to(address: str, text: str = "收到") -> SendText:
    """Return a line written to somebody's account."""
    return SendText(chat="work", address=address, text=text, level=2, not_after_us=START_US)


# -- arbitrary instances -----------------------------------------------------------------------

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
).map(lambda text: unicodedata.normalize("NFC", text))
WHOLE = st.integers(-(2**63), 2**63 - 1)


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Return a strategy for any instance of a dataclass that the core could make."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{f.name: _values(hints[f.name]) for f in fields(cls)})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    hint = getattr(hint, "__supertype__", hint)
    simple = {str: TEXT, int: WHOLE, bool: st.booleans(), NoneType: st.none()}
    if hint in simple:
        return simple[hint]
    if is_dataclass(hint):
        return instances(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(arguments)
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of(*(_values(argument) for argument in arguments))
    assert get_origin(hint) is tuple, f"a strategy for {hint} is missing"
    if arguments[-1] is Ellipsis:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    return st.tuples(*(_values(argument) for argument in arguments))
