"""Which adapter serves which port: the one place that knows the concrete types."""

from cj_assessment.providers.service import build_service

__all__ = ["build_service"]
