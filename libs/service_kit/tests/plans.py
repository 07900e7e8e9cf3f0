"""Reading query plans: what a query reads, so that a test can hold it to that."""

import json
from typing import Any

from service_kit.tests.conftest import FetchAll
from sqlalchemy import TextClause


async def explained(fetch: FetchAll, query: TextClause, **parameters: object) -> dict[str, Any]:
    """The plan of a query, as it was carried out."""
    [(plan,)] = await fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.text}", **parameters)
    found: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return found


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes, its own first."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def sequential_scans(plan: dict[str, Any]) -> list[str]:
    """Tables that are read from end to end."""
    return [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


def rows_read(plan: dict[str, Any]) -> float:
    """Rows that came out of the table or were read there and thrown away."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "outbox"]
    read = (
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans
    )
    return float(sum(read))
