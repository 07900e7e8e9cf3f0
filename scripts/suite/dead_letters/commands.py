"""cj-suite dlq: list, show, replay and drop what nobody tries any more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

import httpx2
import typer
from event_contracts import SuiteError
from rich.console import Console
from service_kit.messaging.dead_letters import DeadLetters

from suite.dead_letters.letters import Kind, Letter, Selection, Source
from suite.dead_letters.sources import ServiceLetters, TopicLetters, topic_of_letter
from suite.stack.options import Addresses, Ports

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
OWN: Final = Addresses.of(Ports())

dlq_app = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: events that could not be handled, messages that were given up, items that were set aside.",
)
console = Console()
errors = Console(stderr=True)

KindOption = Annotated[
    Kind | None,
    typer.Option("--kind", help="Only events, messages or items; all that can be reached if unset."),
]
Topic = Annotated[
    str | None, typer.Option(help="Topic of events, destination of messages, or worker of items.")
]
Reason = Annotated[
    str | None, typer.Option(help="malformed, not_handled, given_up, or the error code of an item.")
]
Since = Annotated[datetime | None, typer.Option(help="Not before this moment (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Not after this moment (UTC).")]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="Ids as listed, or event ids; may be given again.")
]
Everything = Annotated[bool, typer.Option("--all", help="All of them, where no filter is given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Kafka = Annotated[
    str | None,
    typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="Kafka's address; without it, no events."),
]
Prefix = Annotated[str, typer.Option(envvar="KAFKA_TOPIC_PREFIX", help="The services' kafka_topic_prefix.")]
Token = Annotated[
    str | None,
    typer.Option(envvar="CJ_ADMIN_TOKEN", help="Administrator's token; without it, no messages and items."),
]
CjUrl = Annotated[str, typer.Option(envvar="CJ_ASSESSMENT_URL", help="Base URL of CJ Assessment.")]
LlmUrl = Annotated[str, typer.Option(envvar="LLM_PROVIDER_URL", help="Base URL of the LLM Provider.")]
ConductorUrl = Annotated[
    str, typer.Option(envvar="BATCH_CONDUCTOR_URL", help="Base URL of the Batch Conductor.")
]


@dlq_app.command("list")
def list_letters(
    kind: KindOption = None,
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows shown; all are counted.")] = 100,
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    token: Token = None,
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """What nobody tries any more, with the reason, and how many there are."""
    selection = _selection(topic, reason, since, until, ids)

    async def work(sources: Sequence[Source]) -> None:
        letters = await _letters(sources, selection)
        for letter in letters[:limit]:
            _print_row(letter)
        _print_counts(letters, "waiting")

    _run(work, kind, kafka, topic_prefix, token, cj_url, llm_url, conductor_url)


@dlq_app.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="Its id as listed, or its event id.")],
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    token: Token = None,
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """One of them with what it says, which may be a pupil's text; exit code 1 if there is none."""

    async def work(sources: Sequence[Source]) -> None:
        selection = Selection(ids=frozenset({letter_id}))
        is_found = False
        for source in sources:
            async for letter in source.letters(selection):
                is_found = True
                _print_letter(letter, await source.content(letter))
        if not is_found:
            errors.print(f"there is no {letter_id}: see cj-suite dlq list", highlight=False, markup=False)
            raise typer.Exit(EXIT_FAILED)

    _run(work, None, kafka, topic_prefix, token, cj_url, llm_url, conductor_url)


@dlq_app.command()
def replay(
    kind: KindOption = None,
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    token: Token = None,
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """Have them handled again, once each and with the same event ids; correct what they failed for first."""
    selection = _selection(topic, reason, since, until, ids)
    _refuse_nothing_chosen(selection, everything)

    async def work(sources: Sequence[Source]) -> None:
        await _act(
            sources, selection, dry_run=dry_run, verb="replayed", act=lambda one: one.replay(selection)
        )

    _run(work, kind, kafka, topic_prefix, token, cj_url, llm_url, conductor_url)


@dlq_app.command()
def drop(
    kind: KindOption = None,
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    token: Token = None,
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """Forget them: they are not listed any more and cannot be replayed."""
    selection = _selection(topic, reason, since, until, ids)
    _refuse_nothing_chosen(selection, everything)

    async def work(sources: Sequence[Source]) -> None:
        await _act(sources, selection, dry_run=dry_run, verb="dropped", act=lambda one: one.drop(selection))

    _run(work, kind, kafka, topic_prefix, token, cj_url, llm_url, conductor_url)


async def _act(
    sources: Sequence[Source],
    selection: Selection,
    *,
    dry_run: bool,
    verb: str,
    act: Callable[[Source], Awaitable[int]],
) -> None:
    before = await _letters(sources, selection)
    _print_counts(before, "before")
    if dry_run:
        console.print(f"dry run: {len(before)} would be {verb}", highlight=False)
        return
    done = 0
    for source in sources:
        done += await act(source)
    _print_counts(await _letters(sources, selection), "after")
    console.print(f"{verb}: {done}", highlight=False)


async def _letters(sources: Sequence[Source], selection: Selection) -> list[Letter]:
    return [letter for source in sources for letter in [one async for one in source.letters(selection)]]


def _selection(
    topic: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    ids: Sequence[str] | None,
) -> Selection:
    return Selection(
        topic=None if topic is None else topic_of_letter(topic),
        reason=reason,
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
        ids=frozenset(ids or ()),
    )


def _refuse_nothing_chosen(selection: Selection, everything: bool) -> None:
    if selection.is_everything and not everything:
        errors.print("say which: --topic, --reason, --since, --until or --id; or --all", highlight=False)
        raise typer.Exit(EXIT_USAGE)


def _run(
    work: Callable[[Sequence[Source]], Awaitable[None]],
    kind: Kind | None,
    kafka: str | None,
    topic_prefix: str,
    token: str | None,
    cj_url: str,
    llm_url: str,
    conductor_url: str,
) -> None:
    services = {
        "cj_assessment": cj_url,
        "llm_provider": llm_url,
        "batch_conductor": conductor_url,
    }

    async def with_sources() -> None:
        async with _sources(kind, kafka, topic_prefix, token, services) as sources:
            await work(sources)

    try:
        asyncio.run(with_sources())
    except SuiteError as error:
        errors.print(error.message, style="red", highlight=False, markup=False)
        raise typer.Exit(EXIT_FAILED) from error


@asynccontextmanager
async def _sources(
    kind: Kind | None, kafka: str | None, prefix: str, token: str | None, services: dict[str, str]
) -> AsyncIterator[Sequence[Source]]:
    found: list[Source] = []
    if kind in (None, Kind.EVENT):
        if kafka is None:
            _say_left_out("events", "--kafka")
        else:
            found.append(TopicLetters(dead_letters=DeadLetters(bootstrap_servers=kafka, topic_prefix=prefix)))
    async with httpx2.AsyncClient() as http:
        for wanted in (Kind.MESSAGE, Kind.ITEM):
            if kind not in (None, wanted):
                continue
            if token is None:
                _say_left_out(f"{wanted}s", "--token")
                continue
            found += [
                ServiceLetters(http=http, service=name, base_url=url.rstrip("/"), kind=wanted, token=token)
                for name, url in services.items()
            ]
        if not found:
            raise typer.Exit(EXIT_USAGE)
        yield found


def _say_left_out(what: str, option: str) -> None:
    errors.print(f"{what} are left out: give {option}", style="dim", highlight=False)


def _print_row(letter: Letter) -> None:
    """Two lines: a table would fold ids where a terminal is narrow, and nobody could copy them."""
    at = letter.at.astimezone(UTC).isoformat(timespec="seconds")
    error = " ".join(letter.error[:300].split())
    for line in (letter.letter_id, f"    {letter.kind} {letter.place} {letter.reason} {at} {error}"):
        console.print(_printable(line), highlight=False, markup=False, soft_wrap=True)


def _print_letter(letter: Letter, content: str) -> None:
    rows = {
        "kind": letter.kind,
        "id": letter.letter_id,
        "event id": letter.event_id or "-",
        "place": letter.place,
        "service": letter.service,
        "reason": letter.reason,
        "error": letter.error,
        "at": letter.at.astimezone(UTC).isoformat(),
    }
    for name, value in rows.items():
        console.print(f"{name:9} {_printable(value)}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\n{_printable(content)}", highlight=False, markup=False, soft_wrap=True)


def _print_counts(letters: Sequence[Letter], when: str) -> None:
    counts = Counter((letter.kind, letter.service, letter.place, letter.reason) for letter in letters)
    for (kind, service, place, reason), count in sorted(counts.items()):
        console.print(
            _printable(f"{when}: {count} {kind} {service} {place} {reason}"),
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if not counts:
        console.print(f"{when}: none", highlight=False)


def _printable(text: str) -> str:
    """Without what would steer a terminal: letters hold whatever anybody has sent."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)
