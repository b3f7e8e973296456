"""An alert reaches guards by radio and by chat, and their answers come back: the real thing."""

import asyncio
import json
import signal

import pytest

from tests.system.lab import Lab, gridcall

pytestmark = [pytest.mark.system, pytest.mark.asyncio, pytest.mark.timeout(180)]


async def test_happy_path_on_both_media(tmp_path):
    """张三 answers by radio, 李四 by chat; both go, arrive and are done; the centre closes."""
    async with Lab(tmp_path) as lab:
        receipt = await lab.alert(needs=2)
        number = receipt["number"]
        assert receipt["status"] == "accepted"
        heard = await lab.zhang.next_heard(20)
        assert heard.attention == 2
        card = await lab.card("700032")
        assert "打架" in card.text and number in card.text

        for digit, node in (("1", "acknowledged"), ("2", "en_route"), ("3", "arrived")):
            await lab.zhang.wait_clear(10, settle_s=0.3)
            await lab.zhang.key_and_send(f"*{digit}#")
            assert (await lab.zhang.next_heard(5)).answer == "accepted"
            event = await lab.event(node, person="p_zhang")
            assert (event["medium"], event["assurance"]) == ("radio", "R1")
        pressed = (("收到", "acknowledged"), ("出警", "en_route"), ("到场", "arrived"))
        for label, node in pressed:
            press = lab.chat.press(card, label, "700032")
            toast = await lab.chat.wait_toast(press)
            assert number in toast.text and not toast.alert
            event = await lab.event(node, person="p_li")
            assert (event["medium"], event["assurance"]) == ("chat", "C2")

        whole = await lab.order(receipt["order"])
        assert whole["status"] == "arrived"
        station = await lab.card("700100")
        assert "派出所" in station.text
        group = await lab.chat.wait_message(lambda m: m.chat < 0 and "李四：到场" in m.text)
        assert "张三：到场" in group.text

        async with lab.http.post(
            f"/v1/orders/{receipt['order']}/close", json={"by": "周", "result": "已移交"}
        ) as answer:
            assert answer.status == 200, await answer.text()
        closed = await lab.chat.wait_message(lambda m: m.chat < 0 and "已结案" in m.text)
        assert not closed.keyboard
        await lab.stop_daemon()
        rows = lab.journal()
    assert sum(r["kind"] == "PageSpoken" for r in rows) == len(lab.base_overs())


async def test_nobody_answers_and_the_ladder_climbs_to_its_end(tmp_path):
    async with Lab(tmp_path, ack_s=5) as lab:
        receipt = await lab.alert()
        await lab.event("escalated", detail="再次呼叫本网格")
        await lab.event("escalated", detail="呼叫第二管理人", limit_s=30)
        second = await lab.card("700101")
        await lab.event("escalated", detail="呼叫第一管理人", limit_s=30)
        await lab.card("700102")
        await lab.event("unanswered", limit_s=30)
        await lab.until(lambda: len(lab.base_overs()) == 2, 40, "the repetition on the air")
        lab.chat.press(second, "收到", "700101")
        await lab.event("acknowledged", person="p_chen")
        whole = await lab.order(receipt["order"])
        assert whole["status"] == "acknowledged"


async def test_the_same_alert_twice_makes_one_order_and_another_body_conflicts(tmp_path):
    async with Lab(tmp_path) as lab:
        sent = "2026-11-22T03:00:00+08:00"
        first = await lab.alert(sent=sent)
        again = await lab.alert(sent=sent, expect=200)
        other = await lab.alert(sent=sent, text="火灾", expect=409)
        assert (again["status"], again["order"]) == ("duplicate", first["order"])
        assert other["status"] == "conflict"
        async with lab.http.post("/v1/alerts", data=b'{"id": "\\ud800"}') as answer:
            assert answer.status == 422
        assert "clock_skew" in first["flags"]
        card = await lab.card("700032")
        press = lab.chat.press(card, "收到", "700032")
        assert not (await lab.chat.wait_toast(press)).alert
        assert len([m for m in lab.chat.posts("700032") if m.keyboard]) == 1


async def test_cancel_stands_everybody_down_on_both_media(tmp_path):
    async with Lab(tmp_path) as lab:
        await lab.alert()
        await lab.zhang.next_heard(20)
        await lab.event("told", person="p_zhang")
        answer = await lab.cancel()
        assert answer["status"] == "accepted", answer
        heard = await lab.zhang.next_heard(20)
        assert heard.attention == 2
        await lab.chat.wait_message(lambda m: m.chat == 700032 and "解除" in m.text)
        await lab.chat.wait_message(lambda m: m.chat < 0 and "已取消" in m.text)
        await lab.zhang.wait_clear(10, settle_s=0.3)
        # He says that he knows; what would be an answer to the order is one no more.
        await lab.zhang.key_and_send("*1#")
        assert (await lab.zhang.next_heard(5)).answer == "accepted"
        await lab.event("stood_down", person="p_zhang")
        await lab.zhang.wait_clear(10, settle_s=0.3)
        await lab.zhang.key_and_send("*3#")
        assert (await lab.zhang.next_heard(5)).answer == "wrong"


async def test_stranger_and_wrong_codes_are_applied_to_nothing(tmp_path):
    async with Lab(tmp_path) as lab:
        receipt = await lab.alert()
        number = receipt["number"]
        await lab.zhang.next_heard(20)
        card = await lab.card("700032")
        press = lab.chat.press(card, "收到", "999999")
        assert (await lab.chat.wait_toast(press)).alert
        wrong = str((int(number) + 7) % 90 + 10)
        for digits in (f"*{wrong}0311#", f"*{number}9991#", "*7#", "*12345678901#"):
            await lab.nameless.wait_clear(10, settle_s=0.3)
            await lab.nameless.key_and_send(digits)
            while (answer := (await lab.nameless.next_heard(6)).answer) is None:
                pass
            assert answer == "wrong", digits
        assert not [e for e in lab.events if e["node"] == "acknowledged"]
        whole = await lab.order(receipt["order"])
        assert whole["status"] == "calling"
        await lab.nameless.key_and_send(f"*{number}0311#")
        assert (await lab.event("acknowledged"))["person"] == "p_zhang"


async def test_enrolment_by_one_time_code(tmp_path):
    async with Lab(tmp_path) as lab:
        status, shown = await gridcall("people", "enrol", "--json", lab.config, "p_zhang")
        assert status == 0, shown
        code = json.loads(shown)["code"]
        lab.chat.text("700031", code)
        answer = await lab.chat.wait_message(lambda m: m.chat == 700031)
        assert "张三" in answer.text
        lab.chat.text("666", code)
        refused = await lab.chat.wait_message(lambda m: m.chat == 666)
        assert "不对或已过期" in refused.text
        await lab.alert()
        card = await lab.card("700031")
        lab.chat.text("700031", "到了", reply_to=card)
        assert (await lab.event("arrived", person="p_zhang"))["assurance"] == "C1"


async def test_reload_in_mid_order_keeps_the_order_and_refuses_a_wrong_file(tmp_path):
    async with Lab(tmp_path, ack_s=20) as lab:
        receipt = await lab.alert()
        card = await lab.card("700032")
        good = lab.config.read_text("utf-8")
        lab.config.write_text(good.replace("grade: 1", "grade: 9"), "utf-8")
        status, text = await gridcall("reload", lab.config)
        assert status == 1 and "site.yaml:" in text and "grade" in text
        lab.config.write_text(good.replace("name: 东街,", "name: 东大街,"), "utf-8")
        status, text = await gridcall("reload", lab.config)
        assert status == 0, text
        press = lab.chat.press(card, "收到", "700032")
        assert not (await lab.chat.wait_toast(press)).alert
        await lab.chat.wait_message(lambda m: m.chat < 0 and "东大街" in m.text)
        assert (await lab.order(receipt["order"]))["status"] == "acknowledged"
        fresh = await lab.alert("JQ-2")
        await lab.event("told", order=fresh["order"], person="p_zhang", limit_s=30)


async def test_stop_is_orderly(tmp_path):
    """SIGTERM ends every process in time, the transmitter unkeyed, the journal whole."""
    async with Lab(tmp_path) as lab:
        await lab.alert(level=1, text="抢劫" * 20)
        await lab.base.wait_ptt(True, 10)
        lab.daemon.send_signal(signal.SIGTERM)
        assert await lab.ptt_down() < 2.0
        async with asyncio.timeout(10):
            assert await lab.daemon.wait() == 0
        lab.journal()
