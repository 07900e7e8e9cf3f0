"""cj-suite dlq: list, show, replay and drop what is no longer tried."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final

import httpx2
import typer
from command_line.exit_codes import ExitCode, error_console
from command_line.printable import printable
from event_contracts import SuiteError
from rich.console import Console
from service_kit.messaging.dead_letters import DeadLetters, Handled
from suite_access import TOKEN_VARIABLE, CallerToken

from suite.dead_letters.letters import Kind, Letter, Selection, Source
from suite.dead_letters.sources import ServiceLetters, TopicLetters, topic_of_letter
from suite.stack.options import Addresses, Ports

OWN: Final = Addresses.of(Ports())

ROLE: Final = "operator"
"""The least that may handle what services gave up or set aside."""

dlq_app = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: events that could not be handled, messages that were given up, items that were set aside.",
)
console = Console()

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
CjUrl = Annotated[str, typer.Option(envvar="CJ_ASSESSMENT_URL", help="Base URL of CJ Assessment.")]
LlmUrl = Annotated[str, typer.Option(envvar="LLM_PROVIDER_URL", help="Base URL of the LLM Provider.")]
ConductorUrl = Annotated[
    str, typer.Option(envvar="BATCH_CONDUCTOR_URL", help="Base URL of the Batch Conductor.")
]


@dataclass(frozen=True)
class Problems:
    """What went wrong on the way; each is printed once, and any makes the command end with 1."""

    messages: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Print a problem and continue."""
        if message not in self.messages:
            self.messages.append(message)
            error_console.print(message, style="red", highlight=False, markup=False)

    @contextmanager
    def of_one_source(self) -> Iterator[None]:
        """A source that cannot be reached is a problem, and keeps no other source back."""
        try:
            yield
        except SuiteError as error:
            self.add(error.message)


Work = Callable[[Sequence[Source], Problems], Awaitable[None]]


@dlq_app.command("list")
def list_letters(
    kind: KindOption = None,
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Rows shown; all that are listed are counted.")
    ] = 100,
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """What is no longer tried, with the reason, and how many there are."""
    selection = _selection(topic, reason, since, until, ids)

    async def work(sources: Sequence[Source], problems: Problems) -> None:
        letters = await _letters(sources, selection, problems)
        for letter in letters[:limit]:
            _print_row(letter)
        _print_counts(letters, "waiting")

    _run(work, kind, kafka, topic_prefix, cj_url, llm_url, conductor_url)


@dlq_app.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="Its id as listed, or its event id.")],
    kafka: Kafka = None,
    topic_prefix: Prefix = "",
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """One of them with what it says, which may be a pupil's text; exit code 1 if there is none."""

    async def work(sources: Sequence[Source], problems: Problems) -> None:
        selection = Selection(ids=frozenset({letter_id}))
        is_found = False
        for source in sources:
            with problems.of_one_source():
                async for letter in source.letters(selection):
                    is_found = True
                    _print_letter(letter, await source.content(letter))
        if not is_found:
            error_console.print(
                f"there is no {letter_id}: see cj-suite dlq list", highlight=False, markup=False
            )
            raise typer.Exit(ExitCode.FAILED)

    _run(work, None, kafka, topic_prefix, cj_url, llm_url, conductor_url)


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
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """Have them handled again, once each and with the same event ids; correct what they failed for first."""
    selection = _selection(topic, reason, since, until, ids)
    _refuse_nothing_chosen(selection, everything)

    async def work(sources: Sequence[Source], problems: Problems) -> None:
        await _act(
            sources,
            selection,
            problems,
            dry_run=dry_run,
            verb="replayed",
            act=lambda one: one.replay(selection),
        )

    _run(work, kind, kafka, topic_prefix, cj_url, llm_url, conductor_url)


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
    cj_url: CjUrl = OWN.cj_assessment,
    llm_url: LlmUrl = OWN.llm_provider,
    conductor_url: ConductorUrl = OWN.batch_conductor,
) -> None:
    """Forget them: they are no longer listed and cannot be replayed."""
    selection = _selection(topic, reason, since, until, ids)
    _refuse_nothing_chosen(selection, everything)

    async def work(sources: Sequence[Source], problems: Problems) -> None:
        await _act(
            sources, selection, problems, dry_run=dry_run, verb="dropped", act=lambda one: one.drop(selection)
        )

    _run(work, kind, kafka, topic_prefix, cj_url, llm_url, conductor_url)


async def _act(
    sources: Sequence[Source],
    selection: Selection,
    problems: Problems,
    *,
    dry_run: bool,
    verb: str,
    act: Callable[[Source], Awaitable[Handled]],
) -> None:
    before = await _letters(sources, selection, problems)
    _print_counts(before, "before")
    if dry_run:
        console.print(f"dry run: {len(before)} would be {verb}", highlight=False)
        return
    done = 0
    for source in sources:
        with problems.of_one_source():
            handled = await act(source)
            done += handled.count
            for letter_id, reason in handled.refused.items():
                problems.add(f"{letter_id} was not {verb}: {reason}")
    _print_counts(await _letters(sources, selection, problems), "after")
    console.print(f"{verb}: {done}", highlight=False)


async def _letters(sources: Sequence[Source], selection: Selection, problems: Problems) -> list[Letter]:
    found: list[Letter] = []
    for source in sources:
        with problems.of_one_source():
            found += [letter async for letter in source.letters(selection)]
    return found


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
        error_console.print(
            "say which: --topic, --reason, --since, --until or --id; or --all", highlight=False
        )
        raise typer.Exit(ExitCode.USAGE)


def _run(
    work: Work,
    kind: Kind | None,
    kafka: str | None,
    topic_prefix: str,
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
        async with _sources(kind, kafka, topic_prefix, services) as sources:
            await work(sources, problems)

    problems = Problems()
    asyncio.run(with_sources())
    if problems.messages:
        raise typer.Exit(ExitCode.FAILED)


@asynccontextmanager
async def _sources(
    kind: Kind | None, kafka: str | None, prefix: str, services: dict[str, str]
) -> AsyncIterator[Sequence[Source]]:
    found: list[Source] = []
    if kind in (None, Kind.EVENT):
        if kafka is None:
            _say_left_out("events", "give --kafka")
        else:
            found.append(TopicLetters(dead_letters=DeadLetters(bootstrap_servers=kafka, topic_prefix=prefix)))
    async with httpx2.AsyncClient() as http:
        wanted = [one for one in (Kind.MESSAGE, Kind.ITEM) if kind in (None, one)]
        for name, url in services.items() if wanted else ():
            auth = CallerToken(url, role=ROLE)
            if auth.token() is None:
                _say_left_out(f"messages and items of {name}", f"set {TOKEN_VARIABLE}")
                continue
            found += [
                ServiceLetters(
                    http=http, service=name, base_url=url.rstrip("/"), kind=one, auth=auth, report=_say
                )
                for one in wanted
            ]
        if not found:
            raise typer.Exit(ExitCode.USAGE)
        yield found


def _say_left_out(what: str, remedy: str) -> None:
    _say(f"{what} are left out: {remedy}")


def _say(message: str) -> None:
    error_console.print(message, style="dim", highlight=False)


def _print_row(letter: Letter) -> None:
    """Two lines: a table would fold ids where a terminal is narrow, and they could not be copied."""
    at = letter.at.astimezone(UTC).isoformat(timespec="seconds")
    error = " ".join(letter.error[:300].split())
    for line in (letter.letter_id, f"    {letter.kind} {letter.place} {letter.reason} {at} {error}"):
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


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
        console.print(f"{name:9} {printable(value)}", highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(printable(content, kept="\n"), highlight=False, markup=False, soft_wrap=True)


def _print_counts(letters: Sequence[Letter], when: str) -> None:
    counts = Counter((letter.kind, letter.service, letter.place, letter.reason) for letter in letters)
    for (kind, service, place, reason), count in sorted(counts.items()):
        console.print(
            printable(f"{when}: {count} {kind} {service} {place} {reason}"),
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if not counts:
        console.print(f"{when}: none", highlight=False)
