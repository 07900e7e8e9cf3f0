"""A finished run as its artefact holds it, simulated: a judge of known sharpness, anchors, reasons, failures."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np
from batch_runner.reporting.page.run_data import RunData
from cj_measurement import Comparisons, Design, Run, SimulatedJudge, fit, item_fit
from event_contracts import GRADE_SCALES

REASONS = (
    "Essay {w} answers the task more fully and supports its claims with examples; the other repeats itself.",
    "Both are coherent, but the argument of essay {w} builds from paragraph to paragraph.",
    "Vocabulary and sentence structure are more varied, and errors rarely disturb the reading.",
    "The ending draws a conclusion that follows from what was said. The other stops in the middle of a thought.",
)


def simulated_run(
    essays: int = 24,
    *,
    per_essay: float = 12,
    anchors: int = 9,
    seed: int = 7,
    reason: str | None = None,
    name: str | None = None,
) -> RunData:
    """A run with ``anchors`` among ``essays``; ``reason`` and ``name`` replace every reason and the first id."""
    rng = np.random.default_rng(seed)
    run = Run(Design(essays=essays, rounds_ahead=0), SimulatedJudge(sd=2.2, position_bias=0.3), seed=seed)
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    data = run.comparisons()
    fitted = fit(data)
    squares, scale = item_fit(fitted), GRADE_SCALES["eng5_np_legacy_9_step"]
    order = np.argsort(run.truth)
    picked = order[np.linspace(0, essays - 1, anchors).round().astype(int)] if anchors else []
    grade_of = {int(item): scale.grades[round(k * 8 / max(1, anchors - 1))] for k, item in enumerate(picked)}
    if len(picked) > 5:
        grade_of[int(picked[3])], grade_of[int(picked[4])] = (
            grade_of[int(picked[4])],
            grade_of[int(picked[3])],
        )
    ids = [f"anchor-{k}" if k in grade_of else f"elev-{1000 + k}" for k in range(essays)]
    if name is not None:
        ids[next(k for k in range(essays) if k not in grade_of)] = name
    rank = {int(item): place for place, item in enumerate(np.argsort(-fitted.theta), start=1)}
    grades = (scale.below_lowest or "", *scale.grades)
    centres = np.linspace(run.truth.min() - 0.5, run.truth.max(), len(grades))
    began, rows = datetime(2026, 11, 26, 9, 30, tzinfo=UTC), _rows(data, ids, rng, reason)
    for row in rows:
        row["completed_at"] = began + timedelta(seconds=0.4 * int(str(row["sequence"])))
    chances = np.exp(
        -((fitted.theta[:, None] - centres) ** 2) / (2 * (0.25 + fitted.standard_errors[:, None] ** 2))
    )
    chances /= chances.sum(1, keepdims=True)
    return RunData.model_validate(
        {
            "schema_version": "1.0.0",
            "metadata": {
                "assignment_id": "np-eng5-2026",
                "title": "ENG5: A place that matters",
                "course_code": "ENG5",
                "grade_scale": scale.id,
                "runner_version": "1.0.0",
                "git_sha": "6039b03",
                "language": "en",
                "generated_at": began + timedelta(minutes=9),
                "batch_id": "class-9b",
                "llm_config_overrides": {"temperature": 0},
                "batch_uuid": "0d3c64b2-7d06-4b8d-9d6c-1f6d2a9c5a11",
            },
            "inputs": {
                "students": [
                    {
                        "essay_id": each,
                        "file_name": f"{each}.docx",
                        "checksum": sha256(each.encode()).hexdigest(),
                    }
                    for each in ids
                ]
            },
            "llm_comparisons": rows,
            "bt_summary": [
                {
                    "essay_id": ids[k],
                    "theta": fitted.theta[k],
                    "standard_error": fitted.standard_errors[k],
                    "rank": rank[k],
                    "comparison_count": int((data.slot_a == k).sum() + (data.slot_b == k).sum()),
                    "is_anchor": k in grade_of,
                    "anchor_grade": grade_of.get(k),
                    "infit": squares.infit[k],
                    "outfit": squares.outfit[k],
                }
                for k in range(essays)
            ],
            "grade_projections": [
                {
                    "essay_id": ids[k],
                    "grade": grades[int(chances[k].argmax())],
                    "probabilities": dict(zip(grades, map(float, chances[k]), strict=True)),
                }
                for k in range(essays)
            ]
            if anchors
            else [],
            "reliability": {
                "eb": fitted.eb_reliability,
                "ssr": 0.951,
                "ssr_prime": 0.953,
                "split_half": 0.87,
                "target": 0.85,
            },
            "stop": {"reason": "target_reached"},
            "costs": {
                "total_usd": sum(float(str(row["cost_usd"])) for row in rows),
                "token_counts": [
                    {
                        "provider": "mock",
                        "model": "simulated",
                        "prompt_tokens": 912345,
                        "completion_tokens": 41234,
                        "usd": 1.02,
                    }
                ],
                "prompt_hashes": ["a" * 64],
            },
            "validation": {"artefact_checksum": "b" * 64},
        }
    )


def _rows(
    data: Comparisons, ids: list[str], rng: np.random.Generator, reason: str | None
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for k in range(len(data.slot_a)):
        a, b = ids[int(data.slot_a[k])], ids[int(data.slot_b[k])]
        failed = k % 61 == 60
        rows.append(
            {
                "sequence": k + 1,
                "essay_a_id": a,
                "essay_b_id": b,
                "provider": "mock",
                "model": "simulated",
                "winner_id": None if failed else (a if data.a_won[k] else b),
                "cost_usd": float(0.003 + 0.001 * rng.random()),
                "status": "failed" if failed else "succeeded",
                "error_code": "TIMEOUT" if failed else None,
                "confidence": None if failed else 4,
                "prompt_hash": "a" * 64,
                "justification": None
                if failed
                else reason or REASONS[k % 4].format(w="A" if data.a_won[k] else "B"),
            }
        )
    return rows
