"""A client of the small application that tests of the HTTP layer share."""

import pytest
from quart.typing import TestClientProtocol
from service_kit.tests.grading_app import app_with


@pytest.fixture
def client() -> TestClientProtocol:
    """Sends requests to a fresh application without a server."""
    app, _ = app_with()
    return app.test_client()
