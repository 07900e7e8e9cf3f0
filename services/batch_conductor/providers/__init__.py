"""Which adapter serves which port: the one place that knows the concrete types."""

from batch_conductor.providers.service import build_service

__all__ = ["build_service"]
