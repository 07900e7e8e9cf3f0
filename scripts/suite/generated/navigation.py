"""The navigation of the documentation site: known pages in the order of reading, then the others by name."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from suite.generated.site import pages_of

CONFIGURATION: Final = Path("zensical.toml")
BEGIN: Final = "# nav: written by cj-suite generate"
END: Final = "# nav: end"

SECTIONS: Final = {
    "how-to": "How to",
    "operations": "How to",
    "operations/kubernetes": "How to",
    "reference": "Reference",
    "explanation": "Explanation",
    "packages": "Packages",
    "project": "Project",
}
ORDER: Final = [
    "give-a-provider-its-key",
    "add-an-endpoint",
    "register-anchors",
    "rotate-a-key",
    "replay-dead-letters",
    "scale-out",
    "back-up-and-restore",
    "upgrade",
    "forget-a-batch",
    "watch-the-suite",
    "alerts",
    "logs",
    "runner-runbook",
    "commands",
    "settings",
    "http",
    "events",
    "topics",
    "errors",
    "metrics",
    "log-events",
    "why-comparative-judgement",
    "measurement",
    "measurement.sv",
    "architecture",
    "promises",
    "why-these-guarantees",
    "scaling",
    "privacy",
    "cj_assessment",
    "llm_provider",
    "batch_conductor",
    "batch_runner",
    "admin_cli",
    "suite",
    "command_line",
    "service_kit",
    "event_contracts",
    "README",
    "CHANGELOG",
    "CONTRIBUTING",
]


def configuration(root: Path) -> str:
    """The site's configuration with the navigation of the pages that there are."""
    text = (root / CONFIGURATION).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + "\n".join([BEGIN, *_navigation(root), END]) + rest.partition(END)[2]


def _navigation(root: Path) -> Iterable[str]:
    sections: dict[str, list[Path]] = {title: [] for title in SECTIONS.values()}
    for page in map(Path, pages_of(root).values()):
        if title := SECTIONS.get(page.parent.as_posix()):
            sections[title].append(page)
    yield "nav = ["
    yield '  { "Home" = "index.md" },'
    yield '  { "Tutorial" = "tutorial/ten-minutes.md" },'
    for title, pages in sections.items():
        yield f"  {{ {json.dumps(title)} = ["
        yield from (f"    {json.dumps(page.as_posix())}," for page in sorted(pages, key=_place))
        yield "  ] },"
        if title == "Explanation":
            yield '  { "Decisions" = "decisions/README.md" },'
    yield "]"


def _place(page: Path) -> tuple[int, str]:
    """Where a page stands in its section."""
    known = page.stem in ORDER and page.parent.name != "kubernetes"
    return (ORDER.index(page.stem) if known else len(ORDER), page.as_posix())
