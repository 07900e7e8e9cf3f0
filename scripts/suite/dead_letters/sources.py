"""Where dead letters are kept: topics of Kafka, and the services' databases behind their administrators' routes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import httpx2
from event_contracts import (
    Conflict,
    ExternalServiceError,
    GivenUp,
    GivenUpMessages,
    NotFound,
    SetAsideItem,
    SetAsideItems,
    WireModel,
    dead_letter_topic,
    error_detail,
    validation_reasons,
)
from pydantic import ValidationError
from service_kit.messaging.dead_letters import Action, DeadLetter, DeadLetters, Handled, LetterFilter

from suite.dead_letters.letters import Kind, Letter, Selection

LISTED: Final = 1000
"""Maximum number that a service lists in one answer; the next come when these are handled."""

TIMEOUT_SECONDS: Final = 30.0

AnswerT = TypeVar("AnswerT", bound=WireModel)


@dataclass(frozen=True, kw_only=True)
class TopicLetters:
    """Events on the dead-letter topics."""

    dead_letters: DeadLetters

    async def letters(self, selection: Selection) -> AsyncIterator[Letter]:
        """Events that could not be parsed or handled."""
        async for letter in self.dead_letters.waiting(_filter(selection)):
            yield _event(letter)

    async def content(self, letter: Letter) -> str:
        """Headers and value of one event."""
        wanted = LetterFilter(ids=frozenset({letter.letter_id}))
        async for found in self.dead_letters.waiting(wanted):
            headers = [
                f"{name}: {(value or b'').decode(errors='backslashreplace')}" for name, value in found.headers
            ]
            return "\n".join([*headers, "", (found.value or b"").decode(errors="backslashreplace")])
        return ""

    async def replay(self, selection: Selection) -> Handled:
        """Publish the events on their topics again, with the same event ids."""
        return await self.dead_letters.handle(_filter(selection), Action.REPLAY)

    async def drop(self, selection: Selection) -> Handled:
        """Note that the events are not wanted; Kafka deletes them in its own time."""
        return await self.dead_letters.handle(_filter(selection), Action.DROP)


@dataclass(frozen=True, kw_only=True)
class ServiceLetters:
    """Messages that a service gave up, or items that it set aside, behind its routes for operators."""

    http: httpx2.AsyncClient
    service: str
    base_url: str
    kind: Kind
    auth: httpx2.Auth
    report: Callable[[str], None]
    """Called with a sentence when a list may be incomplete."""

    @property
    def _route(self) -> str:
        return "given-up" if self.kind == Kind.MESSAGE else "set-aside"

    async def letters(self, selection: Selection) -> AsyncIterator[Letter]:
        """Up to ``LISTED`` of what waits, those that are meant."""
        entries = await self._listed()
        if len(entries) == LISTED:
            self.report(
                f"{self.service} lists {LISTED} {self.kind}s in one answer: there may be more, after these"
            )
        for letter in entries:
            if selection.admits(letter):
                yield letter

    async def content(self, letter: Letter) -> str:
        """What a message says; of an item there is nothing but its error."""
        if self.kind == Kind.ITEM:
            return letter.error
        return self._parsed(GivenUp, await self._call("GET", self._path(letter))).value or ""

    async def replay(self, selection: Selection) -> Handled:
        """Have the service take each of them again."""
        return await self._each(selection, "POST", "/replay")

    async def drop(self, selection: Selection) -> Handled:
        """Have the service delete each of them."""
        return await self._each(selection, "DELETE", "")

    async def _each(self, selection: Selection, method: str, action: str) -> Handled:
        found, refused = [letter async for letter in self.letters(selection)], dict[str, str]()
        for letter in found:
            try:
                await self._call(method, f"{self._path(letter)}{action}")
            except (NotFound, Conflict) as error:
                refused[letter.letter_id] = error.message
        return Handled(count=len(found) - len(refused), refused=refused)

    def _path(self, letter: Letter) -> str:
        own = letter.letter_id.split("/")[2:]
        return "/" + "/".join(quote(part, safe="") for part in own)

    async def _listed(self) -> list[Letter]:
        answer = await self._call("GET", f"?limit={LISTED}")
        if self.kind == Kind.MESSAGE:
            return [self._message(one) for one in self._parsed(GivenUpMessages, answer).items]
        return [self._item(one) for one in self._parsed(SetAsideItems, answer).items]

    def _message(self, message: GivenUp) -> Letter:
        return Letter(
            kind=self.kind,
            letter_id=f"{self.service}/message/{message.id}",
            place=message.destination,
            reason="given_up",
            error=message.last_error,
            at=message.given_up_at,
            service=self.service,
            event_id=message.event_id,
        )

    def _item(self, item: SetAsideItem) -> Letter:
        return Letter(
            kind=self.kind,
            letter_id=f"{self.service}/item/{item.worker}/{item.item}",
            place=item.worker,
            reason=item.error_code,
            error=item.error_message,
            at=item.set_aside_at,
            service=self.service,
        )

    def _parsed(self, model: type[AnswerT], answer: httpx2.Response) -> AnswerT:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            reasons = "; ".join(validation_reasons(error)[:3])
            raise ExternalServiceError(
                f"{self.service} at {self.base_url} returned an invalid response ({reasons}): is it of the same"
                " version as cj-suite?"
            ) from error

    async def _call(self, method: str, path: str) -> httpx2.Response:
        try:
            answer = await self.http.request(
                method,
                f"{self.base_url}/admin/v1/{self._route}{path}",
                auth=self.auth,
                timeout=TIMEOUT_SECONDS,
            )
        except httpx2.HTTPError as error:
            raise ExternalServiceError(
                f"{self.service} at {self.base_url} does not answer: {error!r}"
            ) from error
        if not answer.is_success:
            refusals = {404: NotFound, 409: Conflict} if path[:1] == "/" else {}
            raise refusals.get(answer.status_code, ExternalServiceError)(f"{self.service}: {_reason(answer)}")
        return answer


def _reason(answer: httpx2.Response) -> str:
    detail = error_detail(answer.content)
    return f"it answered {answer.status_code}" if detail is None else detail.message


def _filter(selection: Selection) -> LetterFilter:
    return LetterFilter(
        topic=selection.topic,
        reason=selection.reason,
        since=selection.since,
        until=selection.until,
        ids=selection.ids,
    )


def _event(letter: DeadLetter) -> Letter:
    return Letter(
        kind=Kind.EVENT,
        letter_id=letter.letter_id,
        place=letter.topic,
        reason=letter.reason,
        error=letter.error,
        at=letter.written_at,
        service=letter.service,
        event_id=letter.event_id,
    )


def topic_of_letter(name: str) -> str:
    """The topic that an operator means, also where the dead-letter topic's name was given."""
    return name.removesuffix(dead_letter_topic(""))
