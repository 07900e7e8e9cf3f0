"""The page's figures as SVG; colours and fonts come from the page's style sheet, so that themes and paper apply."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from markupsafe import Markup, escape

from batch_runner.artefact.outcome import Score
from batch_runner.reporting.page.measures import AnchorPlace, Measures, Point
from batch_runner.reporting.page.wording import Wording

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 12, 40
CLOCK_STEPS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip
"""Seconds between moments that a clock shows whole."""
SECONDS_IN_DAY: Final = 86_400


class Axis:
    """From values to places along a line of the picture."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the axis."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 10) for number in range(first, last + 1)]


def score_axis(intervals: Iterable[tuple[float, float]]) -> Axis:
    """The axis that all rows of the ranking share: 0 to 1000."""
    ends = [end for interval in intervals for end in interval] or [-1.0, 1.0]
    margin = 0.04 * (max(ends) - min(ends) or 1)
    return Axis(min(ends) - margin, max(ends) + margin, 0, 1000)


def bands(axis: Axis, boundaries: Sequence[float]) -> Markup:
    """The grades' bands, drawn once and used by every row."""
    edges = [axis.low, *(min(max(each, axis.low), axis.high) for each in boundaries), axis.high]
    parts = [
        f'<rect class="band b{number % 2}" x="{axis(low)}" y="0" width="{max(0, axis(high) - axis(low)):.2f}"'
        ' height="30"/>'
        for number, (low, high) in enumerate(pairwise(edges))
        if boundaries
    ]
    return Markup(f'<g id="bands">{"".join(parts)}</g>')


def band_labels(axis: Axis, boundaries: Sequence[float], grades: Sequence[str]) -> list[tuple[int, str]]:
    """Where each grade's name stands, in hundredths of the axis; bands too narrow for a name have none."""
    if not boundaries:
        return []
    edges = [axis.low, *boundaries, axis.high]
    found = []
    for grade, low, high in zip(grades, edges, edges[1:], strict=False):
        start, end = max(low, axis.low), min(high, axis.high)
        if (end - start) / (axis.high - axis.low) >= 0.04:
            found.append((round(axis((start + end) / 2)), grade))
    return found


def score_row(axis: Axis, score: Score, interval: tuple[float, float]) -> Markup:
    """One essay's dot and interval; round caps keep the dot round however wide the row is."""
    at, low, high = axis(score.theta), axis(interval[0]), axis(interval[1])
    kind = "anchor" if score.is_anchor else "dot"
    return Markup(
        f'<svg class="row" viewBox="0 0 1000 30" preserveAspectRatio="none" aria-hidden="true">'
        f'<use href="#bands"/><path class="bar" d="M{low} 15H{high}"/><path class="{kind}" d="M{at} 15h.01"/></svg>'
    )


def chances_row(chances: Sequence[float]) -> Markup:
    """The probability of each grade as a strip, lowest first."""
    parts, start, last = [], 0.0, max(len(chances) - 1, 1)
    for number, chance in enumerate(chances):
        if chance >= 0.005:
            step = round(9 * number / last)
            parts.append(
                f'<rect class="g{step}" x="{start:.1f}" y="0" width="{100 * chance:.1f}" height="10"/>'
            )
        start += 100 * chance
    return Markup(
        '<svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def convergence(course: Sequence[Point], target: float | None, say: Wording, alt: str) -> Markup:
    """Reliability by comparisons."""
    points = [point for point in course if point.eb is not None]
    x = Axis(0, course[-1].comparisons, LEFT, WIDTH - RIGHT)
    y = Axis(0, 1, HEIGHT - BOTTOM, TOP)
    body = [*_grid(x, y, say, "axis_comparisons", y_decimals=1)]
    if target is not None:
        body.append(f'<path class="target" d="M{LEFT} {y(target)}H{WIDTH - RIGHT}"/>')
        body.append(f'<text class="note" x="{LEFT + 4}" y="{y(target) - 5}">{_target(say, target)}</text>')
    body += _line([(x(each.comparisons), y(each.eb or 0)) for each in points])
    return _svg(body, alt)


def _target(say: Wording, target: float) -> str:
    return str(escape(f"{say('target')} {say.number(target, 2)}"))


def cost(course: Sequence[Point], began: datetime, say: Wording, alt: str) -> Markup:
    """Dollars by the time on the clock, in UTC."""
    timed = [(each.at, each.cost_usd) for each in course if each.at is not None]
    x = Axis(began.timestamp(), timed[-1][0].timestamp(), LEFT, WIDTH - RIGHT)
    y = Axis(0, course[-1].cost_usd or 1, HEIGHT - BOTTOM, TOP)
    decimals = max(0, min(6, 1 - math.floor(math.log10(y.high / 5))))
    body = []
    for tick in y.ticks():
        body.append(f'<path class="grid" d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}"/>')
        body.append(_tick(LEFT - 6, y(tick) + 4, say.number(tick, decimals), "end"))
    for tick in clock_ticks(x.low, x.high):
        body.append(_tick(x(tick), HEIGHT - BOTTOM + 16, clock_time(tick, x.high - x.low), "middle"))
    body.append(
        f'<text class="label" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}">{escape(say("axis_clock"))}</text>'
    )
    body += _line([(LEFT, y(0)), *((x(at.timestamp()), y(spent)) for at, spent in timed)])
    return _svg(body, alt)


def clock_ticks(low: float, high: float) -> list[float]:
    """At most six moments (seconds since 1970) between two others, whole on the clock."""
    step = next((each for each in CLOCK_STEPS if (high - low) / each <= 4), (high - low) / 4)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def clock_time(moment: float, span: float) -> str:
    """Hours and minutes in UTC, with the seconds where the axis spans few minutes, with the day where it spans many."""
    at = datetime.fromtimestamp(moment, UTC)
    if span > SECONDS_IN_DAY:
        return f"{at:%m-%d %H:%M}"
    return f"{at:%H:%M:%S}" if span < 4 * 60 else f"{at:%H:%M}"


def misfit(scores: Sequence[Score], flagged: frozenset[str], say: Wording, alt: str) -> Markup:
    """Infit and outfit of every essay."""
    known = [each for each in scores if each.infit is not None and each.outfit is not None]
    most_in = max([each.infit or 0 for each in known] + [1.5])
    most_out = max([each.outfit or 0 for each in known] + [1.5])
    x, y = Axis(0, most_in * 1.05, LEFT, WIDTH - RIGHT), Axis(0, most_out * 1.05, HEIGHT - BOTTOM, TOP)
    body = [*_grid(x, y, say, None, y_decimals=1, x_decimals=1)]
    body.append(f'<path class="target" d="M{x(1)} {TOP}V{HEIGHT - BOTTOM}M{LEFT} {y(1)}H{WIDTH - RIGHT}"/>')
    body.append(f'<text class="label" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}">infit</text>')
    body.append(f'<text class="note" x="{LEFT + 4}" y="{TOP + 10}">outfit</text>')
    for each in known:
        kind = "flagged" if each.essay_id in flagged else "point"
        body.append(f'<path class="{kind}" d="M{x(each.infit or 0)} {y(each.outfit or 0)}h.01"/>')
    return _svg(body, alt)


def anchors(places: Sequence[AnchorPlace], measures: Measures, say: Wording, alt: str) -> Markup:
    """Each anchor's score by its grade; a line that only falls shows anchors in order."""
    grades = [grade for grade in measures.grades if any(each.grade == grade for each in places)]
    height = TOP + BOTTOM + 26 * len(grades)
    ends = [end for each in places for end in measures.intervals[each.score.essay_id]]
    x = Axis(min(ends) - 0.2, max(ends) + 0.2, LEFT, WIDTH - RIGHT)
    y = {grade: TOP + 13 + 26 * number for number, grade in enumerate(reversed(grades))}
    body = []
    for tick in x.ticks():
        body.append(f'<path class="grid" d="M{x(tick)} {TOP}V{height - BOTTOM}"/>')
        body.append(_tick(x(tick), height - BOTTOM + 16, say.number(tick, 0, sign=True), "middle"))
    for grade, at in y.items():
        body.append(_tick(LEFT - 8, at + 4, grade, "end"))
    for each in places:
        low, high = measures.intervals[each.score.essay_id]
        off = each.displacement is not None and abs(each.displacement) > 1
        body.append(f'<path class="bar" d="M{x(low)} {y[each.grade]}H{x(high)}"/>')
        body.append(
            f'<path class="{"flagged" if off else "anchor"}" d="M{x(each.score.theta)} {y[each.grade]}h.01"/>'
        )
    body.append(
        f'<text class="label" x="{(LEFT + WIDTH) / 2}" y="{height - 6}">{escape(say("axis_score"))}</text>'
    )
    return _svg(body, alt, height=height)


def overview(scores: Sequence[Score], measures: Measures, say: Wording, alt: str) -> Markup:
    """Scores by rank with intervals, for more essays than a table shows at a glance."""
    step = max(1, len(scores) // 600)
    shown = scores[::step]
    low = min(each[0] for each in measures.intervals.values())
    high = max(each[1] for each in measures.intervals.values())
    x, y = Axis(1, len(scores), LEFT, WIDTH - RIGHT), Axis(low, high, HEIGHT - BOTTOM, TOP)
    at = [x(1 + step * number) for number in range(len(shown))]
    upper = [f"{a} {y(measures.intervals[each.essay_id][1])}" for a, each in zip(at, shown, strict=True)]
    lower = [f"{a} {y(measures.intervals[each.essay_id][0])}" for a, each in zip(at, shown, strict=True)]
    body = [*_grid(x, y, say, "axis_rank", y_decimals=0)]
    body.append(f'<path class="area" d="M{"L".join(upper)}L{"L".join(reversed(lower))}Z"/>')
    body.append(
        f'<path class="line" d="M{"L".join(f"{a} {y(s.theta)}" for a, s in zip(at, shown, strict=True))}"/>'
    )
    return _svg(body, alt)


def _grid(
    x: Axis, y: Axis, say: Wording, label: str | None, *, y_decimals: int, x_decimals: int = 0
) -> Iterator[str]:
    for tick in y.ticks():
        yield f'<path class="grid" d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}"/>'
        yield _tick(LEFT - 6, y(tick) + 4, say.number(tick, y_decimals), "end")
    for tick in x.ticks(4):
        yield _tick(x(tick), HEIGHT - BOTTOM + 16, say.number(tick, x_decimals), "middle")
    if label is not None:
        yield f'<text class="label" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}">{escape(say(label))}</text>'


def _tick(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="tick" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(points: Sequence[tuple[float, float]]) -> list[str]:
    path = "L".join(f"{x} {y}" for x, y in points)
    dots = "".join(f"M{x} {y}h.01" for x, y in points)
    return [f'<path class="line" d="M{path}"/>', f'<path class="point" d="{dots}"/>'] if points else []


def _svg(body: Iterable[str], alt: str, *, height: int = HEIGHT) -> Markup:
    return Markup(
        f'<svg class="figure" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(alt)}">'
        f"{''.join(body)}</svg>"
    )
