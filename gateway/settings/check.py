"""What one section of the settings promises another: references, reach, order, ports."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from gateway.settings.duty_check import duty_findings
from gateway.settings.event_plan_check import event_plan_findings
from gateway.settings.explain import Finding, did_you_mean, twice
from gateway.settings.geometry import polygon_findings
from gateway.settings.known import Known
from gateway.settings.ladder_check import ladder_findings
from gateway.settings.models import Settings
from gateway.settings.policy_check import policy_findings
from gateway.settings.radio_check import radio_findings
from gateway.settings.readiness_check import readiness_findings
from gateway.settings.register import PersonSettings
from gateway.settings.register_check import register_findings
from gateway.settings.report_check import report_findings
from gateway.settings.response import ResponseSettings
from gateway.settings.roster_check import roster_findings
from gateway.settings.speech_check import speech_findings
from gateway.settings.yaml_source import KeyPath

OFF = "off"


def cross_check(settings: Settings, known: Known) -> list[Finding]:
    """Return every mistake between sections; nothing about what is wrong in itself."""
    found = [finding for check in _CHECKS for finding in check(settings, known)]
    return [finding for finding in found if not _within(finding.path, known.gone)]


def _within(path: KeyPath, gone: Iterable[KeyPath]) -> bool:
    return any(path[: len(lost)] == lost for lost in gone)


# ---- references ---------------------------------------------------------------------------


def _dangling(
    path: KeyPath, kind: str, name: str | None, known: list[str]
) -> Iterator[Finding]:
    if name is not None and name not in known:
        yield Finding(path, f'there is no {kind} "{name}"' + did_you_mean(name, known))


def _dangling_in(
    path: KeyPath, kind: str, names: Iterable[str], known: list[str]
) -> Iterator[Finding]:
    for index, name in enumerate(names):
        yield from _dangling((*path, index), kind, name, known)


def _grid_references(settings: Settings, known: Known) -> Iterator[Finding]:
    for id_, grid in settings.grids.items():
        at = ("grids", id_)
        yield from _dangling((*at, "zone"), "zone", grid.zone, known.ids("zones"))
        yield from _dangling_in(
            (*at, "neighbours"), "grid", grid.neighbours, known.ids("grids")
        )
        yield from _dangling((*at, "channel"), "channel", grid.channel, known.ids("channels"))
        yield from _dangling((*at, "chat"), "chat group", grid.chat, known.groups())
        for key, role in _GRID_PERSONS.items():
            yield from _person_of_role(settings, known, (*at, key), getattr(grid, key), role)


_GRID_PERSONS = {"first_manager": "manager", "second_manager": "manager", "station": "station"}


def _person_of_role(
    settings: Settings, known: Known, path: KeyPath, id_: str | None, role: str
) -> Iterator[Finding]:
    yield from _dangling(path, "person", id_, known.ids("people"))
    person = settings.people.get(id_ or "")
    if person and person.role != role and not known.lost("people", str(id_), "role"):
        yield Finding(path, f'should be a person of role {role}; "{id_}" is {person.role}')


def _people_references(settings: Settings, known: Known) -> Iterator[Finding]:
    crews, bodies = known.texts("roster", "crews"), known.ids("organisations")
    for id_, person in settings.people.items():
        at = ("people", id_)
        yield from _dangling((*at, "organisation"), "organisation", person.organisation, bodies)
        yield from _dangling_in((*at, "grids"), "grid", person.grids, known.ids("grids"))
        yield from _dangling((*at, "post"), "post", person.post, known.ids("posts"))
        yield from _dangling((*at, "crew"), "crew", person.crew, crews)
        for chat in person.contacts:
            for finding in _dangling((*at, "contacts", chat), "chat", chat, known.ids("chats")):
                yield Finding(finding.path, finding.message, on_key=True)


def _place_references(settings: Settings, known: Known) -> Iterator[Finding]:
    grids = known.ids("grids")
    for id_, post in settings.posts.items():
        yield from _dangling(("posts", id_, "grid"), "grid", post.grid, grids)
    for id_, route in settings.routes.items():
        yield from _dangling_in(("routes", id_, "grids"), "grid", route.grids, grids)
    members = [f"channel:{id_}" for id_ in known.ids("channels")]
    members += [f"chat:{group}" for group in known.groups()]
    for id_, group in settings.talk_groups.items():
        yield from _dangling_in(
            ("talk_groups", id_, "members"), "member", group.members, members
        )


def _roster_references(settings: Settings, known: Known) -> Iterator[Finding]:
    roster, shifts = settings.roster, known.ids("roster", "shifts")
    crews = known.texts("roster", "crews")
    if roster.cycle:
        at = ("roster", "cycle", "days")
        yield from _dangling_in(at, "shift", roster.cycle.days, [*shifts, OFF])
    for index, holiday in enumerate(roster.holidays):
        for shift, names in holiday.crews.items():
            holiday_at: KeyPath = ("roster", "holidays", index, "crews", shift)
            for finding in _dangling(holiday_at, "shift", shift, shifts):
                yield Finding(finding.path, finding.message, on_key=True)
            yield from _dangling_in(holiday_at, "crew", names, crews)
    for index, exception in enumerate(roster.exceptions):
        path = ("roster", "exceptions", index, "person")
        yield from _dangling(path, "person", exception.person, known.ids("people"))


# ---- symmetry and uniqueness --------------------------------------------------------------


def _neighbours(settings: Settings, known: Known) -> Iterator[Finding]:
    for id_, grid in settings.grids.items():
        for index, other in enumerate(grid.neighbours):
            path: KeyPath = ("grids", id_, "neighbours", index)
            if other == id_:
                yield Finding(path, "a grid is not its own neighbour")
            elif (
                other in settings.grids
                and id_ not in settings.grids[other].neighbours
                and not known.lost("grids", other, "neighbours")
            ):
                yield Finding(path, f'"{other}" does not name "{id_}" as its neighbour')


def _unique(settings: Settings, _known: Known) -> Iterator[Finding]:
    people = settings.people.items()
    codes_keyed = (
        (("people", id_, "guard_code"), id_, person.guard_code)
        for id_, person in people
        if person.guard_code is not None
    )
    yield from twice(codes_keyed, "guard_code")
    yield from twice(_radios(settings), "the radio")
    accounts = (
        (("people", id_, "contacts", chat), id_, f"{chat}: {account}")
        for id_, person in people
        for chat, account in person.contacts.items()
    )
    yield from twice(accounts, "account")
    codes: Iterable[tuple[KeyPath, str, str]] = (
        (("grids", id_, "codes", index), id_, code)
        for id_, grid in settings.grids.items()
        for index, code in enumerate(grid.codes)
    )
    yield from twice(codes, "code")
    yield from twice(_words(settings), "the word")


def _radios(settings: Settings) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield what radios say of themselves, with whose they are: one must not mean two."""
    for id_, person in settings.people.items():
        if person.radio_id is not None:
            yield ("people", id_, "radio_id"), id_, f"dtmf:{person.radio_id}"
        for index, radio in enumerate(person.radios):
            yield ("people", id_, "radios", index), id_, radio
    for id_, post in settings.posts.items():
        for index, radio in enumerate(post.radios):
            yield ("posts", id_, "radios", index), f"post {id_}", radio


def _words(settings: Settings) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the words that mean a grid, with the grid: a word must not mean two."""
    for id_, grid in settings.grids.items():
        yield ("grids", id_, "name"), id_, grid.name
        for index, word in enumerate(grid.aliases):
            yield ("grids", id_, "aliases", index), id_, word
    for id_, post in settings.posts.items():
        yield ("posts", id_, "name"), post.grid, post.name
        for index, word in enumerate(post.aliases):
            yield ("posts", id_, "aliases", index), post.grid, word


def _tokens(settings: Settings, _known: Known) -> Iterator[Finding]:
    http = settings.command_centre.http
    at = ("command_centre", "http")
    if http is None:
        return
    if not http.tokens:
        yield Finding((*at, "listen"), "has no tokens: nobody may come in", warning=True)
    for key in ("id", "sha256"):
        used = (
            ((*at, "tokens", index, key), str(index + 1), getattr(token, key))
            for index, token in enumerate(http.tokens)
        )
        yield from twice(used, f"token {key}")


# ---- reach --------------------------------------------------------------------------------


def _doors(settings: Settings, known: Known) -> Iterator[Finding]:
    centre = settings.command_centre
    if not centre.http and not centre.mqtt and not known.lost("command_centre"):
        message = "has no door: write http or mqtt, or no alert can come in"
        yield Finding(("command_centre",), message, on_key=True)
    http = centre.http
    if http and not http.tls and not http.listen.startswith(("127.", "localhost:", "[::1]:")):
        path = ("command_centre", "http", "listen")
        yield Finding(path, "others can reach this without tls", warning=True)


def _licences(settings: Settings, known: Known) -> Iterator[Finding]:
    for id_, channel in settings.channels.items():
        if channel.licence is None and not known.lost("channels", id_, "licence"):
            message = "has no licence entry: it does not transmit"
            yield Finding(("channels", id_), message, on_key=True, warning=True)


def _answers(settings: Settings, known: Known) -> Iterator[Finding]:
    """Check that guards can answer on the channels of their grids."""
    for id_, person in settings.people.items():
        at = ("people", id_)
        grids = [settings.grids[grid] for grid in person.grids if grid in settings.grids]
        if (
            person.role == "guard"
            and not (person.guard_code or person.radio_id or person.radios or person.contacts)
            and not _at_a_radio(settings, person)
            and any(not grid.chat for grid in grids)
            and not known.lost(*at)
        ):
            message = (
                "can answer on the air only by presses and voice: needs a guard_code, "
                "a radio_id or radios to be known by"
            )
            yield Finding(at, message, on_key=True, warning=True)
        channels = {grid.channel for grid in grids}
        digits = {
            channel.ani_digits
            for name, channel in settings.channels.items()
            if name in channels and channel.ani_digits
        }
        yield from _ani_lengths(at, person, digits)


def _ani_lengths(
    at: KeyPath, person: PersonSettings, digits: set[int]
) -> Iterator[Finding]:
    """Check that his radio's own digits are as many as his channels expect."""
    own = [((*at, "radio_id"), person.radio_id)] if person.radio_id else []
    own += [
        ((*at, "radios", index), radio.removeprefix("dtmf:"))
        for index, radio in enumerate(person.radios)
        if radio.startswith("dtmf:")
    ]
    for path, number in own:
        if digits and len(number) not in digits:
            wanted = " or ".join(str(length) for length in sorted(digits))
            yield Finding(path, f"has {len(number)} digits; his channel's ani has {wanted}")


def _at_a_radio(settings: Settings, person: PersonSettings) -> bool:
    """Return whether he stands at a post that has a radio of its own."""
    post = settings.posts.get(person.post or "")
    return post is not None and bool(post.radios)


# ---- order --------------------------------------------------------------------------------


def _windows(settings: Settings, _known: Known) -> Iterator[Finding]:
    response = settings.response
    for key, by in (
        ("acknowledge_s", "level"),
        ("arrive_min", "zone grade"),
        ("rung_s", "level"),
        ("expire_min", "level"),
    ):
        figures = getattr(response, key)
        for index, (before, after) in enumerate(pairwise(figures), start=1):
            if after < before:
                message = f"should grow by {by} 1, 2, 3; {after} comes after {before}"
                yield Finding(("response", key, index), message)
    for index, (before, after) in enumerate(pairwise(response.warn_percent), start=1):
        if after <= before:
            message = f"should grow; {after} comes after {before}"
            yield Finding(("response", "warn_percent", index), message)
    yield from _expiry(response)


def _expiry(response: ResponseSettings) -> Iterator[Finding]:
    for index, (window_s, expire_min) in enumerate(
        zip(response.acknowledge_s, response.expire_min, strict=True)
    ):
        if window_s >= expire_min * 60:
            message = f"ends before its window of {window_s} s for 收到"
            yield Finding(("response", "expire_min", index), message)


_CHECKS: tuple[Callable[[Settings, Known], Iterable[Finding]], ...] = (
    _grid_references,
    _people_references,
    _place_references,
    _roster_references,
    _neighbours,
    _unique,
    _tokens,
    _doors,
    _licences,
    ladder_findings,
    report_findings,
    readiness_findings,
    event_plan_findings,
    policy_findings,
    _answers,
    _windows,
    radio_findings,
    polygon_findings,
    register_findings,
    roster_findings,
    duty_findings,
    speech_findings,
)
