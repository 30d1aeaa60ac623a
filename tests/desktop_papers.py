"""OpenDocument files that tests write by hand, with whatever XML they want in them."""

from __future__ import annotations

import io
import zipfile

from agentgym_desktop import opendocument

SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {"fo": "xsl-fo-compatible", **{n: n for n in ("office", "table", "text", "style")}}.items()
)
HEAD = f'<?xml version="1.0"?><office:document-content {SPACES}><office:automatic-styles>'


def archive(content: str | bytes, kind: str = opendocument.SHEET) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", kind)
        file.writestr("content.xml", content)
    return made.getvalue()


def sheet_of(rows: str, *, styles: str = "") -> bytes:
    return archive(
        f"{HEAD}{styles}</office:automatic-styles>"
        f'<office:body><office:spreadsheet><table:table table:name="A">{rows}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )


def letter_of(body: str, *, styles: str = "") -> bytes:
    return archive(
        f"{HEAD}{styles}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
        opendocument.TEXT,
    )
