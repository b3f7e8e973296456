"""What an order may end in: a closed list, so that results can be counted."""

from typing import Annotated

from pydantic import Field

from gateway.core.after.entities import ResultCode
from gateway.settings.values import Model, Name


class ResultSettings(Model):
    """One result (处置结果) with which an order is closed.

    Attributes:
        name: As written, such as 纠纷—化解.
        follow_up_days: After so many days whoever was accountable is reminded to go there
            again (回访); absent = never.
    """

    name: Name
    follow_up_days: Annotated[int, Field(ge=1, le=365)] | None = None

    def value(self, code: str) -> ResultCode:
        """Return what the core decides by."""
        return ResultCode(code=code, name=self.name, follow_up_days=self.follow_up_days)
