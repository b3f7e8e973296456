"""A photo to the groups (寻人照片): released by a named person, answered, taken back in time.

Theory of operation. Nothing but a named person's release posts a photo. Each group is a post
of its own. It is taken back when its minutes are over, by an act, or at the end of its order;
one still on its way to the platform is taken back as soon as it stands there. Whoever answers
the photo's message in a group answers the order, whether he was called or not: the centre is
told at once, and how long the first useful answer took is kept.
"""

from dataclasses import replace
from typing import Final, Literal

from gateway.core.after.entities import Photo, PhotoPost, PhotoReply
from gateway.core.after.events import PhotoActed, PhotoFailed, PhotoPosted, PhotoTakenBack
from gateway.core.answers.events import MediaReceived, TextReceived
from gateway.core.answers.replies import Action, parse_report, parse_text
from gateway.core.answers.timeline import order_of_number
from gateway.core.answers.tries import note_try, paused
from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.calls.nearest import place_shared
from gateway.core.effects import PostPhoto, RecallPhoto, Receipt, ReportStatus, SendText
from gateway.core.guard_reports.words import shown
from gateway.core.order import Order, OrderStatus, Timer
from gateway.core.people import Person
from gateway.core.places import ChatGroup
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

PHOTO_DUE: Final = "photo"
# Taking back is worth trying for a day.
RECALL_LIFE_US: Final = 24 * 3600 * US
MOST_REPLIES: Final = 100
# So many answers of one person, or of all strangers in a group, are told in a minute; what
# is more is in the journal.
MOST_A_MINUTE, MINUTE_US = 12, 60 * US
_SHOWN_CHARS: Final = 200

Cause = Literal["expired", "act", "closed"]
Said = TextReceived | MediaReceived


def photo_acted(draft: Draft, acted: PhotoActed) -> None:
    """Do what a named person wants done with a photo, and answer him."""
    order = draft.find(Order, acted.order) or order_of_number(draft, acted.order)
    problem: Worded | None = because(draft.site, Why.ORDER_NOT_OPEN, order=acted.order)
    if order is not None and order.open:
        do = {"release": _release, "recall": _recall_by_act, "useful": _marked_useful}
        problem = do[acted.act](draft, order, acted)
    status: Literal["accepted", "refused"] = "refused" if problem else "accepted"
    draft.ask(
        Receipt(
            status=status, sender=acted.by, id=acted.order, reason=problem,
            order=order.id if order else None, number=order.number if order else None,
        )
    )  # fmt: skip


# ---- out ----


def _release(draft: Draft, order: Order, acted: PhotoActed) -> Worded | None:
    if _kept_from_guards(order):
        return Wording(draft.site).text("photo_held", number=order.number)
    groups: dict[str, ChatGroup] = {}
    for id_ in acted.grids:
        grid = draft.site.grids.get(id_)
        group = draft.site.chat_groups.get(grid.chat) if grid and grid.chat else None
        if group is None:
            return because(draft.site, Why.NO_GROUP, grid=id_)
        groups[group.address] = group
    photo = Photo(
        id=f"f{draft.next_id('photo')}",
        order=order.id,
        media=acted.media,
        grids=acted.grids,
        by=acted.by,
        released_us=draft.now_us,
        expires_us=draft.now_us + acted.minutes * 60 * US,
    )
    draft.put(photo)
    for group in groups.values():
        _post(draft, order, photo, group, acted.caption)
    draft.put(
        Timer(
            id=f"{PHOTO_DUE}/{photo.id}", order=order.id, what=PHOTO_DUE,
            due_us=photo.expires_us,
        )
    )  # fmt: skip
    detail = Wording(draft.site).text(
        "detail_photo_released", by=acted.by, groups=len(groups), minutes=acted.minutes
    )
    _report(draft, order, "photo_released", assurance="H", detail=detail, media=(photo.media,))
    return None


def _kept_from_guards(order: Order) -> bool:
    return order.status is OrderStatus.HELD


def _post(
    draft: Draft, order: Order, photo: Photo, group: ChatGroup, caption: str
) -> None:
    post = PhotoPost(
        id=f"g{draft.next_id('photo_post')}",
        order=order.id,
        photo=photo.id,
        chat=group.chat,
        group=group.group,
        address=group.address,
    )
    draft.put(post)
    draft.ask(
        PostPhoto(
            post=post.id,
            chat=post.chat,
            address=post.address,
            media=photo.media,
            caption=Wording(draft.site).photo(order, caption),
            level=int(order.alert.level),
            not_after_us=photo.expires_us,
        )
    )


def photo_posted(draft: Draft, posted: PhotoPosted) -> None:
    """Note that a photo stands in a group; one that was recalled meanwhile goes again."""
    post, photo, order = _known(draft, posted.post)
    if post is None or photo is None or order is None:
        return
    post = replace(post, message=posted.message)
    draft.put(post if photo.recalled else replace(post, state="posted"))
    if photo.posted_us is None:
        draft.put(replace(photo, posted_us=draft.now_us))
    if photo.recalled:
        _ask_back(draft, order, post)


def photo_failed(draft: Draft, failed: PhotoFailed) -> None:
    """Tell the centre that a photo was not posted, or still stands though it was recalled."""
    post, _, order = _known(draft, failed.post)
    if post is None or order is None:
        return
    stood = post.state == "recalling" and post.message is not None
    draft.put(replace(post, state="stands" if stood else failed.state))
    key = "detail_photo_stands" if stood else "detail_photo_not_posted"
    wording = Wording(draft.site)
    why = wording.fault(failed.reason)
    detail = wording.text(key, group=post.group, reason=why)
    draft.report(order, "warning", medium="chat", detail=detail)


def _known(
    draft: Draft, post_id: str
) -> tuple[PhotoPost | None, Photo | None, Order | None]:
    post = draft.find(PhotoPost, post_id)
    photo = draft.find(Photo, post.photo) if post is not None else None
    return post, photo, draft.find(Order, post.order) if post is not None else None


# ---- back ----


def photo_due(draft: Draft, timer: Timer) -> None:
    """Take a photo back whose minutes are over."""
    draft.drop(Timer, timer.key)
    photo = draft.find(Photo, timer.id.removeprefix(f"{PHOTO_DUE}/"))
    order = draft.find(Order, timer.order)
    if photo is not None and order is not None:
        _take_back(draft, order, photo, "expired")


def recall_photos(draft: Draft, order: Order) -> None:
    """Take back every photo of an order that ends."""
    for photo in draft.of_order(Photo, order.id):
        _take_back(draft, order, photo, "closed")


def _recall_by_act(draft: Draft, order: Order, acted: PhotoActed) -> Worded | None:
    photo = _meant(draft, order, acted.photo)
    if photo is None or photo.recalled is not None:
        return because(draft.site, Why.NO_PHOTO, number=order.number)
    _take_back(draft, order, photo, "act", by=acted.by)
    return None


def _meant(draft: Draft, order: Order, photo: str | None) -> Photo | None:
    photos = draft.of_order(Photo, order.id)
    if photo is None:
        return photos[-1] if photos else None
    return next((p for p in photos if p.id == photo), None)


def _take_back(
    draft: Draft, order: Order, photo: Photo, why: Cause, *, by: str | None = None
) -> None:
    if photo.recalled is not None:
        return
    draft.put(replace(photo, recalled=why))
    draft.drop(Timer, f"{PHOTO_DUE}/{photo.id}")
    for post in draft.of_order(PhotoPost, order.id):
        if post.photo == photo.id and post.state in ("queued", "posted"):
            draft.put(replace(post, state="recalling"))
            if post.message is not None:
                _ask_back(draft, order, post)
    detail = Wording(draft.site).text(f"detail_photo_recall_{why}", by=by or "")
    medium = "centre" if why == "act" else "clock"
    draft.report(order, "photo_recalled", medium=medium, detail=detail)


def _withdrawn(draft: Draft, order: Order) -> str:
    return Wording(draft.site).line(order, "photo_withdrawn")


def _ask_back(draft: Draft, order: Order, post: PhotoPost) -> None:
    assert post.message is not None
    draft.put(replace(post, state="recalling"))
    draft.ask(
        RecallPhoto(
            post=post.id,
            chat=post.chat,
            address=post.address,
            message=post.message,
            caption=_withdrawn(draft, order),
            level=int(order.alert.level),
            not_after_us=draft.now_us + RECALL_LIFE_US,
        )
    )


def photo_taken_back(draft: Draft, back: PhotoTakenBack) -> None:
    """Note that a photo is gone from a group; say where only its words could be changed."""
    post, _, order = _known(draft, back.post)
    if post is None or order is None:
        return
    draft.put(replace(post, state="recalled" if back.how == "deleted" else "replaced"))
    if back.how == "replaced":
        detail = Wording(draft.site).text("detail_photo_replaced", group=post.group)
        draft.report(order, "warning", medium="chat", detail=detail)


# ---- answers ----


def photo_answered(draft: Draft, said: Said) -> bool:
    """Take an answer to a photo's message; return False when it is none, or says more.

    A call for help is told here and goes on to where help is called.
    """
    post = _post_answered(draft, said)
    order = draft.find(Order, post.order) if post is not None else None
    photo = draft.find(Photo, post.photo) if post is not None else None
    if post is None or order is None or photo is None:
        return False
    person_id = draft.state.person_of_account(said.chat, said.address)
    person = draft.find(Person, person_id) if person_id else None
    known = person if person is not None and person.active else None
    source = f"{post.id}/{known.id if known else 'strangers'}"
    if not paused(draft, source, MOST_A_MINUTE, MINUTE_US):
        note_try(draft, source, MOST_A_MINUTE, MINUTE_US)
        _threaded(draft, order, photo, said, known, post.group)
    words = said.text if isinstance(said, TextReceived) else said.caption
    return not _calls_help(words)


def _calls_help(words: str) -> bool:
    return (
        parse_report(words) == "emergency" or parse_text(words).action is Action.NEED_HELP
    )


def _post_answered(draft: Draft, said: Said) -> PhotoPost | None:
    """Return the post whose message somebody answers, or None."""
    if said.reply_to is None or said.group is None:
        return None
    where = (said.chat, said.group, said.reply_to)
    for post in draft.state.each(PhotoPost):
        if (post.chat, post.address, post.message) == where:
            return post
    return None


def _threaded(
    draft: Draft, order: Order, photo: Photo, said: Said, known: Person | None, group: str
) -> None:
    """Put an answer under its order: who, what, where, and whether it is of use by itself."""
    media = said if isinstance(said, MediaReceived) else None
    if known is not None and media is not None:
        place_shared(draft, media, known)
    useful = known is not None and media is not None and media.kind in ("photo", "location")
    wording = Wording(draft.site)
    words = said.text if isinstance(said, TextReceived) else said.caption
    kind = wording.text(f"detail_{media.kind}") if media is not None else ""
    # A stranger's own words stand in the group; only words of a known person can be sealed.
    detail = (
        wording.text("detail_photo_reply", kind=kind, text=shown(words, _SHOWN_CHARS))
        if known is not None
        else wording.text("detail_photo_stranger", kind=kind, group=group)
    )
    _report(
        draft, order, "photo_reply", person=known.id if known else None, medium="chat",
        assurance="C1" if known else "R0", detail=detail,
        media=(media.path,) if media is not None and media.path else (),
    )  # fmt: skip
    reply = PhotoReply(
        at_us=draft.now_us, kind=media.kind if media is not None else "text",
        person=known.id if known else None, useful=useful,
    )  # fmt: skip
    if len(photo.replies) < MOST_REPLIES:
        photo = replace(photo, replies=(*photo.replies, reply))
        draft.put(photo)
    _thank(draft, order, said, known)
    if useful:
        _first_useful(draft, order, photo, draft.now_us)


def _thank(draft: Draft, order: Order, said: Said, person: Person | None) -> None:
    wording = Wording(draft.site, person.language if person else None)
    draft.ask(
        SendText(
            chat=said.chat,
            address=said.group or said.address,
            text=wording.line(order, "photo_thanks"),
            level=2,
            not_after_us=draft.now_us + NOTE_LIFE_US,
            reply_to=said.message,
        )
    )


def _first_useful(draft: Draft, order: Order, photo: Photo, at_us: int) -> None:
    if photo.useful_us is not None:
        return
    photo = replace(photo, useful_us=at_us)
    draft.put(photo)
    seconds = photo.first_useful_s or 0.0
    detail = Wording(draft.site).text("detail_photo_useful", seconds=f"{seconds:.0f}")
    draft.report(order, "photo_useful", medium="chat", detail=detail)


def _marked_useful(draft: Draft, order: Order, acted: PhotoActed) -> Worded | None:
    """Take the latest answer for useful because a dispatcher says so."""
    photo = _meant(draft, order, acted.photo)
    if photo is None or not photo.replies:
        return because(draft.site, Why.NO_PHOTO_REPLY, number=order.number)
    latest = replace(photo.replies[-1], useful=True)
    photo = replace(photo, replies=(*photo.replies[:-1], latest))
    draft.put(photo)
    _first_useful(draft, order, photo, latest.at_us)
    return None


def _report(
    draft: Draft,
    order: Order,
    node: str,
    *,
    person: str | None = None,
    medium: str = "centre",
    assurance: str,
    detail: str,
    media: tuple[str, ...] = (),
) -> None:
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=order.id, number=order.number, node=node, person=person,
            medium=medium, assurance=assurance, detail=detail, media=media,
        )
    )  # fmt: skip
