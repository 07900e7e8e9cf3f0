"""All dashboards, and how they are written down for Grafana."""

import json
from collections.abc import Iterator
from typing import Any, Final

from suite.observability.batches import BATCHES
from suite.observability.llm_providers import LLM_PROVIDERS
from suite.observability.messaging import MESSAGING
from suite.observability.overview import OVERVIEW
from suite.observability.panels import Board, Panel, Shape, Source
from suite.observability.runner_and_gates import RUNNER_AND_GATES

BOARDS: Final = (OVERVIEW, BATCHES, LLM_PROVIDERS, MESSAGING, RUNNER_AND_GATES)

COLUMNS: Final = 24
ROW_HEIGHT: Final = 1
HEIGHTS: Final = {Shape.LINES: 8, Shape.NUMBER: 5, Shape.LOG: 10}


def dashboard_json(board: Board) -> str:
    """A dashboard as Grafana reads it from a file."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return json.dumps(_built(board), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _built(board: Board) -> Any:
    from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

    built = (
        Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags(["comparative-judgement-suite"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
    )
    top = 0
    for row in board.rows:
        built = built.with_row(Row(row.title).grid_pos(_place(0, top, COLUMNS, ROW_HEIGHT)))
        top += ROW_HEIGHT
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            place = _place(left, top, panel.width, HEIGHTS[panel.shape])
            built = built.with_panel(_panel(panel).grid_pos(place))
            left, height = left + panel.width, max(height, HEIGHTS[panel.shape])
        top += height
    return built.build()


def _place(left: int, top: int, width: int, height: int) -> Any:
    from grafana_foundation_sdk.models.dashboard import GridPos

    return GridPos(x=left, y=top, w=width, h=height)


def _panel(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import logs, stat, timeseries
    from grafana_foundation_sdk.models.common import DataSourceRef

    kinds: dict[Shape, Any] = {Shape.LINES: timeseries.Panel, Shape.NUMBER: stat.Panel, Shape.LOG: logs.Panel}
    built = (
        kinds[panel.shape]()
        .title(panel.title)
        .description(panel.about)
        .datasource(DataSourceRef(type_val=panel.source, uid=panel.source))
    )
    if panel.shape is not Shape.LOG:
        built = built.unit(str(panel.unit))
    for query in _targets(panel):
        built = built.with_target(query)
    return built


def _targets(panel: Panel) -> Iterator[Any]:
    from grafana_foundation_sdk.builders import loki, prometheus

    for number, query in enumerate(panel.queries):
        reference = chr(ord("A") + number)
        if panel.source is Source.LOKI:
            asked: Any = loki.Dataquery()
        else:
            asked = prometheus.Dataquery()
            asked = asked.instant() if panel.shape is Shape.NUMBER else asked.range()
        asked = asked.expr(query.expression).ref_id(reference)
        yield asked.legend_format(query.legend) if query.legend else asked
