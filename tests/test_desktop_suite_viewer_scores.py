"""The scores of the tasks in viewers and the browser: for what is right, wrong and in part."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from agentgym.observation import Box, Element
from agentgym_desktop import papers
from agentgym_desktop.suite import browser, viewers
from agentgym_desktop.windows import Window
from tests.desktop_left import left, value


class TestViewers:
    def test_a_page_counts_while_its_document_is_shown(self) -> None:
        task = viewers.TurnToPage()
        evidence = left(task)
        name, page = evidence.goal["name"], evidence.goal["page"]
        box = Box(0, 0, 9, 9)
        shown = Window(1, name, "Evince", box, box, active=True)
        text = f"Bill 1 For {evidence.goal['person']} Total"
        for number, on_it, windows, expected in (
            (page, text, (shown,), 1),
            ("1", text, (shown,), 0),
            (page, "Bill 1 For somebody else", (shown,), 0),
            (page, text, (), 0),
        ):
            evidence.elements = (Element(1, "textbox", "page-label-entry", number), Element(2, "text", on_it))
            evidence.windows = windows
            assert value(task, evidence) == expected

    def test_a_picture_turned_the_wrong_way_is_worth_less(self) -> None:
        task = viewers.RotatePicture()
        evidence = left(task)
        goal = evidence.goal
        image = Image.open(io.BytesIO(evidence.files[goal["name"]]))
        right, wrong = Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_90
        if goal["side"] == "left":
            right, wrong = wrong, right
        for turn, expected in ((right, 1), (wrong, 0.3), (Image.Transpose.ROTATE_180, 0)):
            content = io.BytesIO()
            image.transpose(turn).save(content, "PNG")
            evidence.files[goal["name"]] = content.getvalue()
            assert value(task, evidence) == expected

    def test_a_picture_of_the_right_name_and_the_wrong_format_is_worth_less(self) -> None:
        task = viewers.ConvertPicture()
        evidence = left(task)
        goal = evidence.goal
        for form, expected in (("JPEG", 1), ("PNG", 0.4)):
            content = io.BytesIO()
            Image.new("RGB", goal["size"], papers.COLOURS[goal["colour"]]).save(content, form)
            evidence.files[goal["path"]] = content.getvalue()
            assert value(task, evidence) == expected

    def test_a_copy_must_be_the_same_and_the_other_stay(self) -> None:
        task = viewers.KeepCopyOfPdf()
        evidence = left(task)
        goal = evidence.goal
        evidence.files[goal["path"]] = evidence.files[goal["name"]]
        assert value(task, evidence) == 1
        del evidence.files[goal["name"]]
        assert value(task, evidence) == 0.75


class TestBrowser:
    def test_a_form_counts_field_by_field(self) -> None:
        task = browser.FillForm()
        evidence = left(task)
        wanted = evidence.goal["wanted"]
        for sent, expected in (
            (wanted, 1),
            ({**wanted, "age": "1"}, 5 / 9),
            ({"name": ["not", "text"]}, 0),
            ({"name": ""}, 0),
            ([1, 2], 0),
        ):
            evidence.files[browser.RECEIPT] = json.dumps(sent).encode()
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[browser.RECEIPT] = b"[" * 9_000
        assert value(task, evidence) == 0

    def test_tabs_count_beside_the_page_that_was_there(self) -> None:
        task = browser.KeepTabs()
        evidence = left(task)
        wanted = evidence.goal["wanted"]
        for titles, expected in (
            (wanted, 1),
            ([f"{each} - Memory usage - 20 MB" for each in wanted], 1),
            ([*wanted, "New Tab"], 0.5),
            (wanted[:2], 0.25),
            (wanted[1:], 0),
        ):
            evidence.elements = tuple(Element(at, "tab", title) for at, title in enumerate(titles, start=1))
            assert value(task, evidence) == expected
