"""What the door counts, in Prometheus' words. One registry per application, so that two in one process do not mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.metrics_core import Metric


class Metrics:
    """Counters of the web process.

    Attributes:
        deliveries: answered requests by `source` and `outcome` (`accepted`, `bad-signature`, …: a problem's word).
        events: what became of the events in them, by `source` and `result` (`accepted`, `duplicate`, `quarantined`,
            `ignored`).
        refused: requests that the HTTP server answered by itself, by `reason` (`bad-request`, `request-timeout`,
            `too-many-connections`): nobody can say for which source they were.
        unsubscribed: answers of the unsubscribe page by `outcome` (`done`, `again`: within the same minute, `bad-link`,
            `unavailable`).
        preferences: visits that ended, by `page` (`preferences`, `confirm`) and `outcome` (`saved`, `unchanged`,
            `confirmed`, `bad-link`, `bad-form`, `unavailable`).
        tracked: visits of tracked links and pictures by `kind` (`click`, `open`) and `outcome` (`human`, `machine`,
            `bad-link`, `lost`: the visit could not be noted down, the visitor was served all the same).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "dripline_deliveries", "Webhook deliveries answered.", ["source", "outcome"], registry=self.registry
        )
        self.events = Counter(
            "dripline_events", "Events in accepted deliveries.", ["source", "result"], registry=self.registry
        )
        self.refused = Counter(
            "dripline_http_refused", "Requests refused before it was known what for.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.unsubscribed = Counter(
            "dripline_unsubscribes", "Visits to the unsubscribe page that ended.", ["outcome"], registry=self.registry
        )
        self.preferences = Counter(
            "dripline_preferences", "Visits to preference centre and confirmation page that ended.",
            ["page", "outcome"], registry=self.registry,
        )  # fmt: skip
        self.tracked = Counter(
            "dripline_tracked", "Visits of tracked links and pictures.", ["kind", "outcome"], registry=self.registry
        )

    def text(self, more: Sequence[Metric]) -> bytes:
        """All of it, and `more`, in Prometheus' text format."""
        others = CollectorRegistry()
        others.register(_Fixed(more))
        return generate_latest(self.registry) + generate_latest(others)


class _Fixed(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


class Tally:
    """The counters of one source, looked up once: `labels()` costs more than counting."""

    def __init__(self, metrics: Metrics, source: str) -> None:
        self._metrics = metrics
        self._source = source
        self._outcomes: dict[str, Counter] = {}
        self._results: dict[str, Counter] = {}

    def delivery(self, outcome: str) -> None:
        """Count one answered delivery."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._metrics.deliveries.labels(self._source, outcome)
        counter.inc()

    def events(self, result: str, number: int) -> None:
        """Count events that had the same result."""
        counter = self._results.get(result)
        if counter is None:
            counter = self._results[result] = self._metrics.events.labels(self._source, result)
        counter.inc(number)
