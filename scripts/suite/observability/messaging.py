"""Messaging: what waits to be sent, what waits to be read, and what could not be handled."""

from typing import Final

from suite.observability.panels import Board, Query, Row, Unit, lines

_TRANSPORT = "{{service}} {{transport}}"
_WORKER = "{{service}} {{worker}}"

MESSAGING: Final = Board(
    uid="cj-messaging",
    title="Messaging",
    about="What waits to be sent, what waits to be read, and what could not be handled.",
    rows=(
        Row(
            title="Sending",
            panels=(
                lines(
                    "Messages in the outbox",
                    "Waiting to be sent.",
                    Query(
                        expression="max by (service, transport) (outbox_backlog_messages)", legend=_TRANSPORT
                    ),
                ),
                lines(
                    "Age of the oldest",
                    "Minutes mean that the broker or a receiver is unavailable.",
                    Query(
                        expression="max by (service, transport) (outbox_oldest_seconds)", legend=_TRANSPORT
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Sent and refused",
                    "Per second; a refused message is sent again later.",
                    Query(
                        expression="sum by (service, transport) (rate(outbox_messages_sent_total[5m]))",
                        legend=f"{_TRANSPORT} sent",
                    ),
                    Query(
                        expression="sum by (service, transport) (rate(outbox_messages_refused_total[5m]))",
                        legend=f"{_TRANSPORT} refused",
                    ),
                    unit=Unit.PER_SECOND,
                ),
                lines(
                    "Given up",
                    "Kept for an operator: cj-suite dlq list shows them.",
                    Query(
                        expression="max by (service, transport) (outbox_given_up_messages)",
                        legend=f"{_TRANSPORT} now",
                    ),
                    Query(
                        expression="sum by (service, transport) (increase(outbox_messages_given_up_total[1h]))",
                        legend=f"{_TRANSPORT} in an hour",
                    ),
                ),
            ),
        ),
        Row(
            title="Reading",
            panels=(
                lines(
                    "Not read yet",
                    "Messages of each consumer group, over all replicas.",
                    Query(
                        expression="sum by (service, group) (event_consumer_lag_messages)", legend="{{group}}"
                    ),
                ),
                lines(
                    "Since the last poll",
                    "A consumer polls four times a second: minutes mean that it hangs.",
                    Query(
                        expression="max by (service, group) (event_consumer_silent_seconds)",
                        legend="{{group}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Events handled",
                    "Per second.",
                    Query(
                        expression="sum by (service, topic) (rate(events_handled_total[5m]))",
                        legend="{{topic}}",
                    ),
                    unit=Unit.PER_SECOND,
                ),
                lines(
                    "From event to handling, 95th percentile",
                    "Includes the time in the sender's outbox.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (topic, le) "
                            "(rate(kafka_message_queue_latency_seconds_bucket[5m])))"
                        ),
                        legend="{{topic}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Dead letters",
                    "Per hour: malformed by their sender, or not handled here.",
                    Query(
                        expression="sum by (service, topic, reason) (increase(events_dead_lettered_total[1h]))",
                        legend="{{topic}} {{reason}}",
                    ),
                ),
            ),
        ),
        Row(
            title="Workers",
            panels=(
                lines(
                    "Items set aside",
                    "Listed at GET /admin/v1/set-aside, with the reason.",
                    Query(
                        expression="max by (service, worker) (worker_items_currently_set_aside)",
                        legend=f"{_WORKER} now",
                    ),
                    Query(
                        expression="sum by (service, worker) (increase(worker_items_set_aside_total[1h]))",
                        legend=f"{_WORKER} in an hour",
                    ),
                ),
                lines(
                    "Failed attempts on items",
                    "Per hour; each is tried again by itself.",
                    Query(
                        expression="sum by (service, worker) (increase(worker_item_failures_total[1h]))",
                        legend=_WORKER,
                    ),
                ),
                lines(
                    "Silence of workers",
                    "Seconds since the last completed step.",
                    Query(expression="max by (service, worker) (worker_silent_seconds)", legend=_WORKER),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Deleted by retention",
                    "Rows per hour, by rule.",
                    Query(
                        expression="sum by (service, rule) (increase(retention_deleted_rows_total[1h]))",
                        legend="{{rule}}",
                    ),
                ),
                lines(
                    "Processes",
                    "Cores in use, and resident memory in megabytes.",
                    Query(
                        expression='rate(process_cpu_seconds_total{job="suite"}[5m])',
                        legend="{{service}} cores",
                    ),
                    Query(
                        expression='process_resident_memory_bytes{job="suite"} / 1e6',
                        legend="{{service}} MB",
                    ),
                    Query(
                        expression='process_open_fds{job="suite"}',
                        legend="{{service}} open files",
                    ),
                    width=16,
                ),
            ),
        ),
    ),
)
