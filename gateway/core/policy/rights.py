"""Who may release, promote and close, and giving that right to another for a time."""

from gateway.core.effects import Receipt
from gateway.core.policy.events import RightDelegated
from gateway.core.policy.held import Delegation
from gateway.core.policy.policy import Right
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because


def lacking(draft: Draft, by: str, right: Right) -> Worded | None:
    """Return why somebody may not do what he asks, or None when he may.

    A right that the settings give to nobody in particular is everybody's who may act at all. A
    delegated one lasts as long as whoever gave it has it himself.
    """
    holders = draft.site.policy.rights.get(right, ())
    if not holders or by in holders or _given(draft, by, right, holders):
        return None
    wording = Wording(draft.site)
    who = wording.listed(holders)
    return wording.text(Why.NO_RIGHT, by=by, right=wording.text(f"right_{right}"), who=who)


def _given(draft: Draft, by: str, right: Right, holders: tuple[str, ...]) -> bool:
    return any(
        given.right == right and given.to == by and given.by in holders
        and given.from_us <= draft.now_us < given.until_us
        for given in _delegations(draft)
    )  # fmt: skip


def _delegations(draft: Draft) -> list[Delegation]:
    ids = [given.id for given in draft.state.each(Delegation)]
    return [given for id_ in ids if (given := draft.find(Delegation, id_)) is not None]


def right_delegated(draft: Draft, event: RightDelegated) -> None:
    """Give a right for a time, or take it back; only who has it himself may."""
    problem = _problem(draft, event)
    if problem is not None:
        draft.ask(
            Receipt(status="refused", sender=event.by, id=event.right, reason=problem)
        )
        return
    for given in _delegations(draft):
        same = (given.right, given.to) == (event.right, event.to)
        if same or given.until_us <= draft.now_us:
            draft.drop(Delegation, given.id)
    if event.until_us > event.from_us:
        draft.put(
            Delegation(
                id=f"d{draft.next_id('delegation')}", right=event.right, to=event.to,
                by=event.by, from_us=event.from_us, until_us=event.until_us,
            )
        )  # fmt: skip
    key = "detail_delegated" if event.until_us > event.from_us else "detail_taken_back"
    wording = Wording(draft.site)
    right = wording.text(f"right_{event.right}")
    detail = wording.text(key, right=right, to=event.to, by=event.by)
    draft.report(None, "health", medium="centre", assurance="H", detail=detail)
    draft.ask(Receipt(status="accepted", sender=event.by, id=event.right, reason=detail))


def _problem(draft: Draft, event: RightDelegated) -> Worded | None:
    right = Wording(draft.site).text(f"right_{event.right}")
    holders = draft.site.policy.rights.get(event.right, ())
    if not holders:
        return because(draft.site, Why.RIGHT_OF_ALL, right=right)
    if event.by not in holders:
        return because(draft.site, Why.RIGHT_NOT_HIS, by=event.by, right=right)
    if event.to == event.by:
        return because(draft.site, Why.RIGHT_TO_HIMSELF)
    return None
