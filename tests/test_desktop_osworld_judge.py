"""What an agent makes of its files harms nobody: broken, huge or hostile ones are worth nothing."""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym_desktop.osworld.files import File
from agentgym_desktop.osworld.judge import CannotJudgeError, measure
from agentgym_desktop.osworld.metrics import UnreadableError
from tests.osworld_documents import big_italic, image, odt, ours, pdf, picture, rule, score, table, tarred, text, zipped
from tests.osworld_tasks import letter


def bomb() -> bytes:
    """A workbook of 200 million zeros in one sheet of XML, in 200 kB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 200_000_000)
    return content.getvalue()


def entities() -> bytes:
    content = io.BytesIO(letter("x"))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("word/more.xml", '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>')
    return content.getvalue()


def far() -> bytes:
    made = openpyxl.Workbook()
    made.active["XFD1048576"] = 1
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


def spoilt() -> bytes:
    """A document whose size of letters is no number."""
    content = letter("x", change=big_italic(14))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    spoilt = io.BytesIO()
    with zipfile.ZipFile(spoilt, "w") as archive:
        for info, each in members.items():
            archive.writestr(info, each.replace(b'w:sz w:val="28"', b'w:sz w:val="many"'))
    return spoilt.getvalue()


@pytest.mark.parametrize(
    ("func", "content", "name", "expected", "reason"),
    [
        ("compare_table", bomb, "a.xlsx", table(mine=True), "more than are unpacked"),
        ("compare_table", far, "a.xlsx", table(mine=True), "more than 2,000,000 cells"),
        ("compare_table", b"no", "a.xlsx", table(mine=True), "no document of its format"),
        ("compare_table", zipped(a=b""), "a.xlsx", table(mine=True), "no workbook"),
        ("compare_docx_files", entities, "a.docx", text(mine=True), "declarations of its own"),
        ("compare_docx_files", zipped(a=b""), "a.docx", text(mine=True), "no DOCX"),
        ("check_italic_font_size_14", spoilt, "a.docx", text("x", mine=True), "what was left cannot be judged"),
        ("compare_zip_files", gzip.compress(b"0" * 1000), "a.zip", ours(zipped(a=b"1")), "no archive"),
        ("compare_text_file", b"\xff", "a.txt", ours(b"a"), "no text in UTF-8"),
        ("check_pdf_pages", b"%PDF-1.7", "a.pdf", {"relation": "ge", "ref_value": 1}, "no PDF"),
        ("compare_image_list", b"GIF89a", "a.gif", ours(b""), "no picture"),
        ("check_json", b"[" * 100_000, "a.json", {"expect": []}, "no JSON"),
        ("compare_text_file", None, "a.txt", ours(b"a"), "not as wanted"),
    ],
    ids=itertools.count(),  # the contents hold the time
)
def test_what_an_agent_makes_of_its_files_is_worth_nothing(
    func: str, content: Any, name: str, expected: Any, reason: str
) -> None:
    options = {"rules": [rule("sheet_data")]} if func == "compare_table" else {}
    judged = measure(
        func, None if content is None else File(name, content() if callable(content) else content), expected, options
    )
    assert judged.value == 0
    assert reason in judged.reason


def test_a_file_that_takes_too_long_to_compare_is_worth_nothing() -> None:
    lines = File("a.txt", b"".join(b"%d\n" % (number % 997) for number in range(60_000)))
    judged = measure("diff_text_file", lines, File("gold.txt", lines.content[::-1], ours=True), {}, cpu_s=1)
    assert judged.value == 0
    assert "takes more than" in judged.reason


def test_a_file_of_the_tasks_own_that_cannot_be_read_is_told() -> None:
    with pytest.raises(CannotJudgeError, match=r"gold\.docx cannot be read"):
        measure("compare_docx_files", text(), ours(b"no", "gold.docx"), {})
    with pytest.raises(UnreadableError):
        score("compare_docx_tables", text(), ours(b"no", "gold.docx"))
    with pytest.raises(CannotJudgeError, match="KeyError"):
        measure("exact_match", "a", {}, {})


READ = {
    "compare_table": table(mine=True),
    "compare_docx_tables": text(mine=True),
    "compare_docx_images": text(change=picture("red"), mine=True),
    "check_highlighted_words": odt("gold.odt", "T2"),
    "compare_zip_files": ours(zipped(a=b"1")),
    "compare_archive": ours(tarred(a=b"1")),
    "check_pdf_pages": {"relation": "ge", "ref_value": 1},
    "compare_pdfs": ours(pdf("x"), "gold.pdf"),
    "find_default_font": {"font_name": "Serif"},
    "check_json": {"expect": [{"key": ["a"], "method": "eq", "ref": 1}]},
    "compare_image_list": image("red"),
}


@given(
    st.sampled_from(sorted(READ)), st.binary(max_size=60), st.sampled_from(["", "PK\x03\x04", "%PDF-", "<", "GIF89a"])
)
def test_no_bytes_are_what_is_wanted_or_more_than_unreadable(func: str, content: bytes, start: str) -> None:
    try:
        assert score(func, File("a.odt", start.encode() + content), READ[func], rules=[rule("sheet_data")]) == 0
    except UnreadableError as error:
        assert error.of_agent  # noqa: PT017 (that it is raised is not the claim)
