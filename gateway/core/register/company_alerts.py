"""What a company may raise itself: alerts to its own guards, where it has some (E2).

Only the centre and the police order other bodies' guards. An alert that came with a company's
token bears that body's id; whom it calls is narrowed by ``gateway.core.register.fitness``.
"""

from gateway.core.alert import Alert, AlertKind
from gateway.core.calls.first_call import PERSON, TEAM, grids_meant
from gateway.core.calls.routing import find_grid
from gateway.core.calls.teams import members_of
from gateway.core.effects import Receipt
from gateway.core.intake.events import AlertReceived
from gateway.core.people import Person, Role
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import because


def company_refused(draft: Draft, received: AlertReceived) -> bool:
    """Refuse an alert that is not its sender's to raise; return whether it was."""
    alert = received.alert
    if alert.organisation is None or alert.kind is AlertKind.CANCEL:
        return False
    reason = _against(draft, alert, alert.organisation)
    if reason is None:
        return False
    draft.ask(Receipt(status="refused", sender=alert.sender, id=alert.id, reason=reason))
    return True


def _against(draft: Draft, alert: Alert, organisation: str) -> Worded | None:
    grid = find_grid(draft.site, alert)
    if grid is None:
        return because(draft.site, Why.COMPANY_PLACE)
    if not _has_guards_in(draft, grid, organisation):
        return because(draft.site, Why.COMPANY_GRID, organisation=organisation, grid=grid)
    return _against_whom(draft, alert, organisation)


def _against_whom(draft: Draft, alert: Alert, organisation: str) -> Worded | None:
    """Return why a company may not mean whom it names, or None: it orders its own only."""
    kind, _, name = (alert.to or "").partition("/")
    if kind in (PERSON, TEAM):
        person = draft.find(Person, name)
        named = members_of(draft, name) if kind == TEAM else [person] if person else []
        own = any(_is_own_guard(p, organisation) for p in named)
    else:
        meant = grids_meant(draft, alert, ())
        own = not meant or any(_has_guards_in(draft, g, organisation) for g in meant)
    if own:
        return None
    return because(draft.site, Why.COMPANY_TARGET, target=alert.to, organisation=organisation)


def _has_guards_in(draft: Draft, grid: str, organisation: str) -> bool:
    guards = draft.state.people_of_grid(grid).values()
    return any(_is_own_guard(guard, organisation) for guard in guards)


def _is_own_guard(person: Person, organisation: str) -> bool:
    return person.active and person.role is Role.GUARD and person.organisation == organisation
