"""A port for a service that a test runs."""

import socket


def free_port() -> int:
    """A port on this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
