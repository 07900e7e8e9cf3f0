"""Prometheus metrics that every service has; a service adds its own to the same registry.

Every metric is shown from the start, with zero for each name of a fixed set: a query for something that has not
happened answers "none", not "no data". Names that callers can choose are bounded: see ``BoundedNames``.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

# A `_created` series per series would double their number, and no query here reads it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # published without types

LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
QUEUE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
PLATFORM_NAMES = {"batch_conductor_service": "bcs"}
"""Dashboard name of a service on the platform, where it is not its own name."""

TRANSPORTS: Final = ("bus", "http")
MAX_NAMES: Final = 100
OTHER: Final = "other"
"""The label of every name beyond the limit."""


class BoundedNames:
    """Label values that come from outside, such as models: the first ``limit`` of them, then ``OTHER`` for all more."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """The name itself, or ``OTHER``."""
        if name not in self._known:
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(name)
        return name


class HttpMetrics:
    """Requests answered, twice: the second under the name that a platform's dashboards read."""

    def __init__(self, registry: CollectorRegistry, *, service: str) -> None:
        self.requests = Histogram(
            "http_request_seconds",
            "Time to answer an HTTP request.",
            ("route", "method", "status"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.platform_requests = Counter(
            f"{PLATFORM_NAMES.get(service, service.removesuffix('_service'))}_http_requests",
            "HTTP requests answered, by the name and labels that the platform's dashboards read.",
            ("method", "endpoint", "status_code"),
            registry=registry,
        )


class OutboxMetrics:
    """Outgoing messages, by how they travel."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("transport",)
        self.sent = Counter(
            "outbox_messages_sent", "Messages sent from the outbox.", labels, registry=registry
        )
        self.refused = Counter(
            "outbox_messages_refused", "Attempts to send a message that failed.", labels, registry=registry
        )
        self.given_up = Counter(
            "outbox_messages_given_up", "Messages that are not tried again.", labels, registry=registry
        )
        self.backlog = Gauge(
            "outbox_backlog_messages", "Messages that wait in the outbox.", labels, registry=registry
        )
        self.oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest unsent message.", labels, registry=registry
        )
        self.currently_given_up = Gauge(
            "outbox_given_up_messages",
            "Messages in the outbox that were given up.",
            labels,
            registry=registry,
        )
        for transport in TRANSPORTS:
            for metric in (self.sent, self.refused, self.given_up):
                metric.labels(transport)
            for gauge in (self.backlog, self.oldest, self.currently_given_up):
                gauge.labels(transport)


class EventMetrics:
    """Events from the bus. Implements ``ConsumerWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queue_latency = Histogram(
            "kafka_message_queue_latency_seconds",
            "Time from when an event happened until it is handled here.",
            ("topic",),
            buckets=QUEUE_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge(
            "event_consumer_lag_messages",
            "Messages that a group has not read yet, of the partitions that this replica reads.",
            ("group",),
            registry=registry,
        )
        self.silence = Gauge(
            "event_consumer_silent_seconds",
            "Seconds since a group's consumer last polled; 0 on the memory bus, which delivers immediately.",
            ("group",),
            registry=registry,
        )
        self.handled = Counter("events_handled", "Events handled, by topic.", ("topic",), registry=registry)
        self.dead_letters = Counter(
            "events_dead_lettered",
            "Events sent to a dead-letter topic.",
            ("topic", "reason"),
            registry=registry,
        )

    def show_topic(self, topic: str, *, group: str, reasons: Iterable[str]) -> None:
        """Show what is counted of a topic that ``group`` reads, before anything has happened."""
        self.lag.labels(group)
        self.silence.labels(group)
        self.handled.labels(topic)
        self.queue_latency.labels(topic)
        for reason in reasons:
            self.dead_letters.labels(topic, reason)

    def watch_lag(self, group: str, messages: int) -> None:
        """Implements ``ConsumerWatcher``."""
        self.lag.labels(group).set(messages)

    def watch_silence(self, group: str, seconds: Callable[[], float]) -> None:
        """Implements ``ConsumerWatcher``."""
        self.silence.labels(group).set_function(seconds)


class WorkerMetrics:
    """Workers, their items, and what housekeeping deletes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("worker",)
        self.item_failures = Counter(
            "worker_item_failures", "Failed attempts to work on an item.", labels, registry=registry
        )
        self.items_set_aside = Counter(
            "worker_items_set_aside",
            "Items that failed too often and were set aside.",
            labels,
            registry=registry,
        )
        self.currently_set_aside = Gauge(
            "worker_items_currently_set_aside", "Items that are set aside now.", labels, registry=registry
        )
        self.silence = Gauge(
            "worker_silent_seconds",
            "Seconds since a worker last completed a step.",
            labels,
            registry=registry,
        )
        self.retention_deleted = Counter(
            "retention_deleted_rows",
            "Rows deleted or emptied because their retention time was over.",
            ("rule",),
            registry=registry,
        )

    def show(self, worker: str) -> None:
        """Show what is counted of a worker's items, before anything has happened."""
        for metric in (self.item_failures, self.items_set_aside, self.currently_set_aside):
            metric.labels(worker)


class LoopMetrics:
    """The process's event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Histogram(
            "event_loop_lag_seconds",
            "How late the event loop resumes a task that is due.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.tasks = Gauge(
            "asyncio_tasks", "Tasks of the process's event loop that have not ended.", registry=registry
        )

    def watch_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count the tasks of ``loop`` whenever the metrics are read."""
        self.tasks.set_function(lambda: len(asyncio.all_tasks(loop)))


class ServiceMetrics:
    """One registry per service, so that three services in one process do not count into each other."""

    def __init__(self, registry: CollectorRegistry, *, service: str = "service") -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.http = HttpMetrics(registry, service=service)
        self.outbox = OutboxMetrics(registry)
        self.events = EventMetrics(registry)
        self.workers = WorkerMetrics(registry)
        self.loop = LoopMetrics(registry)
