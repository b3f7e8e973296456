"""The engine's driver against a radio process that a test plays, on a real Unix socket."""

import asyncio
import selectors
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio import engine_door, link
from drivers.radio.engine_door import EngineDoor
from drivers.radio.link import RadioDriver
from drivers.radio.protocol import (
    PROTOCOL,
    Ack,
    Beat,
    Configure,
    Do,
    Figures,
    Hello,
    Lines,
    Message,
    Taken,
    Told,
    decode,
    encode,
)
from gateway.core.airtime import REPEAT_WORDS
from gateway.core.answers.events import OverHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted
from gateway.core.effects import AnswerOver, PageChannel, SetTalkGroup, WithdrawPage
from gateway.core.events import Event, PathChanged
from gateway.interfaces import Committed, Cursor, Outgoing, SetupError, WireError
from tests.drivers.radio.harness import bench, page, wait_until


class Clock:
    def now_us(self) -> int:
        return 1_795_287_600_000_000

    def synchronised(self) -> bool:
        return True


class FakeIntake:
    """Commits one after the other, when it is let."""

    def __init__(self, position: str | None = None) -> None:
        self.rows: list[tuple[Event, tuple[int, ...], str | None]] = []
        self.settled: list[int] = []
        self.left: list[int] = []
        self.position = position
        self.commits = asyncio.Event()
        self.commits.set()

    async def submit(
        self, event: Event, *, settles: Sequence[int] = (), cursor: Cursor | None = None
    ) -> Committed:
        await self.commits.wait()
        self.rows.append((event, tuple(settles), cursor.position if cursor else None))
        return Committed(seq=len(self.rows))

    def started(self, outbox_id: int) -> None:
        self.left.append(outbox_id)

    def settle(self, outbox_id: int) -> None:
        self.settled.append(outbox_id)

    async def cursor(self, source: str) -> str | None:
        assert source == "radio"
        return self.position

    def events(self, kind: type) -> list:
        return [row[0] for row in self.rows if isinstance(row[0], kind)]


class FakeRadio:
    """The radio process's end: says what it is told to, keeps what it hears."""

    def __init__(self, path: Path, boot: str = "b1") -> None:
        self.path = path
        self.boot = boot
        self.protocol = PROTOCOL
        self.paths: dict[str, str | None] = {"gate": None}
        self.heard: list[Message] = []
        self.connections = 0
        self._writer: asyncio.StreamWriter | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["FakeRadio"]:
        server = await asyncio.start_unix_server(self._serve, str(self.path))
        async with server:
            try:
                yield self
            finally:
                self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        self.say(Hello(self.protocol, self.boot, self.paths))
        try:
            while line := await reader.readline():
                self.heard.append(decode(line))
        except ConnectionError:
            pass
        finally:
            writer.close()

    def say(self, *messages: Message) -> None:
        assert self._writer is not None
        for message in messages:
            self._writer.write(encode(message))

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def done(self) -> list[tuple[int, bool]]:
        return [(m.id, m.again) for m in self.heard if isinstance(m, Do)]

    def acknowledged(self) -> list[int]:
        return [m.seq for m in self.heard if isinstance(m, Ack)]


@asynccontextmanager
async def running(driver: RadioDriver, intake: FakeIntake) -> AsyncIterator[RadioDriver]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(driver.run(intake))
        try:
            yield driver
        finally:
            task.cancel()


def driver_at(path: Path) -> RadioDriver:
    return RadioDriver(path, ["gate"], Clock())


def outgoing(number: int, effect=None, *, again: bool = False) -> Outgoing:
    return Outgoing(id=number, effect=effect or page(f"p{number}"), again=again)


def spoken(name: str) -> PageSpoken:
    return PageSpoken(at_us=1, page=name)


@pytest.mark.asyncio
async def test_an_event_is_acknowledged_only_after_its_commit_and_settles_its_row(
    tmp_path: Path,
) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        driver.deliver(outgoing(5))
        await wait_until(lambda: radio.done(), 2, "the page")
        assert (radio.done(), intake.left) == ([(5, False)], [5])
        intake.commits.clear()
        radio.say(Told(1, spoken("p5"), (5,)))
        await asyncio.sleep(0.05)
        assert radio.acknowledged() == []
        intake.commits.set()
        await wait_until(lambda: radio.acknowledged() == [1], 2, "the acknowledgement")
        assert intake.rows == [(spoken("p5"), (5,), "b1:1")]


@pytest.mark.asyncio
async def test_an_event_that_comes_twice_is_taken_once(tmp_path: Path) -> None:
    intake, driver = FakeIntake("b1:2"), driver_at(tmp_path / "s")
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        await wait_until(lambda: driver.connected, 2, "connected")
        radio.say(*(Told(n, spoken(f"p{n}")) for n in (1, 2, 3, 3)))
        await wait_until(lambda: radio.acknowledged() == [1, 2, 3, 3], 2, "acknowledgements")
        assert [row[0].page for row in intake.rows] == ["p3"]
        radio.cut()
        await wait_until(lambda: radio.connections == 2, 3, "connected again")
        radio.say(Told(3, spoken("p3")), Told(4, spoken("p4")))
        await wait_until(lambda: 4 in radio.acknowledged(), 2, "the acknowledgement")
        assert [row[0].page for row in intake.rows] == ["p3", "p4"]


@pytest.mark.asyncio
async def test_what_is_not_settled_is_sent_again_after_a_reconnection(tmp_path: Path) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    driver.deliver(outgoing(1))
    driver.deliver(outgoing(2, again=True))
    radio = FakeRadio(tmp_path / "s")
    async with radio.listening(), running(driver, intake):
        await wait_until(lambda: len(radio.done()) == 2, 2, "both pages")
        assert radio.done() == [(1, False), (2, True)]
        radio.say(Told(1, spoken("p1"), (1,)))
        await wait_until(radio.acknowledged, 2, "the acknowledgement")
        radio.boot = "b2"  # another radio process: it counts from 1 again
        radio.cut()
        await wait_until(lambda: len(radio.done()) == 3, 3, "the unsettled page")
        assert radio.done()[2] == (2, True)
        radio.say(Told(1, spoken("p2"), (2,)))
        await wait_until(lambda: len(intake.rows) == 2, 2, "the second page")
        assert intake.rows[1][2] == "b2:1"
        assert intake.left == [1, 2], "an effect leaves for the first time once"


@pytest.mark.asyncio
async def test_withdrawals_and_answers_settle_when_they_are_taken(tmp_path: Path) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        driver.deliver(outgoing(1, WithdrawPage(page="p", channel="gate", reason="r")))
        driver.deliver(
            outgoing(2, AnswerOver(channel="gate", over="o", accepted=True, not_after_us=1))
        )
        await wait_until(lambda: len(radio.done()) == 2, 2, "both")
        radio.say(Taken(1), Taken(2), Taken(2), Taken(99))
        await wait_until(lambda: len(intake.settled) == 2, 2, "settled")
        radio.cut()
        await wait_until(lambda: radio.connections == 2, 3, "connected again")
        await wait_until(lambda: radio.heard[-1] == Beat(), 2, "a beat")
        assert (intake.settled, len(radio.done()), intake.rows) == ([1, 2], 2, [])


@pytest.mark.asyncio
async def test_a_radio_process_that_starts_anew_is_told_what_was_switched(
    tmp_path: Path,
) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    off = SetTalkGroup(group="east", on=False)
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        driver.deliver(outgoing(1, SetTalkGroup(group="east", on=True, until_us=5)))
        driver.deliver(outgoing(2, off))
        await wait_until(lambda: len(radio.done()) == 2, 2, "both")
        radio.say(Taken(1), Taken(2))
        await wait_until(lambda: intake.settled == [1, 2], 2, "settled")
        radio.boot = "b2"
        radio.cut()
        await wait_until(lambda: radio.connections == 2, 3, "connected again")
        await wait_until(lambda: len(radio.done()) == 3, 2, "the switch")
        radio.say(Taken(0))
        assert [m.effect for m in radio.heard if isinstance(m, Do)][-1] == off
        assert intake.settled == [1, 2]


@pytest.mark.asyncio
async def test_a_radio_process_that_is_away_is_told_and_so_is_its_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "AWAY_S", 0.2)
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    async with running(driver, intake):
        await wait_until(lambda: intake.events(PathChanged), 2, "told away")
        await asyncio.sleep(0.3)
        (away,) = intake.events(PathChanged)
        assert (away.path, away.up) == ("channel:gate", False)
        radio = FakeRadio(tmp_path / "s")
        async with radio.listening():
            await wait_until(lambda: len(intake.events(PathChanged)) == 2, 3, "told back")
            assert intake.events(PathChanged)[1].up
            radio.paths = {"gate": "the keyer hung"}
            radio.cut()
            await wait_until(lambda: radio.connections == 2, 3, "connected again")
        assert len(intake.events(PathChanged)) == 2, "a blink is no news"


@pytest.mark.asyncio
async def test_a_radio_process_that_died_is_told_at_once_and_another_until_it_hears(
    tmp_path: Path,
) -> None:
    """What nobody listens to must not stand as up: not while it is away, nor while it starts."""
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    async with running(driver, intake):
        async with FakeRadio(tmp_path / "s").listening():
            await wait_until(lambda: driver.connected, 2, "connected")
        await wait_until(lambda: intake.events(PathChanged), 2, "told away")
        assert [e.up for e in intake.events(PathChanged)] == [False]
        another = FakeRadio(tmp_path / "s")
        another.boot, another.paths = "another", {}
        async with another.listening():
            await wait_until(lambda: driver.connected, 3, "connected again")
            await wait_until(lambda: another.heard.count(Beat()), 3, "a beat")
            assert [e.up for e in intake.events(PathChanged)] == [False]
            another.say(Told(1, PathChanged(at_us=1, path="channel:gate", up=True)))
            await wait_until(lambda: len(intake.events(PathChanged)) == 2, 2, "told up")


@pytest.mark.asyncio
async def test_an_engine_that_meets_another_radio_process_holds_no_channel_for_up(
    tmp_path: Path,
) -> None:
    intake, driver = FakeIntake(position="former:7"), driver_at(tmp_path / "s")
    radio = FakeRadio(tmp_path / "s")
    radio.boot, radio.paths = "another", {}
    async with radio.listening(), running(driver, intake):
        await wait_until(lambda: intake.events(PathChanged), 2, "told")
        (told,) = intake.events(PathChanged)
        assert (told.up, told.reason) == (False, "the radio process has started anew")
        radio.say(Figures(8, 4000, 1.5, 80.0, 2, 9.0, 9.5, 2.0))
        await wait_until(lambda: driver.figures, 2, "figures")


@pytest.mark.asyncio
async def test_beats_come_each_second_and_settings_are_passed_on(tmp_path: Path) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    settings = tmp_path / "resolved.json"
    settings.write_text('{"channels": {"gate": {"driver": "radio"}}}')
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        await wait_until(lambda: driver.connected, 2, "connected")
        driver.configure(settings)
        await wait_until(lambda: radio.heard.count(Beat()) >= 2, 3, "two beats")
        assert Configure(str(settings)) in radio.heard
        radio.cut()
        await wait_until(
            lambda: radio.heard.count(Configure(str(settings))) == 2, 3, "settings again"
        )


@pytest.mark.asyncio
async def test_a_radio_process_that_talks_nonsense_is_left_and_tried_again(
    tmp_path: Path,
) -> None:
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    radio = FakeRadio(tmp_path / "s")
    async with radio.listening(), running(driver, intake):
        await wait_until(lambda: driver.connected, 2, "connected")
        radio.say(Do(1, page("p1")))
        await wait_until(lambda: radio.connections == 2, 3, "connected again")


@pytest.mark.asyncio
async def test_a_radio_process_of_another_version_is_a_technicians_matter(
    tmp_path: Path,
) -> None:
    radio = FakeRadio(tmp_path / "s")
    radio.protocol = PROTOCOL + 1
    async with radio.listening():
        with pytest.raises(SetupError, match="same gridcall"):
            await driver_at(tmp_path / "s").run(FakeIntake())


@pytest.mark.asyncio
async def test_more_than_can_wait_is_refused_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "UNSETTLED_MAX", 2)
    intake, driver = FakeIntake(), driver_at(tmp_path / "s")
    for number in range(1, 4):
        driver.deliver(outgoing(number))
    driver.deliver(outgoing(4, WithdrawPage(page="p1", channel="gate", reason="r")))
    async with FakeRadio(tmp_path / "s").listening() as radio, running(driver, intake):
        await wait_until(lambda: intake.rows and intake.settled, 2, "refusals")
        assert (intake.rows[0][0].page, intake.rows[0][1]) == ("p3", (3,))
        assert intake.settled == [4]
        await wait_until(lambda: len(radio.done()) == 2, 2, "the first two")


@pytest.mark.asyncio
async def test_driver_and_radio_process_together(tmp_path: Path) -> None:
    """The real radio process: a page out, its events in; killed, and the page comes again."""
    intake = FakeIntake()
    async with (
        bench(tmp_path) as site,
        running(RadioDriver(site.socket, ["gate"], Clock()), intake) as driver,
    ):
        await wait_until(lambda: intake.events(PathChanged), 10, "path up")
        assert stat.S_IMODE(site.socket.stat().st_mode) == 0o600
        driver.deliver(outgoing(1, page("p1", attention=False)))
        await wait_until(lambda: intake.events(PageSpoken), 10, "spoken")
        assert [r[1] for r in intake.rows if r[0] in intake.events(PageSpoken)] == [(1,)]
        driver.deliver(outgoing(2, page("p2", text=("请就近前往处置",) * 3)))
        await wait_until(lambda: len(intake.events(PageStarted)) == 2, 3, "started")
        await site.stop_process()
        await site.start_process()
        await wait_until(lambda: len(intake.events(PageStarted)) == 3, 9, "started again")
        assert intake.events(PageStarted)[-1].page == "p2"
        await site.guard.key_and_send(voice_s=0.1)
        driver.deliver(outgoing(3, WithdrawPage(page="p2", channel="gate", reason="r")))
        await wait_until(lambda: intake.events(PageFailed), 9, "withdrawn")
        assert 3 in intake.settled


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_the_word_for_repeat_is_the_catalogues(language: str) -> None:
    import yaml

    catalogue = Path(__file__).parents[3] / "gateway/data" / f"catalogue_{language}.yaml"
    words = yaml.safe_load(catalogue.read_text())
    assert REPEAT_WORDS[language].lower() == words["repeat_word"].lower()


MESSAGES = st.one_of(
    st.builds(Beat),
    st.builds(Ack, st.integers(0)),
    st.builds(Taken, st.integers(0)),
    st.builds(Configure, st.text()),
    st.builds(
        Hello, st.integers(0, 9), st.text(), st.dictionaries(st.text(), st.none() | st.text())
    ),
    st.builds(
        Do,
        st.integers(0),
        st.one_of(
            st.builds(
                PageChannel,
                page=st.text(), channel=st.text(), order=st.text(), level=st.integers(1, 3),
                number=st.text(), text=st.lists(st.text(), max_size=3).map(tuple),
                language=st.sampled_from(["zh_CN", "en"]), not_after_us=st.integers(),
            ),
            st.builds(WithdrawPage, page=st.text(), channel=st.text(), reason=st.text()),
        ),
        st.booleans(),
    ),
    st.builds(
        Told,
        st.integers(1),
        st.one_of(
            st.builds(
                OverHeard, at_us=st.integers(), channel=st.text(), over=st.text(),
                keyed_ms=st.integers(0), ani=st.none() | st.text(), stray=st.text(),
            ),
            st.builds(PathChanged, at_us=st.integers(), path=st.text(), up=st.booleans(),
                      reason=st.none() | st.text()),
        ),
        st.lists(st.integers(0), max_size=3).map(tuple),
    ),
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=8), st.data())
def test_messages_arrive_as_they_left_however_the_socket_cuts_them(
    messages: list[Message], data: st.DataObject
) -> None:
    stream, lines, got = b"".join(map(encode, messages)), Lines(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += lines.feed(stream[:size])
        stream = stream[size:]
    assert got == messages


@given(st.binary(max_size=200).filter(lambda b: b"\n" not in b and b != b""))
def test_any_other_line_is_refused_as_nonsense(line: bytes) -> None:
    with pytest.raises(WireError):
        decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"say":"do","id":1,"effect":{"is":"PageSpoken","at_us":1,"page":"x"}}',
        b'{"say":"do","id":1,"effect":{"is":"PageChannel"}}',
        b'{"say":"told","seq":"many","event":{"is":"PageSpoken","at_us":1,"page":"x"}}',
        b'{"say":"nothing"}', b'[]', b'{"say":["a"]}', b'{"say":"do","id":1,"effect":7}',
    ],
)  # fmt: skip
def test_a_message_with_a_wrong_part_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        decode(line)


class Door:
    """The radio process's end of the socket, its loop turned by hand, its clock set by hand."""

    def __init__(self, path: Path) -> None:
        self.now_s = 100.0
        self.taken: list[Do | Configure] = []
        self.selector = selectors.DefaultSelector()
        self.door = EngineDoor(
            path, "b1", self.selector, paths=dict, on_message=self.taken.append,
            clock=lambda: self.now_s,
        )  # fmt: skip

    def turn(self) -> None:
        while ready := self.selector.select(0.02):
            for key, _ in ready:
                key.data()


@contextmanager
def door_at(path: Path) -> Iterator[Door]:
    made = Door(path)
    try:
        yield made
    finally:
        made.door.close()
        made.selector.close()


def engine_at(path: Path) -> socket.socket:
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(str(path))
    engine.settimeout(1)
    return engine


def test_an_engine_that_stops_beating_is_as_good_as_gone(tmp_path: Path) -> None:
    """Its socket stays open, as that of a stopped process does."""
    with door_at(tmp_path / "s") as at, engine_at(tmp_path / "s") as engine:
        assert not at.door.engine_alive(at.now_s)
        at.turn()
        at.now_s += 2.9
        assert at.door.engine_alive(at.now_s)
        at.now_s += 0.2
        assert not at.door.engine_alive(at.now_s)
        engine.sendall(encode(Beat()))
        at.turn()
        assert at.door.engine_alive(at.now_s)
        engine.close()
        at.turn()
        assert not at.door.engine_alive(at.now_s)


def test_nonsense_from_the_engine_closes_its_connection_and_nothing_else(
    tmp_path: Path,
) -> None:
    with door_at(tmp_path / "s") as at:
        for nonsense in (b"{}\n", b"\xff\n", b'{"say":"do"}\n', b"x" * (2 << 20)):
            with engine_at(tmp_path / "s") as engine:
                at.turn()
                engine.setblocking(False)
                with suppress(BlockingIOError, ConnectionError):
                    while nonsense:
                        nonsense = nonsense[engine.send(nonsense) :]
                        at.turn()
                at.turn()
                assert not at.door.engine_alive(at.now_s)
        with engine_at(tmp_path / "s") as engine:
            engine.sendall(encode(Do(1, page("p1"))))
            at.turn()
            assert [do.id for do in at.taken] == [1]


def test_events_are_kept_in_bounds_and_the_newest_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_door, "EVENTS_KEPT_MAX", 3)
    with door_at(tmp_path / "s") as at:
        for number in range(5):
            at.door.tell(spoken(f"p{number}"))
        with engine_at(tmp_path / "s") as engine:
            at.turn()
            hello, *told = Lines().feed(engine.recv(1 << 16))
            assert hello == Hello(PROTOCOL, "b1", {})
            assert [message.seq for message in told] == [3, 4, 5]


def test_what_waits_for_an_events_row_happens_once_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_door, "EVENTS_KEPT_MAX", 3)
    done: list[int] = []
    with door_at(tmp_path / "s") as at:
        for number in range(1, 6):
            once = partial(done.append, number)
            at.door.tell(spoken(f"p{number}"), once_taken=once)
        with engine_at(tmp_path / "s"):
            at.turn()
        assert done == [], "sent is not taken"
        for seq, taken in ((3, [3]), (3, [3]), (5, [3, 4, 5])):
            with engine_at(tmp_path / "s") as engine:
                engine.sendall(encode(Ack(seq)))
                at.turn()
                assert done == taken, "1 and 2 were dropped untold: nothing may go for them"


def test_a_door_that_closes_leaves_its_successors_socket_alone(tmp_path: Path) -> None:
    """A radio process that is dying must not take the socket of the one started in its place."""
    with door_at(tmp_path / "s") as dying, door_at(tmp_path / "s"):
        dying.door.close()
        engine_at(tmp_path / "s").close()
        dying.door = EngineDoor(
            tmp_path / "other", "b2", dying.selector, paths=dict, on_message=dying.taken.append,
            clock=lambda: 0.0,
        )  # fmt: skip
