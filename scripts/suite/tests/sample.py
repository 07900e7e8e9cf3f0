"""The sample assignment with fewer essays, for tests that run many commands on it."""

import re
import shutil
from pathlib import Path
from typing import Final

SAMPLE: Final = Path(__file__).parents[1] / "sample_assignment"
KEPT: Final = 8
_ESSAY: Final = re.compile(r"^\[\[essays\]\]\nid = .*\nfile = \"(.*)\"\n+", re.MULTILINE)


def copy_sample(folder: Path) -> None:
    """Copy the sample assignment with all its anchors and ``KEPT`` of its essays into a new folder."""
    shutil.copytree(SAMPLE, folder)
    description = folder / "assignment.toml"
    text = description.read_text("utf-8")
    for essay in list(_ESSAY.finditer(text))[KEPT:]:
        text = text.replace(essay[0], "")
        (folder / essay[1]).unlink()
    description.write_text(text, encoding="utf-8")
