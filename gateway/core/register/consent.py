"""Agreeing to the notice on personal data, and taking it back, in the private chat.

Whoever enrols where the settings name a version of the notice is sent it once; 同意 agrees to
the version in force, 撤回同意 takes it back. Both are told to the centre, with their time.
"""

from dataclasses import replace
from typing import Final

from gateway.core.answers.events import TextReceived
from gateway.core.answers.say_back import say_back
from gateway.core.calls.calling import NOTE_LIFE_US
from gateway.core.effects import SendText
from gateway.core.order import Put
from gateway.core.people import Contact, Person
from gateway.core.state import Draft
from gateway.core.wording import Wording

_AGREE: Final = frozenset({"同意", "我同意", "i agree", "agree"})
_TAKE_BACK: Final = frozenset(
    {"撤回同意", "撤回", "不同意", "i take back my consent", "i do not agree"}
)


def consent_wrote(draft: Draft, text: TextReceived) -> bool:
    """Note that somebody agrees or takes it back; return whether his words were that."""
    version = draft.site.register.consent
    said = text.text.strip(" 。.!！").casefold()
    if version is None or text.group is not None or said not in _AGREE | _TAKE_BACK:
        return False
    person_id = draft.state.person_of_account(text.chat, text.address)
    person = draft.find(Person, person_id) if person_id else None
    if person is None or not person.active:
        return False
    wording = Wording(draft.site, person.language)
    agrees = said in _AGREE
    given = version if agrees else None
    if person.consent != given:
        draft.put(
            replace(person, consent=given, consent_us=draft.now_us if agrees else None)
        )
        key = "detail_consent" if agrees else "detail_consent_back"
        detail = Wording(draft.site).text(key, version=version)
        draft.report(
            None, "register", person=person.id, medium="chat", assurance="C1", detail=detail
        )
    answer = "answer_consent_ok" if agrees else "answer_consent_back"
    say_back(draft, text, wording.text(answer, version=version))
    return True


def ask_for_consent(draft: Draft, text: TextReceived) -> None:
    """Send the notice to somebody who has just enrolled and has not agreed to it yet."""
    version = draft.site.register.consent
    if version is None or text.group is not None:
        return
    put = (change.entity for change in draft.changes if isinstance(change, Put))
    for contact in [entity for entity in put if isinstance(entity, Contact)]:
        person = draft.find(Person, contact.person)
        if person is None or person.consent == version:
            continue
        words = Wording(draft.site, person.language).text("answer_consent", version=version)
        draft.ask(
            SendText(
                chat=text.chat,
                address=text.address,
                text=words,
                level=3,
                not_after_us=draft.taken_us + NOTE_LIFE_US,
            )
        )
