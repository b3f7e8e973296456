"""The judges: what the witnesses outside wrote down, compared with the journal.

    findings = judge(read(logs, site), Journal.read(export))

Each ``check_…`` is a pure function of the witnesses' logs and the exported journal. None
believes the journal alone, and none is content with nothing: a scenario says how much of each
kind it must have brought about.
"""

from collections.abc import Callable
from typing import Final

from simulators.checkers.air import (
    check_answer_tones,
    check_cancelled,
    check_pages,
    check_priority,
    check_ptt,
)
from simulators.checkers.centre import check_acts, check_alerts, check_events, check_receipts
from simulators.checkers.chat import (
    check_cards,
    check_chat_replies,
    check_limits,
    check_posts,
    check_pressed,
    check_untold,
)
from simulators.checkers.findings import Finding, Violation, demand_all
from simulators.checkers.journal import Journal
from simulators.checkers.orders import (
    check_addressed,
    check_story,
    check_times,
    check_witnesses,
)
from simulators.checkers.overs import (
    check_air_replies,
    check_keyed,
    check_overs,
    check_recordings,
)
from simulators.checkers.turns import (
    check_climbs,
    check_drills,
    check_reports,
    check_stood_down,
)
from simulators.checkers.witnesses import Witnesses, read

Check = Callable[[Witnesses, Journal], Finding]

CHECKS: Final[tuple[Check, ...]] = (
    check_witnesses,
    check_pages,
    check_answer_tones,
    check_ptt,
    check_priority,
    check_cancelled,
    check_air_replies,
    check_keyed,
    check_overs,
    check_recordings,
    check_cards,
    check_posts,
    check_untold,
    check_chat_replies,
    check_pressed,
    check_limits,
    check_alerts,
    check_receipts,
    check_acts,
    check_events,
    check_addressed,
    check_times,
    check_reports,
    check_climbs,
    check_stood_down,
    check_drills,
    check_story,
)


def judge(witnesses: Witnesses, journal: Journal) -> list[Finding]:
    """Return the finding of every checker, held to what the scenario expects.

    Raises:
        ValueError: The scenario expects something of a check that there is not.
    """
    findings = [check(witnesses, journal) for check in CHECKS]
    demand_all(findings, witnesses.expected.get("at_least", {}))
    return findings


__all__ = ["CHECKS", "Finding", "Journal", "Violation", "Witnesses", "judge", "read"]
