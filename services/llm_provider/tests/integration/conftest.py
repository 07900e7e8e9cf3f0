"""A database for every single test: what one test leaves in the queue must not be judged in the next."""

from collections.abc import Callable

import pytest


@pytest.fixture
def database_url(make_database: Callable[[str], str]) -> str:
    """URL of an empty database."""
    return make_database("llm_provider")
