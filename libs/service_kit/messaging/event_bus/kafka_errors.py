"""What Kafka's errors become in the suite."""

from service_kit.messaging.event_bus.port import BusUnavailable
from service_kit.storage.errors import RETRY_AFTER_SECONDS


def unreachable(bootstrap: str, error: BaseException) -> BusUnavailable:
    """The error of a broker that gives no answer, or whose answer is an error of its own."""
    return BusUnavailable(f"Kafka at {bootstrap} does not answer: {error!r}", retry_after=RETRY_AFTER_SECONDS)
