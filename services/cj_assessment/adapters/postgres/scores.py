"""The fits of batches, each with what was decided on it."""

from collections.abc import Mapping
from typing import Any

from event_contracts import ForecastView, GateView, PositionEffect
from pydantic import TypeAdapter
from sqlalchemy import Double, Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import score_snapshot
from cj_assessment.domain.batch import JobId
from cj_assessment.domain.deciding import Measured
from cj_assessment.ports import Score

_GATES = TypeAdapter(Mapping[str, GateView])
_POSITION_BIAS = TypeAdapter(Mapping[str, PositionEffect])

ADD_SCORE = text(
    """
    INSERT INTO score_snapshot (job_id, number, comparisons, theta, standard_error, tau, eb_reliability, ssr,
                                ssr_prime, position_bias, gates, forecast, decision)
    SELECT :job_id, coalesce(max(number), 0) + 1, :comparisons, :theta, :standard_error, :tau, :eb, :ssr,
           :ssr_prime, CAST(:position_bias AS jsonb), CAST(:gates AS jsonb), CAST(:forecast AS jsonb), :decision
    FROM score_snapshot WHERE job_id = :job_id
    """
).bindparams(bindparam("theta", type_=ARRAY(Double)), bindparam("standard_error", type_=ARRAY(Double)))


class PostgresScores:
    """Implements ``ports.Scores``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, job_id: JobId, measured: Measured, *, decision: str) -> None:
        await self._connection.execute(
            ADD_SCORE,
            {
                "job_id": job_id,
                "comparisons": measured.comparisons,
                "theta": list(measured.theta),
                "standard_error": list(measured.standard_error),
                "tau": measured.tau,
                "eb": measured.eb_reliability,
                "ssr": measured.ssr,
                "ssr_prime": measured.ssr_prime,
                "position_bias": _POSITION_BIAS.dump_json(measured.position_bias).decode(),
                "gates": _GATES.dump_json(measured.gates).decode(),
                "forecast": measured.forecast.model_dump_json() if measured.forecast else None,
                "decision": decision,
            },
        )

    async def latest(self, job_id: JobId) -> Score | None:
        rows = await self._connection.execute(
            select(score_snapshot)
            .where(score_snapshot.c.job_id == job_id)
            .order_by(score_snapshot.c.number.desc())
            .limit(1)
        )
        row = rows.first()
        return None if row is None else _score(row)


def _score(row: Row[Any]) -> Score:
    return Score(
        number=row.number,
        comparisons=row.comparisons,
        theta=tuple(row.theta),
        standard_error=tuple(row.standard_error),
        tau=row.tau,
        eb_reliability=row.eb_reliability,
        ssr=row.ssr,
        ssr_prime=row.ssr_prime,
        gates=_GATES.validate_python(row.gates),
        forecast=None if row.forecast is None else ForecastView.model_validate(row.forecast),
    )
