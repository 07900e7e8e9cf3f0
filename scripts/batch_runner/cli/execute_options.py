"""The options of cj-run execute that no other command has."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from event_contracts import OutputVerbosity, ReasoningEffort

Essays = Annotated[
    Path | None,
    typer.Argument(help="A folder of essays as for plan; left out with --resume."),
]
TransportOption = Annotated[
    Literal["http", "kafka", "embedded"],
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
