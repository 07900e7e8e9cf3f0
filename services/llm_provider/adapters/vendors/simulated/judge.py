"""The simulated judge: it reads the two texts of a prompt as a model would, and answers as a model would.

Each text has a quality in logits: from the quality file, by the text's hash, else from features of the text. The
first essay wins with probability σ((q_A − q_B)/noise + position_bias): where the logit of that probability, less
logistic noise, is x, the sign of x says who wins, and |x| by how much. An honest judge states that as its margin, a
dishonest one a margin that means nothing. Every draw is made from a hash of seed,
prompt and sample: the same prompt asked for the n-th time always gets the same answer, whatever else happens and
in whatever order; whether a call fails depends on the attempt as well, so that a repeated attempt can succeed.
"""

import asyncio
import hashlib
import json
import math
import random
import re
import tomllib
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from event_contracts import LABEL_A, LABEL_B, ConfigurationError, read_fenced_pair, text_sha256
from event_contracts.judging import MARGINS

from llm_provider.domain.calls.errors import JudgeUnavailable, RateLimitReached, RequestRejected
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.request import CHARACTERS_PER_TOKEN
from llm_provider.ports import JudgeCall, JudgeReply

RATE_LIMIT_DELAY = timedelta(milliseconds=200)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE = re.compile(r"[.!?]+")

_MARGIN_CUTS = (2.0, 5.0)
"""Logits from which on a winner is clearly and far better; a few in ten of random pairs are beyond either."""
MARGIN_SHARES = (0.4, 0.4, 0.2)
"""As in ``cj_measurement.simulated_judges``; a test holds both together, and the service need not load scipy."""

_STRONGER = (
    "develops its ideas further and stays closer to the task",
    "is better organised and easier to follow",
    "uses a wider and more exact vocabulary",
    "has fewer errors that get in the way of the reader",
    "is written with a clearer sense of its reader",
)
_WEAKER = (
    "repeats itself",
    "leaves parts of the task aside",
    "is held back by its sentences",
    "stays on the surface",
    "loses its thread towards the end",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSettings:
    """How the judge behaves; rates are probabilities per call, latency is in milliseconds.

    ``margin_honesty`` is the share of its margins that say how far ahead the winner is; the others are drawn at
    random, in the shares that honest ones have.
    """

    noise: float = 1.0
    position_bias: float = 0.0
    latency_ms: float = 0.0
    failure_rate: float = 0.0
    rate_limit_rate: float = 0.0
    malformed_rate: float = 0.0
    margin_honesty: float = 1.0
    states_margin: bool = True
    seed: int = 0


class SimulatedJudge:
    """Implements ``ports.Judge``; needs no network and costs nothing."""

    def __init__(self, settings: SimulatedSettings, *, qualities: Mapping[str, float]) -> None:
        self._settings = settings
        self._qualities = qualities

    async def judge(self, call: JudgeCall) -> JudgeReply:
        draws = _random(self._settings.seed, call, "attempt", call.attempt)
        await self._wait_for_latency(draws)
        self._fail_sometimes(draws)
        text = self._answer(call)
        if draws.random() < self._settings.malformed_rate:
            text = _malformed(text, draws)
        return JudgeReply(text=text, model=call.parameters.model, usage=_usage(call, text))

    def p_first(self, text_a: str, text_b: str) -> float:
        """Probability that the first essay wins."""
        distance = (self.quality(text_a) - self.quality(text_b)) / self._settings.noise
        return 1 / (1 + math.exp(-(distance + self._settings.position_bias)))

    def quality(self, text: str) -> float:
        """Quality of a text in logits: what the file says of it, else what its features say."""
        known = self._qualities.get(text_sha256(text))
        return feature_quality(text) if known is None else known

    async def _wait_for_latency(self, draws: random.Random) -> None:
        if self._settings.latency_ms > 0:
            await asyncio.sleep(self._settings.latency_ms / 1000 * draws.lognormvariate(0, 0.3))

    def _fail_sometimes(self, draws: random.Random) -> None:
        if draws.random() < self._settings.rate_limit_rate:
            raise RateLimitReached("simulated rate limit", retry_after=RATE_LIMIT_DELAY)
        if draws.random() < self._settings.failure_rate:
            raise JudgeUnavailable("simulated failure of the vendor")

    def _answer(self, call: JudgeCall) -> str:
        try:
            text_a, text_b = read_fenced_pair(call.prompt.user)
        except ValueError as error:
            raise RequestRejected(f"the simulated judge cannot find two essays: {error}") from error
        chance = _random(self._settings.seed, call, "vote", 0)
        p = self.p_first(text_a, text_b)
        drawn = chance.random()
        first_wins = drawn < p
        margin = (
            {"margin": self._margin(call, _logit(p) - _logit(drawn))} if self._settings.states_margin else {}
        )
        return json.dumps(
            {
                "winner": LABEL_A if first_wins else LABEL_B,
                **margin,
                "justification": _justification(first_wins, chance),
                "confidence": 1 + min(4, int(abs(p - 0.5) * 10)),
            }
        )

    def _margin(self, call: JudgeCall, lead: float) -> str:
        """What it says of a lead of ``lead`` logits, or, where it is not honest, of any lead."""
        draws = _random(self._settings.seed, call, "margin", 0)
        if draws.random() < self._settings.margin_honesty:
            return MARGINS[bisect(_MARGIN_CUTS, abs(lead))]
        return draws.choices(MARGINS, MARGIN_SHARES)[0]


def read_qualities(path: Path) -> Mapping[str, float]:
    """The quality file: a table ``[quality]`` of SHA-256 (hex) of a text to logits; raises ``ConfigurationError``."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))["quality"]
        return {str(key): float(value) for key, value in table.items()}
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{path}: not a quality file: {error!r}") from error


def feature_quality(text: str) -> float:
    """A rough quality in logits from word choice and sentence shape; length counts only a little.

    It lets unrated texts be tried out. It makes no claim about real quality.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    if not words:
        return -4.0
    lengths = [len(_WORD.findall(part)) for part in _SENTENCE.split(text) if part.strip()]
    mean_length = sum(lengths) / len(lengths)
    spread = math.sqrt(sum((length - mean_length) ** 2 for length in lengths) / len(lengths))
    richness = len(set(words)) / math.sqrt(2 * len(words))
    word_length = sum(map(len, words)) / len(words)
    return (
        0.6 * (richness - 5.5)
        + 1.2 * (word_length - 4.3)
        + 0.08 * (spread - 6)
        + 0.3 * math.log(len(words) / 250)
    )


def _logit(p: float) -> float:
    bounded = min(max(p, 1e-12), 1 - 1e-12)
    return math.log(bounded / (1 - bounded))


def _random(seed: int, call: JudgeCall, purpose: str, number: int) -> random.Random:
    content = f"{seed}:{call.prompt_sha256}:{call.sample}:{purpose}:{number}"
    return random.Random(hashlib.sha256(content.encode()).digest())


def _justification(first_wins: bool, chance: random.Random) -> str:
    better, worse = (LABEL_A, LABEL_B) if first_wins else (LABEL_B, LABEL_A)
    return f"{better} {chance.choice(_STRONGER)}, while {worse} {chance.choice(_WEAKER)}."


def _malformed(text: str, draws: random.Random) -> str:
    """What models send when they do not keep to the format."""
    return draws.choice(
        [
            f"```json\n{text}\n```",
            f"Sure! Here is my answer: {text}",
            text[: len(text) // 2],
            text.replace(LABEL_A, "the first").replace(LABEL_B, "the second"),
            "I would call it a tie.",
        ]
    )


def _usage(call: JudgeCall, answer: str) -> Usage:
    characters = len(call.prompt.system) + len(call.prompt.user)
    return Usage(
        input=math.ceil(characters / CHARACTERS_PER_TOKEN),
        output=math.ceil(len(answer) / CHARACTERS_PER_TOKEN),
    )
