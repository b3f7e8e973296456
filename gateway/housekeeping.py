"""How the engine's process shares its interpreter: the collector, and the writer's turn."""

import asyncio
import gc
import sys
from collections.abc import Callable

# The journal's writer needs the interpreter for a moment after each statement. The usual 5 ms
# would be waited for a dozen times in a group while the loop is busy.
SWITCH_S = 0.0005
# Most of what is made for an event is gone when it is done; looking for cycles among the rest
# at every 700th object is a tenth of an event's cost.
YOUNG, MIDDLE, OLD = 20_000, 20, 50
LOOKED_EVERY_S = 5.0


async def keep_house(quiet: Callable[[], bool]) -> None:
    """Keep the collector out of the way of alerts; until cancelled.

    A walk over everything that is alive takes a tenth of a second. What is there at the start
    is left out of it from now on, and what has gathered since is looked at when it is quiet.

    Args:
        quiet: Whether nothing has happened for a while.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.freeze()
    while True:
        await asyncio.sleep(LOOKED_EVERY_S)
        if quiet():
            gc.collect()
            gc.freeze()
