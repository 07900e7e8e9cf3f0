"""What several tests of the measurement share."""

from pathlib import Path

import pytest
from cj_measurement.tests.builders import Session, published_sessions


@pytest.fixture(scope="session")
def sessions(validation_data: Path) -> tuple[Session, ...]:
    """The published sessions, all of them."""
    return published_sessions(validation_data / "cj_sessions")
