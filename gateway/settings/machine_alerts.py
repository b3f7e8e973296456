"""Settings of machine alerts: how alarms become orders, and when there are too many."""

from typing import Annotated

from pydantic import Field

from gateway.core.intake.machines import MachineRules
from gateway.settings.values import Model


class MachineAlertsSettings(Model):
    """Alarms of hosts (报警主机), which come by the centre's doors with ``source: machine``.

    Attributes:
        host_alarms_per_min: Most alarms of one host a minute that become orders of their own.
        site_alarms_per_min: Most alarms of all hosts a minute that do.
        repeat_s: The same zone again within this time is the same alarm, seconds.
        zones_window_s: Two zones of a host within this time raise the level by one, seconds.
        digest_s: What was merged is written under the order's cards this often, seconds.
        test_every_h: A host that tests is missed after so many hours; 0 = never.
    """

    host_alarms_per_min: Annotated[int, Field(ge=1, le=16)] = 5
    site_alarms_per_min: Annotated[int, Field(ge=1, le=60)] = 20
    repeat_s: Annotated[int, Field(ge=0, le=3600)] = 30
    zones_window_s: Annotated[int, Field(ge=0, le=3600)] = 300
    digest_s: Annotated[int, Field(ge=10, le=3600)] = 60
    test_every_h: Annotated[int, Field(ge=0, le=744)] = 25

    def rules(self) -> MachineRules:
        """Return what the core decides by."""
        return MachineRules(
            host_alarms=self.host_alarms_per_min,
            site_alarms=self.site_alarms_per_min,
            repeat_s=self.repeat_s,
            zones_window_s=self.zones_window_s,
            digest_s=self.digest_s,
            test_every_h=self.test_every_h,
        )
