"""The file of rules is checked before it is used, and each problem names its place."""

from pathlib import Path

import pytest
from batch_conductor.adapters.pipelines_file import load_pipelines, pipelines_schema
from batch_conductor.settings import PIPELINES
from event_contracts import ConfigurationError
from jsonschema import Draft202012Validator
from yaml import safe_load

TEXT = PIPELINES.read_text("utf-8")


def changed(folder: Path, old: str, new: str) -> Path:
    """The service's own file with one change."""
    assert TEXT.count(old) >= 1
    path = folder / "pipelines.yaml"
    path.write_text(TEXT.replace(old, new, 1), "utf-8")
    return path


def test_the_services_own_file_fits_its_schema_and_its_rules() -> None:
    Draft202012Validator(pipelines_schema()).validate(safe_load(TEXT))

    assert load_pipelines(PIPELINES).steps


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("depends_on: [spellcheck]", "depends_on: [ai_feedback]", "cycle: .*ai_feedback → "),
        ("depends_on: [spellcheck]", "depends_on: [grammar]", r"steps\.2\.depends_on\.0: "),
        ("[essays_ready]", "[moon_is_full]", r"steps\.0\.prerequisites\.0: "),
        ("phases: [student_matching]", "phases: [nlp]", r"steps\.0: student_matching is not in any pipeline"),
        ("phases: [spellcheck]", "phases: [grammar]", r"pipelines\.1\.phases\.0: "),
        ("name: spellcheck", "name: nlp", r"steps\.2\.name: nlp is a duplicate"),
        ("service_name:", "servise_name:", r"steps\.0\.servise_name: "),
        ("version: 1", "version: 1\nversion: 1", "'version' is given twice"),
        ("version: 1", "version: 2", "version: "),
        ("steps:", "steps: [", "is not YAML"),
        ("version: 1", "- 1", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_and_the_place_named(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load_pipelines(changed(tmp_path, old, new))


def test_a_file_that_is_not_there_or_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_pipelines(tmp_path / "none.yaml")

    with pytest.raises(ConfigurationError, match="larger than"):
        load_pipelines(changed(tmp_path, "version: 1", "#" * 300_000))
