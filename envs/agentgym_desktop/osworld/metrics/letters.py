"""Metrics of text documents (DOCX by python-docx; what is asked of ODT is read from its XML)."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics.archives import checked_document, members_of, parse_xml
from agentgym_desktop.osworld.metrics.colours import colour_difference
from agentgym_desktop.osworld.metrics.registry import UnreadableError, metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.osworld.files import File

MAX_PARAGRAPHS = 50_000
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_LOOKS = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_YELLOW = "#ffff00"


@metric(options="ignore_blanks ignore_case ignore_order content_only fuzzy_match delete_empty_lines")
def compare_docx_files(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two documents of the same format have the same paragraphs, or how alike they are."""
    if result is None or expected is None or not _same_format(result, expected):
        return 0.0
    found, wanted = (_prepared(paragraphs(file), options) for file in (result, expected))
    if options.get("content_only") or options.get("ignore_blanks", True):
        pair = [re.sub(r"\s+", " ", "\n".join(each)).strip() for each in (found, wanted)]
        alike = options.get("content_only") or options.get("fuzzy_match")
        return _ratio(*pair) if alike else float(pair[0] == pair[1])
    if len(found) != len(wanted):
        return 0.0
    if options.get("fuzzy_match"):
        return sum(map(_ratio, found, wanted)) / len(found) if found else 1.0
    return float(found == wanted)


@metric(options="ignore_blanks")
def compare_docx_files_and_ignore_new_lines(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two documents have the same paragraphs, but for empty ones."""
    if result is None:
        return 0.0
    pair = [[text for text in paragraphs(file) if text] for file in (result, expected)]
    if options.get("ignore_blanks", True):
        return float(_flat(pair[0]) == _flat(pair[1]))
    return float(pair[0] == pair[1])


@metric()
def compare_docx_tables(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two documents have the same tables, but for spaces around the texts of cells."""
    if result is None:
        return 0.0
    return float(_tables(result) == _tables(expected))


@metric()
def compare_docx_images(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two documents have the same pictures, pixel by pixel."""
    if result is None:
        return 0.0
    return float(_pictures(result) == _pictures(expected))


@metric()
def compare_line_spacing(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two documents have the same paragraphs with the same distances of lines."""
    if not compare_docx_files(result, expected, {}):
        return 0.0
    found, wanted = (
        [each.paragraph_format.line_spacing for each in _document(file).paragraphs] for file in (result, expected)
    )
    return float(found == wanted)


@metric(options="word_number_split_by_tabstop index")
def check_tabstops(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How near to the expected ones the tab stops of each paragraph are."""
    if result is None:
        return 0.0
    first, second = _document(result), _document(expected)
    found, wanted = ([each for each in one.paragraphs if each.text.strip()] for one in (first, second))
    if len(found) != len(wanted) or not found or not _words_fit(found, options):
        return 0.0
    section = second.sections[0]
    width = section.page_width - section.left_margin - section.right_margin
    off = 0.0
    for one, other in zip(found, wanted, strict=True):
        stops = [_stops(one), _stops(other)]
        if [kind for kind, _ in stops[0]] != [kind for kind, _ in stops[1]]:
            return 0.0
        off += sum(abs(a - b) for (_, a), (_, b) in zip(*stops, strict=True)) / width
    return max(0.0, 1 - off / len(found))


@metric()
def compare_subscript_contains(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Somewhere both documents have letters below the line, at the same place."""
    if result is None:
        return 0.0
    pairs = zip(_document(result).paragraphs, _document(expected).paragraphs, strict=False)
    runs = (pair for one, other in pairs for pair in zip(one.runs, other.runs, strict=False))
    return float(any(one.font.subscript and other.font.subscript for one, other in runs))


@metric()
def has_page_numbers_in_footers(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Each section of a document has a digit at the start of its footer."""
    if result is None:
        return 0.0
    footers = [section.footer.paragraphs for section in _document(result).sections]
    return float(all(each and any(letter.isdigit() for letter in each[0].text) for each in footers))


@metric(needs="font_name")
def compare_font_names(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """All of a document is in one font."""
    if result is None:
        return 0.0
    return float(all(run.font.name == expected["font_name"] for run in _runs(result)))


@metric()
def is_first_line_centered(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The first paragraph of a document is centred."""
    if result is None:
        return 0.0
    from docx.enum.text import WD_PARAGRAPH_ALIGNMENT

    first = _document(result).paragraphs[:1]
    return float(bool(first) and first[0].paragraph_format.alignment == WD_PARAGRAPH_ALIGNMENT.CENTER)


@metric()
def contains_page_break(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A document has page breaks, just as many as the rule says if it says so."""
    if result is None:
        return 0.0
    breaks = [each for run in _runs(result) for each in run.element.iter(f"{_WORD}br")]
    count = sum(each.get(f"{_WORD}type") == "page" for each in breaks)
    wanted = (expected or {}).get("page_break_count")
    return float(count > 0 and wanted in (None, count))


@metric()
def check_italic_font_size_14(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The text is as expected, and all that is italic in it has 14 points."""
    if not compare_docx_files(result, expected, {}):
        return 0.0
    sizes = [run.font.size for run in _runs(result) if run.italic]
    return float(all(size is not None and size.pt == 14 for size in sizes))


@metric()
def evaluate_strike_through_last_paragraph(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The text is as expected, and its last paragraph is struck through."""
    if not compare_docx_files(result, expected, {}):
        return 0.0
    last = _document(result).paragraphs[-1:]
    return float(bool(last) and all(run.font.strike for run in last[0].runs))


@metric()
def check_highlighted_words(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The text of an ODT document is as expected, and none of it is on yellow any more."""
    if not compare_docx_files(result, expected, {}):
        return 0.0
    root = _odt(result)
    yellow = {
        style.get(f"{_STYLE}name")
        for style in root.iter(f"{_STYLE}style")
        if any(each.get(f"{_LOOKS}background-color") == _YELLOW for each in style)
    }
    return float(not any(span.get(f"{_TEXT}style-name") in yellow for span in root.iter(f"{_TEXT}span")))


@metric(options="threshold")
def evaluate_colored_words_in_tables(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The text is as expected, and the words in tables that begin with a vowel are red, all others blue."""
    if not compare_docx_files(result, expected, {}):
        return 0.0
    threshold = options.get("threshold", 3.5)
    cells = [cell for table in _document(result).tables for row in table.rows for cell in row.cells]
    for run in (run for cell in cells for paragraph in cell.paragraphs for run in paragraph.runs):
        if run.text:
            wanted = (255, 0, 0) if run.text[0].lower() in "aeiou" else (0, 0, 255)
            if run.font.color.rgb is None or colour_difference(tuple(run.font.color.rgb), wanted) > threshold:
                return 0.0
    return 1.0


@metric()
def compare_unique_train_records(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Lines of the second expected document are left, one for each id (second of four fields), the ids of the first."""
    if result is None or not isinstance(expected, list) or len(expected) < 2:
        return 0.0
    found, wanted, initial = (
        [text.strip() for text in paragraphs(file) if text.strip()] for file in (result, *expected[:2])
    )

    def ids(lines: list[str]) -> list[str]:
        return [line.split(",")[1].strip() for line in lines if line.count(",") == 3]

    unique = len(set(ids(found))) == len(ids(found))
    return float(
        unique and set(found) <= set(initial) and set(ids(found)) == set(ids(wanted)) and len(found) == len(wanted)
    )


@metric(options="reference_indicator reference_base_result content_only")
def compare_references(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How much more alike than a base the lists of references at the end of two documents are."""
    if result is None:
        return 0.0
    heading, base = options.get("reference_indicator", "References"), options.get("reference_base_result", 0.5)
    lists = [_after(heading, paragraphs(file)) for file in (result, expected)]
    if lists == [None, None]:
        return 1.0
    found, wanted = lists
    if found is None or wanted is None or len(found) != len(wanted) or not found:
        return 0.0
    alike = sum(map(_ratio, found, wanted)) / len(found)
    return (alike - base) / (1 - base) if alike >= base + 0.01 else 0.0


@metric(needs="expected")
def fuzzy_place_math(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How alike each of the three words of a document is to the most similar of those expected."""
    if result is None:
        return 0.0
    words = [word for text in paragraphs(result) for word in text.split()]
    if len(words) != 3:
        return 0.0
    return sum(max(_ratio(word, each) for each in expected["expected"]) for word in words) / 3


def paragraphs(file: File) -> list[str]:
    """Return the texts of the paragraphs of a document, by what its name says of its format.

    Raises:
        UnreadableError: it is none.
    """
    if not file.name.endswith(".odt"):
        return [each.text for each in _document(file).paragraphs]
    found = []
    for paragraph in _odt(file).iter(f"{_TEXT}p"):
        parts = [paragraph.text or ""]
        for child in paragraph:
            if child.tag == f"{_TEXT}span":
                parts += [child.text or "", *(each.tail or "" for each in child)]
            parts.append(child.tail or "")
        found.append("".join(parts))
    return found


def _document(file: File) -> Any:
    import docx

    try:
        document = docx.Document(checked_document(file))
        count = sum(1 for _ in document.element.body.iter(f"{_WORD}p"))
    except UnreadableError:
        raise
    except (KeyError, ValueError, AttributeError, TypeError, OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise UnreadableError.of(file, f"no DOCX: {type(error).__name__}") from error
    if count > MAX_PARAGRAPHS:
        raise UnreadableError.of(file, f"it has {count:,} paragraphs")
    return document


def _odt(file: File) -> Any:
    content = members_of(file).get("content.xml")
    if content is None:
        raise UnreadableError.of(file, "no ODT: it has no content.xml")
    return parse_xml(file, content)


def _runs(file: File) -> Iterator[Any]:
    for paragraph in _document(file).paragraphs:
        yield from paragraph.runs


def _tables(file: File) -> list[list[list[str]]]:
    return [[[cell.text.strip() for cell in row.cells] for row in table.rows] for table in _document(file).tables]


def _pictures(file: File) -> list[bytes]:
    import io

    from PIL import Image

    found = []
    for relation in _document(file).part.rels.values():
        if "image" in relation.reltype and not relation.is_external:
            try:
                found.append(Image.open(io.BytesIO(relation.target_part.blob)).tobytes())
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise UnreadableError.of(file, f"a picture in it: {error}") from error
    return found


def _stops(paragraph: Any) -> list[tuple[Any, int]]:
    from docx.enum.text import WD_TAB_ALIGNMENT

    stops = [(each.alignment, int(each.position)) for each in paragraph.paragraph_format.tab_stops]
    return [each for each in stops if each[0] != WD_TAB_ALIGNMENT.CLEAR and each != (WD_TAB_ALIGNMENT.LEFT, 0)]


def _words_fit(found: list[Any], options: dict[str, Any]) -> bool:
    """Return whether a part of each paragraph, of those that tabs make, has so many words."""
    number, index = options.get("word_number_split_by_tabstop"), options.get("index", 0)
    if number is None:
        return True
    parts = [each.text.split("\t") for each in found]
    return all(index < len(part) and len(part[index].split()) == number for part in parts)


def _prepared(texts: list[str], options: dict[str, Any]) -> list[str]:
    if options.get("ignore_order"):
        texts = sorted(texts)
    if options.get("delete_empty_lines"):
        texts = [text for text in texts if text.strip()]
    return [text.lower() for text in texts] if options.get("ignore_case") else texts


def _after(heading: str, texts: list[str]) -> list[str] | None:
    if heading not in texts:
        return None
    return [text for text in texts[texts.index(heading) + 1 :] if text.strip()]


def _same_format(one: File, other: File) -> bool:
    return any(one.name.endswith(ending) and other.name.endswith(ending) for ending in (".docx", ".odt"))


def _flat(texts: list[str]) -> str:
    return re.sub(r"\s+", " ", "\n".join(texts)).strip()


def _ratio(one: str, other: str) -> float:
    from rapidfuzz import fuzz

    return fuzz.ratio(one, other) / 100
