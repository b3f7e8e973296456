"""Whether bodies, premises, people and what is asked of them fit together."""

from collections.abc import Iterable, Iterator

from gateway.settings.explain import Finding, did_you_mean
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.yaml_source import KeyPath


def register_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield what the register's sections name that is not there, or is somebody else's."""
    yield from _offices(settings, known)
    yield from _categories(settings, known)
    yield from _premises(settings, known)
    yield from _papers(settings)
    yield from _policy(settings, known)
    yield from _tokens(settings, known)


def _absent(path: KeyPath, kind: str, name: str | None, known: list[str]) -> Iterator[Finding]:
    if name is not None and name not in known:
        yield Finding(path, f'there is no {kind} "{name}"' + did_you_mean(name, known))


def _offices(settings: Settings, known: Known) -> Iterator[Finding]:
    for id_, body in settings.organisations.items():
        at: KeyPath = ("organisations", id_)
        for index, group in enumerate(body.office_groups):
            path: KeyPath = (*at, "office_groups", index)
            yield from _absent(path, "chat group", group, known.groups())
        for index, person_id in enumerate(body.office_people):
            path = (*at, "office_people", index)
            yield from _absent(path, "person", person_id, known.ids("people"))
            person = settings.people.get(person_id)
            if person is not None and person.organisation != id_:
                message = f'"{person_id}" is of "{person.organisation}", not of this office'
                yield Finding(path, message)


def _categories(settings: Settings, known: Known) -> Iterator[Finding]:
    taken = list(settings.policy.categories)
    if not taken or known.lost("policy"):
        return
    for id_, body in settings.organisations.items():
        for index, category in enumerate(body.categories):
            at: KeyPath = ("organisations", id_, "categories", index)
            yield from _absent(at, "category of the policy", category, taken)
    for category in settings.admission.kinds_first:
        for finding in _absent(
            ("admission", "kinds_first", category), "category of the policy", category, taken
        ):
            yield Finding(finding.path, finding.message, on_key=True)


def _premises(settings: Settings, known: Known) -> Iterator[Finding]:
    bodies = known.ids("organisations")
    for id_, premises in settings.premises.items():
        path: KeyPath = ("premises", id_, "organisation")
        yield from _absent(path, "organisation", premises.organisation, bodies)
    for id_, person in settings.people.items():
        path = ("people", id_, "premises")
        yield from _absent(path, "premises", person.premises, known.ids("premises"))
        for radio in person.serials:
            if radio not in person.radios and radio != f"dtmf:{person.radio_id}":
                message = f'"{radio}" is none of his radios'
                yield Finding(("people", id_, "serials", radio), message, on_key=True)


def _papers(settings: Settings) -> Iterator[Finding]:
    """Yield certificates and filing numbers that two people have: one guard, one body."""
    for field in ("certificate", "filing"):
        first: dict[str, str] = {}
        for id_, person in settings.people.items():
            number = getattr(person, field)
            if number in first:
                message = f'is that of "{first[number]}" already; a guard stands here once'
                yield Finding(("people", id_, field), message)
            elif number is not None:
                first[number] = id_


def _policy(settings: Settings, known: Known) -> Iterator[Finding]:
    admission = settings.admission
    if known.lost("admission"):
        return
    if admission.consent_needed and admission.consent is None:
        message = "needs consent: the version of the notice that people agree to"
        yield Finding(("admission", "consent_needed"), message)
    kinds = {premises.kind for premises in settings.premises.values()}
    for category, wanted in admission.kinds_first.items():
        for index, kind in enumerate(wanted):
            if kind not in kinds:
                path: KeyPath = ("admission", "kinds_first", category, index)
                yield Finding(path, f"there are no premises of kind {kind}", warning=True)


def _tokens(settings: Settings, known: Known) -> Iterator[Finding]:
    http = settings.command_centre.http
    tokens: Iterable[str | None] = (t.organisation for t in http.tokens) if http else ()
    for index, organisation in enumerate(tokens):
        path: KeyPath = ("command_centre", "http", "tokens", index, "organisation")
        yield from _absent(path, "organisation", organisation, known.ids("organisations"))
        body = settings.organisations.get(organisation or "")
        if body is not None and body.kind == "police":
            message = "binds this token to the police's own people; leave it out for the police"
            yield Finding(path, message, warning=True)
