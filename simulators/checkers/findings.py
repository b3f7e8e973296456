"""What a checker found: how much it compared, and every disagreement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Violation:
    """One disagreement between a witness and the journal.

    Attributes:
        check: Which checker found it.
        at_us: When it happened, UTC microseconds; 0 when it is about no moment.
        witness: Whose words stand against the journal.
        text: What disagrees.
        journal: Row number, or None when there is no such row.
    """

    check: str
    at_us: int
    witness: str
    text: str
    journal: int | None = None

    def __str__(self) -> str:
        row = f"journal {self.journal}" if self.journal is not None else "no journal row"
        return f"  ✗ {clock(self.at_us)}  {self.witness}  [{row}]  {self.text}"


@dataclass
class Finding:
    """The verdict of one checker.

    Attributes:
        check: Its name, as in a scenario's ``expect``.
        title: What it compares, for people.
        unit: What is counted.
        agreed: What is true when it found no violation.
        compared: How many it compared.
        remark: What is no violation and yet worth a word, or empty.
    """

    check: str
    title: str
    unit: str
    agreed: str
    compared: int = 0
    remark: str = ""
    violations: list[Violation] = field(default_factory=list)

    def object(self, at_us: int, witness: str, text: str, row: int | None = None) -> None:
        """Add a violation."""
        self.violations.append(Violation(self.check, at_us, witness, text, row))

    def demand(self, at_least: int) -> None:
        """Object when less was compared than the scenario should have brought about."""
        if self.compared < at_least:
            text = f"expected at least {at_least} {self.unit}, found {self.compared}"
            self.object(0, "scenario", text)

    def __str__(self) -> str:
        if self.violations:
            word = "objection" if len(self.violations) == 1 else "objections"
            end = f"{self.compared} {self.unit}, {len(self.violations)} {word}"
        elif not self.compared:
            end = "nothing to compare"
        else:
            end = f"{self.compared} {self.unit}, {self.agreed}"
        return f"{self.title}: {end}" + (f" ({self.remark})" if self.remark else "")


def clock(at_us: int) -> str:
    """Return a moment as people write it, UTC with milliseconds."""
    if not at_us:
        return "--:--:--.---"
    at = datetime.fromtimestamp(at_us / 1e6, UTC).replace(tzinfo=None)
    return at.isoformat(sep=" ", timespec="milliseconds") + "Z"


def demand_all(findings: Iterable[Finding], at_least: Mapping[str, int]) -> None:
    """Hold every finding to what the scenario should have brought about.

    Raises:
        ValueError: The scenario names a check that there is not.
    """
    by_name = {finding.check: finding for finding in findings}
    for name, count in at_least.items():
        if name not in by_name:
            message = f"expect.at_least: no check is called {name!r}; there are {list(by_name)}"
            raise ValueError(message)
        by_name[name].demand(count)
