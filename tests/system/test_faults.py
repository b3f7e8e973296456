"""Kills, hangs and cuts in the middle of an order: nothing accepted is lost, PTT comes down."""

import asyncio
import os
import shutil
import signal

import pytest

from tests.ports import free_port
from tests.system.lab import Lab

pytestmark = [pytest.mark.system, pytest.mark.asyncio, pytest.mark.timeout(240)]

# PTT is down this long after the radio process or a keyer dies or hangs (design §7).
PTT_DOWN_S = 0.5


async def kill_engine(lab):
    before = lab.kill("engine")
    await lab.until(lambda: lab.pid("engine") not in (None, before), 20, "another engine")
    await lab.wait_ready()


async def say(lab, digits):
    """Key digits once, on a clear channel, and return how the gateway answered.

    Who is not answered keys again only if the simulated air itself was late meanwhile, which it
    knows: an over that was played on time is answered.
    """
    while True:
        await lab.zhang.wait_clear(30, settle_s=0.3)
        late_before = lab.ether.late_frames
        await lab.zhang.key_and_send(digits)
        try:
            async with asyncio.timeout(8):
                while (answer := (await lab.zhang.next_heard(8)).answer) is None:
                    pass
            return answer
        except TimeoutError:
            assert lab.ether.late_frames > late_before, "played on time, and not answered"


async def next_page(radio, limit_s=40):
    """Return the next order heard on the air; an over that died unspoken is none."""
    async with asyncio.timeout(limit_s):
        while True:
            heard = await radio.next_heard(limit_s)
            if heard.attention is not None:
                return heard


async def test_the_engine_is_killed_at_every_node_of_the_timeline(tmp_path):
    """Each kill loses nothing, repeats nothing unmarked, and the order goes on by itself."""
    async with Lab(tmp_path, ack_s=60) as lab:
        receipt = await lab.alert(needs=2)
        await kill_engine(lab)  # receipted
        await lab.base.wait_ptt(True, 20)
        lab.kill("engine")  # on the air: the sentence under way is finished
        heard = await next_page(lab.zhang)
        assert heard.attention == 2 and heard.end_s - heard.start_s > 3
        await lab.wait_ready()
        await lab.event("told", person="p_zhang")
        assert await say(lab, "*1#") == "accepted"
        await lab.event("acknowledged", person="p_zhang")
        await kill_engine(lab)  # acknowledged
        card = await lab.card("700032")
        lab.chat.press(card, "收到", "700032")
        await lab.event("acknowledged", person="p_li")
        assert await say(lab, "*2#") == "accepted"
        await lab.event("en_route", person="p_zhang")
        await kill_engine(lab)  # en route
        assert await say(lab, "*3#") == "accepted"
        await lab.event("arrived", person="p_zhang")
        await kill_engine(lab)  # arrived
        lab.chat.press(card, "到场", "700032")
        await lab.event("arrived", person="p_li")
        whole = await lab.order(receipt["order"])
        assert whole["status"] == "arrived"
        assert len(lab.base_overs()) == 1, "spoken once, though the engine died four times"
        again = [m for m in lab.chat.posts("700032") if m.keyboard and "重发" not in m.text]
        assert len(again) == 1, "one card, or marked as sent again"
        await lab.stop_daemon()
        rows = lab.journal()
        accepted = [r for r in rows if r["kind"] == "AlertReceived"]
        assert len(accepted) == 1


async def test_digits_keyed_while_the_engine_is_down_are_not_lost(tmp_path):
    async with Lab(tmp_path, ack_s=60) as lab:
        await lab.alert()
        await next_page(lab.zhang)
        await lab.event("told", person="p_zhang")
        before = lab.kill("engine", signal.SIGSTOP)
        await lab.zhang.wait_clear(10, settle_s=0.5)
        await lab.zhang.key_and_send("*1#")
        lab.kill("engine")
        await lab.until(lambda: lab.pid("engine") not in (None, before), 20, "another engine")
        assert (await lab.event("acknowledged", limit_s=30))["person"] == "p_zhang"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["kill", "stop"])
@pytest.mark.parametrize("who", ["radio", "keyer"])
async def test_radio_process_and_keyer_die_and_hang_while_keyed(tmp_path, who, number):
    """PTT is down in half a second, the page is spoken again and the order goes on."""
    async with Lab(tmp_path, ack_s=60) as lab:
        await lab.alert(text="打架，" * 8)
        await lab.base.wait_ptt(True, 20)
        pid = lab.kill(who, number)
        took_s = await lab.ptt_down()
        print(f"PTT down {took_s * 1000:.0f} ms after {number.name} of the {who}")
        assert took_s <= PTT_DOWN_S
        if who == "radio" and number == signal.SIGSTOP:
            # Hung for good, it is the supervisor's or a technician's to end it.
            os.kill(pid, signal.SIGKILL)
        await lab.wait_ready()
        page = await lab.until(
            lambda: next((o for o in lab.base_overs() if o.duration_s > 6), None), 60,
            "the whole page on the air",
        )  # fmt: skip
        assert page.attention == 2
        await lab.event("told", person="p_zhang", limit_s=20)
        assert await say(lab, "*1#") == "accepted"
        await lab.event("acknowledged", person="p_zhang")


async def kill_and_wait(lab, who):
    """Kill the radio process or the keyer; return once another is there and the channel up."""
    before = lab.kill(who)

    def replaced():
        try:
            return lab.pid(who) not in (None, before)
        except (OSError, ProcessLookupError):
            return False

    await lab.until(replaced, 30, f"another {who}")
    await lab.wait_ready()


async def test_radio_process_and_keyer_are_killed_at_every_node_of_the_timeline(tmp_path):
    """Whatever dies between two answers, the next answer is heard and written."""
    async with Lab(tmp_path, ack_s=60) as lab:
        receipt = await lab.alert()
        await kill_and_wait(lab, "radio")  # receipted: the page is asked for again
        assert (await next_page(lab.zhang)).attention == 2
        await lab.event("told", person="p_zhang", limit_s=40)
        await kill_and_wait(lab, "keyer")  # told
        assert await say(lab, "*1#") == "accepted"
        await lab.event("acknowledged", person="p_zhang")
        await kill_and_wait(lab, "radio")  # acknowledged
        assert await say(lab, "*2#") == "accepted"
        await lab.event("en_route", person="p_zhang")
        await kill_and_wait(lab, "keyer")  # en route
        assert await say(lab, "*3#") == "accepted"
        await lab.event("arrived", person="p_zhang")
        await kill_and_wait(lab, "radio")  # arrived
        assert await say(lab, "*5#") == "accepted"
        await lab.event("done", person="p_zhang")
        assert (await lab.order(receipt["order"]))["status"] == "done"


async def test_a_hung_engine_lets_the_sentence_end_and_keys_nothing_new(tmp_path):
    async with Lab(tmp_path, ack_s=60) as lab:
        await lab.alert("JQ-1")
        await lab.base.wait_ptt(True, 20)
        await lab.alert("JQ-2", text="火警")
        pid = lab.kill("engine", signal.SIGSTOP)
        assert (await next_page(lab.zhang)).attention == 2
        with pytest.raises(TimeoutError):
            await lab.base.wait_ptt(True, 6)
        os.kill(pid, signal.SIGCONT)
        assert (await next_page(lab.zhang)).attention == 2
        assert len(lab.base_overs()) == 2


async def test_the_radio_line_goes_in_mid_speech(tmp_path):
    async with Lab(tmp_path, ack_s=60) as lab:
        await lab.alert(text="打架，" * 8)
        await lab.base.wait_ptt(True, 20)
        lab.base.stop_listening()
        lab.base.drop_connection()
        assert await lab.ptt_down() <= PTT_DOWN_S
        await lab.event("health", limit_s=30)
        await lab.event("warning", medium="radio", limit_s=30)
        card = await lab.card("700032")
        lab.chat.press(card, "收到", "700032")
        await lab.event("acknowledged", person="p_li")
        await lab.base.listen_again()
        await lab.wait_ready()
        await lab.alert("JQ-2")
        assert (await next_page(lab.zhang)).attention == 2


async def test_chat_floods_and_lost_answers(tmp_path):
    """429, 502 and an answer lost: the card stands once, or the second one says so."""
    async with Lab(tmp_path, ack_s=60) as lab:
        lab.chat.fail_next("sendMessage", "429")
        lab.chat.fail_next("sendMessage", "502")
        lab.chat.fail_next("sendMessage", "lost")
        await lab.alert()
        card = await lab.card("700032")
        await lab.event("told", person="p_li", limit_s=40)
        lab.chat.press(card, "收到", "700032")
        await lab.event("acknowledged", person="p_li")
        for chat in (700032, -1001001, 700100):
            plain = [
                m for m in lab.chat.posts(chat) if m.keyboard and "重发" not in m.edits[0].text
            ]
            assert len(plain) <= 1, [m.text for m in plain]


async def test_everything_absent_at_the_start(tmp_path):
    """Port, sound, chat away: the daemon starts, says so, and works by what comes back."""
    lab = Lab(tmp_path, ack_s=60)
    real_start = lab.start_daemon

    async def start_without_outside():
        lab.base.stop_listening()
        lab.base.mute_rtp(True)
        await lab.chat.stop()
        lab.wait_ready_paths = ()
        ready, lab.wait_ready = lab.wait_ready, lambda **_: ready(paths=())
        await real_start()
        lab.wait_ready = ready

    lab.start_daemon = start_without_outside
    async with lab:
        receipt = await lab.alert(level=1)
        assert receipt["status"] == "accepted"
        for path in ("channel:east", "chat:work"):
            await lab.until(lambda p=path: lab.path(p), 40, f"word of {path}")
            assert not (await lab.path(path))["up"]
        await lab.chat.start(lab.ports["chat_port"])
        await lab.card("700032")
        await lab.base.listen_again()
        lab.base.mute_rtp(False)
        await lab.wait_ready()
        assert (await next_page(lab.zhang)).attention == 1


@pytest.mark.skipif(
    shutil.which("mosquitto") is None
    and shutil.which("mosquitto", path="/usr/sbin") is None
    and os.environ.get("GRIDCALL_PEERS") != "required",
    reason="mosquitto is not installed",
)
async def test_the_broker_restarts_between_alerts(tmp_path):
    import json

    import aiomqtt

    port = free_port()
    (tmp_path / "m.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
    )
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")

    async def start_broker():
        return await asyncio.create_subprocess_exec(
            program, "-c", str(tmp_path / "m.conf"),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    async def send(alert_id):
        """As a centre does: again and again until the receipt."""
        body = {
            "kind": "alert", "id": alert_id, "sender": "zhzx", "category": "fight", "level": 3,
            "sent": "2026-11-22T03:00:00+08:00", "text": "打架", "grid": "g1",
        }  # fmt: skip
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", port) as client:
                    await client.subscribe("gridcall/v1/lab/receipts", qos=1)
                    await client.publish("gridcall/v1/lab/alerts", json.dumps(body), qos=1)
                    async with asyncio.timeout(3):
                        async for message in client.messages:
                            receipt = json.loads(message.payload)
                            if receipt["id"] == alert_id:
                                return receipt
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(0.2)

    broker = await start_broker()
    (tmp_path / "lab").mkdir()
    try:
        async with Lab(tmp_path / "lab", mqtt_port=port) as lab:
            await lab.wait_ready(paths=("mqtt",))
            async with asyncio.timeout(20):
                first = await send("JQ-1")
            assert first["status"] == "accepted"
            broker.kill()
            await broker.wait()
            async with asyncio.TaskGroup() as group:
                second = group.create_task(send("JQ-2"))
                await asyncio.sleep(1.0)
                broker = await start_broker()
                async with asyncio.timeout(40):
                    receipt = await second
            assert receipt["status"] in ("accepted", "duplicate")
            assert receipt["order"] != first["order"]

            def accepted():
                return [e["order"] for e in lab.events if e["node"] == "accepted"]

            # Events leave after receipts.
            await lab.until(lambda: len(accepted()) >= 2, 10, "the second order")
            assert len(set(accepted())) == len(accepted()) == 2
    finally:
        broker.kill()
        await broker.wait()
