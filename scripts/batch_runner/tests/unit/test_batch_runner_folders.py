"""Folders and zips as learning platforms export them: every file is an essay, a system file or a named problem."""

import os
import stat
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from batch_runner.assignment.loading import load_assignment
from batch_runner.reading import bounds, folders, zips
from batch_runner.reading.moodle import Submission, submission
from batch_runner.reading.names import composed, problems_of_ids
from batch_runner.tests.building import folder_of
from event_contracts import InvalidRequest

ESSAY = "An essay."


def ids(path: Path) -> list[str]:
    return [essay.essay_id for essay in load_assignment(path).essays]


def zip_of(path: Path, names: list[str], content: str = ESSAY) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InvalidRequest) as caught:
        load_assignment(path)
    assert "\n" not in caught.value.message
    return caught.value.message


MOODLE = [
    "Anna Ek_1234_assignsubmission_file_/a.txt",
    "Bo Alm_1235_assignsubmission_onlinetext_/onlinetext.html",
]


def test_moodles_folders_are_essays_under_the_students_numbers(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, dict.fromkeys(MOODLE, ESSAY))

    essays = load_assignment(folder).essays

    assert [(essay.essay_id, essay.student, essay.text) for essay in essays] == [
        ("1234", "Anna Ek", ESSAY),
        ("1235", "Bo Alm", ESSAY),
    ]


def test_moodles_files_without_folders_are_essays_too(tmp_path: Path) -> None:
    names = ["Anna Ek_1234_assignsubmission_file_a.txt", "Bo Alm_1235_assignsubmission_file_b.txt"]

    assert ids(folder_of(tmp_path, dict.fromkeys(names, ESSAY))) == ["1234", "1235"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Anna Ek_1234_assignsubmission_file_", Submission("Anna Ek", "1234", "")),
        ("Anna Ek_1234_assignsubmission_file", Submission("Anna Ek", "1234", "")),
        ("Participant_7_assignsubmission_onlinetext_", Submission("Participant", "7", "")),
        ("A_B_1234_assignsubmission_file_my_essay", Submission("A_B", "1234", "my_essay")),
        ("Anna Ek", None),
    ],
)
def test_moodles_names_are_recognised(name: str, expected: Submission | None) -> None:
    assert submission(name) == expected


def test_a_folder_for_each_student_may_have_any_name(tmp_path: Path) -> None:
    assert ids(folder_of(tmp_path, {"anna/e.txt": ESSAY, "bo/deep/e.txt": ESSAY})) == ["anna", "bo"]


def test_a_zip_is_read_as_its_folder_is(tmp_path: Path) -> None:
    plain = zip_of(tmp_path / "class.zip", ["a.txt", "b.txt", "__MACOSX/._a.txt", ".DS_Store"])
    nested = zip_of(tmp_path / "nested.zip", [f"class 9/{name}" for name in MOODLE])

    assert (ids(plain), ids(nested)) == (["a", "b"], ["1234", "1235"])
    assert load_assignment(plain).title == "class"


def test_names_in_a_zip_that_does_not_say_its_encoding_are_read(tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    with ZipFile(path, "w") as archive:
        for name in ("aXsa.txt", "b.txt"):
            archive.writestr(name, ESSAY)
    path.write_bytes(path.read_bytes().replace(b"aXsa.txt", "åsa.txt".encode()))

    assert ids(path) == ["b", "åsa"]


@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        (
            ["one.txt", "two.txt", "Anna Ek_1234_assignsubmission_file_/essay.txt"],
            [
                "Anna Ek_1234_assignsubmission_file_: a folder with 1 file next to essays that lie in no folder"
            ],
        ),
        (
            ["anna/a.txt", "anna/b.txt", "bo/c.txt"],
            ["anna: the folder holds 2 files (a.txt, b.txt); leave the one"],
        ),
        (["anna/a.jpg", "bo/c.txt"], ["anna/a.jpg: a picture; type in what it says"]),
        (
            ["a.txt", "b.txt", "c.jpg", "d.doc"],
            ["c.jpg: a picture", "d.doc: cannot read .doc; save it as one of"],
        ),
        (
            ["Anna_1_assignsubmission_file_/a.txt", "Anna_1_assignsubmission_onlinetext_/b.txt", "x/c.txt"],
            ["essay id used more than once: 1; give each essay its own id"],
        ),
        (["a.txt", "A.md", "b.txt"], ["essay ids that differ only in case or form: 'A', 'a'"]),
        (["Åsa.txt", "Åsa.md", "b.txt"], ["essay id used more than once: Åsa"]),
        (["ﬁn.txt", "fin.md"], ["differ only in case or form"]),
    ],
)
def test_what_is_unclear_is_refused_by_name(tmp_path: Path, files: list[str], reasons: list[str]) -> None:
    found = refusal(folder_of(tmp_path, dict.fromkeys(files, ESSAY)))

    for reason in reasons:
        assert reason in found


def test_an_empty_folder_of_a_student_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"anna/a.txt": ESSAY, "bo/b.txt": ESSAY})
    (folder / "cia").mkdir()

    assert "cia: the folder holds no file; remove it if nothing was handed in" in refusal(folder)


def test_documents_that_are_folders_on_some_computers_are_named(tmp_path: Path) -> None:
    found = refusal(folder_of(tmp_path, {"a.txt": ESSAY, "b.txt": ESSAY, "c.pages/Index.zip": "x"}))

    assert found.startswith("c.pages: a document of Apple's iWork; export it as .docx or PDF")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold names in Unicode")
def test_a_name_that_is_not_utf8_is_refused_with_its_bytes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": ESSAY, "b.txt": ESSAY})
    Path(os.fsdecode(os.fsencode(folder) + b"/\xe5sa.txt")).write_text(ESSAY, "utf-8")

    assert refusal(folder) == r"\xe5sa.txt: the file's name is not UTF-8; rename the file"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_and_a_link_that_leads_nowhere_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": ESSAY, "b.txt": ESSAY})
    os.mkfifo(folder / "c.txt")
    (folder / "d.txt").symlink_to(folder / "nowhere")

    assert "c.txt: not a file that can be read" in refusal(folder)
    assert "d.txt: cannot be read: No such file" in refusal(folder)


def test_more_files_than_a_batch_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FOLDER_FILES", 3)
    monkeypatch.setattr(zips, "MAX_FOLDER_FILES", 3)
    names = [f"{number}.txt" for number in range(5)]

    assert "more than 3 files" in refusal(folder_of(tmp_path / "class", dict.fromkeys(names, ESSAY)))
    assert "holds more than 3 files" in refusal(zip_of(tmp_path / "class.zip", names))


@pytest.mark.parametrize("name", ["../a.txt", "x/../../a.txt", "/a.txt", "C:/a.txt", "..\\a.txt"])
def test_a_zip_that_would_write_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    found = refusal(zip_of(tmp_path / "class.zip", ["b.txt", name]))

    assert "would be written outside the folder" in found


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = ZipInfo("a.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("b.txt", ESSAY)

    assert "a.txt is a link" in refusal(tmp_path / "class.zip")


def test_a_name_that_is_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    found = refusal(zip_of(tmp_path / "class.zip", ["a.txt", "A.txt", "b.txt"]))

    assert "A.txt is in the archive twice" in found


def test_a_zip_that_unpacks_to_too_much_is_refused_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "MAX_UNPACKED_BYTES", 3 * bounds.MEBIBYTE)

    found = refusal(zip_of(tmp_path / "class.zip", ["a.txt", "b.txt"], content="x" * 2 * bounds.MEBIBYTE))

    assert "unpacks to more than 1 MB at b.txt" in found


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text"])
def test_a_damaged_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.zip").write_bytes(content)

    assert refusal(tmp_path / "class.zip").startswith("class.zip: a damaged zip archive")


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "class.zip", ["a.txt", "b.txt"])
    packed = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = packed.index(mark)
        packed[start + place] |= 1
    path.write_bytes(packed)

    assert "a.txt is protected by a password" in refusal(path)


def test_a_file_beside_the_described_essays_is_named(tmp_path: Path) -> None:
    toml = """
    id = "t"
    title = "T"
    course_code = "ENG5"
    language = "en"
    essays = [{ id = "1", file = "students/1.txt" }, { id = "2", file = "students/2.txt" }]
    """
    files = {"assignment.toml": toml, **{f"students/{name}.txt": ESSAY for name in "123"}}

    assert load_assignment(folder_of(tmp_path, files)).left_out == ("students/3.txt",)


def test_what_a_document_does_not_say_in_its_text_is_noted_with_its_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": ESSAY})
    (folder / "b.txt").write_bytes("Åsa går.".encode("cp1252"))

    assert load_assignment(folder).notes == ("b.txt: its encoding is guessed to be Windows-1252",)


@pytest.mark.parametrize("essay_id", ["", ".", "..", "a/b", "x" * 256, "a\u200bb", "a\nb", "\ue000\ufff9"])
def test_an_id_that_the_services_would_not_take_is_refused(essay_id: str) -> None:
    (problem,) = problems_of_ids([(essay_id, "essay.txt")])

    assert problem.startswith("essay.txt: ")
    assert "is not an essay id" in problem


@pytest.mark.parametrize("essay_id", ["one 😀 åäö", "x" * 255, "S01", "=1+1", ".hidden", "a.b"])
def test_an_id_that_the_services_take_is_fine(essay_id: str) -> None:
    assert list(problems_of_ids([(essay_id, "essay.txt")])) == []


def test_names_are_composed() -> None:
    assert composed("A\u030asa") == "Åsa"
