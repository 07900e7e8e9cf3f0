"""What vendors say in headers of their limits, and of when to come back."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from llm_provider.domain.limits import Allowance, LimitReading

_UNIT_SECONDS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|ns|d|h|m|s)")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+")
_MAX_WINDOW: Final = timedelta(days=365)

_ANTHROPIC: Final = {
    "requests": Allowance.REQUESTS,
    "input-tokens": Allowance.INPUT_TOKENS,
    "output-tokens": Allowance.OUTPUT_TOKENS,
    "tokens": Allowance.TOKENS,
}
_OPENAI: Final = {"requests": Allowance.REQUESTS, "tokens": Allowance.TOKENS}


def no_limits(headers: Mapping[str, str]) -> tuple[LimitReading, ...]:  # noqa: ARG001 - a reader that reads nothing
    """For vendors that say nothing of their limits."""
    return ()


def anthropic_limits(headers: Mapping[str, str]) -> tuple[LimitReading, ...]:
    """``anthropic-ratelimit-<allowance>-{limit,remaining,reset}``; reset is a moment, by the vendor's clock."""
    now = _moment(headers.get("date"))
    return tuple(
        reading
        for name, allowance in _ANTHROPIC.items()
        if (
            reading := _reading(
                allowance,
                limit=headers.get(f"anthropic-ratelimit-{name}-limit"),
                remaining=headers.get(f"anthropic-ratelimit-{name}-remaining"),
                resets_in=_until(headers.get(f"anthropic-ratelimit-{name}-reset"), now),
            )
        )
    )


def openai_limits(headers: Mapping[str, str]) -> tuple[LimitReading, ...]:
    """``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``; reset is a duration such as ``6m0s``."""
    return tuple(
        reading
        for name, allowance in _OPENAI.items()
        if (
            reading := _reading(
                allowance,
                limit=headers.get(f"x-ratelimit-limit-{name}"),
                remaining=headers.get(f"x-ratelimit-remaining-{name}"),
                resets_in=read_duration(headers.get(f"x-ratelimit-reset-{name}", "")),
            )
        )
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """What ``retry-after-ms`` or ``retry-after`` (seconds or a date) says; None where nothing can be read."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after", "")
    seconds = _seconds(said)
    return _until_date(said, _moment(headers.get("date"))) if seconds is None else seconds


def read_duration(text: str) -> timedelta | None:
    """A duration as Go and protobuf write it (``6m0s``, ``12ms``, ``1.5s``); None for anything else."""
    if not _DURATION.fullmatch(text):
        return None
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(text))
    return timedelta(seconds=seconds) if seconds <= _MAX_WINDOW.total_seconds() else None


def _reading(
    allowance: Allowance, *, limit: str | None, remaining: str | None, resets_in: timedelta | None
) -> LimitReading | None:
    if limit is None and remaining is None:
        return None
    return LimitReading(
        allowance=allowance, limit=_whole(limit), remaining=_whole(remaining), resets_in=resets_in
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def _seconds(text: str) -> timedelta | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    usable = math.isfinite(seconds) and 0 <= seconds <= _MAX_WINDOW.total_seconds()
    return timedelta(seconds=seconds) if usable else None


def _moment(date: str | None) -> datetime:
    """The vendor's present, so that clocks that differ do not matter; ours where it does not say."""
    return _http_date(date or "") or datetime.now(UTC)


def _until_date(text: str, now: datetime) -> timedelta | None:
    moment = _http_date(text)
    return None if moment is None else max(moment - now, timedelta(0))


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _until(text: str | None, now: datetime) -> timedelta | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return max(moment - now, timedelta(0)) if moment.tzinfo else None
