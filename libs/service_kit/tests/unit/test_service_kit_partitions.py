"""Where a key goes: all clients of a topic must agree, or its events lose their order."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from service_kit.messaging.event_bus.kafka_publishing import _Partitioner


@given(st.binary(max_size=40), st.integers(1, 12))
def test_a_key_goes_where_every_other_client_sends_it(key: bytes, partitions: int) -> None:
    every = list(range(partitions))

    assert _Partitioner()(key, every, every) == DefaultPartitioner()(key, every, every)
