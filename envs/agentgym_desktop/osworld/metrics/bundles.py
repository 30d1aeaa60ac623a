"""Metrics of PDF files, pictures and archives."""

from __future__ import annotations

import difflib
import io
import posixpath
import warnings
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.files import File
from agentgym_desktop.osworld.metrics import rules
from agentgym_desktop.osworld.metrics.archives import members_of
from agentgym_desktop.osworld.metrics.registry import METRICS, UnreadableError, files_of, metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

    from agentgym_desktop.osworld.schema import Check

MAX_PAGES = 500
MAX_TEXT = 1_000_000  # characters of a PDF
MAX_PIXELS = 50_000_000
ALIKE = 0.95  # so much of their texts PDF files in an archive have in common
_IN_ARCHIVES = {"text": "compare_text_file", "docx": "compare_docx_files", "csv": "compare_csv", "pdf": "compare_pdfs"}


def _relation(check: Check) -> Iterator[str]:
    relation = getattr(check.expected, "rules", {})["relation"]
    if relation not in rules.RELATIONS:
        yield f"relation {str(relation)[:20]}"


def _archived(check: Check) -> Iterator[str]:
    kind = check.options.get("file_type", "text")
    if kind not in _IN_ARCHIVES:
        yield f"file_type {str(kind)[:20]}"


@metric(needs="relation ref_value", gaps=_relation)
def check_pdf_pages(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A PDF has more, fewer or just so many pages."""
    if result is None:
        return 0.0
    return float(rules.matches(len(_pages(result)), {"method": expected["relation"], "ref": expected["ref_value"]}))


@metric()
def compare_pdfs(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How alike the texts of PDF files are, on average of what is expected."""
    from rapidfuzz import fuzz

    wanted, total = files_of(expected), 0.0
    for found, other in zip(files_of(result), wanted, strict=False):
        if found is None or other is None:
            continue
        try:
            total += fuzz.ratio(pdf_text(found), pdf_text(other)) / 100
        except UnreadableError as error:
            if not error.of_agent:
                raise
    return total / len(wanted)


@metric()
def compare_zip_files(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two archives hold the same files; PDF files may differ a little."""
    if result is None:
        return 0.0
    found, wanted = members_of(result), members_of(expected)
    if found.keys() != wanted.keys():
        return 0.0
    for name, content in wanted.items():
        if name.lower().endswith(".pdf"):
            text, other = pdf_text(File(name, found[name])), pdf_text(File(name, content, ours=True))
            if difflib.SequenceMatcher(None, text, other).ratio() < ALIKE:
                return 0.0
        elif content != found[name]:
            return 0.0
    return 1.0


@metric(options="file_path file_type ignore_blanks ignore_case strict", gaps=_archived)
def compare_archive(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How alike the files of one kind in two archives are, on average; they have the same names."""
    if result is None:
        return 0.0
    compare = METRICS[_IN_ARCHIVES[options.get("file_type", "text")]]
    further = {name: value for name, value in options.items() if name in compare.options}
    found, wanted = (_in_folder(file, options.get("file_path", "")) for file in (result, expected))
    if found.keys() != wanted.keys() or not wanted:
        return 0.0
    return sum(compare.call(found[name], wanted[name], further) for name in wanted) / len(wanted)


@metric()
def compare_image_list(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Each picture has the same pixels as the one that is expected, at its size."""
    from PIL import Image, ImageChops

    for found, wanted in zip(files_of(result), files_of(expected), strict=False):
        if found is None or wanted is None:
            return 0.0
        pair = [_picture(found), _picture(wanted)]
        if pair[0].size != pair[1].size:
            pair[0] = pair[0].resize(pair[1].size, Image.Resampling.LANCZOS)
        if ImageChops.difference(pair[0].convert(pair[1].mode), pair[1]).getbbox() is not None:
            return 0.0
    return 1.0


@metric()
def check_image_size(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A picture has a width, a height, or both."""
    if result is None:
        return 0.0
    width, height = _picture(result).size
    return float(expected.get("width", width) == width and expected.get("height", height) == height)


@metric(needs="max_size")
def check_image_file_size(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A file has fewer bytes than that."""
    return float(result is not None and len(result.content) < expected["max_size"])


def pdf_text(file: File) -> str:
    """Return what all pages of a PDF say.

    Raises:
        UnreadableError: it is none, or is too long.
    """
    pages = _pages(file)
    try:
        text = "".join(page.extract_text() for page in pages)
    except Exception as error:
        raise UnreadableError.of(file, type(error).__name__) from error
    if len(text) > MAX_TEXT:
        raise UnreadableError.of(file, f"its text has {len(text):,} characters")
    return text.strip()


def _pages(file: File) -> list[Any]:
    from pypdf import PdfReader

    try:
        pages = PdfReader(io.BytesIO(file.content)).pages
        found = [pages[number] for number in range(min(len(pages), MAX_PAGES + 1))]
    except Exception as error:
        raise UnreadableError.of(file, f"no PDF: {type(error).__name__}") from error
    if len(found) > MAX_PAGES:
        raise UnreadableError.of(file, f"it has more than {MAX_PAGES} pages")
    return found


def _picture(file: File) -> Image:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(file.content), formats=("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"))
            too_big = picture.width * picture.height > MAX_PIXELS
            if not too_big:
                picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableError.of(file, f"no picture: {error}") from error
    if too_big:
        raise UnreadableError.of(file, "it has too many pixels")
    return picture


def _in_folder(file: File, folder: str) -> dict[str, File]:
    """Return the files right below a folder of an archive, by name."""
    start = posixpath.normpath(folder) if folder else ""
    return {
        posixpath.basename(name): File(posixpath.basename(name), content, ours=file.ours)
        for name, content in members_of(file).items()
        if posixpath.dirname(posixpath.normpath(name)) == start
    }
