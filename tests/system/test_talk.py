"""Talk between a channel and a chat group, and the recordings of it: the real thing."""

import asyncio
import hashlib
import json
import subprocess

import imageio_ffmpeg
import pytest

from tests.system.lab import EAST, Lab, gridcall

pytestmark = [pytest.mark.system, pytest.mark.asyncio, pytest.mark.timeout(180)]

TALK = '\ntalk_groups: {yard: {members: ["channel:east", "chat:work/east"]}}\n'


class TalkLab(Lab):
    """The laboratory with its channel and its group patched together."""

    def write_site(self, **changes):
        super().write_site(**changes)
        self.config.write_text(self.config.read_text("utf-8") + TALK, "utf-8")

    def spoken(self):
        """Return what the gateway said on the air that was no page."""
        return [o for o in self.ether.overs if o.who == "base" and o.voiced_s > 0.8]

    def notes(self):
        """Return the voice notes of the bot."""
        return [m for m in self.chat.posts(EAST) if m.file]


def opus(folder):
    """A voice note of two seconds, as a telephone makes it."""
    file = folder / "note.ogg"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "lavfi", "-i",
         "sine=600:duration=2", "-c:a", "libopus", str(file)], check=True,
    )  # fmt: skip
    return file.read_bytes()


async def said_by(lab, begins, number=0):
    """Return the bot's n-th line in the group that begins so."""

    def found():
        return [m for m in lab.chat.posts(EAST) if m.text.startswith(begins)][number:]

    await lab.until(found, 30, f"{begins} in the chat")
    return found()[0]


async def test_channel_and_chat_talk_and_everything_can_be_found(tmp_path):
    note = opus(tmp_path)
    async with TalkLab(tmp_path) as lab:
        # From the channel: who, where, how long; a kerchunk is nothing.
        await lab.zhang.press(1)
        await lab.zhang.wait_clear(10, settle_s=1.5)
        await lab.zhang.key_and_send("", voice_s=2.5)
        await lab.until(lab.notes, 30, "the over in the chat")
        (posted,) = lab.notes()
        assert posted.text.startswith("张三 · 东街信道 · ")
        sound = lab.chat.file(posted)
        assert sound.startswith(b"OggS")

        # From the chat: a text, then a voice note; a stranger is not heard.
        lab.chat.text("700999", "我也来说一句话", "east")
        text = lab.chat.text("700032", "东门的车走了没有啊大家看看", "east")
        told = await said_by(lab, "东街信道：已播出")
        assert told.reply_to == text.id
        assert len(lab.spoken()) == 1
        lab.chat.voice("700032", note, "east")
        await said_by(lab, "东街信道：已播出", 1)
        assert len(lab.spoken()) == 2

        # Switched off, it stays off through a death of the engine.
        status, out = await gridcall("talk", lab.config, "yard", "off", "--for", "2h")
        assert status == 0, out
        status, out = await gridcall("talk", lab.config, "nowhere", "on")
        assert (status, "yard" in out) == (1, True)
        lab.kill("engine")
        await lab.wait_ready()
        lab.chat.text("700032", "这一句话不应该播出去", "east")
        await gridcall("talk", lab.config, "yard", "on")
        lab.chat.text("700032", "这一句话又应该播出去", "east")
        await said_by(lab, "东街信道：已播出", 2)
        assert len(lab.spoken()) == 3

        # All of it is found, whole, and given to who may have it.
        async with lab.http.get("/v1/recordings", params={"person": "p_zhang"}) as answer:
            over = max(await answer.json(), key=lambda found: found["duration_ms"])
        assert (over["kind"], over["name"]) == ("over", "张三")
        async with lab.http.get(f"/v1/recordings/{over['id']}") as answer:
            assert await answer.read() == sound
        assert hashlib.sha256(sound).hexdigest() == over["sha256"]

        async def talk_kept():
            status, out = await gridcall("recordings", lab.config, "--person", "p_li", "--json")
            assert status == 0, out
            found = json.loads(out)
            done = len(found) == 3 and all(f["path"].endswith(".ogg") for f in found)
            return found if done else None

        talks = await lab.until(talk_kept, 40, "the talk's recordings")
        assert {t["kind"] for t in talks} == {"talk"}
        status, out = await gridcall("recordings", "verify", lab.config)
        assert status == 0, out
        file = tmp_path / "state" / "recordings" / talks[0]["path"]
        await asyncio.to_thread(file.write_bytes, b"something else")
        status, out = await gridcall("recordings", "verify", lab.config)
        assert (status, talks[0]["path"] in out) == (1, True)
        async with lab.http.get(f"/v1/recordings/{talks[0]['id']}") as answer:
            assert answer.status == 409
        await lab.stop_daemon()
        rows = lab.journal()
    assert sum(r["kind"] == "TalkSwitched" for r in rows) == 2
