"""The parts of a Word document and how they refer to each other."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from xml.etree.ElementTree import Element

from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.packages import Package
from batch_runner.reading.xml_parts import parse_xml

_TRANSITIONAL: Final = "http://schemas.openxmlformats.org"
_STRICT: Final = "http://purl.oclc.org/ooxml"
PREFIXES: Final = {
    f"{_TRANSITIONAL}/wordprocessingml/2006/main": "w",
    f"{_STRICT}/wordprocessingml/main": "w",
    f"{_TRANSITIONAL}/officeDocument/2006/math": "m",
    f"{_STRICT}/officeDocument/math": "m",
    f"{_TRANSITIONAL}/officeDocument/2006/relationships": "r",
    f"{_STRICT}/officeDocument/relationships": "r",
    f"{_TRANSITIONAL}/drawingml/2006/main": "a",
    f"{_STRICT}/drawingml/main": "a",
    f"{_TRANSITIONAL}/drawingml/2006/wordprocessingDrawing": "wp",
    f"{_STRICT}/drawingml/wordprocessingDrawing": "wp",
    f"{_TRANSITIONAL}/drawingml/2006/picture": "pic",
    f"{_STRICT}/drawingml/picture": "pic",
    f"{_TRANSITIONAL}/drawingml/2006/chart": "c",
    f"{_STRICT}/drawingml/chart": "c",
    "http://schemas.microsoft.com/office/drawing/2014/chartex": "c",
    f"{_TRANSITIONAL}/drawingml/2006/diagram": "dgm",
    f"{_STRICT}/drawingml/diagram": "dgm",
    f"{_TRANSITIONAL}/markup-compatibility/2006": "mc",
    f"{_TRANSITIONAL}/package/2006/relationships": "rel",
    "http://schemas.microsoft.com/office/word/2010/wordml": "w14",
    "urn:schemas-microsoft-com:vml": "v",
    "urn:schemas-microsoft-com:office:office": "o",
    "http://purl.org/dc/elements/1.1/": "dc",
    f"{_TRANSITIONAL}/package/2006/metadata/core-properties": "cp",
    "http://www.w3.org/XML/1998/namespace": "xml",
}
KIND: Final = "a Word document"


@dataclass(frozen=True, slots=True)
class Relation:
    """A reference from one part to another: the last word of its type, and the other's name."""

    kind: str
    target: str


class WordPackage:
    """A Word document's parts, found by what refers to them. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._parts = Package(path, kind=KIND)

    def __enter__(self) -> Self:
        self._parts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.__exit__(kind, error, trace)

    def main_part(self) -> str:
        """The name of the part with the text."""
        for relation in self.relations("").values():
            if relation.kind == "officeDocument":
                return relation.target
        raise UnreadableDocument(
            f"not {KIND} that can be opened: no part of it is the text; save it again in Word"
        )

    def relations(self, part: str) -> dict[str, Relation]:
        """What a part ("" the whole package) refers to, by the references' ids."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path not in self._parts.names:
            return {}
        found = {}
        for relation in self.parse(path).iter("rel:Relationship"):
            target = relation.get("Target", "")
            inside = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            kind = relation.get("Type", "").rpartition("/")[2]
            found[relation.get("Id", "")] = Relation(kind, posixpath.normpath(inside))
        return found

    def parse(self, part: str) -> Element:
        """The root of a part."""
        return parse_xml(self._parts.read(part), PREFIXES, part=part)

    def parts_of(self, relations: dict[str, Relation], *kinds: str) -> Iterator[tuple[str, Element]]:
        """Every part that is referred to as one of these kinds and is there, with its name."""
        targets = dict.fromkeys(relation.target for relation in relations.values() if relation.kind in kinds)
        for target in targets:
            if target in self._parts.names:
                yield target, self.parse(target)
