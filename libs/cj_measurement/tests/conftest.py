"""What several tests of the measurement share."""

from pathlib import Path

import pytest
from cj_measurement.tests.builders import Session, dense_session, published_sessions


@pytest.fixture(scope="session")
def sessions(validation_data: Path) -> tuple[Session, ...]:
    """The published sessions, all of them."""
    return published_sessions(validation_data / "cj_sessions")


@pytest.fixture(scope="session")
def dense(validation_data: Path) -> Session:
    """The published session of few items and many decisions about each."""
    return dense_session(validation_data / "cj_sessions_dense")
