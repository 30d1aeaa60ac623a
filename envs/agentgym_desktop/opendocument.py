"""OpenDocument files, read for a judge: sheets and texts (https://docs.oasis-open.org/office/OpenDocument/v1.3/).

A file is a zip archive of XML parts. It is read as in `documents`: no part that unpacks to more than `MAX_PART`, not
more than `MAX_UNPACKED` and `MAX_NODES` of all that are read, however often; no document type and hence no entities,
no tree deeper than `MAX_DEPTH`, and nothing that repeats itself without end is written out. Libraries that read these
files leave one of these open.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from agentgym_desktop.documents import RefusedError, within_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PARTS = 2_000  # of an archive
MAX_PART = 8_000_000  # bytes of one, unpacked
MAX_UNPACKED = 24_000_000  # bytes of all parts that are read
MAX_NODES = 300_000  # of all parts that are read
MAX_DEPTH = 100
MAX_ATTRIBUTES = 100  # of an element
MAX_STYLES = 5_000  # that are looked up
MAX_PARENTS = 20  # of a style
MAX_SPACES = 100  # that one element stands for
PACKED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # as the format has it; others may take any memory
SHEET, TEXT = "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.text"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_PREFIXES = {
    f"{_OASIS}office:1.0": "office", f"{_OASIS}table:1.0": "table", f"{_OASIS}text:1.0": "text",
    f"{_OASIS}style:1.0": "style", f"{_OASIS}drawing:1.0": "draw", f"{_OASIS}chart:1.0": "chart",
    f"{_OASIS}xsl-fo-compatible:1.0": "fo", "http://www.w3.org/1999/xlink": "xlink",
}  # fmt: skip
PROPERTIES = ("style:text-properties", "style:paragraph-properties", "style:table-cell-properties")


@dataclass(slots=True)
class Node:
    """An element of XML."""

    tag: str
    """With its usual prefix, as in ``table:table-cell``."""
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def nodes(self) -> Iterator[Node]:
        """Its children that are elements."""
        return (child for child in self.children if isinstance(child, Node))

    def get(self, name: str) -> str:
        """Return an attribute; "" where there is none."""
        return self.attributes.get(name, "")

    def every(self, *tags: str) -> Iterator[Node]:
        """Return itself and all below it that have one of some tags, in document order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.tag in tags:
                yield node
            waiting += reversed(list(node.nodes))

    def only(self, tag: str) -> Node:
        """Return its first child of a tag, or an empty one."""
        return next((child for child in self.nodes if child.tag == tag), Node(tag, {}))


class Archive:
    """An OpenDocument file.

    Args:
        content: of the file; None where there is none.
        kind: which media type it must say of itself.

    Raises:
        RefusedError: it is none.
    """

    def __init__(self, content: bytes | None, kind: str) -> None:
        content = within_size(content)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise RefusedError("the file is no OpenDocument: it is no zip archive") from error
        self._bytes_left, self._nodes_left = MAX_UNPACKED, MAX_NODES
        if len(self._zip.infolist()) > MAX_PARTS:
            raise RefusedError(f"the file has more than {MAX_PARTS} parts")
        if self.part("mimetype").strip() != kind.encode():
            raise RefusedError(f"the file is no {kind}")

    def part(self, name: str) -> bytes:
        """Return a part, unpacked.

        Raises:
            RefusedError: there is none, or it cannot be unpacked, or is too big.
        """
        try:
            info = self._zip.getinfo(name)
        except KeyError as error:
            raise RefusedError(f"the file has no part {name!r}") from error
        if info.compress_type not in PACKED:
            raise RefusedError(f"the file's part {name!r} is packed in a way that OpenDocument does not have")
        try:
            with self._zip.open(info) as file:
                content = file.read(min(MAX_PART, self._bytes_left) + 1)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError) as error:
            raise RefusedError(f"the file's part {name!r} cannot be unpacked") from error
        if len(content) > MAX_PART:
            raise RefusedError(f"the file's part {name!r} has more than {MAX_PART} bytes")
        if len(content) > self._bytes_left:
            raise RefusedError(f"the file's parts have more than {MAX_UNPACKED} bytes")
        self._bytes_left -= len(content)
        return content

    def tree(self, name: str) -> Node:
        """Return a part that is XML.

        Raises:
            RefusedError: as for `part`, or it is no XML.
        """
        builder = _Builder(name, self._nodes_left)
        try:
            return builder.build(self.part(name))
        finally:
            self._nodes_left = builder.nodes_left


class _Builder:
    """Builds the tree of a part.

    Args:
        name: the part's.
        nodes_left: how many elements it may have.
    """

    def __init__(self, name: str, nodes_left: int) -> None:
        self.nodes_left = nodes_left
        self._name = name
        self._root = Node("", {})
        self._open = [self._root]

    def build(self, content: bytes) -> Node:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._refuse
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, RefusedError):
                raise
            raise RefusedError(f"the file's part {self._name!r} is no XML") from error
        return next(self._root.nodes)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.nodes_left -= 1
        if self.nodes_left < 0 or len(self._open) > MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            raise RefusedError(f"the file's part {self._name!r} has too many elements")
        node = Node(_short(tag), {_short(name): value for name, value in attributes.items()})
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].children.append(text)

    def _refuse(self, *_: object) -> int:
        raise RefusedError(f"the file's part {self._name!r} declares a document type")


def _short(name: str) -> str:
    space, _, local = name.rpartition("}")
    return f"{_PREFIXES.get(space, '?')}:{local}"


class Styles:
    """The styles of a file: what is said of a name, by itself or by those that it comes from."""

    def __init__(self, *roots: Node) -> None:
        self._styles: dict[tuple[str, str], Node] = {}
        self._lists: dict[str, Node] = {}
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        for root in roots:
            for style in root.every("style:style"):
                self._styles[style.get("style:family"), style.get("style:name")] = style
            for style in root.every("text:list-style"):
                self._lists[style.get("style:name")] = style

    def properties(self, family: str, name: str) -> Mapping[str, str]:
        """Return what a style says: ``{"font-weight": "bold", ...}``."""
        if (family, name) not in self._known:
            if len(self._known) >= MAX_STYLES:
                raise RefusedError(f"the file has more than {MAX_STYLES} styles")
            found: dict[str, str] = {}
            for style in self._chain(family, name):
                for part in style.nodes:
                    if part.tag in PROPERTIES:
                        for key, value in part.attributes.items():
                            found.setdefault(key.partition(":")[2], value)
            self._known[family, name] = found
        return self._known[family, name]

    def named(self, family: str, name: str) -> str:
        """Return the name that people see of a style: of its nearest one that has been given a name."""
        for style in self._chain(family, name):
            if style.get("style:display-name"):
                return style.get("style:display-name")
            name = style.get("style:name") if not style.get("style:parent-style-name") else name
        return name

    def numbered(self, name: str) -> str:
        """Return "number" or "bullet" by what a list's first level has; "" where it is not known."""
        for level in self._lists.get(name, Node("", {})).nodes:
            if level.get("text:level") == "1":
                return {"text:list-level-style-number": "number", "text:list-level-style-bullet": "bullet"}.get(
                    level.tag, ""
                )
        return ""

    def _chain(self, family: str, name: str) -> Iterator[Node]:
        for _ in range(MAX_PARENTS):
            style = self._styles.get((family, name))
            if style is None:
                return
            yield style
            name = style.get("style:parent-style-name")


def text_of(node: Node) -> str:
    """Return the text of a paragraph as it is read: without notes, comments and what was deleted."""
    parts = []
    for child in node.children:
        if isinstance(child, str):
            parts.append(child)
        elif child.tag == "text:s":
            parts.append(" " * min(int_of(child, "text:c", 1), MAX_SPACES))
        elif child.tag in {"text:tab", "text:line-break"}:
            parts.append("\t" if child.tag == "text:tab" else "\n")
        elif child.tag not in {"text:note", "office:annotation", "text:tracked-changes", "draw:frame"}:
            parts.append(text_of(child))
    return "".join(parts)


def int_of(node: Node, name: str, default: int) -> int:
    """Return an attribute that is a count, or a default where it is none."""
    value = node.get(name)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default
