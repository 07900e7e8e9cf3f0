"""A plan as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from batch_runner.assignment.contents import Assignment, SourceFile
from batch_runner.assignment.loading import FolderProblems
from batch_runner.planning.prospects import Offer, Prospect
from batch_runner.reading.anonymity import NameInText


def plan_document(
    assignment: Assignment,
    names: Sequence[NameInText],
    *,
    target_reliability: float,
    found: Sequence[Prospect],
    offered: Sequence[Offer],
) -> Mapping[str, JsonValue]:
    """What a folder holds and what judging it would take; money in US dollars, as numbers."""
    document: dict[str, JsonValue] = to_jsonable_python(
        {
            "title": assignment.title,
            "assignment_id": assignment.assignment_id,
            "course_code": assignment.course_code,
            "language": assignment.language,
            "grade_scale": assignment.grade_scale if assignment.anchors else None,
            "essays": [
                {"essay_id": each.essay_id, **_file(each.file), "words": len(each.text.split())}
                for each in assignment.essays
            ],
            "anchors": [
                {"anchor_id": each.label, "grade": each.grade, **_file(each.file)}
                for each in assignment.anchors
            ],
            "left_out": assignment.left_out,
            "notes": assignment.notes,
            "names": [asdict(name) for name in names],
            "problems": [],
            "target_reliability": target_reliability,
            "prospects": [_prospect(each) for each in found],
            "judges": [_offer(each) for each in offered],
        }
    )
    return document


def problems_document(found: FolderProblems) -> Mapping[str, JsonValue]:
    """Every problem of a folder, and what of it can be read."""
    problems: list[JsonValue] = [{"code": str(each.code), "message": each.message} for each in found.problems]
    return {"problems": problems, "readable": list(found.readable)}


def _file(file: SourceFile | None) -> dict[str, str | None]:
    return {"file": None if file is None else file.path, "sha256": None if file is None else file.sha256}


def _prospect(prospect: Prospect) -> dict[str, object]:
    effort, expected = prospect.effort, prospect.reliability
    return {
        "name": prospect.name,
        "sd": prospect.sd,
        "with_margins": prospect.with_margins,
        "comparisons": prospect.comparisons,
        "until_target": {"median": effort.comparisons, "low": effort.low, "high": effort.high},
        "reached_by": effort.power.reached,
        "usd": {
            "likely": _number(effort.cost),
            "low": _number(effort.cost_low),
            "high": _number(effort.cost_high),
        },
        "expected_reliability": None if expected is None else asdict(expected),
    }


def _offer(offer: Offer) -> dict[str, object]:
    return {
        "judge": offer.judge,
        "is_chosen": offer.is_chosen,
        "usd": {name: _number(amount) for name, amount in offer.dollars.items()},
        "batch_usd": {name: _number(amount) for name, amount in offer.batch_dollars.items()},
        "minutes": dict(offer.minutes),
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
