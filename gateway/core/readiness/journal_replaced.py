"""A journal that was damaged was put aside and another begun: the centre has to know."""

from gateway.core.events import JournalReplaced
from gateway.core.state import Draft
from gateway.core.wording import Wording


def journal_replaced(draft: Draft, event: JournalReplaced) -> None:
    """Tell the centre what is not known any more, and from what it can be had back."""
    wording = Wording(draft.site)
    backup = event.backup or wording.text("journal_no_backup")
    kept_as = event.kept_as or wording.text("journal_not_there")
    detail = wording.text("journal_replaced", kept_as=kept_as, backup=backup)
    draft.report(None, "warning", medium="centre", detail=detail)
