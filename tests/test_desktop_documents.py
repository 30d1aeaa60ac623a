"""Documents that an agent has left: what is in them is read, and what is forged, broken or hostile is no document."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import odfdo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.errors import InfrastructureError, MissingDependencyError
from agentgym_desktop import documents, opendocument, papers
from agentgym_desktop import pdf as pdf_module
from agentgym_desktop.documents import MAX_CELLS, read_csv, read_picture
from agentgym_desktop.letters import read_letter
from agentgym_desktop.pdf import TIMEOUT_S, read_pdf
from agentgym_desktop.sheets import Cell, read_workbook
from tests.desktop_papers import archive, letter_of, sheet_of

READERS = (read_csv, read_picture, read_workbook, read_letter, read_pdf)
SHEET = papers.ods_file({"Sales": [["Item", "Price"], ["lamp", 12.5], [None, 3]], "Other": [["x"]]})
LETTER = papers.odt_file([(1, "Report"), "First & <last>.", [["a", "b"], ["c", "d"]], "End"])


def test_a_spreadsheet_is_read_by_its_sheets_and_cells() -> None:
    book = read_workbook(SHEET).document
    assert book is not None
    assert [sheet.name for sheet in book.sheets] == ["Sales", "Other"]
    assert book.first.value("A2") == "lamp"
    assert book.first.number("B2") == 12.5
    assert book.first.value("A3") is None
    assert book.first.number("A2") is None
    assert book.sheet("Other") is not None
    assert book.sheet("None") is None


def test_a_spreadsheet_of_another_program_is_read() -> None:
    made = odfdo.Document("spreadsheet")
    table = odfdo.Table("Made")
    table.set_value("B7", 4)
    table.set_value("C1", "word")
    made.body.clear()
    made.body.append(table)
    content = io.BytesIO()
    made.save(content)
    book = read_workbook(content.getvalue()).document
    assert book is not None
    assert {name: cell.value for name, cell in book.first.cells.items()} == {"B7": 4.0, "C1": "word"}


def test_cells_that_repeat_are_where_they_are() -> None:
    cell = '<table:table-cell office:value-type="float" office:value="7" table:number-columns-repeated="2"/>'
    empty = '<table:table-cell table:number-columns-repeated="3"/>'
    endless = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    rows = f'<table:table-row table:number-rows-repeated="2">{empty}{cell}</table:table-row>{endless}'
    book = read_workbook(sheet_of(rows)).document
    assert book is not None
    assert sorted(book.first.cells) == ["D1", "D2", "E1", "E2"]


def test_looks_of_cells_come_from_their_styles_and_those_above() -> None:
    styles = (
        '<style:style style:name="up" style:family="table-cell"><style:text-properties fo:font-weight="bold"/>'
        '</style:style><style:style style:name="ce1" style:family="table-cell" style:parent-style-name="up">'
        '<style:table-cell-properties fo:background-color="#ffff00"/></style:style>'
    )
    rows = (
        '<table:table-row><table:table-cell table:style-name="ce1" office:value-type="string" '
        'table:formula="of:=1"><text:p>x</text:p></table:table-cell></table:table-row>'
    )
    book = read_workbook(sheet_of(rows, styles=styles)).document
    assert book is not None
    looks = {"font-weight": "bold", "background-color": "#ffff00"}
    assert book.first.cells["A1"] == Cell("x", "x", "string", "=1", looks)


def test_a_text_is_read_by_its_paragraphs_headings_and_tables() -> None:
    letter = read_letter(LETTER).document
    assert letter is not None
    assert letter.texts == ("Report", "First & <last>.", "End")
    assert [each.level for each in letter.paragraphs] == [1, 0, 0]
    assert letter.tables == ((("a", "b"), ("c", "d")),)


def test_looks_of_words_are_what_their_letters_have_in_common() -> None:
    styles = (
        '<style:style style:name="T1" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
        '<style:style style:name="P1" style:family="paragraph"><style:paragraph-properties fo:text-align="center"/>'
        "</style:style>"
    )
    body = '<text:p text:style-name="P1">all <text:span text:style-name="T1">is bold</text:span> here</text:p>'
    letter = read_letter(letter_of(body, styles=styles)).document
    assert letter is not None
    (paragraph,) = letter.paragraphs
    assert paragraph.looks("bold") == {"text-align": "center", "font-weight": "bold"}
    assert paragraph.looks("bold here") == {"text-align": "center"}
    assert paragraph.looks("other") is None


def test_lists_and_spaces_of_a_text_are_read() -> None:
    styles = '<text:list-style style:name="L1"><text:list-level-style-number text:level="1"/></text:list-style>'
    item = '<text:list-item><text:p>a<text:s text:c="2"/>b</text:p></text:list-item>'
    body = f'<text:list text:style-name="L1">{item}</text:list><text:list>{item}</text:list>'
    letter = read_letter(letter_of(body, styles=styles)).document
    assert letter is not None
    assert [(each.text, each.listed) for each in letter.paragraphs] == [("a  b", "number"), ("a  b", "bullet")]


def test_a_pdf_is_read_page_by_page() -> None:
    pdf = read_pdf(papers.pdf_file([["Total (net): 42", "Back\\slash"], ["Second"]])).document
    assert pdf is not None
    assert [page.size for page in pdf.pages] == [(595, 842)] * 2
    assert pdf.says("Total (net):42")
    assert pdf.says("Back\\slash")
    assert not pdf.says("Third")


def test_tables_and_pictures_are_read() -> None:
    table = read_csv(papers.csv_file([["city", "people"], ["Oslo, north", 3], ["Rome"]])).document
    assert table is not None
    assert table.column("city") == ("Oslo, north", "Rome")
    assert table.column("people") == ("3", "")
    assert table.column("none") == ()
    picture = read_picture(papers.png_file((30, 20), "red")).document
    assert picture is not None
    assert (picture.format, picture.size, picture.at(29, 19)) == ("PNG", (30, 20), papers.COLOURS["red"])


def test_the_same_content_makes_the_same_file() -> None:
    assert papers.ods_file({"Sales": [["Item", "Price"], ["lamp", 12.5], [None, 3]], "Other": [["x"]]}) == SHEET
    assert papers.odt_file([(1, "Report"), "First & <last>.", [["a", "b"], ["c", "d"]], "End"]) == LETTER


@pytest.mark.parametrize("read", READERS)
def test_no_file_and_an_empty_one_and_a_huge_one_are_no_document(read: object) -> None:
    assert callable(read)
    for content in (None, b"", b" " * (documents.MAX_FILE + 1)):
        document, reason = read(content)
        assert document is None
        assert reason


@pytest.mark.parametrize(("read", "other"), [(read_workbook, LETTER), (read_letter, SHEET), (read_pdf, LETTER),
                                             (read_picture, SHEET), (read_csv, SHEET)])  # fmt: skip
def test_a_file_of_another_format_is_no_document(read: object, other: bytes) -> None:
    assert callable(read)
    assert read(other).document is None


@pytest.mark.parametrize("read", READERS[:-1])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_never_raises(read: object, data: st.DataObject) -> None:
    assert callable(read)
    whole = data.draw(st.sampled_from([SHEET, LETTER, papers.png_file((9, 9), "red"), b"a,b\n1,2\n"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    read(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 20)) :])


def test_a_bomb_of_a_zip_archive_is_not_unpacked() -> None:
    document, reason = read_workbook(archive(b"<a>" + b" " * 20_000_000 + b"</a>"))
    assert document is None
    assert "more than" in reason


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_whatever_it_declares(doctype: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}'
    document, reason = read_workbook(archive(text.encode(encoding)))
    assert document is None
    assert "document type" in reason


def test_trees_without_end_are_refused() -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000
    wide = "<a>" + "<b/>" * (opendocument.MAX_NODES + 1) + "</a>"
    for content in (deep, wide):
        assert read_workbook(archive(content)).reason == "the file's part 'content.xml' has too many elements"


@pytest.mark.parametrize("times", ["1048576", "99999999999999999999", "-5", "x"])
def test_cells_without_end_are_refused_or_taken_once(times: str) -> None:
    cell = f'<table:table-cell table:number-columns-repeated="{times}" office:value-type="float" office:value="1"/>'
    begun = time.monotonic()
    book = read_workbook(sheet_of(f"<table:table-row>{cell}</table:table-row>")).document
    assert book is None or len(book.first.cells) == 1
    assert time.monotonic() - begun < 5


def test_what_is_repeated_counts_for_all_sheets_together() -> None:
    """A few kilobytes that would be twenty million cells, and rows without number that a filter hides."""
    cell = '<table:table-cell table:number-columns-repeated="90000" office:value-type="float" office:value="1"/>'
    full = f"<table:table-row>{cell}</table:table-row>"
    hidden = '<table:table-row table:visibility="filter" table:number-rows-repeated="90000"/>' * 50
    begun = time.monotonic()
    for rows, refused in ((f"{full}</table:table><table:table table:name='B'>{full}", True), (hidden, False)):
        book = read_workbook(sheet_of(rows)).document
        assert (book is None) is refused
        assert book is None or len(book.first.filtered) < 2 * MAX_CELLS
    assert time.monotonic() - begun < 5


def test_a_part_that_is_named_again_and_again_is_not_read_again_and_again() -> None:
    chart = '<draw:object xlink:href="./C" draw:notify-on-update-of-ranges="A.A1:A.B2"/>'
    spaces = 'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    rows = f"<table:table-row {spaces}>{chart * 30}</table:table-row>"
    whole = io.BytesIO(sheet_of(f"{rows}</table:table><table:table table:name='B'>{rows}"))
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as file:
        kind = 'xmlns:chart="urn:oasis:names:tc:opendocument:xmlns:chart:1.0" chart:class="chart:bar"'
        file.writestr("C/content.xml", f"<chart:chart {kind}>{'<a/>' * 50_000}</chart:chart>")
    book = read_workbook(whole.getvalue()).document
    assert book is not None
    assert 0 < sum(len(sheet.charts) for sheet in book.sheets) * 50_000 <= opendocument.MAX_NODES


@pytest.mark.parametrize("packed", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_packed_otherwise_than_the_format_has_it_is_refused(packed: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packed) as file:
        file.writestr("mimetype", opendocument.SHEET)
    whole = bytearray(made.getvalue())
    whole[40] ^= 0xFF  # damaged, too: what unpacks it raises what it likes
    assert "packed" in read_workbook(bytes(whole)).reason


def test_a_cell_does_not_say_what_a_table_within_it_says() -> None:
    row = "<table:table-row><table:table-cell><text:p>{}</text:p>{}</table:table-cell></table:table-row>"
    inner = f"<table:table>{row.format('in', '')}</table:table>"
    letter = read_letter(letter_of(f"<table:table>{row.format('out', inner)}</table:table>")).document
    assert letter is not None
    assert letter.tables == ((("out",),),)


def test_styles_that_run_in_circles_end() -> None:
    styles = "".join(
        f'<style:style style:name="{name}" style:family="table-cell" style:parent-style-name="{above}"/>'
        for name, above in (("a", "b"), ("b", "a"))
    )
    rows = (
        '<table:table-row><table:table-cell table:style-name="a" office:value-type="float" office:value="1"/>'
        "</table:table-row>"
    )
    assert read_workbook(sheet_of(rows, styles=styles)).document is not None


@pytest.mark.parametrize("value", ["nan", "inf", "x", "1e999", ""])
def test_what_is_no_number_is_no_cell(value: str) -> None:
    rows = f'<table:table-row><table:table-cell office:value-type="float" office:value="{value}"/></table:table-row>'
    book = read_workbook(sheet_of(rows)).document
    assert book is not None
    assert not book.first.cells


def test_a_picture_of_a_thousand_million_pixels_is_not_unpacked() -> None:
    small = papers.png_file((9, 9), "red")
    header = b"IHDR" + struct.pack(">II", 40_000, 30_000) + small[24:29]
    document, reason = read_picture(small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:])
    assert document is None
    assert "pixels" in reason


def test_a_pdf_that_unpacks_without_end_is_given_up() -> None:
    """A stream that is packed thrice: 200 MB in a few hundred bytes."""
    stream = zlib.compress(zlib.compress(zlib.compress(b" " * 200_000_000, 1), 9), 9)
    filters = b"/FlateDecode " * 3
    content = papers.pdf_file([["here"]])
    head, _, tail = content.partition(b"<< /Length ")
    old, _, rest = tail.partition(b"\nendstream")
    bomb = head + b"<< /Filter [ %b ] /Length %d >>\nstream\n%b\nendstream" % (filters, len(stream), stream) + rest
    assert old
    begun = time.monotonic()
    pdf = read_pdf(bomb).document
    assert pdf is None or not pdf.says("here")
    assert time.monotonic() - begun < TIMEOUT_S


def test_a_pdf_that_takes_too_much_processor_time_is_no_document(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = tmp_path / "reader.py"
    reader.write_text(
        (Path(pdf_module.__file__).with_name("pdf_reader.py").read_text())
        .replace("CPU_S = 4", "CPU_S = 1")
        .replace("from pypdf", "while True: pass\n    from pypdf")
    )
    monkeypatch.setattr("agentgym_desktop.pdf._READER", reader)
    assert "limits" in read_pdf(papers.pdf_file([["here"]])).reason


@pytest.mark.parametrize(
    ("target", "value", "error", "said"),
    [
        ("agentgym_desktop.pdf.TIMEOUT_S", 0.001, InfrastructureError, "too busy"),
        ("agentgym_desktop.pdf._READER", "killed.py", InfrastructureError, "killed"),
        ("sys.executable", "/nowhere/python", InfrastructureError, "could not be started"),
        ("importlib.util.find_spec", lambda _: None, MissingDependencyError, "pip install"),
    ],
)
def test_a_machine_that_cannot_read_a_pdf_says_nothing_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, value: object, error: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("killed.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(target, value)
    with pytest.raises(error, match=said):
        read_pdf(papers.pdf_file([["here"]]))


def test_a_pdf_whose_pages_run_in_circles_is_given_up() -> None:
    content = papers.pdf_file([["here"]]).replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")
    document, reason = read_pdf(content)
    assert document is None or not document.says("here")
    assert document is not None or reason
