"""Figures about the running daemon, as Prometheus text."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.core.effects import Effect, Receipt, ReportStatus
from gateway.interfaces import Reading

# Upper bounds of the commit histogram, seconds: from a fast disk to one that is failing.
_COMMIT_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0)
_TIMER_BOUNDS_S = (0.001, 0.005, 0.01, 0.05, 0.2, 1.0, 10.0)


class _Readings:
    """The drivers' own figures, as a collector of the registry."""

    def __init__(self) -> None:
        self.now: tuple[Reading, ...] = ()

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for reading in self.now:
            family = families.setdefault(reading.name, _family(reading))
            family.add_sample(reading.name, dict(reading.labels), reading.value)
        yield from families.values()


def _family(reading: Reading) -> Metric:
    kind = CounterMetricFamily if reading.name.endswith("_total") else GaugeMetricFamily
    return kind(reading.name, reading.says)


class Metrics:
    """The registry of one daemon."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        self._commit = Histogram(
            "gridcall_commit_seconds",
            "Event taken in until its transaction is on the disk",
            buckets=_COMMIT_BOUNDS_S,
            registry=r,
        )
        self._timer = Histogram(
            "gridcall_timer_error_seconds",
            "How late the clocks of orders fire",
            buckets=_TIMER_BOUNDS_S,
            registry=r,
        )
        self._receipts = Counter(
            "gridcall_receipts", "Receipts given to the centre", ["status"], registry=r
        )
        self._nodes = Counter(
            "gridcall_timeline_nodes", "Timeline nodes reported", ["node"], registry=r
        )
        self._seq = Gauge("gridcall_journal_seq", "Last journal number", registry=r)
        self._open = Gauge("gridcall_open_orders", "Orders not ended", registry=r)
        self._path = Gauge(
            "gridcall_path_up", "Whether a way to people works", ["path"], registry=r
        )
        self._readings = _Readings()
        r.register(self._readings)

    def committed(self, took_s: float, effects: Iterable[Effect]) -> None:
        """Count one transaction and what it told."""
        self._commit.observe(took_s)
        for effect in effects:
            if isinstance(effect, Receipt):
                self._receipts.labels(effect.status).inc()
            elif isinstance(effect, ReportStatus):
                self._nodes.labels(effect.node).inc()

    def timer_error(self, late_s: float) -> None:
        """Count how late a clock fired, seconds."""
        self._timer.observe(max(0.0, late_s))

    def text(
        self,
        *,
        seq: int,
        open_orders: int,
        paths: Mapping[str, bool],
        readings: Iterable[Reading] = (),
    ) -> str:
        """Return every figure in the text format of Prometheus, ``readings`` of drivers too."""
        self._readings.now = tuple(readings)
        self._seq.set(seq)
        self._open.set(open_orders)
        for path, up in paths.items():
            self._path.labels(path).set(1 if up else 0)
        return generate_latest(self._registry).decode()
