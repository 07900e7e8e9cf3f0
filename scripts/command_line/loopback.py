"""Addresses on this machine that no other machine can reach."""

import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"


def free_ports(count: int) -> tuple[int, ...]:
    """``count`` different ports that are free now."""
    with ExitStack() as probes:
        bound = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in bound:
            probe.bind((HOST, 0))
        return tuple(int(probe.getsockname()[1]) for probe in bound)


def free_port() -> int:
    """A port that is free now."""
    (port,) = free_ports(1)
    return port
