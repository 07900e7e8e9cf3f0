"""Every command as an administrator types it, against a running service with its own PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from admin_cli.tests.running import Ended, Program
from batch_runner.artefact.forgetting import SETTINGS
from cj_assessment.tests.building import request
from cj_assessment.tests.serving import Assessment, over_http
from docx import Document
from event_contracts import AssessmentState
from service_kit.tests.tokens import signed_with_secret

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCALE, OTHER_SCALE = "eng5_np_legacy_9_step", "eng5_np_national_9_step"
TEXT = "Judge which essay answers the task better."


def essay(number: int) -> str:
    """A text of its own, long enough for an anchor."""
    return f"Essay {number}. " + "Sentences that a judge can weigh against others. " * (3 + number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(make_database: Callable[[str], str]) -> AsyncIterator[Assessment]:
    async with over_http(make_database("admin_cli")) as running:
        yield running


@pytest.fixture
def admin(service: Assessment, tmp_path: Path) -> Program:
    """cj-admin of an administrator."""
    address = str(service.http.base_url)
    return Program(tmp_path, {"CJ_ADMIN_BASE_URL": address, "CJ_ADMIN_TOKEN": signed_with_secret(sub="ada")})


@pytest.fixture
def assignment() -> str:
    return f"assignment-{uuid4()}"


async def done(admin: Program, *arguments: str | Path) -> Ended:
    ended = await admin(*arguments)
    assert ended.code == 0, (arguments, ended.err)
    assert ended.err == "", (arguments, ended.err)
    return ended


async def with_instructions(admin: Program, assignment: str) -> None:
    create = ("instructions", "create", "--assignment-id", assignment, "--grade-scale", SCALE)
    await done(admin, *create, "--instructions-text", TEXT)


async def labels(admin: Program, assignment: str) -> dict[str, str]:
    found = (await done(admin, "anchors", "list", "--assignment-id", assignment, "--json")).json
    return {one["anchor_label"]: one["grade"] for one in found["anchors"]}


@pytest.mark.parametrize("owner", ["assignment", "course"])
async def test_instructions_are_created_listed_shown_and_deleted(admin: Program, owner: str) -> None:
    name = f"{owner}-{uuid4()}"
    file = admin.folder / "instructions.md"
    file.write_text(TEXT)
    of = (f"--{owner}-id", name)

    created = await done(
        admin, "instructions", "create", *of, "--instructions-file", file, "--grade-scale", SCALE, "--json"
    )
    listed = await done(admin, "instructions", "list", "--grade-scale", SCALE, "--page-size", "200", "--json")
    shown = await done(admin, "instructions", "get", *of)
    read = await done(admin, "instructions", "get", *of, "--json")
    deleted = await done(admin, "instructions", "delete", *of, "--json")
    again = await admin("instructions", "get", *of)

    assert created.json["instructions_text"] == TEXT
    assert read.json in listed.json["items"]
    assert name in shown.out
    assert (deleted.json["status"], deleted.json[f"{owner}_id"]) == ("deleted", name)
    assert again.code == 3


async def test_instructions_come_with_their_prompt_in_one_step(admin: Program, assignment: str) -> None:
    create = ("instructions", "create", "--assignment-id", assignment, "--grade-scale", SCALE)
    origin = ("--context-origin", "canonical_national")

    await done(admin, *create, "--instructions-text", TEXT, "--prompt-text", "Skriv om skolan åäö.", *origin)
    prompt = await done(admin, "prompts", "get", "--assignment-id", assignment)
    view = await done(admin, "instructions", "get", "--assignment-id", assignment, "--json")

    assert prompt.out == "Skriv om skolan åäö.\n"
    assert view.json["context_origin"] == "canonical_national"


@pytest.mark.parametrize(("kind", "option"), [("prompts", "prompt"), ("rubrics", "rubric")])
async def test_a_prompt_and_a_rubric_come_back_as_they_were_uploaded(
    admin: Program, assignment: str, kind: str, option: str
) -> None:
    text = "Först det första.\n\nSedan *det andra*, with åäö and “quotes”."
    file, copy = admin.folder / "text.md", admin.folder / "copy.md"
    file.write_text(text)
    of = ("--assignment-id", assignment)
    upload = (kind, "upload", *of, f"--{option}-file", file)

    too_early = await admin(*upload)
    await with_instructions(admin, assignment)
    missing = await admin(kind, "get", *of)
    await done(admin, *upload)
    shown = await done(admin, kind, "get", *of)
    as_json = await done(admin, kind, "get", *of, "--output-file", copy, "--json")

    assert (too_early.code, missing.code) == (3, 3)
    assert shown.out == f"{text}\n"
    assert as_json.json[f"{option}_text"] == text
    assert copy.read_text() == text
    assert copy.stat().st_mode & 0o777 == 0o600


async def test_a_folder_of_anchors_is_graded_by_its_files_names(admin: Program, assignment: str) -> None:
    folder = admin.folder / "anchors"
    folder.mkdir()
    document = Document()
    document.add_paragraph(essay(1))
    document.save(str(folder / "F+1.docx"))
    (folder / "B1.txt").write_text(essay(2))
    (folder / "A.md").write_text(essay(3))
    await with_instructions(admin, assignment)
    load = ("anchors", "import", folder, "--assignment-id", assignment, "--json")

    tried = await done(admin, *load, "--dry-run")
    nothing = await labels(admin, assignment)
    first = await done(admin, *load)
    (folder / "B1.txt").write_text(essay(4))
    (folder / "A.md").rename(folder / "A2.md")
    second = await done(admin, *load)

    assert {one["anchor_label"]: one["grade"] for one in tried.json["anchors"]} == {
        "F+1": "F+",
        "B1": "B",
        "A": "A",
    }
    assert nothing == {}
    assert {one["change"] for one in first.json["anchors"]} == {"new"}
    changes = {one["anchor_label"]: one["change"] for one in second.json["anchors"]}
    assert changes == {"F+1": "unchanged", "B1": "replaced", "A2": "moved"}
    assert await labels(admin, assignment) == {"F+1": "F+", "B1": "B", "A2": "A"}


async def test_a_table_grades_anchors_whose_names_say_nothing(admin: Program, assignment: str) -> None:
    folder = admin.folder / "anchors"
    folder.mkdir()
    for number, name in enumerate(("script-7", "script-9")):
        (folder / f"{name}.txt").write_text(essay(number))
    (folder / "anchors.csv").write_text("ANCHOR-ID;pred_mode_grade\nscript-7;E-\nscript-9;C+\n")

    # No instructions yet: the scale is named.
    load = ("anchors", "import", folder, "--assignment-id", assignment)
    unnamed = await admin(*load)
    await done(admin, *load, "--grade-scale", SCALE)

    assert (unnamed.code, "--grade-scale" in unnamed.err) == (3, True)
    assert await labels(admin, assignment) == {"script-7": "E-", "script-9": "C+"}


async def test_every_file_with_a_problem_is_named_and_none_is_registered(
    admin: Program, assignment: str
) -> None:
    folder = admin.folder / "anchors"
    folder.mkdir()
    texts = {"B1.txt": essay(1), "B2.txt": essay(1), "A1.txt": "too short", "C+1.txt": essay(2)}
    for name, text in texts.items():
        (folder / name).write_text(text)
    await with_instructions(admin, assignment)
    load = ("anchors", "import", folder, "--assignment-id", assignment)

    texts_refused = await admin(*load)
    (folder / "G1.txt").write_text(essay(3))
    (folder / "photo.png").write_bytes(b"\x89PNG")
    names_refused = await admin(*load)

    assert (texts_refused.code, names_refused.code) == (4, 4)
    lines = sorted(texts_refused.err.splitlines())
    assert len(lines) == 2
    assert lines[0].startswith("A1.txt")
    assert lines[1].startswith("B1.txt, B2.txt")
    assert [line.split(":")[0] for line in sorted(names_refused.err.splitlines())] == ["G1.txt", "photo.png"]
    assert await labels(admin, assignment) == {}


async def test_an_anchor_is_replaced_and_deleted(admin: Program, assignment: str) -> None:
    file = admin.folder / "B1.txt"
    file.write_text(essay(1))
    await with_instructions(admin, assignment)
    of = ("--assignment-id", assignment)
    await done(admin, "anchors", "import", file, *of)

    replaced = await done(
        admin, "anchors", "replace", "B1", *of, "--text", essay(2), "--grade", "A", "--json"
    )
    unknown = await admin("anchors", "replace", "B9", *of, "--text", essay(3))
    wrong = await admin("anchors", "replace", "B1", *of, "--text", essay(3), "--grade", "9")
    number = replaced.json["anchor_id"]
    deleted = await done(admin, "anchors", "delete", str(number), "--json")
    again = await admin("anchors", "delete", str(number))

    assert (replaced.json["change"], replaced.json["grade"]) == ("replaced", "A")
    assert (unknown.code, wrong.code, again.code) == (3, 4, 3)
    assert deleted.json["anchor_id"] == number
    assert await labels(admin, assignment) == {}


async def test_the_scale_is_locked_once_there_are_anchors(admin: Program, assignment: str) -> None:
    file = admin.folder / "B1.txt"
    file.write_text(essay(1))
    await with_instructions(admin, assignment)
    await done(admin, "anchors", "import", file, "--assignment-id", assignment)

    create = ("instructions", "create", "--assignment-id", assignment, "--instructions-text", TEXT)
    refused = await admin(*create, "--grade-scale", OTHER_SCALE)
    elsewhere = await admin(
        "anchors", "import", file, "--assignment-id", assignment, "--grade-scale", OTHER_SCALE
    )

    assert (refused.code, elsewhere.code) == (4, 4)
    assert "locked" in refused.err


async def test_scales_and_the_audit_are_shown(admin: Program, assignment: str) -> None:
    await with_instructions(admin, assignment)

    scales = await done(admin, "scales", "--json")
    audit = await done(admin, "audit", "--limit", "1", "--json")
    older = await done(admin, "audit", "--before", str(audit.json["items"][0]["id"]), "--json")
    shown = await done(admin, "audit")

    assert SCALE in {one["id"] for one in scales.json["scales"]}
    assert [(one["by"], one["operation"]) for one in audit.json["items"]] == [("ada", "instructions.save")]
    assert all(one["id"] < audit.json["items"][0]["id"] for one in older.json["items"])
    assert "instructions.save" in shown.out


async def finished_batch(service: Assessment, batch_id: str | None = None) -> str:
    texts: dict[str, str | bytes] = {f"e{n}": essay(n) for n in range(4)}
    envelope = request(await service.store_all(texts), batch_id=batch_id, hints={"max_comparisons": 4})
    await service.accept(envelope)
    name: str = envelope.data.entity_id
    await service.until_ended(name)
    return name


async def test_batches_are_listed_shown_and_paged(admin: Program, service: Assessment) -> None:
    batches = [await finished_batch(service) for _ in range(3)]

    first = await done(admin, "batches", "list", "--limit", "2", "--json")
    cursor = first.json["next_cursor"]
    second = await done(admin, "batches", "list", "--limit", "1", "--cursor", cursor, "--json")
    running = await done(admin, "batches", "list", "--state", AssessmentState.JUDGING, "--json")
    shown = await done(admin, "batches", "show", batches[0])
    status = await done(admin, "batches", "show", batches[0], "--json")
    unknown = await admin("batches", "show", "no-such-batch")

    listed = [one["batch_id"] for one in (*first.json["items"], *second.json["items"])]
    assert listed == batches[::-1]
    assert batches[0] not in {one["batch_id"] for one in running.json["items"]}
    assert "4 judged" in shown.out
    assert status.json["progress"]["comparisons_judged"] == 4
    assert unknown.code == 3


async def test_a_batch_that_is_judged_can_be_cancelled(admin: Program, service: Assessment) -> None:
    texts: dict[str, str | bytes] = {f"e{n}": essay(n) for n in range(4)}
    envelope = request(await service.store_all(texts), hints={"max_comparisons": 4})
    service.fake_llm.answers_immediately = False
    try:
        await service.accept(envelope)
        ended = await done(admin, "batches", "cancel", envelope.data.entity_id, "--json")
    finally:
        service.fake_llm.answers_immediately = True
    status = await service.until_ended(envelope.data.entity_id)
    again = await admin("batches", "cancel", await finished_batch(service))

    assert ended.json["batch_id"] == envelope.data.entity_id
    assert status.state == AssessmentState.CANCELLED
    assert again.code == 4


async def test_forgetting_a_batch_deletes_the_files_of_its_run_and_no_others(
    admin: Program, service: Assessment
) -> None:
    batch, other = await finished_batch(service, str(uuid4())), str(uuid4())
    runs = admin.folder / "runs"
    for name in (batch, other):
        (runs / name).mkdir(parents=True)
        (runs / name / SETTINGS).write_text("{}")
        (runs / name / "comparisons.csv").write_text("an essay's words")

    ended = await done(admin, "batches", "forget", batch, "--yes", "--wait", "0", "--runs", runs)

    assert "deleted 2 files of its run" in ended.out
    assert [path.name for path in runs.iterdir()] == [other]
    assert len(list((runs / other).iterdir())) == 2


WRONG: Sequence[tuple[str, int]] = (
    ("instructions get", 2),
    ("instructions get --assignment-id a --course-id b", 2),
    ("instructions create --assignment-id a --grade-scale x", 2),
    ("instructions create --assignment-id a --grade-scale x --instructions-text short", 4),
    (
        "instructions create --assignment-id a --grade-scale no_such_scale --instructions-text long_enough_text",
        4,
    ),
    ("instructions create --assignment-id a --grade-scale x --instructions-file missing.txt", 3),
    ("prompts get --assignment-id nobody's", 3),
    ("anchors import missing --assignment-id a --grade-scale eng5_np_legacy_9_step", 3),
    ("anchors delete 999999999", 3),
    ("anchors delete 99999999999999999999999", 3),
    ("batches forget nothing --yes", 3),
    ("batches cancel nothing", 3),
    ("batches export nothing", 3),
    ("batches list --cursor 7-x", 4),
    ("scales --url http://127.0.0.1:9", 1),
    ("scales --url nonsense", 2),
    ("login --url http://127.0.0.1:9", 2),
)


@pytest.mark.parametrize(("command", "code"), WRONG, ids=[command for command, _ in WRONG])
async def test_what_is_wrong_is_one_line_with_its_exit_code(admin: Program, command: str, code: int) -> None:
    ended = await admin(*command.split())

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.count("\n") == 1, ended.err
    assert "Traceback" not in ended.err


async def test_tables_fit_into_eighty_columns(admin: Program, service: Assessment) -> None:
    name = f"assignment-with-a-name-of-more-than-forty-characters-{uuid4()}"
    await with_instructions(admin, name)
    file = admin.folder / "B1.txt"
    file.write_text(essay(1))
    await done(admin, "anchors", "import", file, "--assignment-id", name)
    batch = await finished_batch(service)

    commands = (
        ("instructions", "list"),
        ("instructions", "get", "--assignment-id", name),
        ("anchors", "list", "--assignment-id", name),
        ("anchors", "import", file, "--assignment-id", name, "--dry-run"),
        ("scales",),
        ("audit",),
        ("batches", "list"),
        ("batches", "show", batch),
        ("whoami",),
    )
    outputs = [(await done(admin, *command)).out for command in commands]

    assert max(len(line) for out in outputs for line in out.splitlines()) <= 80


async def test_text_of_others_steers_no_terminal(admin: Program, assignment: str) -> None:
    create = ("instructions", "create", "--assignment-id", assignment, "--grade-scale", SCALE)
    await done(admin, *create, "--instructions-text", "Judge fairly. \x1b[2J[red]and well[/red]")

    shown = await done(admin, "instructions", "get", "--assignment-id", assignment)

    assert "\x1b" not in shown.out
    assert "[red]and well[/red]" in shown.out


async def test_completion_can_be_installed(admin: Program) -> None:
    shown = await admin.with_variables(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")(
        "--show-completion", "bash"
    )

    assert shown.code == 0, shown.err
    assert "cj-admin" in shown.out
