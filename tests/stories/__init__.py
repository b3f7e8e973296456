"""Stories: each core mechanism told from outside, through the real engine and journal.

A story is a coroutine that is given a :class:`tests.stories.world.World`: a small district
(``district.yaml``, read by the real settings loader), the real engine on a journal in memory, a
chat and radio channels in memory, all on virtual time. It raises alerts, lets people answer, and
asserts **only** from what the outside saw: ``w.air``, ``w.chat``, ``w.centre``. ::

    @story("A19", off=without("gateway.core.calls.ladder.start_station_clock"))
    async def test_a_station_that_does_not_answer_is_told_to_the_centre(w):
        await w.alert(grid="east")
        await w.sleep(61)
        assert w.centre.nodes("station") == ["told", "breach"]

Each story becomes two tests. ``test_…[A19-on]`` tells it. ``test_…[A19-off]`` is its
counter-proof: with the mechanism switched off the story must fail by an AssertionError, so a
story that cannot fail is itself a failure. Only an AssertionError counts, and the core may not
crash either way: ``w.chat.text(who)`` is empty where ``w.chat.card(who)`` would be None. What ``off`` may be (or several in a tuple):

``without("gateway.core.x.f")``          the function does nothing and returns None
``without("gateway.core.x.f", gives=v)`` the function does nothing and returns ``v``
``instead("gateway.core.x.f", g)``       ``g`` in its place; methods and constants likewise
``{"response": {"ladder": []}}``         other settings, merged into the district's

The function is replaced in every module that imported it by name. A call made through a table
that holds the function itself is not reached: name what the table's entry calls.

How a story acts (all of it in virtual time; a minute costs a millisecond):

``await w.alert(grid="east", level=2, …)``   the centre raises an alert (JSON, real decoder); the
                                             receipt, with ``.order`` and ``.number``
``await w.update(…)``, ``w.cancel(…)``       the same for the latest alert, or ``id=``
``await w.act("radio_lost", radio=…)``       any act of ``POST /v1/acts``
``await w.close("o1", result=…)``, ``w.stand_down``, ``w.confirm``   acts on an order
``await w.sleep(s)``, ``w.until(condition)`` let time pass
``await w.press("zhang", "收到")``           a button of his card (or ``card=``); the toast
``await w.write("zhang", "收到", group="east", reply_to=message)``   he writes; what is answered
``await w.photo("zhang", b"…", …)``, ``w.voice``, ``w.location``
``await w.key("east", "*10 101 1#", ani=…)`` digits; True for the good tone, False for the bad,
                                             None when nothing answered or nobody heard
``await w.presses("east", 2, radio=…)``, ``w.speak``, ``w.packet``, ``w.selcall``
``w.jam("east", 90)``                        somebody talks on and on
``w.fail("channel:east")``, ``w.mend(…)``    a path fails: ``channel:…``, ``chat:work``
``w.refuses("zhang")``                       his telephone has blocked the bot
``await w.kill()``, ``await w.start()``      the engine dies at once; starts from its journal
``await w.reload({…})``                      the engine is given other settings
``await w.enrol("zhang", account)``, ``w.leave("zhang")``

What a story looks at:

``w.air``                     every transmission: ``channel kind text attention level calls …``
``w.pages("east")``           the pages of a channel, ``w.tones("east")`` the answer tones
``w.chat.card("zhang")``      his latest card (``text``, ``keyboard``, ``edits``), or None
``w.chat.lines("east")``      texts written to him or to the group, oldest first
``w.centre.receipts``         what the centre was answered
``w.centre.events``           every timeline node: ``node person order medium assurance detail``
``w.centre.nodes("zhang")``   the nodes of one person, in order
``w.t(transmission)``         seconds since the story's beginning, of anything with a moment

The district: grids and groups ``east middle west``, channels ``east`` (of two grids) and
``west``; noon of a Sunday, crew A on duty; people ``zhang li wang`` (east; wang has a radio only), ``zhao`` (east, night),
``chen`` (middle), ``sun smith`` (west; smith reads English), ``station head chief``.
"""
