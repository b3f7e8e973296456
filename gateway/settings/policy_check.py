"""Whether the policy's parts fit together, and its own words stay within guards' powers."""

from collections.abc import Iterable, Iterator

from gateway.core.policy.policy import EQUIPMENT, EXCEEDING
from gateway.core.policy.templates import faults
from gateway.settings.explain import Finding, did_you_mean
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.policy import CategorySettings, KindSettings, folding
from gateway.settings.yaml_source import KeyPath


def policy_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield what the policy names that is not there, and words that ask too much of guards."""
    policy = settings.policy
    for index, verb in enumerate(policy.verbs):
        yield from _lawful(("policy", "verbs", index), verb)
    for id_, category in policy.categories.items():
        if isinstance(category, CategorySettings):
            yield from _category(settings, known, ("policy", "categories", id_), category)
    for id_, kind in policy.kinds.items():
        yield from _kind(("policy", "kinds", id_), kind)
    deciding = policy.rights.get("release", ())
    if policy.two_person_min and len(deciding) == 1:
        message = (
            "is one person: what he sends to all grids nobody can confirm; name a second, "
            "or delegate"
        )
        yield Finding(("policy", "rights", "release"), message, warning=True)


def _category(
    settings: Settings, known: Known, at: KeyPath, category: CategorySettings
) -> Iterator[Finding]:
    kinds = known.ids("policy", "kinds")
    if category.kind is not None and category.kind not in kinds:
        message = f'there is no order kind "{category.kind}"'
        yield Finding((*at, "kind"), message + did_you_mean(category.kind, kinds))
    if (category.radio or settings.policy.radio) == "code" and category.code is None:
        yield Finding(at, "needs code: what is said of it on the air", on_key=True)
    verbs = list(settings.policy.verbs)
    for index, task in enumerate(category.tasks):
        path: KeyPath = (*at, "tasks", index)
        if task not in verbs and not known.lost("policy", "verbs"):
            message = f'"{task}" is none of policy.verbs: {", ".join(verbs)}'
            yield Finding(path, message)
        yield from _lawful(path, task)


def _kind(at: KeyPath, kind: KindSettings) -> Iterator[Finding]:
    for language, sentences in kind.say.items():
        path: KeyPath = (*at, "say", language)
        for index, sentence in enumerate(sentences):
            yield from _template((*path, index), sentence)
        if not any("{number}" in sentence for sentence in sentences):
            message = "says no {number}: nobody could answer by it"
            yield Finding(path, message, on_key=True)
    for language, line in kind.write.items():
        yield from _template((*at, "write", language), line)


def _template(path: KeyPath, template: str) -> Iterator[Finding]:
    for fault in faults(template):
        yield Finding(path, fault)
    yield from _lawful(path, template)


def _lawful(path: KeyPath, text: str) -> Iterator[Finding]:
    """Yield the words of the site's own text that guards may not be told."""
    for word in _unlawful(text):
        message = f'"{word}" asks for more than guards may do; write one of policy.verbs'
        yield Finding(path, message)


def _unlawful(text: str) -> Iterable[str]:
    return folding().words_in(text, (*EXCEEDING, *EQUIPMENT))
