"""The generated reference pages say what the code does."""

import asyncio
from functools import cache
from pathlib import Path

import pytest
from event_contracts import ALL_TOPICS, ErrorCode
from prometheus_client import generate_latest
from suite.generated.contracts import errors_page, events_page, http_page
from suite.generated.observed import log_events_page, metrics_page
from suite.generated.openapi import DescribedService, described_services
from suite.generated.reference import settings_page


@cache
def services() -> tuple[DescribedService, ...]:
    return tuple(asyncio.run(described_services()))


def test_every_metric_that_a_service_declares_is_on_the_page() -> None:
    page = metrics_page(services())

    declared = {
        line.split()[2]
        for service in services()
        for line in generate_latest(service.metrics).decode().splitlines()
        if line.startswith("# HELP") and not line.split()[2].startswith(("process_", "python_"))
    }
    assert {name for name in declared if f"`{name}`" not in page and not name.endswith("_created")} == set()


def test_every_setting_has_a_description() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `")]

    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_route_is_on_the_page_with_who_may_call_it() -> None:
    page = http_page(services())

    for service in services():
        for path, methods in service.openapi["paths"].items():
            for method in methods:
                assert f"| `{method.upper()} {path}` |" in page
    assert "| For the roles admin, operator. |" in page


def test_every_event_and_every_error_code_is_on_its_page() -> None:
    events, errors = events_page(), errors_page()

    assert [spec.event.__name__ for spec in ALL_TOPICS if f"## {spec.event.__name__}\n" not in events] == []
    assert [code for code in ErrorCode if f"| `{code}` |" not in errors] == []


@pytest.mark.parametrize(
    ("call", "row"),
    [
        ('log.info("batch.ended", state=1, **more)', "| `batch.ended` | info | `state` |"),
        ('log.exception("step.failed", exc_info=error, worker=name)', "| `step.failed` | error | `worker` |"),
        (
            'log.log(logging.INFO if is_slow(first.error) else logging.WARNING, "call.failed", calls=2)',
            "| `call.failed` | info or warning | `calls` |",
        ),
    ],
)
def test_a_log_event_is_found_with_its_level_and_keys(call: str, row: str, tmp_path: Path) -> None:
    source = tmp_path / "services/shop/main.py"
    source.parent.mkdir(parents=True)
    source.write_text(f"def work():\n    {call}\n", "utf-8")

    page = log_events_page(tmp_path)

    assert "## services/shop\n" in page
    assert row in page
