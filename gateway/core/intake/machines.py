"""What is known of alarm hosts (报警主机), and by which rules their alarms are taken."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

# The timers of this room; the first hang on an order, the second on a host.
DIGEST, TEST_DUE = "machine_digest", "machine_test"
# So much of what a host has lately said is remembered.
ALARMS_REMEMBERED: Final = 16
# The whole site stands among the hosts under a name that no host can have.
WHOLE_SITE: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRules:
    """How machine alerts are taken.

    Attributes:
        host_alarms: Most alarms of one host in a minute that become orders of their own.
        site_alarms: Most alarms of all hosts in a minute that do.
        repeat_s: The same zone again within this many seconds is the same alarm.
        zones_window_s: Two zones of a host within this many seconds raise the level by one.
        digest_s: What was merged into an order is written under its cards this often, seconds.
        test_every_h: A host that tests is missed after so many hours; 0 for never.
    """

    host_alarms: int = 5
    site_alarms: int = 20
    repeat_s: int = 30
    zones_window_s: int = 300
    digest_s: int = 60
    test_every_h: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAlarm:
    """One alarm of one zone: when, and into which order it went."""

    zone: str
    at_us: int
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineHost:
    """What a host has lately said.

    Attributes:
        host: Its account; ``*`` for the whole site.
        sender: Which receiving centre tells of it; empty for the whole site.
        alarms: Its latest alarms, oldest first.
        tested_us: When it last tested, UTC microseconds; None while it never has.
        missed: Whether it was told that its test is missing.
    """

    KIND: ClassVar[str] = "machine_host"

    host: str
    sender: str = ""
    alarms: tuple[ZoneAlarm, ...] = field(default=())
    tested_us: int | None = None
    missed: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return f"{self.sender}\n{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What an order holds beside its own alert: alarms that made no order of their own.

    Attributes:
        order: Order id.
        untold: How many came since its people were last told.
        total: How many there are.
        hosts: Hosts and zones of the untold, as ``host/zone``, at most eight.
    """

    KIND: ClassVar[str] = "merged"

    order: str
    untold: int = 0
    total: int = 0
    hosts: tuple[str, ...] = field(default=())

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.order
