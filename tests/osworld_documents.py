"""Files for the tests of OSWorld's metrics: workbooks, letters, archives, papers, pictures."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

from docx.shared import Pt
from PIL import Image

from agentgym_desktop.osworld.files import File
from agentgym_desktop.osworld.metrics import METRICS
from agentgym_desktop.papers import pdf_file
from tests.osworld_tasks import book, letter

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[Any], None]


def of_agent(content: bytes, name: str = "a.txt", **folder: bytes) -> File:
    return File(name, content, {key.replace("_", "-") + ".csv": each for key, each in folder.items()})


def ours(content: bytes, name: str = "gold.txt", **folder: bytes) -> File:
    return File(name, content, {key.replace("_", "-") + ".csv": each for key, each in folder.items()}, ours=True)


def score(func: str, result: Any, expected: Any = None, **options: Any) -> float:
    return METRICS[func].call(result, expected, options)


def table(sheet: Change | None = None, name: str = "a.xlsx", *, mine: bool = False, rows: Any = None) -> File:
    content = book(*(rows or [["Name", "Age"], ["Ann", 30.00001], ["Bo", None]]), change=sheet)
    return File(name, content, ours=mine)


def rule(kind: str, **parts: Any) -> dict[str, Any]:
    return {"type": kind, "sheet_idx0": 0, "sheet_idx1": "EI0", **parts}


def text(*words: str, change: Change | None = None, mine: bool = False, name: str = "a.docx") -> File:
    return File(name, letter(*(words or ("One two.", "Three")), change=change), ours=mine)


def picture(colour: str) -> Change:
    image = io.BytesIO()
    Image.new("RGB", (3, 2), colour).save(image, "PNG")
    return lambda document: document.add_picture(image)


def odt(name: str, style: str) -> File:
    spaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (("o", "office"), ("text", "text"), ("style", "style"), ("fo", "xsl-fo-compatible"))
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(
            "content.xml",
            f'<o:document {spaces}><style:style style:name="T1"><style:text-properties fo:background-color="#ffff00"/>'
            f'</style:style><text:p>One <text:span text:style-name="{style}">two</text:span>.</text:p></o:document>',
        )
    return File(name, content.getvalue(), ours=name.startswith("gold"))


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, each in members.items():
            archive.writestr(name.replace("__", "/"), each)
    return content.getvalue()


def tarred(**members: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, each in members.items():
            info = tarfile.TarInfo(f"./{name.replace('__', '/')}")
            info.size = len(each)
            archive.addfile(info, io.BytesIO(each))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def pdf(words: str, pages: int = 1) -> bytes:
    return pdf_file([[words]] * pages)


def image(colour: str, size: tuple[int, int] = (4, 3)) -> File:
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    return of_agent(content.getvalue())


def runs(act: Change) -> Change:
    def change(document: Any) -> None:
        for paragraph in document.paragraphs:
            for run in paragraph.runs:
                act(run)

    return change


def big_italic(size: int) -> Change:
    def act(run: Any) -> None:
        run.italic, run.font.size = True, Pt(size)

    return runs(act)
