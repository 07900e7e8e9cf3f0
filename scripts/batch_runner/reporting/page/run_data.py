"""What the page reads of a run's artefact: the fields of ``assessment_run.<mode>.json`` that it shows."""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from event_contracts import InvalidRequest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MAX_ARTEFACT_BYTES: Final = 1_000_000_000
ARTEFACT_NAMES: Final = "assessment_run.*.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Measured = Annotated[float | None, BeforeValidator(_finite)]


class Metadata(_Part):
    """Which run it is."""

    assignment_id: str | None = None
    title: str | None = None
    course_code: str | None = None
    grade_scale: str | None = None
    runner_version: str = "–"
    git_sha: str = "–"
    generated_at: datetime
    runner_mode: str = "execute"
    batch_uuid: str = ""
    batch_id: str
    language: str | None = None
    llm_config_overrides: Mapping[str, object] | None = None


class Text(_Part):
    """A text that was judged or that told the judge what to look at; only its checksum is shown."""

    essay_id: str | None = None
    anchor_id: str | None = None
    file_name: str | None = None
    source_path: str | None = None
    checksum: str = ""


class Inputs(_Part):
    """What went in."""

    instructions: Text | None = None
    prompt_reference: Text | None = None
    rubric: Text | None = None
    anchors: tuple[Text, ...] = ()
    students: tuple[Text, ...] = ()


class Comparison(_Part):
    """One request to a judge; ``winner_id`` only where it succeeded."""

    sequence: int
    essay_a_id: str
    essay_b_id: str
    winner_id: str | None = None
    provider: str | None = None
    model: str | None = None
    prompt_hash: str | None = None
    cost_usd: float = 0.0
    completed_at: datetime | None = None
    status: str
    error_code: str | None = None
    confidence: float | None = None
    margin: int | None = None
    log_odds_a: float | None = None
    justification: str | None = None

    @property
    def judge(self) -> str:
        """Provider and model."""
        return f"{self.provider or '?'}/{self.model or '?'}"


class Score(_Part):
    """An essay's place; numbers in logits."""

    essay_id: str
    theta: float
    standard_error: float
    rank: int
    comparison_count: int
    is_anchor: bool = False
    anchor_grade: str | None = None
    infit: Measured = None
    outfit: Measured = None


class Grade(_Part):
    """An essay's projected grade and how probable each is."""

    essay_id: str
    grade: str | None
    probabilities: Mapping[str, float] = Field(default_factory=dict)


class Reliability(_Part):
    """How much of the scores is not error."""

    eb: Measured = None
    ssr: Measured = None
    ssr_prime: Measured = None
    split_half: Measured = None
    target: Measured = None


class TokenCount(_Part):
    """What one model used."""

    provider: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: float


class Costs(_Part):
    """Money and tokens."""

    total_usd: float = 0.0
    token_counts: tuple[TokenCount, ...] = ()
    prompt_hashes: tuple[str, ...] = ()


class Reading(_Part):
    """How the run stood at one moment, as the service reported it."""

    comparisons_judged: int
    eb: Measured = None
    cost_usd: float = 0.0


class Remark(_Part):
    """Something to look at, of an essay or of the run."""

    essay_id: str | None = None
    message: str


class RunnerStatus(_Part):
    """Whether anything is missing."""

    partial_data: bool = False


class Validation(_Part):
    """What shows that the artefact is whole."""

    artefact_checksum: str = ""
    runner_status: RunnerStatus = RunnerStatus()


class RunData(_Part):
    """A finished run."""

    schema_version: str
    metadata: Metadata
    inputs: Inputs = Inputs()
    llm_comparisons: tuple[Comparison, ...] = ()
    bt_summary: tuple[Score, ...] = ()
    grade_projections: tuple[Grade, ...] = ()
    reliability: Reliability = Reliability()
    stop: Mapping[str, object] | str | None = None
    convergence: tuple[Reading, ...] = ()
    flags: tuple[Remark, ...] = ()
    costs: Costs = Costs()
    validation: Validation = Validation()

    @property
    def stop_reason(self) -> str:
        """Why judging ended; empty where the artefact does not say."""
        reason = self.stop.get("reason", "") if isinstance(self.stop, Mapping) else self.stop
        return str(reason or "")


def read_run(run: Path) -> RunData:
    """Read the artefact of a run's folder, or the file itself; raises ``InvalidRequest``."""
    path = _artefact(run)
    if path.stat().st_size > MAX_ARTEFACT_BYTES:
        raise InvalidRequest(f"{path}: larger than {MAX_ARTEFACT_BYTES} bytes: no artefact of a run")
    try:
        return RunData.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidRequest(f"{path}: no artefact of a run: {place}: {first['msg']}") from error


def _artefact(run: Path) -> Path:
    if run.is_file():
        return run
    found = sorted(run.glob(ARTEFACT_NAMES)) if run.is_dir() else []
    for mode in ("execute", "dry-run", "plan"):
        for path in found:
            if path.name == f"assessment_run.{mode}.json":
                return path
    raise InvalidRequest(f"{run}: there is no {ARTEFACT_NAMES} in it; name the folder of a run")
