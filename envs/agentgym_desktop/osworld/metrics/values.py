"""Metrics of plain values: texts that a command wrote, lists, and objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics.registry import metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.osworld.schema import Check


@metric()
def check_include_exclude(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Some texts are in the result, and others are not."""
    if not isinstance(result, str | list):
        return 0.0
    wanted = all(each in result for each in expected.get("include", []))
    return float(wanted and all(each not in result for each in expected.get("exclude", [])))


@metric(needs="expected")
def exact_match(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The result is the expected value."""
    return float(result == expected["expected"])


@metric(needs="expected")
def match_in_list(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The result is one of the expected values, or a part of the expected text."""
    return float(_is_in(result, expected["expected"]))


@metric(needs="expected")
def is_in_list(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The expected value is one of the result's, or a part of its text."""
    return float(_is_in(expected["expected"], result))


def _literal_gaps(check: Check) -> Iterator[str]:
    kind = check.options.get("type", "str")
    if kind not in ("str", "list"):
        yield f"type {str(kind)[:20]}"


@metric(options="type ignore_case", gaps=_literal_gaps)
def literal_match(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Both are the same text, or the same list of texts."""

    def plain(value: Any) -> str:
        return str(value).lower() if options.get("ignore_case") else str(value)

    if options.get("type", "str") == "str":
        return float(plain(result) == plain(expected))
    if not isinstance(result, list | tuple) or not isinstance(expected, list | tuple):
        return 0.0
    return float([plain(each) for each in result] == [plain(each) for each in expected])


@metric(needs="expected")
def fuzzy_match(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How alike two texts are."""
    from rapidfuzz import fuzz

    return fuzz.ratio(result, str(expected["expected"])) / 100 if isinstance(result, str) else 0.0


@metric(needs="expected")
def check_moved_jpgs(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A folder holds these names and no others."""
    if not isinstance(result, dict):
        return 0.0
    names = [each["name"] for each in result["children"]]
    return float(sorted(names) == sorted(expected["expected"]))


@metric(needs="expected")
def is_in_vm_clickboard(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """One text, or all of a list, are in what a command wrote; the rule is on the result's side."""
    wanted = result["expected"]
    if not isinstance(expected, str):
        return 0.0
    return float(all(each in expected for each in wanted) if isinstance(wanted, list) else wanted in expected)


@metric(needs="type expected")
def is_extension_installed(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A text is in what a command wrote, or is not."""
    if not isinstance(result, str):
        return 0.0
    return float((expected["expected"] in result) == (expected["type"] == "contain"))


def _font_gaps(check: Check) -> Iterator[str]:
    rule = getattr(check.expected, "rules", {})
    if not (rule["type"] == "value" and "value" in rule) and not (
        rule["type"] == "range" and {"min", "max"} <= rule.keys()
    ):
        yield f"type {str(rule['type'])[:20]}"


@metric(needs="type", gaps=_font_gaps)
def check_font_size(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The browser's size of letters is a value, or between two."""
    size = result.get("default_font_size") if isinstance(result, dict) else None
    if not isinstance(size, int | float):
        return 0.0
    if expected["type"] == "value":
        return float(size == expected["value"])
    return float(expected["min"] < size < expected["max"])


_MARKED = {
    "bookmark_bar_folders_names": ("folder", "name", "names"),
    "bookmark_bar_websites_urls": ("url", "url", "urls"),
}


def _bookmark_gaps(check: Check) -> Iterator[str]:
    rule = getattr(check.expected, "rules", {})
    if str(rule["type"]) not in _MARKED or not isinstance(rule.get(_MARKED[rule["type"]][2]), list):
        yield f"type {str(rule['type'])[:40]}"


@metric(needs="type", gaps=_bookmark_gaps)
def is_expected_bookmarks(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The bookmarks bar has these folders, or these sites, and no others."""
    kind, field, key = _MARKED[expected["type"]]
    try:
        found = {each[field] for each in result["bookmark_bar"]["children"] if each["type"] == kind}
    except (KeyError, TypeError):
        return 0.0
    return float(found == set(expected[key]))


@metric(needs="expected")
def check_direct_json_object(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """An object has the expected values.

    With ``expect_in_result`` it has one of each list, and a text of which the expected one is a part.
    """
    if isinstance(result, str):
        try:
            result = json.loads(result.strip().replace("'", '"'))
        except (ValueError, RecursionError):
            return 0.0
    wanted = expected["expected"]
    if not isinstance(result, dict) or not isinstance(wanted, dict):
        return 0.0
    if not expected.get("expect_in_result", False):
        return float(all(_same(value, result.get(key), wanted) for key, value in wanted.items()))
    return float(all(_has(result.get(key), value) for key, value in wanted.items()))


def _same(value: Any, found: Any, wanted: dict[str, Any]) -> bool:
    if wanted.get("ignore_list_order") and isinstance(value, list) and isinstance(found, list):
        return sorted(map(str, value)) == sorted(map(str, found))
    return bool(value == found)


def _has(found: Any, value: Any) -> bool:
    if isinstance(value, list):
        return any(each in found if isinstance(found, list) else each == found for each in value)
    return isinstance(value, str) and isinstance(found, str) and value in found


def _is_in(value: Any, several: Any) -> bool:
    if isinstance(several, str):
        return isinstance(value, str) and value in several
    return isinstance(several, list | dict) and any(value == each for each in several)
