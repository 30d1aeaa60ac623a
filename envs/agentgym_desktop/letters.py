"""Text documents that an agent has left (ODT), read for a judge; see `documents` for what is guaranteed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agentgym_desktop.documents import MAX_CELLS, Read, RefusedError
from agentgym_desktop.opendocument import TEXT, Archive, Node, Styles, int_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_TABLES = 200


class Run(NamedTuple):
    """A stretch of a paragraph that looks the same."""

    text: str
    style: Mapping[str, str]
    """What is said of its looks, as in ``{"font-weight": "bold"}``."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph or heading."""

    text: str
    level: int = 0
    """Of a heading, from 1; 0 where it is none."""
    style_name: str = ""
    """As people see it: ``Heading 1``, ``Text Body``."""
    style: Mapping[str, str] = field(default_factory=dict)
    """What is said of its looks, as in ``{"text-align": "center"}``."""
    runs: tuple[Run, ...] = ()
    listed: str = ""
    """"bullet" or "number" where it is an item of a list."""

    def looks(self, words: str) -> Mapping[str, str] | None:
        """Return the looks that all letters of some words have in common; None where they are not in it."""
        start = self.text.find(words)
        if start < 0 or not words:
            return None
        end, at = start + len(words), 0
        common: dict[str, str] | None = None
        for run in self.runs:
            if at < end and at + len(run.text) > start:
                here = {**self.style, **run.style}
                common = (
                    here if common is None else {key: value for key, value in common.items() if here.get(key) == value}
                )
            at += len(run.text)
        return common or {}


@dataclass(frozen=True)
class Letter:
    """A text document."""

    paragraphs: tuple[Paragraph, ...]
    """In document order, those within lists included, those within tables not."""
    tables: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """Each as rows of texts."""
    header: str = ""
    footer: str = ""
    """Of the first page style that has one."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What its paragraphs say."""
        return tuple(paragraph.text for paragraph in self.paragraphs)

    def paragraph(self, text: str) -> Paragraph | None:
        """Return the first paragraph that says just this."""
        return next((each for each in self.paragraphs if each.text.strip() == text), None)


def read_letter(content: bytes | None) -> Read[Letter]:
    """Read a text document.

    Args:
        content: of the ODT file; None where there is none.
    """
    try:
        archive = Archive(content, TEXT)
        root = archive.tree("content.xml")
        try:
            more = archive.tree("styles.xml")
        except RefusedError:
            more = Node("", {})
        reader = _Reader(Styles(more, root))
        body = root.only("office:body").only("office:text")
        paragraphs = tuple(reader.paragraphs(body))
        tables = tuple(_rows(table) for table, _ in zip(_tables(body), range(MAX_TABLES), strict=False))
        return Read(Letter(paragraphs, tables, _margin(more, "style:header"), _margin(more, "style:footer")))
    except RefusedError as error:
        return Read(None, str(error))


class _Reader:
    def __init__(self, styles: Styles) -> None:
        self._styles = styles

    def paragraphs(self, node: Node, listed: str = "") -> Iterator[Paragraph]:
        for each in node.nodes:
            if each.tag in {"text:p", "text:h"}:
                yield self._paragraph(each, listed)
            elif each.tag == "text:list":
                yield from self.paragraphs(
                    each, listed or self._styles.numbered(each.get("text:style-name")) or "bullet"
                )
            elif each.tag not in {"table:table", "text:tracked-changes"}:
                yield from self.paragraphs(each, listed)

    def _paragraph(self, node: Node, listed: str) -> Paragraph:
        name = node.get("text:style-name")
        level = max(1, int_of(node, "text:outline-level", 1)) if node.tag == "text:h" else 0
        runs = tuple(self._runs(node, {}))
        text = "".join(run.text for run in runs)
        style = self._styles.properties("paragraph", name)
        return Paragraph(text, level, self._styles.named("paragraph", name), style, runs, listed)

    def _runs(self, node: Node, style: Mapping[str, str]) -> Iterator[Run]:
        for child in node.children:
            if isinstance(child, Node) and child.tag in {"text:span", "text:a"}:
                more = self._styles.properties("text", child.get("text:style-name"))
                yield from self._runs(child, {**style, **more})
            else:
                text = text_of(Node("", {}, [child]))
                if text:
                    yield Run(text, style)


def _tables(node: Node) -> Iterator[Node]:
    """Return the tables that are in no other."""
    for each in node.nodes:
        if each.tag == "table:table":
            yield each
        else:
            yield from _tables(each)


def _own(node: Node, *tags: str) -> Iterator[Node]:
    """Return what is below a node and has one of some tags, but not what is in a table below it."""
    for each in node.nodes:
        if each.tag in tags:
            yield each
        if each.tag != "table:table":
            yield from _own(each, *tags)


def _rows(table: Node) -> tuple[tuple[str, ...], ...]:
    rows = []
    cells = 0
    for row in _own(table, "table:table-row"):
        texts = tuple(
            "\n".join(text_of(each) for each in _own(cell, "text:p", "text:h"))
            for cell in row.nodes
            if cell.tag == "table:table-cell"
        )
        cells += len(texts)
        if cells > MAX_CELLS:
            raise RefusedError("a table has too many cells")
        rows.append(texts)
    return tuple(rows)


def _margin(styles: Node, tag: str) -> str:
    found = next(styles.every(tag), None)
    return "\n".join(text_of(each) for each in found.every("text:p", "text:h")) if found is not None else ""
