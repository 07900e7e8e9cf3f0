"""Commands that carry a run out: execute, cancel."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from command_line.errors import WrongOption
from event_contracts import CourseCode

from batch_runner.assignment.contents import Assignment
from batch_runner.assignment.loading import load_assignment
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
    app,
    console,
    exact,
    label_of,
)
from batch_runner.cli.execute_options import (
    AssignmentId,
    AwaitCompletion,
    CompletionTimeout,
    CourseId,
    Effort,
    Essays,
    ExpectedScale,
    ForceReupload,
    KafkaBootstrap,
    KafkaClientId,
    KafkaTopicPrefix,
    Label,
    Language,
    MaxTokens,
    OrgId,
    Relaxed,
    Resume,
    Rubric,
    Scale,
    SystemPrompt,
    TransportOption,
    UserId,
    Verbosity,
)
from batch_runner.cli.executing import Changes, Execution, cancel_run, check_scale, execute_run, resume_run
from batch_runner.cli.run_async import run_async
from batch_runner.planning.judges import judge_panel
from batch_runner.planning.printing import print_names
from batch_runner.reading.anonymity import read_roster
from batch_runner.reading.essays import read_document
from batch_runner.running.request import RunOptions
from batch_runner.running.run_folder import KafkaSettings


@app.command()
def execute(
    folder: Essays = None,
    url: Url = DEFAULT_URL,
    llm_url: LlmUrl = None,
    out: Out = DEFAULT_OUT,
    transport: TransportOption = "http",
    kafka_bootstrap: KafkaBootstrap = "127.0.0.1:9092",
    kafka_client_id: KafkaClientId = "cj-run",
    kafka_topic_prefix: KafkaTopicPrefix = "",
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    judge: Judges = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning_effort: Effort = None,
    verbosity: Verbosity = None,
    system_prompt_file: SystemPrompt = None,
    rubric_file: Rubric = None,
    max_comparisons: MaxComparisons = None,
    max_cost_usd: MaxCost = None,
    target_reliability: Target = None,
    assignment_id: AssignmentId = None,
    course_id: CourseId = None,
    grade_scale: Scale = None,
    expected_grade_scale: ExpectedScale = None,
    language: Language = None,
    roster: Roster = None,
    user_id: UserId = "batch-runner",
    org_id: OrgId = None,
    batch_id: Label = None,
    await_completion: AwaitCompletion = True,
    relaxed: Relaxed = False,
    completion_timeout: CompletionTimeout = None,
    force_reupload: ForceReupload = False,
    resume: Resume = None,
) -> None:
    """Assess a folder of essays: live progress, then the ranking, then the paths of the run's files.

    Ctrl-C leaves a run that --resume continues; cj-run cancel stops its batch. The exit code is then 130.
    """

    def options(assignment: Assignment) -> RunOptions:
        return RunOptions(
            batch_uuid=uuid4(),
            label=label_of(batch_id, assignment),
            provider=provider,
            model=model,
            panel=judge_panel(judge or (), provider=provider, model=model),
            temperature=temperature,
            max_tokens=max_tokens,
            reasoning_effort=reasoning_effort,
            verbosity=verbosity,
            system_prompt=None if system_prompt_file is None else read_document(system_prompt_file).text,
            max_comparisons=max_comparisons,
            max_cost_usd=exact(max_cost_usd),
            target_reliability=target_reliability,
            relaxed=relaxed,
            user_id=user_id,
            org_id=org_id,
        )

    def changes() -> Changes:
        return Changes(
            assignment_id=assignment_id,
            course_id=course_id,
            grade_scale=grade_scale,
            language=language,
            rubric=None if rubric_file is None else read_document(rubric_file).text,
        )

    execution = Execution(
        url=url,
        llm_url=llm_url,
        out=out,
        transport=transport,
        kafka=KafkaSettings(
            bootstrap=kafka_bootstrap, client_id=kafka_client_id, topic_prefix=kafka_topic_prefix
        )
        if transport == "kafka"
        else None,
        await_completion=await_completion,
        completion_timeout=completion_timeout,
        force_reupload=force_reupload,
    )

    async def work() -> None:
        if (folder is None) == (resume is None):
            raise WrongOption("give either a folder of essays, or a run with --resume")
        if resume is not None:
            await resume_run(resume, execution)
        elif folder is not None:
            given = changes()
            assignment = given.applied(
                load_assignment(folder, course=course, ignored=() if roster is None else (roster,))
            )
            check_scale(assignment, expected=expected_grade_scale)
            print_names(assignment, roster=() if roster is None else read_roster(roster), console=console)
            await execute_run(
                assignment,
                options(assignment),
                execution,
                source=folder.resolve(),
                course=course,
                given=given,
            )

    run_async(work)


@app.command()
def cancel(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/<batch uuid>.")],
) -> None:
    """Stop judging the batch of a run: calls in progress are paid for, no further calls are made."""
    run_async(lambda: cancel_run(run))
