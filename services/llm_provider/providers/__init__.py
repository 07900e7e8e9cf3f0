"""Which adapter serves which port: the one place that knows the concrete types."""

from llm_provider.providers.judges import Judges
from llm_provider.providers.service import NAME, build_service

__all__ = ["NAME", "Judges", "build_service"]
