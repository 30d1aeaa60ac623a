"""OSWorld's metrics of values, texts, archives, papers and pictures: what is so scores 1, what is not 0."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym_desktop.osworld.metrics import rules
from agentgym_desktop.osworld.metrics.colours import ciede2000
from tests.osworld_documents import image, of_agent, ours, pdf, score, tarred, zipped


@pytest.mark.parametrize(
    ("func", "right", "wrong", "expected", "options"),
    [
        ("check_include_exclude", "yes and no", "yes or", {"include": ["yes", "no"], "exclude": ["or"]}, {}),
        ("exact_match", [1, 2], [2, 1], {"expected": [1, 2]}, {}),
        ("match_in_list", "a", "c", {"expected": ["a", "b"]}, {}),
        ("is_in_list", ["a", "b"], ["b"], {"expected": "a"}, {}),
        ("is_in_list", "path/a", None, {"expected": "a"}, {}),
        ("literal_match", 3, 4, "3", {}),
        ("literal_match", ["A", 1], ["A", 1, 2], ("a", "1"), {"type": "list", "ignore_case": True}),
        ("fuzzy_match", "abc", "", {"expected": "abc"}, {}),
        ("check_moved_jpgs", {"children": [{"name": "a"}]}, {"children": []}, {"expected": ["a"]}, {}),
        ("is_in_vm_clickboard", {"expected": ["a", "b"]}, {"expected": ["c"]}, "b a", {}),
        ("is_extension_installed", "a\nb", "b", {"type": "contain", "expected": "a"}, {}),
        ("is_extension_installed", "b", "a\nb", {"type": "not_contain", "expected": "a"}, {}),
        ("check_font_size", {"default_font_size": 20}, {"default_font_size": 16},
         {"type": "range", "min": 16, "max": 99}, {}),
        ("check_font_size", {"default_font_size": 20}, {}, {"type": "value", "value": 20}, {}),
        ("is_expected_bookmarks", {"bookmark_bar": {"children": [{"type": "folder", "name": "a"}]}}, None,
         {"type": "bookmark_bar_folders_names", "names": ["a"]}, {}),
        ("check_direct_json_object", "{'a': 1, 'b': 2}", "{'a': 2}", {"expected": {"a": 1}}, {}),
        ("check_direct_json_object", {"a": "xy"}, "no", {"expected": {"a": "x"}, "expect_in_result": True}, {}),
        ("compare_text_file", of_agent(b"a  B\r\n"), of_agent(b"ab"), ours(b"a\tb"),
         {"ignore_blanks": True, "ignore_case": True}),
        ("diff_text_file", of_agent(b"a\nb"), of_agent(b""), ours(b"a\nb"), {}),
        ("file_contains", of_agent(b"one two"), of_agent(b"two"), {"expected": ["one", "two"]}, {}),
        ("check_line_number", of_agent(b"a 12:30:00\nb\n"), of_agent(b"12:30"), {"expected": "1"}, {}),
        ("check_list", of_agent(b"ab\ncd"), of_agent(b"ab\nx"), {"expect": ["^a"], "unexpect": ["x$"]}, {}),
        ("check_csv", of_agent(b"k,v\na,1\nb,2"), of_agent(b"k,v\na,2"),
         {"expect": [{"k": "a", "v": "1"}], "unexpect": [{"v": "3"}]}, {}),
        ("compare_csv", of_agent(b"a, b \n"), of_agent(b"a"), [ours(b"x"), ours(b"\xef\xbb\xbfA, b")],
         {"strict": False, "ignore_case": True}),
        ("check_json", of_agent(b'{"a": [{"b": "xy"}]}'), of_agent(b'{"a": []}'),
         {"expect": [{"key": ["a", 0, "b"], "method": "re", "ref": "^x"}]}, {}),
        ("check_json", of_agent(b"a: 3"), of_agent(b"a: 4"),
         {"expect": [{"key": ["a"], "method": "range.te", "ref": [2, 3]}],
          "unexpect": [{"key": ["b"], "method": "eq", "ref": 1}]}, {"is_yaml": True}),
        ("check_json_settings", of_agent(b'{"a": 1, "b": null}'), of_agent(b'{"a": 1}'), {"expected": {"b": None}}, {}),
        ("check_json_keybindings", of_agent(b'// keys\n[{"k": 1}]'), of_agent(b"[]"), {"expected": {"k": 1}}, {}),
        ("compare_config", of_agent(b'{"a": {"b": 1, "c": 2}}'), of_agent(b'{"a": 1}'),
         {"expected": '{"a": {"b": 1}}'}, {}),
        ("compare_config", of_agent(b'{"a":1}'), of_agent(b'{"a":1,"b":2}'), {"expected": '{"a": 1}'},
         {"containment_ok": False}),
        ("compare_python_pure_text", of_agent(b"#!/bin/sh\n\nx = 1  \n"), of_agent(b"x=1"), ours(b"x = 1"), {}),
        ("compare_result_files", of_agent(b"It is 42."), of_agent(b"41"), ours(b"42\n"), {}),
        ("check_config_status", of_agent(b"# c\n(theme \"Dark\")\n"), of_agent(b""),
         {"key": "theme", "value": '"Dark"'}, {}),
    ],
)  # fmt: skip
def test_values_and_texts(func: str, right: Any, wrong: Any, expected: Any, options: dict[str, Any]) -> None:
    assert score(func, right, expected, **options) == 1
    assert score(func, wrong, expected, **options) == 0


def test_archives_and_papers_and_pictures() -> None:
    assert score("compare_zip_files", of_agent(zipped(a=b"1")), ours(zipped(a=b"1"))) == 1
    assert score("compare_zip_files", of_agent(zipped(a=b"1", b=b"2")), ours(zipped(a=b"1"))) == 0
    assert score("compare_archive", of_agent(tarred(d__a=b"x y")), ours(zipped(d__a=b"x y")), file_path="d") == 1
    assert score("compare_archive", of_agent(tarred(d__b=b"x")), ours(zipped(d__a=b"x")), file_path="d") == 0
    rows = {"file_type": "csv", "ignore_case": True}
    assert score("compare_archive", of_agent(tarred(a=b"X\n")), ours(tarred(a=b"x\n")), **rows) == 1


def test_papers() -> None:
    same_text, other = of_agent(pdf("Invoice of May"), "a.pdf"), of_agent(pdf("zzz"), "a.pdf")
    gold = ours(pdf("Invoice of May"), "gold.pdf")
    assert score("compare_pdfs", same_text, gold) == 1
    assert score("compare_pdfs", other, gold) < 0.3
    assert score("compare_pdfs", [same_text, None], [gold, gold]) == 0.5
    assert score("check_pdf_pages", of_agent(pdf("x", 2)), {"relation": "le", "ref_value": 2}) == 1
    assert score("check_pdf_pages", of_agent(pdf("x", 2)), {"relation": "lt", "ref_value": 2}) == 0


def test_pictures() -> None:
    assert score("compare_image_list", [image("red"), image("blue", (8, 6))], [image("red"), image("blue")]) == 1
    assert score("compare_image_list", image("red"), image("blue")) == 0
    assert score("check_image_size", image("red"), {"height": 3}) == 1
    assert score("check_image_size", image("red"), {"height": 3, "width": 3}) == 0
    assert score("check_image_file_size", image("red"), {"max_size": 1000}) == 1
    assert score("check_image_file_size", image("red"), {"max_size": 10}) == 0


def test_differences_of_colours_are_those_of_the_paper() -> None:
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
        ((50, -1, 2), (50, 0, 0), 2.3669),
    ]
    for one, other, wanted in pairs:
        assert ciede2000(one, other) == pytest.approx(wanted, abs=1e-4)


METHODS = st.sampled_from(
    ["eq", "lt", "re", "re.S", "approx:0.1", "range.te", "str_set_eq", "spreadsheet_range", "odd", "re.Q"]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers() | st.text(max_size=3), max_size=3)
)


@given(st.fixed_dictionaries({"method": METHODS}, optional={"ref": VALUES}), VALUES)
def test_a_rule_that_is_known_is_true_or_false_of_anything(wanted: dict[str, Any], value: Any) -> None:
    if rules.knows(wanted):
        assert rules.matches(value, wanted) in (True, False)
