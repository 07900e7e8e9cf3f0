"""The options of cj-run execute, and what they say of the run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from event_contracts import CourseCode, OutputVerbosity, ReasoningEffort

from batch_runner.assignment.contents import Assignment
from batch_runner.cli.app import (
    DEFAULT_OUT,
    DEFAULT_URL,
    Course,
    Judges,
    LlmUrl,
    MaxComparisons,
    MaxCost,
    Model,
    Out,
    Provider,
    Roster,
    Target,
    Temperature,
    Url,
    exact,
    label_of,
)
from batch_runner.cli.executing import Changes, Execution
from batch_runner.planning.judges import judge_panel
from batch_runner.reading.essays import read_document
from batch_runner.running.request import RunOptions
from batch_runner.running.run_folder import KafkaSettings, TransportName

Essays = Annotated[
    Path | None,
    typer.Argument(help="A folder of essays as for plan; left out with --resume."),
]
TransportOption = Annotated[
    TransportName,
    typer.Option(help="How the request is sent; embedded runs the suite itself, so that nothing need run."),
]
KafkaBootstrap = Annotated[
    str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="The broker's address, for kafka.")
]
KafkaClientId = Annotated[str, typer.Option(help="The runner's name at the broker.")]
KafkaTopicPrefix = Annotated[str, typer.Option(help="Before each topic's name, for kafka.")]
AwaitCompletion = Annotated[
    bool, typer.Option("--await-completion/--no-await", help="Follow the batch to its end, or leave it.")
]
Relaxed = Annotated[
    bool,
    typer.Option(
        "--relaxed",
        help="Judge within days at half the price, in at most three jobs of the vendor's batch API.",
    ),
]
CompletionTimeout = Annotated[
    float | None, typer.Option(min=1, help="Stop following after this many seconds (exit code 7).")
]
ForceReupload = Annotated[
    bool, typer.Option("--force-reupload", help="Upload texts again that were uploaded before.")
]
Resume = Annotated[Path | None, typer.Option(metavar="RUN", help="Resume the run in this folder.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Tokens that an answer may have.")]
Effort = Annotated[ReasoningEffort | None, typer.Option(help="For models that reason.")]
Verbosity = Annotated[OutputVerbosity | None, typer.Option(help="For models that take one.")]
SystemPrompt = Annotated[
    Path | None, typer.Option(help="A file that replaces the assignment's instructions.")
]
Rubric = Annotated[Path | None, typer.Option(help="A file that replaces the assignment's rubric.")]
AssignmentId = Annotated[str | None, typer.Option(help="Overrides assignment.toml.")]
CourseId = Annotated[str | None, typer.Option(help="Overrides assignment.toml.")]
Scale = Annotated[str | None, typer.Option(help="Overrides assignment.toml.")]
ExpectedScale = Annotated[
    str | None, typer.Option(help="Refuse an assignment on any other grade scale than this.")
]
Language = Annotated[str | None, typer.Option(help="Overrides assignment.toml.")]
UserId = Annotated[str, typer.Option(help="Who is billed.")]
OrgId = Annotated[str | None, typer.Option(help="The organisation that is billed.")]
Label = Annotated[str | None, typer.Option("--batch-id", help="What people call the batch.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteOptions:
    """What was typed after cj-run execute; None is the assignment's own, or the service's default."""

    folder: Essays = None
    url: Url = DEFAULT_URL
    llm_url: LlmUrl = None
    out: Out = DEFAULT_OUT
    transport: TransportOption = "http"
    kafka_bootstrap: KafkaBootstrap = "127.0.0.1:9092"
    kafka_client_id: KafkaClientId = "cj-run"
    kafka_topic_prefix: KafkaTopicPrefix = ""
    course: Course = CourseCode.ENG5
    provider: Provider = None
    model: Model = None
    judge: Judges = None
    temperature: Temperature = None
    max_tokens: MaxTokens = None
    reasoning_effort: Effort = None
    verbosity: Verbosity = None
    system_prompt_file: SystemPrompt = None
    rubric_file: Rubric = None
    max_comparisons: MaxComparisons = None
    max_cost_usd: MaxCost = None
    target_reliability: Target = None
    assignment_id: AssignmentId = None
    course_id: CourseId = None
    grade_scale: Scale = None
    expected_grade_scale: ExpectedScale = None
    language: Language = None
    roster: Roster = None
    user_id: UserId = "batch-runner"
    org_id: OrgId = None
    batch_id: Label = None
    await_completion: AwaitCompletion = True
    relaxed: Relaxed = False
    completion_timeout: CompletionTimeout = None
    force_reupload: ForceReupload = False
    resume: Resume = None

    def run_options(self, assignment: Assignment) -> RunOptions:
        """What is asked of the service; raises ``WrongOption``, and ``InvalidRequest`` for a file of instructions."""
        return RunOptions(
            batch_uuid=uuid4(),
            label=label_of(self.batch_id, assignment),
            provider=self.provider,
            model=self.model,
            panel=judge_panel(self.judge or (), provider=self.provider, model=self.model),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            reasoning_effort=self.reasoning_effort,
            verbosity=self.verbosity,
            system_prompt=_text_of(self.system_prompt_file),
            max_comparisons=self.max_comparisons,
            max_cost_usd=exact(self.max_cost_usd),
            target_reliability=self.target_reliability,
            relaxed=self.relaxed,
            user_id=self.user_id,
            org_id=self.org_id,
        )

    def changes(self) -> Changes:
        """What replaces the assignment's own; raises ``InvalidRequest`` for a rubric that cannot be read."""
        return Changes(
            assignment_id=self.assignment_id,
            course_id=self.course_id,
            grade_scale=self.grade_scale,
            language=self.language,
            rubric=_text_of(self.rubric_file),
        )

    def execution(self) -> Execution:
        """How the request is sent, and how long the run is followed."""
        return Execution(
            url=self.url,
            llm_url=self.llm_url,
            out=self.out,
            transport=self.transport,
            kafka=self._kafka() if self.transport == "kafka" else None,
            await_completion=self.await_completion,
            completion_timeout=self.completion_timeout,
            force_reupload=self.force_reupload,
        )

    def _kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self.kafka_bootstrap,
            client_id=self.kafka_client_id,
            topic_prefix=self.kafka_topic_prefix,
        )


def _text_of(file: Path | None) -> str | None:
    return None if file is None else read_document(file).text
