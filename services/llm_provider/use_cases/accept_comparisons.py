"""Accept requests to judge a pair: checked at the door, queued once, however often they are sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from event_contracts import (
    CALLBACK_TOPICS,
    ComparisonAccepted,
    ComparisonBatchItem,
    ComparisonItemAnswer,
    InvalidRequest,
    QueueFull,
    SuiteError,
)

from llm_provider.domain.errors import InvalidPrompt
from llm_provider.domain.request import (
    SERVICE,
    JudgeParameters,
    JudgeRequest,
    QueueId,
    RetryPolicy,
    body_sha256,
    digest,
    new_prompt,
)
from llm_provider.domain.storing import is_storable
from llm_provider.ports import CallbackRules, Catalogue, KnownKey, Store, Wake

log = structlog.get_logger()

FULL_RETRY_SECONDS = 5.0
TOPICS = frozenset(str(topic) for topic in CALLBACK_TOPICS)


@dataclass(frozen=True, kw_only=True)
class AcceptComparisons:
    """Queues requests, and answers item by item; the same key and body is the same request."""

    store: Store
    catalogue: Catalogue
    callbacks: CallbackRules
    policy: RetryPolicy
    max_waiting: int
    wake_judges: Wake

    async def one(self, item: ComparisonBatchItem) -> ComparisonAccepted:
        """Queue one request; raises the error that refuses it."""
        (outcome,) = await self._accept([item])
        if isinstance(outcome, SuiteError):
            raise outcome
        return _accepted(outcome)

    async def many(self, items: Sequence[ComparisonBatchItem]) -> Sequence[ComparisonItemAnswer]:
        """Queue up to 500 requests; raises ``QueueFull`` for all of them together."""
        outcomes = await self._accept(items)
        return [_answer(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    async def _accept(self, items: Sequence[ComparisonBatchItem]) -> list[QueueId | SuiteError]:
        now = datetime.now(UTC)
        resolved: dict[str, JudgeParameters] = {}
        checked = [self._checked(item, resolved, now) for item in items]
        requests = [request for request in checked if isinstance(request, JudgeRequest)]
        known = await self._queue(requests) if requests else {}
        return [
            _outcome(request, known[request.idempotency_key])
            if isinstance(request, JudgeRequest)
            else request
            for request in checked
        ]

    async def _queue(self, requests: Sequence[JudgeRequest]) -> dict[str, KnownKey]:
        async with self.store.transaction() as transaction:
            known = await transaction.known_keys([request.idempotency_key for request in requests])
            if len(known) == len({request.idempotency_key for request in requests}):
                return dict(known)
            if await transaction.waiting(at_most=self.max_waiting) >= self.max_waiting:
                raise QueueFull(
                    f"{self.max_waiting} requests are waiting already", retry_after=FULL_RETRY_SECONDS
                )
            known = dict(await transaction.add_requests(requests))
        self.wake_judges()
        log.debug("request.queued", requests=len(requests))
        return known

    def _checked(
        self, item: ComparisonBatchItem, resolved: dict[str, JudgeParameters], now: datetime
    ) -> JudgeRequest | SuiteError:
        try:
            _require_storable(item)
            item.require_callback(TOPICS)
            if item.callback_url is not None:
                self.callbacks.check(item.callback_url)
            return self._request(item, self._parameters(item, resolved), now)
        except InvalidRequest as error:
            return error

    def _parameters(self, item: ComparisonBatchItem, resolved: dict[str, JudgeParameters]) -> JudgeParameters:
        """One batch's items mostly ask for one judge: it is resolved once."""
        overrides = item.llm_config_overrides
        key = "" if overrides is None else overrides.model_dump_json()
        if key not in resolved:
            resolved[key] = self.catalogue.resolve(overrides)
        return resolved[key]

    def _request(self, item: ComparisonBatchItem, parameters: JudgeParameters, now: datetime) -> JudgeRequest:
        prompt = new_prompt(item)
        queue_id = QueueId(uuid4())
        return JudgeRequest(
            queue_id=queue_id,
            idempotency_key=item.idempotency_key or str(queue_id),
            body_sha256=body_sha256(item),
            prompt=prompt,
            prompt_sha256=digest(prompt, parameters),
            parameters=parameters,
            sample=_sample(item),
            callback_topic=item.callback_topic,
            callback_url=item.callback_url,
            correlation_id=item.correlation_id,
            user_id=item.user_id,
            metadata=item.metadata,
            requested_at=now,
            expires_at=now + self.policy.expires_after,
        )


def _require_storable(item: ComparisonBatchItem) -> None:
    if not is_storable(item.model_dump(mode="json")):
        raise InvalidPrompt("the request holds NUL characters or broken text: remove them")


def _sample(item: ComparisonBatchItem) -> int:
    """How often the caller has asked this very prompt before, as far as it says so."""
    repetition = item.metadata.get("repetition")
    return repetition if isinstance(repetition, int) else 0


def _outcome(request: JudgeRequest, known: KnownKey) -> QueueId | SuiteError:
    if known.body_sha256 != request.body_sha256:
        return InvalidRequest("this idempotency key was used with another body: use a new key")
    return known.queue_id


def _accepted(queue_id: QueueId) -> ComparisonAccepted:
    return ComparisonAccepted(queue_id=queue_id, message="queued; one callback will follow")


def _answer(item: ComparisonBatchItem, outcome: QueueId | SuiteError) -> ComparisonItemAnswer:
    if isinstance(outcome, SuiteError):
        detail = outcome.detail(
            service=SERVICE, operation="accept_comparison", correlation_id=item.correlation_id
        )
        return ComparisonItemAnswer(error=detail)
    return ComparisonItemAnswer(accepted=_accepted(outcome))
