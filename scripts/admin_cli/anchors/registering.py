"""What registering anchors changes: each is new, replaced, moved to another label, or as it was."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from event_contracts import AdminAnchors, AnchorView, InstructionView, InvalidRequest, NotFound, SuiteError

from admin_cli.anchors.anchor_file import AnchorFile
from admin_cli.client import AdminClient, part

INSTRUCTIONS = "/admin/v1/assessment-instructions/assignment"


class Change(StrEnum):
    """What became of an anchor."""

    NEW = "new"
    REPLACED = "replaced"
    MOVED = "moved"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Registered:
    """An anchor that is on record now, and what changed; ``moved_from`` is its text's earlier label."""

    view: AnchorView
    change: Change
    moved_from: str | None = None


def scale_of(service: AdminClient, assignment_id: str, given: str | None) -> str:
    """The assignment's scale; before it has instructions, the one that is given. Raises ``InvalidRequest``."""
    try:
        found = service.ask(InstructionView, "GET", f"{INSTRUCTIONS}/{part(assignment_id)}").grade_scale
    except NotFound as error:
        if given is None:
            raise NotFound(
                f"assignment {assignment_id} has no instructions that name a scale: cj-admin instructions create"
                " first, or say --grade-scale"
            ) from error
        return given
    if given not in (None, found):
        raise InvalidRequest(f"assignment {assignment_id} is graded on {found}, not on {given}")
    return found


def anchors_of(service: AdminClient, assignment_id: str) -> AdminAnchors:
    """The anchors on record."""
    return service.ask(AdminAnchors, "GET", f"/admin/v1/anchors/assignment/{part(assignment_id)}")


def register_all(
    service: AdminClient, anchors: Iterable[AnchorFile], before: AdminAnchors
) -> Iterator[Registered]:
    """Register one after the other; an error names its file, and what came before it stays: repeating is safe."""
    known = {one.anchor_label: one for one in before.anchors}
    for done, anchor in enumerate(anchors):
        try:
            view = service.ask(AnchorView, "POST", "/api/v1/anchors/register", body=anchor.registration)
        except SuiteError as error:
            error.message = (
                f"{anchor.file}: {error.message} ({done} before it are registered; repeating is safe)"
            )
            raise
        yield _registered(view, known)


def _registered(view: AnchorView, known: Mapping[str, AnchorView]) -> Registered:
    same_label = known.get(view.anchor_label)
    same_text = next((one for one in known.values() if one.storage_id == view.storage_id), None)
    if same_label and (same_label.storage_id, same_label.grade) == (view.storage_id, view.grade):
        return Registered(view, Change.UNCHANGED)
    if same_text and same_text.anchor_label != view.anchor_label:
        return Registered(view, Change.MOVED, moved_from=same_text.anchor_label)
    return Registered(view, Change.REPLACED if same_label else Change.NEW)
