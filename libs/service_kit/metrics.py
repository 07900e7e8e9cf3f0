"""Prometheus metrics that every service has; a service adds its own to the same registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServiceMetrics:
    """One registry a service, so that three services in one process do not count into each other."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.http_requests = Histogram(
            "http_request_seconds",
            "Time to answer an HTTP request.",
            ("route", "method", "status"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.outbox_sent = Counter(
            "outbox_messages_sent_total", "Messages sent from the outbox.", ("transport",), registry=registry
        )
        self.outbox_refused = Counter(
            "outbox_messages_refused_total",
            "Attempts to send a message that failed.",
            ("transport",),
            registry=registry,
        )
        self.outbox_backlog = Gauge(
            "outbox_backlog_messages", "Messages that wait in the outbox.", ("transport",), registry=registry
        )
        self.outbox_oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest unsent message.", ("transport",), registry=registry
        )
        self.events_handled = Counter(
            "events_handled_total", "Events handled, by topic.", ("topic",), registry=registry
        )
        self.dead_letters = Counter(
            "events_dead_lettered_total",
            "Events sent to a dead-letter topic.",
            ("topic", "reason"),
            registry=registry,
        )
