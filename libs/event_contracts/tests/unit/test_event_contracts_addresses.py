"""Which hosts are this machine: plain http, and an embedded stack's key, may be for these alone."""

import pytest
from event_contracts.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_a_loopback_host_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "10.0.0.1", "localhost.example.org", "127.0.0.1.example.org"]
)
def test_no_other_host_is_this_machine(host: str) -> None:
    assert not is_loopback(host)
