"""A prompt or a rubric belongs to an assignment that has instructions, and is given as it was stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from cj_assessment.adapters.content import LocalContent
from cj_assessment.domain.contents import MAX_CONTENT_BYTES, Fetched
from cj_assessment.ports.administration import Owner
from cj_assessment.tests.memory.administration import MemoryAdministration
from cj_assessment.tests.memory.store import MemoryStore
from cj_assessment.use_cases.administration.read_student_prompt import ReadStudentPrompt
from cj_assessment.use_cases.administration.save_instructions import SaveInstructions
from cj_assessment.use_cases.administration.save_student_prompt import SaveStudentPrompt
from event_contracts import InstructionUpsert, InvalidRequest, NotFound, StudentPromptUpload

UPSERT = InstructionUpsert(
    assignment_id="task", instructions_text="Compare the two texts.", grade_scale="swedish_8_anchor"
)
UPLOAD = StudentPromptUpload(assignment_id="task", prompt_text="Write about cars.")


@dataclass
class Office:
    """The use cases on stores in memory."""

    administration: MemoryAdministration = field(default_factory=MemoryAdministration)
    content: LocalContent = field(default_factory=lambda: LocalContent(MemoryStore()))

    def __post_init__(self) -> None:
        self.save = SaveInstructions(administration=self.administration)
        self.upload = SaveStudentPrompt(administration=self.administration, content=self.content)
        self.read = ReadStudentPrompt(administration=self.administration, content=self.content)


@dataclass
class DeletingMeanwhile:
    """A content store during whose work an assignment's instructions are deleted."""

    administration: MemoryAdministration

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:  # noqa: ARG002 - the port's
        raise AssertionError("nothing is fetched")

    async def store(self, body: bytes) -> str:  # noqa: ARG002 - the port's
        await self.administration.delete(Owner(assignment_id="task"), by="another")
        return "kept"


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_prompt_that_is_too_long_is_reported_as_too_long(office: Office) -> None:
    storage_id = await office.content.store(b"x" * (MAX_CONTENT_BYTES + 1))
    await office.save(UPSERT.model_copy(update={"student_prompt_storage_id": storage_id}), by="admin")

    with pytest.raises(InvalidRequest, match="the student prompt is too long"):
        await office.read("task")


async def test_a_saved_prompt_is_read_again(office: Office) -> None:
    await office.save(UPSERT, by="admin")

    saved = await office.upload(UPLOAD, by="admin")

    assert await office.read("task") == saved
    assert saved.text == UPLOAD.prompt_text
    assert [one.by for one in await office.administration.changes(before=None, limit=10)] == ["admin"] * 2


async def test_a_prompt_without_instructions_is_refused(office: Office) -> None:
    with pytest.raises(NotFound, match="no instructions exist for assignment task"):
        await office.upload(UPLOAD, by="admin")


async def test_a_prompt_whose_instructions_are_deleted_meanwhile_is_refused(office: Office) -> None:
    await office.save(UPSERT, by="admin")
    upload = SaveStudentPrompt(
        administration=office.administration, content=DeletingMeanwhile(office.administration)
    )

    with pytest.raises(NotFound, match="no longer has instructions"):
        await upload(UPLOAD, by="admin")
