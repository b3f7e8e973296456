"""What the machine runs on: told by the script of its uninterruptible supply, as an act.

On battery everything goes on. When the battery is low, orders go on and talk does not: every
talk group that is patched is parted, and patched again with the mains.
"""

from gateway.core.effects import Receipt, SetTalkGroup
from gateway.core.readiness.events import PowerChanged
from gateway.core.readiness.settings import Power
from gateway.core.state import Draft
from gateway.core.talk import groups as talk_groups
from gateway.core.talk.overs import TalkSwitch
from gateway.core.wording import Wording

_KEY = "machine"


def power_changed(draft: Draft, event: PowerChanged) -> None:
    """Note what the machine runs on, and tell it once; answered by a receipt."""
    before = draft.find(Power, _KEY)
    state = before.state if before is not None else "mains"
    if state == event.state:
        draft.ask(Receipt(status="duplicate", sender=event.by, id=event.state))
        return
    off = before.bridged_off if before is not None else ()
    if event.state == "low":
        off = _part(draft)
    elif event.state == "mains":
        _patch_again(draft, off)
        off = ()
    draft.put(Power(state=event.state, since_us=draft.now_us, bridged_off=off))
    wording = Wording(draft.site)
    detail: str = wording.text(f"power_{event.state}", by=event.by)
    if off:
        parted = wording.text("power_talk_off", groups=wording.listed(off))
        detail = f"{detail}；{parted}"
    draft.report(None, "power", medium="centre", detail=detail)
    if event.state == "low":
        draft.report(None, "warning", medium="centre", detail=detail)
    draft.ask(Receipt(status="accepted", sender=event.by, id=event.state))


def _part(draft: Draft) -> tuple[str, ...]:
    """Switch off every talk group that is on; return which."""
    found = []
    for group in draft.site.talk_groups.values():
        if talk_groups.is_open(draft, group):
            found.append(group.id)
            draft.put(TalkSwitch(group=group.id, on=False))
            draft.ask(SetTalkGroup(group=group.id, on=False))
    return tuple(found)


def _patch_again(draft: Draft, groups: tuple[str, ...]) -> None:
    """Give the groups back that were parted, unless somebody switched them since."""
    for group in groups:
        switch = draft.find(TalkSwitch, group)
        if switch is not None and not switch.on and switch.until_us is None:
            # On without an end: what its settings say of hours is the dispatcher's to restore.
            draft.put(TalkSwitch(group=group, on=True))
            draft.ask(SetTalkGroup(group=group, on=True))
