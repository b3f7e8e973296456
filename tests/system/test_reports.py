"""A guard calls for help by the key of his radio, another by chat: the real thing."""

import asyncio

import pytest

from tests.system.lab import Lab

pytestmark = [pytest.mark.system, pytest.mark.asyncio, pytest.mark.timeout(120)]


async def keyed_until_accepted(radio, digits):
    """Key a code as a guard does: again when no tone answers."""
    for _ in range(4):
        await radio.wait_clear(20, settle_s=0.3)
        await radio.key_and_send(digits)
        try:
            async with asyncio.timeout(10):
                while (heard := (await radio.next_heard(10)).answer) is None:
                    pass
        except TimeoutError:
            continue
        assert heard == "accepted"
        return
    raise AssertionError(f"{digits} was never answered")


async def paged(radio, limit_s):
    """Return the level of the next page heard."""
    async with asyncio.timeout(limit_s):
        while (level := (await radio.next_heard(limit_s)).attention) is None:
            pass
    return level


async def test_a_radio_emergency_and_a_chat_report_become_orders(tmp_path):
    """张三 keys the code: order, acknowledged by tone; 李四 sends a photo: promoted by an act."""
    async with Lab(tmp_path) as lab:
        await keyed_until_accepted(lab.zhang, "*9#")
        told = await lab.event("emergency", person="p_zhang")
        assert (told["number"], told["grid"], told["medium"]) == ("R1", "g1", "radio")
        card = await lab.card("700032")
        assert "紧急求助" in card.text and "张三" in card.text
        assert "派出所" in (await lab.card("700100")).text
        await lab.event("arrived", person="p_zhang")
        assert await paged(lab.zhang, 40) == 1
        await keyed_until_accepted(lab.zhang, "*9#")
        assert len([e for e in lab.events if e["node"] == "accepted"]) == 1, "one press, one order"

        lab.chat.press(card, "收到", "700032")
        await lab.event("acknowledged", person="p_li")
        order = (await lab.event("accepted"))["order"]
        async with lab.http.post(
            f"/v1/orders/{order}/close", json={"by": "周", "result": "误按"}
        ) as answer:
            assert answer.status == 200, await answer.text()

        lab.chat.photo("700032", b"\xff\xd8\xff\xe0" + b"j" * 200, caption="门被撬了")
        said = await lab.chat.wait_message(lambda m: m.chat == 700032 and "R2" in m.text)
        assert "指挥中心收到" in said.text
        report = await lab.event("report", person="p_li")
        assert report["media"][0].endswith(".jpg")
        assert (tmp_path / "state" / "media" / report["media"][0]).is_file()
        manager = await lab.card("700101")
        assert "门被撬了" in manager.text
        act = {"act": "promote", "by": "周", "report": "R2", "level": 2}
        async with lab.http.post("/v1/acts", json=act) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["order"] is not None
        await lab.chat.wait_message(lambda m: m.chat == 700101 and "转为" in m.text)
        await lab.stop_daemon()
        lab.journal()
