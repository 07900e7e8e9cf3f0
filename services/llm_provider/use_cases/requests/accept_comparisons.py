"""Accept requests to judge a pair: checked first, queued once, however often they are sent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from event_contracts import (
    CALLBACK_TOPICS,
    BatchExpiry,
    ComparisonAccepted,
    ComparisonBatchItem,
    ComparisonItemAnswer,
    InvalidRequest,
    Latency,
    QueueFull,
    SuiteError,
)

from llm_provider.domain.calls.errors import CostLimitExceeded, InvalidPrompt, RequestSetAside
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.domain.requests.prompt import JudgeParameters, digest, new_prompt
from llm_provider.domain.requests.request import SERVICE, JudgeRequest, QueueId, body_sha256, canonical_body
from llm_provider.domain.requests.storable import is_storable
from llm_provider.ports import (
    CallbackRules,
    Catalogue,
    Isolate,
    KnownKey,
    QueueDepth,
    Store,
    Transaction,
    WakeProviders,
)

log = structlog.get_logger()

FULL_RETRY_SECONDS = 5.0
MAX_METERED = 10_000
Outcome = ComparisonAccepted | SuiteError
"""Whether a request was accepted, or why not."""

NUL_IN_JSON = "\\u0000"
TOPICS = frozenset(str(topic) for topic in CALLBACK_TOPICS)


@dataclass(kw_only=True)
class AcceptComparisons:
    """Queues requests, and answers item by item; the same key and body is the same request."""

    store: Store
    catalogue: Catalogue
    callbacks: CallbackRules
    policy: RetryPolicy
    max_queue_size: int
    wake_judges: WakeProviders
    wake_collectors: WakeProviders
    isolate: Isolate
    metered: set[tuple[str, str]]

    async def many(self, items: Sequence[ComparisonBatchItem]) -> Sequence[ComparisonItemAnswer]:
        """Queue up to 500 requests; raises ``QueueFull`` where none of them was accepted."""
        outcomes = await self.accept(items)
        full = [outcome for outcome in outcomes if isinstance(outcome, QueueFull)]
        if full and not any(isinstance(outcome, ComparisonAccepted) for outcome in outcomes):
            raise full[0]
        return [_answer(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    async def accept(self, items: Sequence[ComparisonBatchItem]) -> Sequence[Outcome]:
        """The outcome of each request; ``QueueFull`` for those that are new when the queue is full."""
        now = datetime.now(UTC)
        resolved: dict[str, JudgeParameters] = {}
        checked = [self._checked(item, resolved, now) for item in items]
        requests = [request for request in checked if isinstance(request, JudgeRequest)]
        queued: dict[QueueId, Outcome] = {}

        async def queue(part: Sequence[JudgeRequest]) -> None:
            queued.update(await self._queue(part))

        for failure in await self.isolate(requests, queue):
            log.error("request.not_queued", exc_info=failure.error)
            queued[failure.item.queue_id] = RequestSetAside(
                "internal error: the request could not be stored; it was not queued: send it again with the same"
                " idempotency_key once an operator has read this service's log"
            )
        return [queued[one.queue_id] if isinstance(one, JudgeRequest) else one for one in checked]

    async def _queue(self, requests: Sequence[JudgeRequest]) -> Mapping[QueueId, Outcome]:
        """Queue those that are new; the outcome of each."""
        models = sorted({(one.parameters.provider, one.parameters.model) for one in requests})
        async with self.store.transaction() as transaction:
            depth = await transaction.queue.depth(at_most=self.max_queue_size, models=models)
            known = await transaction.queue.known_keys(_given_keys(requests))
            new = [request for request in requests if request.idempotency_key not in known]
            has_room = depth.open < self.max_queue_size
            if new and has_room:
                await self._add_meters(transaction, models)
                known = {**known, **await transaction.queue.add(new)}
        if new and has_room:
            self._remember(models)
            self.wake_judges(*{one.parameters.provider for one in new})
            self._wake_collectors(new)
        log.debug("request.queued", requests=len(new), repeated=len(requests) - len(new))
        wait = _wait_minutes(depth)
        return {one.queue_id: self._outcome(one, known.get(one.idempotency_key), wait) for one in requests}

    def _remember(self, models: Sequence[tuple[str, str]]) -> None:
        """A self-hosted server has whatever model a caller names: what is remembered is bounded."""
        if len(self.metered) > MAX_METERED:
            self.metered.clear()
        self.metered.update(models)

    def _wake_collectors(self, requests: Sequence[JudgeRequest]) -> None:
        providers = {one.parameters.provider for one in requests if one.is_relaxed}
        if providers:
            self.wake_collectors(*providers)

    def _outcome(self, request: JudgeRequest, known: KnownKey | None, wait: int | None) -> Outcome:
        if known is None:
            return QueueFull(
                f"{self.max_queue_size} requests are waiting already: send this one again in"
                f" {FULL_RETRY_SECONDS:.0f} s",
                retry_after=FULL_RETRY_SECONDS,
            )
        if known.body_sha256 != request.body_sha256:
            return InvalidRequest("this idempotency key was used with another body: use a new key")
        return ComparisonAccepted(
            queue_id=known.queue_id,
            message="queued; one callback will follow",
            estimated_wait_minutes=wait,
        )

    async def _add_meters(self, transaction: Transaction, models: Sequence[tuple[str, str]]) -> None:
        """Make the meters that are not there yet; those of models known by name were made at the start."""
        missing = set(models) - self.metered
        if missing:
            await transaction.meters.add_missing(
                {
                    (provider, model): self.catalogue.limits(provider=provider, model=model)
                    for provider, model in sorted(missing)
                }
            )

    def _checked(
        self, item: ComparisonBatchItem, resolved: dict[str, JudgeParameters], now: datetime
    ) -> JudgeRequest | SuiteError:
        try:
            body = canonical_body(item)
            _require_storable(item, body)
            item.require_callback(TOPICS)
            _require_two_essays(item)
            if item.callback_url is not None:
                self.callbacks.check(item.callback_url)
            parameters = self._parameters(item, resolved)
            self.catalogue.check_region(provider=parameters.provider, allowed=item.allowed_regions)
            request = self._request(item, body, parameters, now)
            _require_time(request)
            self._require_cap(request)
        except InvalidRequest as error:
            return error
        return request

    def _parameters(self, item: ComparisonBatchItem, resolved: dict[str, JudgeParameters]) -> JudgeParameters:
        """One batch's items mostly ask for one judge: it is resolved once."""
        overrides = item.llm_config_overrides
        key = "" if overrides is None else overrides.model_dump_json()
        if key not in resolved:
            resolved[key] = self.catalogue.resolve(overrides)
        return resolved[key]

    def _request(
        self, item: ComparisonBatchItem, body: str, parameters: JudgeParameters, now: datetime
    ) -> JudgeRequest:
        prompt, queue_id = new_prompt(item), QueueId(uuid4())
        not_before = max(now, item.not_before or now)
        is_relaxed = self._is_relaxed(item, parameters)
        lifetime = self.policy.relaxed_expires_after if is_relaxed else self.policy.expires_after
        return JudgeRequest(
            queue_id=queue_id,
            idempotency_key=item.idempotency_key or str(queue_id),
            body_sha256=body_sha256(body),
            prompt=prompt,
            prompt_sha256=digest(prompt, parameters),
            parameters=parameters,
            sample=_sample(item),
            callback_topic=item.callback_topic,
            callback_url=item.callback_url,
            correlation_id=item.correlation_id or uuid4(),
            user_id=item.user_id,
            batch_id=_batch_id(item),
            metadata=item.metadata,
            priority=item.priority,
            requested_at=now,
            not_before=not_before,
            expires_at=item.expires_at or not_before + lifetime,
            is_relaxed=is_relaxed,
            reports_batch_expiry=item.on_batch_expiry is BatchExpiry.REPORT,
            max_cost_usd=item.max_cost_usd,
            trace=item.trace,
        )

    def _is_relaxed(self, item: ComparisonBatchItem, parameters: JudgeParameters) -> bool:
        return item.latency is Latency.RELAXED and self.catalogue.has_batch_api(
            provider=parameters.provider, model=parameters.model
        )

    def _require_cap(self, request: JudgeRequest) -> None:
        """A request whose first call might already go beyond its cap is refused."""
        if request.max_cost_usd is None:
            return
        parameters = request.parameters
        max_cost = self.catalogue.cost(
            provider=parameters.provider,
            model=parameters.model,
            usage=request.max_usage,
            at=request.requested_at,
        )
        if max_cost.usd is None:
            raise CostLimitExceeded(f"max_cost_usd cannot be guaranteed: {max_cost.warning}")
        if max_cost.usd > request.max_cost_usd:
            raise CostLimitExceeded(
                f"one call may cost up to {max_cost.usd:f} US dollars: raise max_cost_usd, or lower max_tokens"
            )


def _given_keys(requests: Sequence[JudgeRequest]) -> Sequence[str]:
    """The keys that callers chose: a request without one is named by its own id, which is new."""
    return [one.idempotency_key for one in requests if one.idempotency_key != str(one.queue_id)]


def _require_storable(item: ComparisonBatchItem, body: str) -> None:
    """Long texts are walked through only if the body looks wrong: it may merely spell out the escape of a NUL."""
    if not (is_storable(item.metadata) and is_storable(item.idempotency_key)):
        raise InvalidPrompt(
            "the metadata or the key holds what cannot be stored: NUL, or a number outside 64 bits"
        )
    if NUL_IN_JSON in body and not is_storable(item.model_dump(mode="json")):
        raise InvalidPrompt("the request holds NUL characters: remove them")


def _require_two_essays(item: ComparisonBatchItem) -> None:
    """Require two identifiable essays: a judge that sees only one of them would choose it."""
    if not new_prompt(item).shows_two_essays:
        raise InvalidPrompt(
            "cannot identify two essays in this request: fence them in prompt_blocks, head them 'Essay A' and"
            " 'Essay B' in user_prompt, or send essay_a and essay_b"
        )


def _require_time(request: JudgeRequest) -> None:
    if request.expires_at <= request.not_before:
        raise InvalidRequest("expires_at leaves no time to judge: it must be after now and after not_before")


def _batch_id(item: ComparisonBatchItem) -> str | None:
    batch_id = item.metadata.get("bos_batch_id")
    return batch_id if isinstance(batch_id, str) else None


def _sample(item: ComparisonBatchItem) -> int:
    """How often the caller has sent this prompt before, if it says so."""
    repetition = item.metadata.get("repetition")
    return repetition if isinstance(repetition, int) and 0 <= repetition < 2**31 else 0


def _wait_minutes(depth: QueueDepth) -> int | None:
    if not depth.requests_per_minute:
        return None
    return math.ceil(depth.open / depth.requests_per_minute)


def _answer(item: ComparisonBatchItem, outcome: Outcome) -> ComparisonItemAnswer:
    if isinstance(outcome, SuiteError):
        detail = outcome.detail(
            service=SERVICE, operation="accept_comparison", correlation_id=item.correlation_id or uuid4()
        )
        return ComparisonItemAnswer(error=detail)
    return ComparisonItemAnswer(accepted=outcome)
