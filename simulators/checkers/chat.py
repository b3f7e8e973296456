"""The chat platforms against the journal: cards, presses, words, and who was written to."""

from collections.abc import Iterator
from typing import Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import NODE_OF_DIGIT, Journal, Json, Row
from simulators.checkers.witnesses import Chat, Post, Press, Said, Witnesses

# How a card that may stand there already says so, in both languages.
MARKS: Final = ("【重发】", "[REPEAT] ")
# What people did in the last seconds may not have been fetched when the daemon ended.
FETCH_US: Final = 3_000_000


def _posted(journal: Journal) -> Iterator[tuple[Row, Json]]:
    """Yield each CardPosted row with its card."""
    for row in journal.of("CardPosted"):
        card = journal.at("card", row.event["card"], row.seq)
        if card is not None:
            yield row, card


def check_cards(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every card that the journal calls posted stands in its chat, with buttons and number."""
    finding = Finding("cards", "CardPosted ↔ chat", "cards", "all shown")
    for row, card in _posted(journal):
        finding.compared += 1
        kinds = ("order", "guard_report")
        order = next(filter(None, (journal.at(k, card["order"], row.seq) for k in kinds)), {})
        chat = witnesses.chats.get(card["chat"])
        posts = chat.posts if chat else ()
        post = next((p for p in posts if str(p.message) == row.event["message"]), None)
        wrong = _misposted(post, card, str(order.get("number")))
        if wrong:
            text = f"card {card['id']} was posted, says the journal; {wrong}"
            finding.object(row.happened_us, f"chat {card['chat']}", text, row.seq)
    return finding


def _misposted(post: Post | None, card: Json, number: str) -> str | None:
    if post is None:
        return "the platform has no such message"
    if str(post.chat) != card["address"]:
        return f"it stands in {post.chat}"
    if not post.buttons:
        return "it has no buttons"
    return None if number in post.text else f"it does not name order {number}"


def check_posts(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every card in a chat is one of the journal's, once, or is followed by a marked repeat."""
    finding = Finding("posts", "cards shown ↔ CardPosted", "cards", "each once")
    booked = {(card["chat"], row.event["message"]) for row, card in _posted(journal)}
    for name, chat in witnesses.chats.items():
        cards = [post for post in chat.posts if post.buttons]
        for post in cards:
            finding.compared += 1
            if (name, str(post.message)) in booked or _is_marked(post):
                continue
            if not any(_repeats(later, post) for later in cards):
                title = post.text.partition("\n")[0]
                text = f"message {post.message} in {post.chat} shows a card once more: {title}"
                finding.object(post.at_us, chat.witness, text)
    return finding


def _is_marked(post: Post) -> bool:
    return post.text.startswith(MARKS)


def _repeats(later: Post, post: Post) -> bool:
    same_chat = later.chat == post.chat and later.message > post.message
    return same_chat and _is_marked(later) and later.text.endswith(post.text)


def check_untold(witnesses: Witnesses, journal: Journal) -> Finding:
    """Nobody was written to who was off duty or not addressed, unless he had written first."""
    finding = Finding(
        "untold", "private messages ↔ addressed", "messages", "none to the wrong person"
    )
    resting = {line.person for line in witnesses.lived("placed") if line.facts["off_duty"]}
    for chat in witnesses.chats.values():
        for post in chat.posts:
            if post.chat < 0 or post.reply_to in chat.said:
                continue
            finding.compared += 1
            owners = _owners(witnesses, journal, chat, post)
            addressed = any(_is_addressed(journal, p, post.at_us) for p in owners)
            allowed = addressed or _shows_report(witnesses, journal, owners, post)
            wrong = owners & resting or not allowed
            if wrong:
                who = "、".join(sorted(owners)) or f"account {post.chat}"
                title = post.text.partition("\n")[0]
                text = f"{who} was written to and is not addressed: {title}"
                finding.object(post.at_us, chat.witness, text)
    for person in resting:
        for key, states in journal.each("assignment"):
            if key.endswith(f"/{person}"):
                text = f"{person} is off duty and was addressed by {key}"
                finding.object(states[0].row.at_us, "people", text, states[0].row.seq)
    return finding


def _owners(witnesses: Witnesses, journal: Journal, chat: Chat, post: Post) -> set[str]:
    """Return whose account a private chat is, by the journal and by the people themselves."""
    account = str(post.chat)
    own = {
        line.person
        for line in witnesses.lived("placed")
        if (line.facts.get("chat"), line.facts.get("account")) == (chat.name, account)
    }
    return own | journal.owners(chat.name, account, post.at_us)


def _is_addressed(journal: Journal, person: str, at_us: int) -> bool:
    return any(
        key.endswith(f"/{person}") and states[0].row.at_us <= at_us
        for key, states in journal.each("assignment")
    )


def _shows_report(witnesses: Witnesses, journal: Journal, people: set[str], post: Post) -> bool:
    """Whether a message puts a guard's report before a manager of its grid."""
    for _, states in journal.each("guard_report"):
        report = states[0].fields or {}
        if not any(f" {report['number']}{end}" in post.text for end in "】]"):
            continue
        grid = witnesses.site["grids"].get(report["grid"])
        grids = [grid] if grid else list(witnesses.site["grids"].values())
        if people & {g[name] for g in grids for name in ("first_manager", "second_manager")}:
            return True
    return False


def check_chat_replies(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every press and every word that the journal acted on was made, by whom it names."""
    finding = Finding(
        "chat_replies", "presses and words ↔ chat", "replies", "all made by people"
    )
    cards = {
        (card["chat"], row.event["message"]): card["order"] for row, card in _posted(journal)
    }
    for row in journal.rows:
        chat = witnesses.chats.get(row.event.get("chat", ""))
        if chat is None:
            continue
        if row.kind == "ButtonPressed":
            wrong = _unmade_press(row, chat, cards)
        elif row.kind == "TextReceived":
            wrong = _unmade_text(row, chat)
        else:
            continue
        finding.compared += 1
        wrong = wrong or _misowned(row, chat, journal)
        if wrong:
            finding.object(row.happened_us, chat.witness, wrong, row.seq)
    return finding


def _unmade_press(row: Row, chat: Chat, cards: dict[tuple[str, str], str]) -> str | None:
    press = chat.presses.get(row.event["press"])
    nodes = "、".join(f"{r['person']} {r['node']}" for r in row.answers()) or "a press"
    if press is None:
        return f"the journal has {nodes}; nobody pressed a button"
    if str(press.user) != row.event["address"]:
        return f"the journal has {nodes} of {row.event['address']}; {press.user} pressed"
    shown = cards.get((chat.name, str(press.message)))
    if shown is not None and shown != row.event["order"]:
        return f"a card of {shown} was pressed, and it was booked to {row.event['order']}"
    return None


def _unmade_text(row: Row, chat: Chat) -> str | None:
    said = chat.said.get(int(row.event["message"]))
    if said is None or said.text != row.event["text"]:
        return f"the journal has a text (message {row.event['message']}) that nobody wrote"
    if str(said.user) != row.event["address"]:
        return f"the text was {said.user}'s, not {row.event['address']}'s"
    return None


def _misowned(row: Row, chat: Chat, journal: Journal) -> str | None:
    for report in row.answers():
        contact = journal.at("contact", f"{chat.name}/{report['person']}", row.seq)
        if contact is None or contact["address"] != row.event["address"]:
            return f"{report['node']} is booked for {report['person']}, whose account it is not"
    return None


def check_pressed(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every press and word of an enrolled person is in the journal, with what it says."""
    finding = Finding("pressed", "people's presses and words ↔ journal", "replies", "all kept")
    pressed = {row.event["press"]: row for row in journal.of("ButtonPressed")}
    texts = {(r.event["chat"], r.event["message"]): r for r in journal.of("TextReceived")}
    refused = list(journal.of("InputRefused"))
    end_us = journal.rows[-1].at_us if journal.rows else 0
    for chat in witnesses.chats.values():
        acts: list[Press | Said] = [*chat.presses.values()]
        acts += [said for said in chat.said.values() if said.text is not None]
        for act in acts:
            enrolled = journal.owners(chat.name, str(act.user), act.at_us - FETCH_US)
            if not enrolled or act.at_us > end_us - FETCH_US:
                continue
            finding.compared += 1
            if isinstance(act, Press):
                row, what = pressed.get(act.press), f"a press on message {act.message}"
            else:
                row, what = texts.get((chat.name, str(act.message))), f"“{act.text}”"
            if row is None and not _refused_near(refused, chat, act.at_us):
                text = f"{'、'.join(enrolled)} made {what}; the journal never got it"
                finding.object(act.at_us, chat.witness, text)
            elif row is not None and row.kind == "ButtonPressed":
                _check_booked(finding, row, enrolled, chat, journal)
    return finding


def _refused_near(rows: list[Row], chat: Chat, at_us: int) -> bool:
    door = f"chat:{chat.name}"
    return any(
        row.event["door"] == door and abs(row.happened_us - at_us) < FETCH_US for row in rows
    )


def _check_booked(
    finding: Finding, row: Row, people: set[str], chat: Chat, journal: Journal
) -> None:
    """Object when an accepted press left no node in its person's timeline."""
    order = journal.at("order", row.event["order"], row.seq)
    if row.refused() or order is None:
        return
    node = NODE_OF_DIGIT[row.event["action"]]
    if order["status"] == "cancelled" and node == "acknowledged":
        node = "stood_down"
    for person in people:
        part = journal.at("assignment", f"{row.event['order']}/{person}", row.seq) or {}
        if all(stamp["node"] != node for stamp in part.get("stamps", ())):
            text = f"{person}'s press ({node}) was taken and stands in no timeline"
            finding.object(row.happened_us, chat.witness, text, row.seq)


def check_limits(witnesses: Witnesses, journal: Journal) -> Finding:  # noqa: ARG001
    """The platform never had to refuse a call for being one too many (I10)."""
    finding = Finding("limits", "platform limits ↔ chat", "calls", "none too many")
    for chat in witnesses.chats.values():
        for call in chat.calls:
            finding.compared += 1
            if call.answer == "429" and not call.planted:
                text = f"{call.method} was refused: too many requests"
                finding.object(call.at_us, chat.witness, text)
    return finding


__all__ = [
    "check_cards",
    "check_chat_replies",
    "check_limits",
    "check_posts",
    "check_pressed",
    "check_untold",
]
