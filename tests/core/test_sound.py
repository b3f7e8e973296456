"""Sound on our ports that is not taken: the centre is told, in its language, what and whence."""

from dataclasses import replace

import pytest

from gateway.core.effects import ReportStatus
from gateway.core.talk.events import SoundRefused
from tests.core.site_for_tests import Desk, make_site


@pytest.mark.parametrize(
    ("language", "kind", "said"),
    [
        ("en", "foreign", "channel:ch1: sound from a stranger, 10.9.9.9, is not taken (450"),
        ("en", "second", "channel:ch1: a second stream of sound from 10.9.9.9 is not taken"),
        ("en", "malformed", "channel:ch1: 10.9.9.9 sends what is no sound of the agreed form"),
        ("zh_CN", "foreign", "channel:ch1收到陌生地址10.9.9.9的声音，未采用（450个包）"),
        ("zh_CN", "second", "channel:ch1收到来自10.9.9.9的第二路声音，未采用（450个包）"),
        ("zh_CN", "malformed", "channel:ch1收到10.9.9.9发来的包，不是约定格式的声音（450个）"),
    ],
)
def test_the_centre_is_told_who_sends_what_is_not_taken(language, kind, said):
    story = Desk(site=replace(make_site(), language=language))
    effects = story.take(
        SoundRefused(
            at_us=story.now_us, path="channel:ch1", kind=kind, address="10.9.9.9", count=450
        )
    )
    (report,) = [e for e in effects if isinstance(e, ReportStatus)]
    assert report.node == "health"
    assert report.order is None
    assert said in report.detail
