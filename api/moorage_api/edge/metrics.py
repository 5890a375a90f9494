"""Prometheus metrics of the facade, in a registry of its own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from moorage_api.access import Access
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.freshness import Freshness

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters that the edge moves, and gauges that are read when somebody asks."""

    def __init__(self, catalog: Catalog, freshness: Freshness, access: Access) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "moorage_requests", "Answers by operation and status.", ["operation", "status"], registry=self.registry
        )
        self._refusals = Counter(
            "moorage_refusals", "Answers that name a reason, by that reason.", ["reason"], registry=self.registry
        )
        self._seconds = Histogram(
            "moorage_request_seconds",
            "Time from the request to its answer.",
            ["operation"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._upstream = Histogram(
            "moorage_upstream_seconds",
            "Part of it that was spent waiting for the API server.",
            ["operation"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.loop_stalls = Histogram(
            "moorage_loop_delay_seconds",
            "How late a timer of the event loop fired.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Gauges(catalog, freshness, access))

    def answered(self, operation: str, status: int, *, seconds: float, upstream: float) -> None:
        """One answer was sent. `operation` is a name of ours, never a text of the request."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)
        if upstream:
            self._upstream.labels(operation).observe(upstream)

    def refused(self, reason: str) -> None:
        """An answer named a reason: one of the contract, never a text of the request."""
        self._refusals.labels(reason).inc()


class _Gauges(Collector):
    """State of the cache, looked at when the metrics are read."""

    def __init__(self, catalog: Catalog, freshness: Freshness, access: Access) -> None:
        self._catalog = catalog
        self._freshness = freshness
        self._access = access

    def collect(self) -> Iterator[Metric]:
        """All gauges."""
        catalog = self._catalog
        objects = GaugeMetricFamily("moorage_cache_objects", "Objects in the cache.", labels=["kind"])
        for kind, size in (
            ("environments", len(catalog.environments)),
            ("deployments", len(catalog.bindings)),
            ("environmentlocks", len(catalog.locks)),
            ("namespaces", len(catalog.namespaces)),
            ("lines", len(catalog.history)),
        ):
            objects.add_metric([kind], size)
        yield objects
        age = GaugeMetricFamily("moorage_watch_age_seconds", "Seconds since the last byte.", labels=["kind"])
        connected = GaugeMetricFamily("moorage_watch_connected", "1 while the watch is open.", labels=["kind"])
        for feed in self._freshness.feeds:
            age.add_metric([feed.plural], feed.age())
            connected.add_metric([feed.plural], float(feed.connected))
        yield age
        yield connected
        yield GaugeMetricFamily("moorage_synced", "1 when every first list is complete.", float(self._freshness.synced))
        yield GaugeMetricFamily("moorage_stale_seconds", "Age of a cut watch.", self._freshness.stale_seconds)
        yield GaugeMetricFamily(
            "moorage_duplicate_workspaces",
            "Namespaces that claim a workspace which an older one is.",
            len(catalog.duplicates),
        )
        streams = float(len(catalog.history.journal.listeners))
        yield GaugeMetricFamily("moorage_event_streams", "Streams of events that are open.", streams)
        yield GaugeMetricFamily("moorage_reviews", "Token and access reviews since the start.", self._access.reviews)
