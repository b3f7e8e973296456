"""Talk between chats and channels: never in an order's way, and its sender is told the end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.answers.events import DigitsHeard, MediaReceived, OverHeard, TextReceived
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import (
    AnswerOver,
    ReportStatus,
    SendText,
    SendVoice,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.events import ClockStepped, Started
from gateway.core.order import Card
from gateway.core.people import Role
from gateway.core.places import TalkGroup
from gateway.core.register.events import PersonErased, PersonLeft, PersonStruck
from gateway.core.talk.events import RecordingKept, TalkCut, TalkSwitched
from gateway.core.talk.overs import Recording, Talk, TalkSwitch
from tests.core.site_for_tests import ACCOUNTS, US, Desk, make_site

EAST = "-101"


def site(**rules):
    """The district, its east group patched with channel 1."""
    group = TalkGroup(id="east", channels=("ch1",), chats=("work/east",), **rules)
    return replace(make_site(), talk_groups={"east": group})


def desk(*people, **rules):
    return Desk(*people, site=site(**rules))


def write(story, who, text, *, group=EAST, reply_to=None):
    """Somebody writes in the group; return what is to go on the air."""
    effects = story.take(
        TextReceived(
            at_us=story.now_us, chat="work", address=ACCOUNTS.get(who, who), group=group,
            text=text, message="m7", reply_to=reply_to,
        )
    )  # fmt: skip
    return [e for e in effects if isinstance(e, TalkOnChannel)]


def voice_note(story, who, *, path="work-12.ogg", group=EAST):
    effects = story.take(
        MediaReceived(
            at_us=story.now_us, chat="work", address=ACCOUNTS.get(who, who), group=group,
            kind="voice", message="m8", path=path, sha256="0" * 64,
        )
    )  # fmt: skip
    return [e for e in effects if isinstance(e, TalkOnChannel)]


def answers(effects):
    return [e.text for e in effects if isinstance(e, SendText)]


def over(story, name="v1", *, keyed_ms=2500, ani=None, channel="ch1", kept=True):
    """Somebody talks; return the voice notes asked for once the recording is small."""
    path = f"20261122/{channel}/{name}"
    story.take(
        OverHeard(
            at_us=story.now_us, channel=channel, over=name, keyed_ms=keyed_ms, ani=ani,
            recording=f"{path}.wav" if kept else None,
        )
    )  # fmt: skip
    notes = []
    for ending in ("wav", "ogg"):
        effects = story.take(
            RecordingKept(
                at_us=story.now_us, channel=channel, what=name, path=f"{path}.{ending}",
                sha256="1" * 64, duration_ms=keyed_ms,
            )
        )  # fmt: skip
        notes += [e for e in effects if isinstance(e, SendVoice)]
    return notes


# ---- from a chat to a channel ----


def test_what_is_written_in_a_patched_group_is_spoken_with_who_says_it():
    story = desk()
    (talk,) = write(story, "zhang", "东门的车\n走了")
    assert (talk.channel, talk.speaker, talk.media) == ("ch1", "zhang", None)
    assert talk.text == ("张三说：东门的车 走了",)
    assert talk.not_after_us == story.now_us + 30 * US
    assert talk.level == 4


def test_a_voice_note_is_played_after_its_speakers_name():
    (talk,) = voice_note(desk(), "zhang")
    assert (talk.text, talk.media) == (("张三说：",), "work-12.ogg")


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (PageSpoken(at_us=0, page="t1"), "一信道：已播出"),
        (PageSpoken(at_us=0, page="t1", speech="cut"), "一信道：已播出，超时部分未播"),
        (PageFailed(at_us=0, page="t1", reason="x", state="withdrawn"), "一信道：指令优先，未播完"),
        (PageFailed(at_us=0, page="t1", reason="x", state="expired"), "一信道：信道忙，未播出"),
        (PageFailed(at_us=0, page="t1", reason="坏了"), "一信道：未播出（坏了）"),
    ],
)  # fmt: skip
def test_its_sender_is_told_what_became_of_it_once(end, said):
    story = desk()
    write(story, "zhang", "东门的车走了")
    effects = story.take(replace(end, at_us=story.now_us))
    (told,) = [e for e in effects if isinstance(e, SendText)]
    assert (told.text, told.address, told.reply_to, told.level) == (said, EAST, "m7", 4)
    assert story.take(replace(end, at_us=story.now_us)) == []
    assert not list(story.state.each(Talk))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("busy", "一信道：信道忙，未播出"),
        ("window", "一信道：正在等待指令应答，未播出"),
        ("queue", "一信道：指令优先，未播出"),
        ("path", "一信道：信道不可用，未播出"),
    ],
)
def test_talk_that_waited_in_vain_is_told_why(reason, said):
    story = desk()
    write(story, "zhang", "东门的车走了")
    story.take(PageWaited(at_us=story.now_us, page="t1", reason=reason))
    story.wait(30)
    gone = PageFailed(at_us=story.now_us, page="t1", reason="late", state="expired")
    assert answers(story.take(gone)) == [said]


def test_one_thing_of_a_person_waits_at_a_time():
    story = desk()
    write(story, "zhang", "第一句话在这里")
    assert write(story, "zhang", "第二句话也来了") == []
    assert answers(story.asked)[-1].startswith("您的上一条还没有播出")
    assert write(story, "li", "别人可以讲话"), "somebody else may"
    story.take(PageSpoken(at_us=story.now_us, page="t1"))
    assert write(story, "zhang", "现在又可以了")


def test_an_answer_to_an_order_is_never_talk():
    story = desk()
    story.alert()
    for said in ("收到", "我到了", f"{story.number} 出警", "不能去"):
        assert write(story, "zhang", said) == []
    assert write(story, "zhang", "门口人很多啊大家注意安全"), "but talk is, in an order too"


def test_what_answers_a_card_is_about_the_order_and_stays_in_the_chat():
    story = desk()
    story.alert()
    story.post()
    card = next(c for c in story.state.each(Card) if c.person is None)
    assert write(story, "zhang", "门口有两个人在吵", reply_to=card.message) == []


@pytest.mark.parametrize("who", ["666", "smith-who-is-nobody"])
def test_a_stranger_is_not_put_on_the_air(who):
    assert write(desk(), who, "我来说两句话") == []


def test_who_has_left_is_not_put_on_the_air():
    story = desk()
    story.take(PersonLeft(at_us=story.now_us, person="zhang"))
    assert write(story, "zhang", "我来说两句话") == []
    assert voice_note(story, "zhang") == []


def test_nothing_of_a_private_chat_or_of_another_group_goes_on_the_air():
    story = desk()
    assert write(story, "zhang", "今天天气怎么样啊", group=None) == []
    assert write(story, "zhang", "今天天气怎么样啊", group="-103") == []
    assert voice_note(story, "zhang", group=None) == []


def test_rules_say_who_may():
    managers = desk(roles=(Role.MANAGER,))
    assert write(managers, "zhang", "大家好我是张三") == []
    assert answers(managers.asked) == ["您不能向对讲信道讲话"]
    assert write(managers, "head", "大家好我是所长")
    assert write(desk(sources=("channel:ch1",)), "zhang", "大家好我是张三") == []
    assert write(desk(sources=("chat:work/east",)), "zhang", "大家好我是张三")


def test_a_channel_without_a_licence_is_left_out():
    group = TalkGroup(id="east", channels=("dark", "ch2"), chats=("work/east",))
    story = Desk(site=replace(make_site(), talk_groups={"east": group}))
    assert [t.channel for t in write(story, "zhang", "东门的车走了")] == ["ch2"]


def test_hours_hold_in_the_sites_own_time():
    assert write(desk(hours=(6 * 60, 22 * 60)), "zhang", "现在是中午时间")
    night = desk(hours=(22 * 60, 6 * 60))
    assert write(night, "zhang", "现在是中午时间") == []
    night.pass_time(11 * 3600)
    assert write(night, "zhang", "现在是夜里十一点")


@given(st.text(max_size=300))
def test_hostile_words_become_one_plain_line_or_nothing(text):
    for talk in write(desk("zhang"), "zhang", text):
        (line,) = talk.text
        assert line.isprintable()
        assert len(line) <= len("张三说：") + 100


# ---- switched by hand ----


def switch(story, on, until_us=None, group="east"):
    return story.take(
        TalkSwitched(at_us=story.now_us, group=group, on=on, until_us=until_us, by="值班员")
    )


def test_a_group_is_switched_off_and_on_and_the_radio_process_is_told():
    story = desk()
    told = [e for e in switch(story, False) if isinstance(e, SetTalkGroup)]
    assert told == [SetTalkGroup(group="east", on=False)]
    assert write(story, "zhang", "有没有人听见啊") == []
    assert over(story) == []
    switch(story, True)
    assert write(story, "zhang", "现在大家听见了吧")
    assert over(story, "v2")


def test_a_switch_with_an_end_gives_way_to_the_settings():
    story = desk(relay=False)
    assert write(story, "zhang", "有没有人听见啊") == []
    switch(story, True, until_us=story.now_us + 7200 * US)
    story.pass_time(7199)
    assert write(story, "zhang", "现在大家听见了吧")
    story.pass_time(2)
    assert write(story, "li", "现在又听不见了") == []


def test_a_switch_outlives_a_restart_and_a_clock_that_was_set():
    story = desk()
    switch(story, False, until_us=story.now_us + 3600 * US)
    story.take(ClockStepped(at_us=story.now_us + US, by_us=86_400 * US))
    story.pass_time(86_400)
    effects = story.take(Started(at_us=story.now_us, down_us=0))
    (told,) = [e for e in effects if isinstance(e, SetTalkGroup)]
    assert (told.on, told.until_us) == (False, story.now_us + 3600 * US)
    story.pass_time(3601)
    assert not any(
        isinstance(e, SetTalkGroup)
        for e in story.take(Started(at_us=story.now_us, down_us=0))
    )
    assert not list(story.state.each(TalkSwitch))


def test_a_group_that_does_not_exist_changes_nothing():
    story = desk()
    assert switch(story, True, group="nowhere") == []


# ---- from a channel to chats ----


def test_an_over_becomes_a_voice_note_with_who_where_and_how_long():
    story = desk()
    (note,) = over(story, ani="99101", keyed_ms=4200)
    assert (note.chat, note.address, note.level) == ("work", EAST, 4)
    assert note.path == "20261122/ch1/v1.ogg"
    assert note.caption == "张三 · 一信道 · 4 秒"
    assert not list(story.state.each(Recording)), "nothing stays in the memory"


def test_who_is_not_known_is_not_guessed():
    assert over(desk())[0].caption == "身份不明 · 一信道 · 2 秒"
    assert over(desk(), ani="70707")[0].caption == "电台 70707 · 一信道 · 2 秒"


def test_no_note_of_a_kerchunk_a_frame_of_digits_or_another_channel():
    story = desk()
    assert over(story, "v1", keyed_ms=600) == []
    assert over(story, "v0", keyed_ms=1500, ani="99101") == [], "the id took most of it"
    assert over(story, "v2", channel="ch2") == []
    story.take(
        DigitsHeard(at_us=story.now_us, channel="ch1", over="v3", digits="101011", ani=None)
    )
    assert over(story, "v3", keyed_ms=2600) == []
    assert over(story, "v4", kept=False) == []
    assert over(story, "v5")


def test_the_same_recording_told_twice_is_one_note():
    story = desk()
    assert len(over(story)) == 1
    again = RecordingKept(
        at_us=story.now_us, channel="ch1", what="v1", path="20261122/ch1/v1.ogg",
        sha256="1" * 64, duration_ms=2500,
    )  # fmt: skip
    assert not any(isinstance(e, SendVoice) for e in story.take(again))


def test_our_own_pages_and_talk_are_not_posted_back():
    story = desk()
    write(story, "zhang", "东门的车走了")
    story.take(PageStarted(at_us=story.now_us, page="t1"))
    story.take(PageSpoken(at_us=story.now_us, page="t1", recording="20261122/ch1/t1_b-1.wav"))
    kept = RecordingKept(
        at_us=story.now_us, channel="ch1", what="t1", path="20261122/ch1/t1_b-1.ogg",
        sha256="1" * 64, duration_ms=2500,
    )  # fmt: skip
    assert not any(isinstance(e, SendVoice) for e in story.take(kept))
    assert not list(story.state.each(Recording))


def test_a_recording_that_never_gets_small_is_forgotten():
    story = desk()
    for number in range(5):
        story.take(
            OverHeard(
                at_us=story.now_us, channel="ch1", over=f"v{number}", keyed_ms=2000,
                recording=f"20261122/ch1/v{number}.wav",
            )
        )  # fmt: skip
    story.pass_time(3700)
    over(story, "later")
    assert not list(story.state.each(Recording))


# ---- somebody leaves ----


def leave(story, who, how=PersonLeft):
    story.forget()
    return story.take(how(at_us=story.now_us, person=who, by="李科长"))


@pytest.mark.parametrize("how", [PersonLeft, PersonStruck, PersonErased])
def test_what_a_leaver_has_waiting_is_taken_back_and_the_centre_told(how):
    story = desk()
    (talk,) = write(story, "zhang", "东门的车走了")
    (other,) = write(story, "li", "我去看看")
    effects = leave(story, "zhang", how)
    taken = [e for e in effects if isinstance(e, WithdrawPage)]
    assert taken == [WithdrawPage(page=talk.page, channel="ch1", reason="left")]
    story.forget()
    failed = PageFailed(at_us=story.now_us, page=talk.page, reason="left", state="withdrawn")
    story.take(failed)
    (report,) = story.reports("talk_cut")
    assert report.person == "zhang"
    assert story.words("cut_left") in report.detail
    assert story.of(SendText) == [], "he is no more there to be told"
    assert [t.id for t in story.state.each(Talk)] == [other.page]


def test_a_sentence_of_a_leaver_that_is_under_way_is_finished_and_recorded():
    story = desk()
    (talk,) = write(story, "zhang", "东门的车走了")
    story.take(PageStarted(at_us=story.now_us, page=talk.page))
    leave(story, "zhang")
    story.forget()
    story.take(PageSpoken(at_us=story.now_us, page=talk.page))
    assert story.reports("talk_cut") == []
    assert story.state.find(Recording, talk.page) is not None
    assert story.state.find(Talk, talk.page) is None


def test_who_leaves_twice_is_taken_back_once():
    story = desk()
    write(story, "zhang", "东门的车走了")
    leave(story, "zhang")
    assert not [e for e in leave(story, "zhang", PersonErased) if isinstance(e, WithdrawPage)]


def test_the_voice_of_a_leaver_goes_to_no_chat_any_more():
    story = desk()
    assert over(story, "v1", ani="99101", keyed_ms=4500)
    story.take(
        OverHeard(
            at_us=story.now_us, channel="ch1", over="v2", keyed_ms=4500, ani="99101",
            recording="v2.wav",
        )
    )  # fmt: skip
    leave(story, "zhang")
    kept = RecordingKept(at_us=story.now_us, channel="ch1", what="v2", path="v2.ogg",
                         sha256="1" * 64, duration_ms=4500)  # fmt: skip
    assert not [e for e in story.take(kept) if isinstance(e, SendVoice)]
    (report,) = story.reports("talk_cut")
    assert (report.person, story.words("cut_left") in report.detail) == ("zhang", True)


# ---- who is cut on the air ----


def cut(story, member="channel:ch1", channel="ch2", reason="time_out"):
    """Somebody's talk is cut; return the tones asked for."""
    event = TalkCut(at_us=story.now_us, group="east", member=member, channel=channel,
                    reason=reason)  # fmt: skip
    return [e for e in story.take(event) if isinstance(e, AnswerOver)]


@pytest.mark.parametrize("reason", ["time_out", "order", "off", "path", "busy"])
def test_a_talker_who_is_cut_hears_the_low_tone_on_his_own_channel(reason):
    story = desk()
    (tone,) = cut(story, reason=reason)
    assert (tone.channel, tone.accepted) == ("ch1", False)
    assert tone.not_after_us == story.now_us + 60 * US, "once he has let go of his key"
    assert len(story.reports("talk_cut")) == 1


def test_cut_on_several_channels_he_hears_one_tone():
    story = desk()
    assert len(cut(story)) == 1
    assert cut(story, channel="dark") == []
    assert cut(story, channel="dispatcher") == []
    assert len(cut(story, member="channel:ch2", channel="ch1")) == 1, "another talker"
    story.pass_time(11)
    assert len(cut(story)) == 1
    assert len(story.reports("talk_cut")) == 5


@pytest.mark.parametrize(
    "facts",
    [{"reason": "taken"}, {"member": "dispatcher"}, {"member": "channel:gone"}],
)
def test_whom_the_dispatcher_interrupts_and_who_is_on_no_channel_hears_no_tone(facts):
    assert cut(desk(), **facts) == []


# ---- from a chat to another chat ----

WEST = "-103"


def chats_only(*people, **rules):
    """Two work groups patched together, and no channel."""
    group = TalkGroup(id="both", chats=("work/east", "work/west"), **rules)
    return Desk(*people, site=replace(make_site(), talk_groups={"both": group}))


def passed_on(story, who, text, *, group=EAST, reply_to=None):
    """Somebody writes; return where it stands then, and what."""
    write(story, who, text, group=group, reply_to=reply_to)
    return [(e.address, e.text) for e in story.asked if isinstance(e, SendText)]


def test_what_is_written_in_one_chat_stands_in_the_others_with_who_wrote_it():
    story = chats_only()
    long = "东门的车走了，往北" * 30
    assert passed_on(story, "zhang", long) == [(WEST, f"张三说：{long}")], "nothing is left out"
    assert passed_on(story, "zhang", "西边看见了", group=WEST)[-1] == (EAST, "张三说：西边看见了")


def test_a_voice_note_of_one_chat_is_played_in_the_others():
    story = chats_only()
    assert voice_note(story, "zhang") == []
    (note,) = [e for e in story.asked if isinstance(e, SendVoice)]
    assert (note.chat, note.address, note.folder, note.path) == (
        "work", WEST, "media", "work-12.ogg"
    )  # fmt: skip
    assert (note.caption, note.level) == ("张三说：", 4)
    assert note.not_after_us == story.now_us + 120 * US


def test_chats_and_channels_of_one_group_all_get_it_and_each_chat_once():
    east_west = ("work/east", "work/west")
    site = replace(make_site(), talk_groups={
        "one": TalkGroup(id="one", channels=("ch1",), chats=east_west),
        "two": TalkGroup(id="two", channels=("ch1",), chats=east_west),
    })  # fmt: skip
    story = Desk(site=site)
    (talk,) = write(story, "zhang", "东门的车走了")
    assert talk.channel == "ch1"
    assert [e.address for e in story.asked if isinstance(e, SendText)] == [WEST]


def test_one_who_waits_for_the_air_is_heard_in_the_chats_all_the_same():
    group = TalkGroup(id="one", channels=("ch1",), chats=("work/east", "work/west"))
    story = Desk(site=replace(make_site(), talk_groups={"one": group}))
    write(story, "zhang", "第一句话在这里")
    before = len(story.asked)
    assert write(story, "zhang", "第二句话也来了") == []
    said = [(e.address, e.text) for e in story.asked[before:] if isinstance(e, SendText)]
    assert said[0] == (WEST, "张三说：第二句话也来了")
    assert said[1][0] == EAST and said[1][1].startswith("您的上一条还没有播出")


def test_strangers_answers_and_who_may_not_are_not_passed_on():
    assert passed_on(chats_only(), "666", "我来说两句话") == []
    story = chats_only()
    assert WEST not in [address for address, _ in passed_on(story, "zhang", "收到")]
    managers = chats_only(roles=(Role.MANAGER,))
    assert passed_on(managers, "zhang", "大家好我是张三") == [(EAST, "您不能在这个通话组里讲话")]
    one_way = chats_only(sources=("chat:work/west",))
    assert passed_on(one_way, "zhang", "大家好我是张三")[0][0] == EAST, "he is told, alone"
    shut = chats_only(relay=False)
    assert passed_on(shut, "zhang", "大家好我是张三") == []
    night = chats_only(hours=(22 * 60, 6 * 60))
    assert passed_on(night, "zhang", "大家好我是张三") == []


def test_what_we_posted_ourselves_goes_round_no_second_time():
    story = chats_only()
    ((_, posted),) = passed_on(story, "zhang", "东门的车走了")
    ours = len(story.asked)
    # A platform that shows a bot its own posts, or the other bot's.
    assert write(story, "bot-of-ours", posted, group=WEST) == []
    assert not [e for e in story.asked[ours:] if isinstance(e, SendText)]


@given(st.text(max_size=300))
def test_hostile_words_are_passed_on_as_one_plain_line_or_not_at_all(text):
    story = chats_only("zhang")
    write(story, "zhang", text)
    # What happens to be the words of a reply is answered, where he wrote it.
    for note in (e for e in story.asked if isinstance(e, SendText) and e.reply_to is None):
        assert note.address == WEST
        assert note.text.isprintable()


# ---- talk that is cut ----


def cuts(effects):
    return [
        (e.person, e.detail)
        for e in effects
        if isinstance(e, ReportStatus) and e.node == "talk_cut"
    ]


@pytest.mark.parametrize(
    ("member", "channel", "reason", "said"),
    [
        ("channel:ch2", "ch1", "time_out", "通话组 east：二信道在一信道上的讲话被切断（超过限时）"),
        ("channel:ch2", "ch1", "order", "通话组 east：二信道在一信道上的讲话被切断（指令优先）"),
        ("channel:ch1", "dispatcher", "taken", "通话组 east：一信道在调度席上的讲话被切断（调度席插话）"),
        ("dispatcher", "gone", "busy", "通话组 east：调度席在gone上的讲话被切断（另一通话组占用）"),
    ],
)  # fmt: skip
def test_the_centre_is_told_whose_patched_talk_was_cut_where_and_why(
    member, channel, reason, said
):
    story = desk()
    cut = TalkCut(
        at_us=story.now_us, group="east", member=member, channel=channel, reason=reason
    )
    assert cuts(story.take(cut)) == [(None, said)]


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (PageSpoken(at_us=0, page="t1", speech="cut"), "超过限时"),
        (PageFailed(at_us=0, page="t1", reason="x", state="withdrawn"), "指令优先"),
        (PageSpoken(at_us=0, page="t1"), None),
        (PageFailed(at_us=0, page="t1", reason="x", state="expired"), None),
    ],
)
def test_talk_of_a_chat_that_is_cut_is_told_to_its_sender_and_the_centre(end, why):
    story = desk()
    write(story, "zhang", "东门的车走了")
    effects = story.take(replace(end, at_us=story.now_us))
    assert len(answers(effects)) == 1
    told = [("zhang", f"通话组 east：张三在一信道上的讲话被切断（{why}）")] if why else []
    assert cuts(effects) == told
