"""The sample assignment with fewer essays, for tests that run many commands on it."""

import shutil
from pathlib import Path
from typing import Final

SAMPLE: Final = Path(__file__).parents[1] / "sample_assignment"
ESSAYS: Final = 8


def copy_sample(folder: Path) -> None:
    """Copy the sample assignment, all its anchors and ``ESSAYS`` of its essays into a new folder."""
    kept = sorted(path.name for path in (SAMPLE / "essays").iterdir())[:ESSAYS]

    def left_out(parent: str, names: list[str]) -> list[str]:
        return [name for name in names if name not in kept] if Path(parent).name == "essays" else []

    shutil.copytree(SAMPLE, folder, ignore=left_out)
