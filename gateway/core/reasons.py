"""Why something is not done: every reason that the core can give, as keys of the catalogues.

A reason is a key and what fills its gaps, worded in the site's language where it is given
(:func:`gateway.core.wording.because`). :data:`Worded` keeps bare strings out: a receipt takes
no reason that did not come from a catalogue.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

# A sentence that came from a catalogue.
Worded = NewType("Worded", str)


class Why(StrEnum):
    """Keys of the reasons, by what they are about."""

    # Messages of the centre.
    OTHER_BODY = "why_other_body"
    CANCEL_FIRST = "why_cancel_first"
    ORDER_CLOSED = "why_order_closed"
    IS_DRILL = "why_is_drill"
    IS_REAL = "why_is_real"
    NO_TARGET = "why_no_target"
    FAULT = "why_fault"
    # A company's own alerts.
    COMPANY_PLACE = "why_company_place"
    COMPANY_GRID = "why_company_grid"
    COMPANY_TARGET = "why_company_target"
    # What is done to an order.
    ORDER_UNKNOWN = "why_order_unknown"
    ORDER_NOT_OPEN = "why_order_not_open"
    ORDER_OPEN = "why_order_open"
    NO_RESULT = "why_no_result"
    NOT_ADDRESSED = "why_not_addressed"
    NO_PARTNER = "why_no_partner"
    HAS_PART = "why_has_part"
    OFF_ALREADY = "why_off_already"
    NOT_POLICE = "why_not_police"
    GRID_NOT_BESIDE = "why_grid_not_beside"
    NOT_HELD = "why_not_held"
    EXPIRED = "why_expired"
    SAME_PERSON = "why_same_person"
    SAME_DOOR = "why_same_door"
    DRILL_NO_VISIT = "why_drill_no_visit"
    NO_VISIT = "why_no_visit"
    KEPT_ALREADY = "why_kept_already"
    NOT_KEPT = "why_not_kept"
    DRILL_OVER = "why_drill_over"
    NO_PHOTO = "why_no_photo"
    NO_PHOTO_REPLY = "why_no_photo_reply"
    NO_GROUP = "why_no_group"
    # Rights.
    NO_RIGHT = "why_no_right"
    RIGHT_OF_ALL = "why_right_of_all"
    RIGHT_NOT_HIS = "why_right_not_his"
    RIGHT_TO_HIMSELF = "why_right_to_himself"
    # Reports of guards.
    NO_REPORT = "why_no_report"
    REPORT_ORDERED = "why_report_ordered"
    REPORT_DISMISSED = "why_report_dismissed"
    REPORT_NOWHERE = "why_report_nowhere"
    # Drills, roll calls, self tests, event plans.
    NO_GRID = "why_no_grid"
    DRILL_PAST = "why_drill_past"
    DRILL_LIVE = "why_drill_live"
    NO_DRILL = "why_no_drill"
    SELF_TEST_LIVE = "why_self_test_live"
    NOBODY_TO_CALL = "why_nobody_to_call"
    NO_PLAN = "why_no_plan"
    PLAN_NOT_ON = "why_plan_not_on"
    PLAN_ON = "why_plan_on"
    PLAN_OVER = "why_plan_over"
    PLAN_IN_THE_WAY = "why_plan_in_the_way"
    # The register.
    NO_PERSON = "why_no_person"
    PERSON_LEFT = "why_person_left"
    PERSON_NOT_LEFT = "why_person_not_left"
    PERSON_KNOWN = "why_person_known"
    PERSON_ERASED = "why_person_erased"
    DUTY_UNCHANGED = "why_duty_unchanged"
    NO_SHIFT = "why_no_shift"
    FIELD_VALUE = "why_field_value"
    NAME_UNKNOWN = "why_name_unknown"
    NAME_MISSPELT = "why_name_misspelt"
    ONLY_OWN_PEOPLE = "why_only_own_people"
    ONLY_GUARDS = "why_only_guards"
    CODE_TAKEN = "why_code_taken"
    CODE_TAKEN_ELSEWHERE = "why_code_taken_elsewhere"
    RADIO_TAKEN = "why_radio_taken"
    RADIO_TAKEN_ELSEWHERE = "why_radio_taken_elsewhere"
    RADIO_AT_POST = "why_radio_at_post"
    RADIO_OF_NOBODY = "why_radio_of_nobody"
    RADIO_NOT_LOST = "why_radio_not_lost"
    PAPER_TAKEN = "why_paper_taken"
    PAPER_TAKEN_ELSEWHERE = "why_paper_taken_elsewhere"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason that is not worded yet.

    Attributes:
        why: Which.
        gaps: What fills its gaps, by name.
    """

    why: Why
    gaps: tuple[tuple[str, object], ...] = ()


def reason(why: Why, **gaps: object) -> Reason:
    """Return a reason with what fills its gaps."""
    return Reason(why, tuple(gaps.items()))
