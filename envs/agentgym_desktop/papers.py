"""Documents for the set-up of tasks: the same content makes the same bytes, whenever and wherever.

They are written by hand, as small as their formats allow, since libraries put the time of day into them.
"""

from __future__ import annotations

import csv
import functools
import io
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from PIL import Image, ImageDraw, ImageFont

from agentgym_desktop.opendocument import SHEET, TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = str | int | float | None

LINES_A_PAGE = 30  # of a PDF made here
COLOURS = {
    "red": (200, 30, 30), "green": (30, 140, 50), "blue": (40, 60, 200), "yellow": (240, 210, 40), "black": (0, 0, 0),
    "orange": (240, 130, 20), "purple": (120, 40, 150), "grey": (128, 128, 128), "white": (255, 255, 255),
}  # fmt: skip
_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_SPACES = " ".join(
    f'xmlns:{prefix}="{_OASIS}{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("table", "table"),
        ("text", "text"),
        ("style", "style"),
        ("fo", "xsl-fo-compatible"),
    )
)


def csv_file(rows: Sequence[Sequence[Value]]) -> bytes:
    """Return a table of comma-separated values."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


_TEXT_STYLES = "".join(
    [
        '<style:style style:name="Standard" style:family="paragraph"/>',
        *(
            f'<style:style style:name="Heading_20_{level}" style:display-name="Heading {level}" '
            f'style:family="paragraph" style:parent-style-name="Standard" style:default-outline-level="{level}">'
            f'<style:text-properties fo:font-size="{20 - 2 * level}pt" fo:font-weight="bold"/></style:style>'
            for level in (1, 2, 3)
        ),
    ]
)


def ods_file(sheets: Mapping[str, Sequence[Sequence[Value]]]) -> bytes:
    """Return a spreadsheet: rows of values by the name of their sheet; a text that begins with = is a formula."""
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>{''.join(map(_row, rows))}</table:table>"
        for name, rows in sheets.items()
    )
    return _open_document(SHEET, f"<office:spreadsheet>{tables}</office:spreadsheet>")


def odt_file(paragraphs: Sequence[str | tuple[int, str] | Sequence[Sequence[str]]]) -> bytes:
    """Return a text document: a text is a paragraph, (level, text) a heading, rows of texts a table."""
    parts = []
    for number, each in enumerate(paragraphs):
        if isinstance(each, str):
            parts.append(f'<text:p text:style-name="Standard">{escape(each)}</text:p>')
        elif isinstance(each, tuple):
            level, text = each
            parts.append(
                f'<text:h text:style-name="Heading_20_{level}" text:outline-level="{level}">{escape(text)}</text:h>'
            )
        else:
            parts.append(_table(f"Table{number}", each))
    return _open_document(TEXT, f"<office:text>{''.join(parts)}</office:text>", _TEXT_STYLES)


def pdf_file(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF document of lines of text (Latin-1), page by page; A4."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    kids = []
    for lines in pages:
        shown = " ".join(f"({_escaped(line)}) Tj T*" for line in lines[:LINES_A_PAGE])
        stream = f"BT /F1 14 Tf 72 760 Td 22 TL {shown} ET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(kids))
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(made))
    )


def png_file(size: tuple[int, int], colour: str, *, text: str = "", corner: str = "") -> bytes:
    """Return a picture of one colour of `COLOURS`, with a text in its middle and another colour at its upper left."""
    image = Image.new("RGB", size, COLOURS[colour])
    if corner:
        ImageDraw.Draw(image).rectangle((0, 0, size[0] // 4, size[1] // 4), COLOURS[corner])
    if text:
        place = (size[0] // 2, size[1] // 2)
        ink = "black" if colour in {"yellow", "white", "orange"} else "white"
        ImageDraw.Draw(image).text(place, text, ink, font=_font(), anchor="mm")
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return content.getvalue()


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=48)


def _row(row: Sequence[Value]) -> str:
    return f"<table:table-row>{''.join(map(_cell, row))}</table:table-row>"


def _cell(value: Value) -> str:
    match value:
        case None:
            return "<table:table-cell/>"
        case str() if value.startswith("="):
            return f"<table:table-cell table:formula={quoteattr('of:' + value)}/>"
        case str():
            return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
        case _:
            return (
                f'<table:table-cell office:value-type="float" office:value="{value}">'
                f"<text:p>{value}</text:p></table:table-cell>"
            )


def _table(name: str, rows: Sequence[Sequence[str]]) -> str:
    made = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p></table:table-cell>'
            for text in row
        )
        + "</table:table-row>"
        for row in rows
    )
    columns = f'<table:table-column table:number-columns-repeated="{len(rows[0])}"/>'
    return f'<table:table table:name="{name}">{columns}{made}</table:table>'


def _open_document(kind: str, body: str, styles: str = "") -> bytes:
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<manifest:manifest xmlns:manifest="{_OASIS}manifest:1.0" manifest:version="1.3">'
        f'<manifest:file-entry manifest:full-path="/" manifest:version="1.3" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        '<manifest:file-entry manifest:full-path="styles.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    content = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<office:document-content {_SPACES} office:version="1.3">'
        f"<office:automatic-styles/><office:body>{body}</office:body></office:document-content>"
    )
    looks = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<office:document-styles {_SPACES} office:version="1.3"><office:styles>{styles}</office:styles>'
        "</office:document-styles>"
    )
    parts = {"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content, "styles.xml": looks}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return made.getvalue()


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
