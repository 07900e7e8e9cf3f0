"""Starting a program."""

import sys
from pathlib import Path

import pytest
from service_kit.starting import start

PROGRAM = """
import gc

collecting = [gc.isenabled()]

def main():
    collecting.append(gc.isenabled())
"""


def test_garbage_is_collected_when_the_program_runs_and_not_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "started_program.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    start("started_program")

    assert sys.modules.pop("started_program").collecting == [False, True]
