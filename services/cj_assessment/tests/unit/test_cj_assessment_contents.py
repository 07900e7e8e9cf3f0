"""What was fetched is given as it is, or refused with the reason: never repaired, never taken for something else."""

import pytest
from cj_assessment.domain.contents import Fetched
from event_contracts import ContentServiceError, ErrorCode, InvalidRequest, NotFound

FETCHED = Fetched(
    bodies={"text": "åäö".encode(), "binary": b"\xff\xfe", "nul": b"a\x00b"},
    failures={"away": "connection refused"},
    too_long=frozenset({"long"}),
)


def test_a_text_is_given_as_it_was_stored() -> None:
    assert FETCHED.text_of("text", name="judge rubric") == "åäö"
    assert FETCHED.body_of("binary", name="content") == b"\xff\xfe"


@pytest.mark.parametrize(("storage_id", "reason"), [("binary", "not UTF-8"), ("nul", "NUL characters")])
def test_bytes_that_are_not_text_are_refused_and_not_repaired(storage_id: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"the judge rubric .*{reason}"):
        FETCHED.text_of(storage_id, name="judge rubric")


def test_what_is_too_long_is_reported_as_too_long() -> None:
    with pytest.raises(InvalidRequest, match="the judge rubric is too long") as refused:
        FETCHED.text_of("long", name="judge rubric")

    assert refused.value.details["code"] == ErrorCode.CONTENT_TOO_LONG


def test_what_is_unknown_and_what_is_out_of_reach_are_told_apart() -> None:
    with pytest.raises(NotFound, match="no judge rubric is stored under 'other'"):
        FETCHED.body_of("other", name="judge rubric")
    with pytest.raises(ContentServiceError, match="the judge rubric cannot be fetched: connection refused"):
        FETCHED.body_of("away", name="judge rubric")
