"""The privacy page speaks of every table, every rule and every setting of how long something is kept."""

import re
from pathlib import Path

import batch_conductor.adapters.postgres.tables
import batch_conductor.settings
import cj_assessment.adapters.postgres.tables
import cj_assessment.settings
import llm_provider.adapters.postgres.tables
import llm_provider.settings
import pytest
from model_manifest import list_providers

PAGE = (Path(__file__).parents[4] / "documentation/explanation/privacy.md").read_text("utf-8")
PARTS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    ("service", "tables", "settings"),
    [
        ("CJ Assessment", cj_assessment.adapters.postgres.tables, cj_assessment.settings.Settings),
        ("LLM Provider", llm_provider.adapters.postgres.tables, llm_provider.settings.Settings),
        ("Batch Conductor", batch_conductor.adapters.postgres.tables, batch_conductor.settings.Settings),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_table_and_every_time_is_named(service: str, tables: object, settings: type) -> None:
    names = tables.metadata.tables  # type: ignore[attr-defined]  # each of these modules has it
    times = [name for name in settings.model_fields if name.endswith("_retention")]  # type: ignore[attr-defined]

    missing = [name for name in (*names, *times) if f"`{name}`" not in PARTS[service]]

    assert names
    assert times
    assert missing == []


@pytest.mark.parametrize("provider", list_providers())
def test_every_provider_is_named_with_what_it_keeps(provider: str) -> None:
    assert f"`{provider}`" in PAGE
