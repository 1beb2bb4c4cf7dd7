"""Figures of the server, counted where they arise; `metrics` gives them to Prometheus.

No label names a person, a file or a model.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

#: Own, so that no library adds figures.
REGISTRY = CollectorRegistry()
for _collector in (GCCollector, PlatformCollector, ProcessCollector):
    _collector(registry=REGISTRY)

REQUESTS = Counter(
    "spinefrac_requests",
    "Requests by kind of address and status",
    ("area", "method", "status"),
    registry=REGISTRY,
)
REFUSED = Counter(
    "spinefrac_refused", "Requests refused before they were read, by why", ("why",),
    registry=REGISTRY,
)  # fmt: skip
PREDICT_SECONDS = Histogram(
    "spinefrac_predict_seconds",
    "Time of a REST prediction from its last byte to its answer",
    registry=REGISTRY,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SLICES = Counter(
    "spinefrac_slices", "Slices that came by REST, by outcome", ("outcome",), registry=REGISTRY
)
SESSIONS = Gauge("spinefrac_page_connections", "Open connections of pages", registry=REGISTRY)
RUNS = Gauge("spinefrac_open_runs", "Runs that wait or train", ("state",), registry=REGISTRY)
HELD = Gauge(
    "spinefrac_held", "What sessions hold of a budget, in its own unit", ("budget",),
    registry=REGISTRY,
)  # fmt: skip
