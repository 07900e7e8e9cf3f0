"""From a run's data to one self-contained HTML page of bounded size."""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from event_contracts import InvalidRequest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, TypeAdapter

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.inputs import AnchorInput, Blob, StudentInput
from batch_runner.artefact.judged import ComparisonStatus, RecordedComparison
from batch_runner.artefact.outcome import UNMEASURED, Projection, Score
from batch_runner.reporting.page import figures
from batch_runner.reporting.page.measures import Measures, measure
from batch_runner.reporting.page.remarks import said, translated
from batch_runner.reporting.page.wording import Language, Wording

MAX_BYTES: Final = 8_000_000
"""Of the page, whatever the run: where it would be larger, fewer of each essay's comparisons are shown."""
ROWS_PER_ESSAY: Final = (60, 24, 12, 6, 3, 0)
MAX_REASON: Final = 500
"""Characters of a reason; the contract allows no more."""
MAX_NAMED: Final = 12
MAX_REMARKS: Final = 20
MANY: Final = 60
"""From this many essays on an overview comes before the table."""
GOOD, FAIR = 0.9, 0.7
SURE: Final = 0.6
FAR: Final = 1.0
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One essay of the ranking; ``number`` names its place on the page."""

    number: int
    score: Score
    grade: str | None
    chance: float | None
    chances: tuple[float, ...]
    low: float
    high: float
    wins: int
    is_misfit: bool
    close: str
    """Where the row stands in a group too close to call: "", "first", "inner" or "last"."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something to look at: in words, where it is explained, which essays, and the language that it is said in."""

    text: str
    place: str
    about: list[Row] = field(default_factory=list)
    language: Language | None = None


class JudgeShare(BaseModel):
    """A judge's share of the comparisons, as asked for and as judged, and the names by which it answered."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    share: float
    comparisons: int
    share_judged: float
    answered_as: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A comparison as one of its essays saw it."""

    other: Row
    won: bool
    reason: str
    chance: float


def render(run: AssessmentRun, language: Language) -> str:
    """The page, UTF-8, of at most ``MAX_BYTES`` bytes; raises ``InvalidRequest`` for a run that does not fit."""
    page = _Page(run, language)
    for limit in ROWS_PER_ESSAY:
        html = page.html(limit)
        if len(html.encode()) <= MAX_BYTES:
            return html
    raise InvalidRequest(
        f"{len(run.bt_summary)} essays do not fit into a page of {MAX_BYTES} bytes: use essays.csv"
    )


class _Page:
    def __init__(self, run: AssessmentRun, language: Language) -> None:
        self.run, self.say = run, Wording(language)
        self.measured = run.reliability or UNMEASURED
        self.measures = measure(run)
        self.rows = _rows(run, self.measures)
        self.by_id = {row.score.essay_id: row for row in self.rows}
        self.meetings = self._meetings()

    def html(self, limit: int) -> str:
        style = (_FOLDER / "page.css").read_text(encoding="utf-8")
        script = (_FOLDER / "page.js").read_text(encoding="utf-8")
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("page.html.j2").render(
            say=self.say,
            run=self.run,
            measured=self.measured,
            judges=self._judges(),
            unranked=[(name, *translated(why, self.say)) for name, why in self.run.unranked.items()],
            m=self.measures,
            rows=self.rows,
            by_id=self.by_id,
            meetings=self.meetings,
            limit=limit,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            f=self._figures(),
            flags=self._flags(),
            reliability=self._reliability(),
            methods=self._methods(),
            failures=Counter(
                each.error_code or "–"
                for each in self.run.llm_comparisons
                if each.status is ComparisonStatus.FAILED
            ).most_common(),
            per_essay=self.per_essay(),
            texts=self._texts(),
            many=MANY,
            named=MAX_NAMED,
        )

    def per_essay(self) -> float:
        return 2 * len(self.measures.judged) / max(1, len(self.rows))

    def _meetings(self) -> dict[str, list[Meeting]]:
        found: dict[str, list[Meeting]] = {row.score.essay_id: [] for row in self.rows}
        for each in self.measures.judged:
            for own, other in ((each.essay_a_id, each.essay_b_id), (each.essay_b_id, each.essay_a_id)):
                found[own].append(self._meeting(each, own, other))
        for met in found.values():
            met.sort(key=lambda meeting: meeting.chance)
        return found

    def _meeting(self, each: RecordedComparison, own: str, other: str) -> Meeting:
        reason = each.justification or ""
        return Meeting(
            other=self.by_id[other],
            won=each.winner_id == own,
            reason=reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…",
            chance=self.measures.chance.get(each.sequence, 1.0),
        )

    def _figures(self) -> Mapping[str, object]:
        m, say = self.measures, self.say
        scores = [row.score for row in self.rows]
        axis = figures.score_axis(m.intervals.values())
        last = m.course[-1] if m.course else None
        drawn: dict[str, object] = {
            "axis": axis,
            "ticks": [(round(axis(tick)), say.number(tick, sign=True)) for tick in axis.ticks(4)],
            "bands": figures.bands(axis, m.boundaries),
            "labels": figures.band_labels(axis, m.boundaries, m.grades),
            "row": figures.score_row,
            "strip": figures.chances_row,
            "misfit": figures.misfit(scores, m.misfits, say, say("fit_alt", n=len(scores), m=len(m.misfits))),
        }
        if last is not None:
            judged = say.number(last.comparisons)
            rose = say("convergence_alt", r=say.number(last.eb, 2), n=judged)
            spent = say("cost_alt", c=say.dollars(last.cost_usd), n=judged)
            drawn["convergence"] = figures.convergence(m.course, self.measured.target, say, rose)
            if m.began is not None and last.at is not None:
                drawn["cost"] = figures.cost(m.course, m.began, say, spent)
        if any(each.grade in m.grades for each in m.anchors):
            known = [each for each in m.anchors if each.grade in m.grades]
            drawn["anchors"] = figures.anchors(known, m, say, say("anchors_alt", n=len(known)))
        if len(scores) >= MANY:
            ends = {"high": say.number(scores[0].theta, 1), "low": say.number(scores[-1].theta, 1)}
            drawn["overview"] = figures.overview(scores, m, say, say("overview_alt", n=len(scores), **ends))
        return drawn

    def _flags(self) -> list[Flag]:
        """What to look at, the run's own remarks last."""
        run, m, say = self.run, self.measures, self.say
        misfits = [row for row in self.rows if row.is_misfit]
        graded = any(row.chances for row in self.rows)
        unsure = [
            row
            for row in self.rows
            if graded and not row.score.is_anchor and (row.chance is None or row.chance < SURE)
        ]
        far = [each for each in m.anchors if each.displacement is not None and abs(each.displacement) > FAR]
        zero = [each for each in m.anchors if each.wins == 0]
        failed = sum(each.status is ComparisonStatus.FAILED for each in run.llm_comparisons)
        eb, target = self.measured.eb, self.measured.target
        found: list[Flag] = []
        if run.validation.runner_status.partial_data:
            found.append(Flag(say("flag_partial"), "record"))
        if eb is not None and target is not None and eb < target:
            found.append(Flag(say("flag_low"), "trust"))
        if misfits:
            found.append(Flag(say("flag_misfit", n=say.counted("essays", len(misfits))), "fit", misfits))
        if unsure:
            found.append(Flag(say("flag_unsure", n=say.counted("essays", len(unsure))), "ranking", unsure))
        if m.inversions:
            found.append(Flag(say("flag_inversions", n=len(m.inversions)), "anchors"))
        for name, places in (("flag_displaced", far), ("flag_zero", zero)):
            if places:
                about = [self.by_id[each.score.essay_id] for each in places]
                found.append(Flag(say(name, n=len(places)), "anchors", about))
        if failed:
            found.append(Flag(say("flag_failed", n=say.number(failed)), "costs"))
        if run.unranked:
            found.append(Flag(say("flag_unranked", n=say.counted("essays", len(run.unranked))), "unranked"))
        for remark in run.flags[:MAX_REMARKS]:
            essay = self.by_id.get(remark.essay_id or "")
            text, language = said(remark, say)
            found.append(Flag(text, "record", [] if essay is None else [essay], language))
        if len(run.flags) > MAX_REMARKS:
            found.append(Flag(say("more", n=len(run.flags) - MAX_REMARKS), "record"))
        return found

    def _reliability(self) -> str:
        eb = self.measured.eb
        if eb is None:
            return self.say("rel_none")
        level = "good" if eb >= GOOD else "fair" if eb >= FAIR else "poor"
        return self.say(f"rel_{level}", r=self.say.number(max(0.0, eb), 2))

    def _methods(self) -> str:
        run, m, say = self.run, self.measures, self.say
        grading = say("methods_no_grading")
        if m.tau is not None:
            known = say.counted("anchors_n", len(m.anchors))
            grading = say(
                "methods_grading", scale=run.metadata.grade_scale, anchors=known, tau=say.number(m.tau, 2)
            )
        return say(
            "methods_text",
            essays=say.counted("essays", len(self.rows)),
            anchors=say.counted("anchors_n", len(m.anchors)),
            judges=", ".join(sorted({each.judge for each in m.judged})) or "–",
            comparisons=say.counted("comparisons", len(m.judged)),
            per=say.number(self.per_essay(), 1),
            spread=say.number(m.spread, 2),
            r=say.number(self.measured.eb, 2),
            grading=grading,
            cost=say.dollars(float(run.costs.total_usd)),
            batch=run.metadata.batch_id,
            version=run.metadata.runner_version,
            sha=run.metadata.git_sha,
            checksum=run.validation.artefact_checksum,
        )

    def _texts(self) -> list[tuple[str, str, str]]:
        """What it is, its file and its checksum."""
        inputs, say = self.run.inputs, self.say
        common = (
            (say("instructions"), inputs.instructions),
            (say("task"), inputs.prompt_reference),
            (say("rubric"), inputs.rubric),
        )
        named: list[tuple[str, Blob | AnchorInput | StudentInput]] = [
            *((name, text) for name, text in common if text is not None),
            *((text.anchor_id, text) for text in inputs.anchors),
            *((text.essay_id, text) for text in inputs.students),
        ]
        return [(name, text.source_path, text.checksum) for name, text in named]

    def _judges(self) -> list[JudgeShare]:
        """Each judge's part of the comparisons, as the service reports it."""
        shares = TypeAdapter(dict[str, JudgeShare]).validate_python(self.run.judging.judges)
        return [share.model_copy(update={"name": name}) for name, share in shares.items()]


def _rows(run: AssessmentRun, measures: Measures) -> list[Row]:
    projected = {each.essay_id: each for each in run.grade_projections}
    close = {
        essay_id: "first" if place == 0 else "last" if place == len(group) - 1 else "inner"
        for group in measures.close
        for place, essay_id in enumerate(group)
    }
    in_order = sorted(run.bt_summary, key=lambda score: (score.rank, score.essay_id))
    return [
        _row(number, score, projected.get(score.essay_id), measures, close.get(score.essay_id, ""))
        for number, score in enumerate(in_order, start=1)
    ]


def _row(number: int, score: Score, projected: Projection | None, measures: Measures, close: str) -> Row:
    low, high = measures.intervals[score.essay_id]
    chances: tuple[float, ...] = ()
    if projected is not None and projected.probabilities:
        chances = tuple(projected.probabilities.get(grade, 0.0) for grade in measures.grades)
    grade = score.anchor_grade if score.is_anchor else None if projected is None else projected.grade
    return Row(
        number=number,
        score=score,
        grade=grade,
        chance=None if score.is_anchor or projected is None else projected.probabilities.get(grade or ""),
        chances=chances,
        low=low,
        high=high,
        wins=measures.wins[score.essay_id],
        is_misfit=score.essay_id in measures.misfits,
        close=close,
    )


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and only this style and this script apply."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " base-uri 'none'; form-action 'none'"
    )
