"""What comes from the platform is hostile until it is proved; what goes there fits."""

import base64
import json
import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
)

from drivers.telegram import bodies, codec
from drivers.telegram.codec import WORDS, Account, UndecodableError
from drivers.telegram.offsets import Offsets
from drivers.telegram.signing import (
    LIFE_S,
    MOST_BYTES,
    BadButtonError,
    OldButtonError,
    Place,
    base36,
    sign,
    verify,
)
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.effects import AnswerPress
from gateway.core.events import InputRefused
from tests.drivers.chat_contract import GROUP, LI, ZHANG, card, edit, line

KEY = b"callback-key-0123456789"
NOW_US = 1_795_000_000_000_000
NOW_S = NOW_US // 1_000_000
EAST = Place(False, GROUP)
MINE = Place(True, ZHANG)
ACCOUNT = Account(chat="work", groups=frozenset({GROUP}), key=KEY, words=WORDS["zh_CN"])

orders = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)
actions = st.sampled_from("012345")


def message(**part):
    return {
        "message_id": 7,
        "date": NOW_S,
        "chat": {"id": int(GROUP), "type": "supergroup"},
        "from": {"id": int(ZHANG), "is_bot": False, "first_name": "张三"},
        **part,
    }


def press(data, sender=ZHANG, chat=GROUP):
    kind = "private" if int(chat) > 0 else "supergroup"
    return {
        "update_id": 1,
        "callback_query": {
            "id": "4000",
            "from": {"id": int(sender), "is_bot": False, "first_name": "x"},
            "message": {"message_id": 7, "date": 0, "chat": {"id": int(chat), "type": kind}},
            "data": data,
        },
    }


def take(update):
    return codec.take(update, ACCOUNT, NOW_US)


# Buttons


@given(orders, actions, st.integers(NOW_S, NOW_S + 10 * LIFE_S), st.booleans())
def test_our_own_button_is_known_again_and_fits(order, action, expires_s, private):
    place = MINE if private else EAST
    data = sign(KEY, place, order, action, expires_s)
    assert len(data.encode()) <= MOST_BYTES
    assert verify(KEY, place, data, NOW_S) == (order, action)


def test_ten_thousand_forgeries_are_refused():
    """Changed, cut, moved, re-signed and made-up data; seed 20261122."""
    chance = random.Random(20261122)
    accepted = 0
    for _ in range(10_000):
        data = forged(chance)
        try:
            verify(KEY, EAST, data, NOW_S)
            accepted += 1
        except (BadButtonError, OldButtonError):
            pass
    assert accepted == 0


def forged(chance):
    good = sign(KEY, EAST, f"o{chance.randrange(100)}", "1", NOW_S + LIFE_S)
    match chance.randrange(6):
        case 0:
            at = chance.randrange(len(good))
            other = chance.choice([c for c in "abcXYZ0189._-|é" if c != good[at]])
            return good[:at] + other + good[at + 1 :]
        case 1:
            return good[: chance.randrange(len(good))]
        case 2:
            return sign(KEY, MINE, "o1", "1", NOW_S + LIFE_S)
        case 3:
            return sign(chance.randbytes(32), EAST, "o1", "1", NOW_S + LIFE_S)
        case 4:
            return good + chance.choice([" ", "=", "\n", "A"])
        case _:
            mac = base64.urlsafe_b64encode(chance.randbytes(10)).decode().rstrip("=")
            return f"v1.o{chance.randrange(100)}.1.{base36(NOW_S + LIFE_S)}.{mac}"


@given(st.text())
@example("")
@example("v1.o1.1.0.\ud800AAAAAAAAAAAAA")
@example("v1.o1.1.zzzzzz.AAAAAAAAAAAAAA")
def test_any_text_is_refused_without_harm(data):
    with pytest.raises(BadButtonError):
        verify(KEY, EAST, data, NOW_S)


def test_a_button_dies_after_its_time():
    data = sign(KEY, EAST, "o1", "1", NOW_S)
    assert verify(KEY, EAST, data, NOW_S)
    with pytest.raises(OldButtonError):
        verify(KEY, EAST, data, NOW_S + 1)


@pytest.mark.parametrize("order", ["", "o.1", "o|1", "o" * 33, "指令"])
def test_an_order_id_that_could_confuse_the_signature_is_not_signed(order):
    with pytest.raises(ValueError, match="button data"):
        sign(KEY, EAST, order, "1", NOW_S)


def test_somebody_elses_private_button_is_refused_with_a_toast():
    data = sign(KEY, MINE, "o1", "1", NOW_S + LIFE_S)
    taken = take(press(data, sender=LI, chat=LI))
    assert isinstance(taken.event, InputRefused)
    assert taken.answer == "4000"
    assert taken.toast == WORDS["zh_CN"].press_refused
    assert isinstance(take(press(data, sender=ZHANG, chat=ZHANG)).event, ButtonPressed)


def test_a_group_button_does_not_work_in_another_group_or_privately():
    data = sign(KEY, EAST, "o1", "1", NOW_S + LIFE_S)
    assert isinstance(take(press(data, sender=LI)).event, ButtonPressed)
    assert isinstance(take(press(data, chat="-1009999")).event, InputRefused)
    assert isinstance(take(press(data, chat=ZHANG)).event, InputRefused)


def test_an_old_button_is_told_so():
    data = sign(KEY, EAST, "o1", "1", NOW_S - 1)
    taken = take(press(data))
    assert taken.toast == WORDS["zh_CN"].press_old
    assert json.loads(base64.b64decode(taken.event.raw))["data"] == data


# Messages


def test_words_keep_their_writer_group_and_card():
    update = {
        "update_id": 1,
        "message": message(text="收到", reply_to_message={"message_id": 3}),
    }
    assert take(update).event == TextReceived(
        at_us=NOW_US,
        chat="work",
        address=ZHANG,
        group=GROUP,
        text="收到",
        message="7",
        reply_to="3",
    )


def test_a_foreign_group_and_other_bots_are_none_of_our_business():
    foreign = message(text="x") | {"chat": {"id": -5, "type": "group"}}
    robot = message(text="x") | {"from": {"id": 9, "is_bot": True}}
    for odd in (foreign, robot, message(sticker={}), message(new_chat_members=[])):
        assert take({"update_id": 1, "message": odd}) is None
    assert take({"update_id": 1, "my_chat_member": {}}) is None


def test_the_best_photo_under_the_limit_is_chosen():
    sizes = [
        {"file_id": "s", "file_size": 1000},
        {"file_id": "m", "file_size": 90_000},
        {"file_id": "l", "file_size": 11 * 1024 * 1024},
    ]
    taken = take({"update_id": 1, "message": message(photo=sizes, caption="现场")})
    assert isinstance(taken.event, MediaReceived)
    assert (taken.file.id, taken.file.suffix) == ("m", ".jpg")
    assert taken.event.caption == "现场"


def test_long_words_are_cut_and_kept():
    event = take({"update_id": 1, "message": message(text="甲" * 4096)}).event
    assert len(event.text) == 1000
    assert event.text.endswith("甲…")


BROKEN = [
    message(text=5),
    message(text="a\x00b"),
    message(text="\ud800"),
    message(text="x", message_id="7"),
    message(text="x", message_id=2**63),
    message(text="x", chat=None),
    message(text="x", chat={"id": True}),
    message(text="x", reply_to_message=[]),
    message(text="x", **{"from": {"id": None}}),
    message(photo=[]),
    message(photo=[1]),
    message(photo=[{"file_id": ""}]),
    message(voice="x"),
    message(voice={"file_id": "x" * 600}),
    message(location={"latitude": 91, "longitude": 0}),
    message(location={"latitude": float("nan"), "longitude": 0}),
    message(location={"latitude": "29", "longitude": 0}),
    message(location={"longitude": 0}),
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_message_is_refused_by_the_name_of_its_field(broken):
    with pytest.raises(UndecodableError, match=":"):
        take({"update_id": 1, "message": broken})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(
    ["message_id", "chat", "from", "text", "photo", "voice", "location", "caption"]
)


@settings(max_examples=300)
@given(paths, json_values)
def test_no_message_however_broken_does_more_than_be_refused(name, value):
    try:
        taken = take({"update_id": 1, "message": message(text="x") | {name: value}})
    except UndecodableError:
        return
    if taken is not None:
        json.dumps(taken.event.address).encode()


@settings(max_examples=200)
@given(st.sampled_from(["id", "from", "message", "data"]), json_values)
def test_no_press_however_broken_is_accepted(name, value):
    update = press(sign(KEY, EAST, "o1", "1", NOW_S + LIFE_S))
    update["callback_query"][name] = value
    try:
        taken = take(update)
    except UndecodableError:
        return
    if isinstance(taken.event, ButtonPressed):
        # Only the press's own id is free; who pressed is the platform's word.
        assert name in ("id", "from")


@given(json_values)
def test_anything_refused_is_kept_and_can_be_stored(value):
    event = codec.refused(value, ACCOUNT, "odd", NOW_US)
    raw = base64.b64decode(event.raw)
    assert 0 < len(raw) <= 4096
    raw.decode("ascii")


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"update_id": "1"}, {"update_id": True}])
def test_an_update_without_an_id_is_known_as_such(odd):
    with pytest.raises(UndecodableError):
        codec.identified(odd)


# Outwards


@given(st.text(max_size=6000), st.booleans())
@example("😀" * 3000, True)
@example("甲\ud800\x00乙", False)
def test_any_text_fits_and_can_be_sent(text, again):
    written = bodies.written(text, again=again, words=WORDS["zh_CN"])
    assert len(written.encode("utf-16-le")) <= 2 * bodies.LONGEST_TEXT
    written.encode()
    assert "\0" not in written
    assert written.startswith("【重发】") or not again


def test_short_clean_text_is_sent_as_it_is():
    assert bodies.written("指令12", again=False, words=WORDS["en"]) == "指令12"


def test_a_card_without_buttons_has_no_keyboard():
    assert bodies.keyboard(card("work", buttons=()), ACCOUNT, NOW_US) is None


@pytest.mark.parametrize("private", [True, False])
def test_the_buttons_of_a_card_are_good_where_it_hangs(private):
    address = ZHANG if private else GROUP
    post = replace(card("work"), private=private, address=address)
    rows = bodies.keyboard(post, ACCOUNT, NOW_US)
    pressed = [
        take(press(key["callback_data"], chat=address)).event for row in rows for key in row
    ]
    assert [(p.order, p.action, p.private) for p in pressed] == [
        ("o12", "1", private),
        ("o12", "3", private),
    ]


def said(effect, again=False):
    return bodies.call(effect, effect.address, again, ACCOUNT, NOW_US)


def test_our_plain_values_are_what_the_library_s_objects_would_say():
    """We leave python-telegram-bot's objects out for their cost; their words must stay ours."""
    post = card("work")
    method, values = said(post, again=True)
    buttons = bodies.keyboard(post, ACCOUNT, NOW_US)
    markup = InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(key["text"], callback_data=key["callback_data"])
                for key in row
            ]
            for row in buttons
        ]
    )
    preview = LinkPreviewOptions(is_disabled=True).to_dict()
    assert (method, values) == (
        "sendMessage",
        {
            "chat_id": int(GROUP),
            "text": "【重发】" + post.text,
            "link_preview_options": preview,
            "reply_markup": markup.to_dict(),
        },
    )
    method, values = said(edit(post, "77", "新"))
    assert (method, values["message_id"], values["text"]) == ("editMessageText", 77, "新")
    assert values["reply_markup"] == markup.to_dict()
    method, values = said(line("work", "好", reply_to="77"))
    reply = ReplyParameters(77, allow_sending_without_reply=True).to_dict()
    assert (method, values["reply_parameters"]) == ("sendMessage", reply)
    assert "reply_markup" not in values


def test_a_toast_is_cut_to_what_a_telephone_shows():
    toast = AnswerPress(chat="work", press="p1", text="好" * 300, alert=True, not_after_us=0)
    method, values = bodies.call(toast, "", False, ACCOUNT, NOW_US)
    assert method == "answerCallbackQuery"
    assert values == {
        "callback_query_id": "p1",
        "text": "好" * 199 + "…",
        "show_alert": True,
    }


def test_both_languages_say_everything():
    assert set(WORDS) == {"zh_CN", "en"}
    for words in WORDS.values():
        assert all(getattr(words, name) for name in ("again", "press_refused", "press_old"))


# Offsets


@given(st.lists(st.integers(1, 30), max_size=60), st.randoms(use_true_random=False))
def test_the_offset_never_passes_what_is_not_done(ids, chance):
    """Any order of arrival and of completion; repeated ids are dropped."""
    offsets, pending, latest = Offsets(None), set(), None
    for update_id in sorted(ids):
        if offsets.begin(update_id):
            pending.add(update_id)
            latest = update_id
        while pending and chance.random() < 0.5:
            done = chance.choice(sorted(pending))
            position = offsets.position(done)
            pending.discard(done)
            assert position is None or all(int(position) < left for left in pending)
            offsets.done(done)
        if latest is not None:
            assert offsets.offset == (min(pending) if pending else latest + 1)
    assert offsets.waiting == bool(pending)


def test_it_resumes_after_the_stored_position():
    assert Offsets("41").offset == 42
    assert Offsets(None).offset is None


def test_a_new_series_of_ids_is_followed():
    """After a quiet week the platform may begin again at a lower number."""
    offsets = Offsets("9000")
    offsets.nothing_left()
    assert offsets.offset is None
    assert offsets.begin(17)
    assert offsets.position(17) == "17"
    offsets.done(17)
    assert offsets.offset == 18


def test_a_repeated_update_is_known():
    offsets = Offsets(None)
    assert offsets.begin(5)
    assert not offsets.begin(5)
    offsets.done(5)
    assert not offsets.begin(5)
