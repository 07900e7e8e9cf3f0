"""Parsing XML of unknown origin: bounded in size, depth and elements, without document type declarations.

Tags and attributes carry a short prefix for their namespace ("w:p"), so that documents of the strict and
the transitional kind look the same to a reader.
"""

from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from batch_runner.reading.bounds import MAX_DEPTH, MAX_ELEMENTS
from batch_runner.reading.errors import UnreadableDocument

_SEPARATOR: Final = "\n"


class Node(Element):
    """An element that is found by prefixed tags, which the standard library would look up among its namespaces."""

    def find(self, path: str, namespaces: dict[str, str] | None = None) -> Element | None:
        """The first element at the end of a path of children."""
        tag, _, rest = path.partition("/")
        for child in self:
            if child.tag == tag:
                found = child.find(rest, namespaces) if rest else child
                if found is not None:
                    return found
        return None

    def findall(self, path: str, _: dict[str, str] | None = None) -> list[Element]:
        """The children with a tag."""
        return [child for child in self if child.tag == path]


def parse_xml(content: bytes, prefixes: Mapping[str, str], *, part: str) -> Element:
    """The root of a part; a namespace without a prefix becomes "?". Raises ``UnreadableDocument``."""
    return _Parser(prefixes, part).parse(content)


class _Parser:
    def __init__(self, prefixes: Mapping[str, str], part: str) -> None:
        self.prefixes = prefixes
        self.part = part
        self.names: dict[str, str] = {}
        self.builder = TreeBuilder(element_factory=Node)
        self.depth = 0
        self.elements = 0

    def parse(self, content: bytes) -> Element:
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.builder.data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            parser.Parse(content, True)
            root: Element = self.builder.close()
        except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
            raise UnreadableDocument(
                f"its part {self.part} is damaged ({error}); open it in its program and save it again"
            ) from error
        return root

    def _name(self, name: str) -> str:
        known = self.names.get(name)
        if known is None:
            uri, separator, local = name.rpartition(_SEPARATOR)
            known = f"{self.prefixes.get(uri, '?')}:{local}" if separator else local
            self.names[name] = known
        return known

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableDocument(
                f"its part {self.part} nests more than {MAX_DEPTH} elements; save it again"
            )
        if self.elements > MAX_ELEMENTS:
            raise UnreadableDocument(
                f"its part {self.part} has more than {MAX_ELEMENTS} elements; submit the text alone"
            )
        self.builder.start(self._name(name), {self._name(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(self._name(name))

    def _refuse_doctype(self, *_: object) -> None:
        raise UnreadableDocument(f"its part {self.part} declares a document type, which no essay needs")
