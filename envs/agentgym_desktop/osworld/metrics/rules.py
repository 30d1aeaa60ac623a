"""Rules of OSWorld's about one value: a method, and what it refers to."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "le", "lt", "ge", "gt")
}
RELATIONS = frozenset(_RELATIONS)
_FLAGS = {"I": re.I, "IGNORECASE": re.I, "M": re.M, "MULTILINE": re.M, "S": re.S, "DOTALL": re.S, "X": re.X}


def knows(rule: Any) -> bool:
    """Return whether a rule is one that `matches` takes."""
    if not isinstance(rule, dict) or "ref" not in rule or not isinstance(rule.get("method"), str):
        return False
    method, ref = rule["method"], rule["ref"]
    if method in _RELATIONS:
        return True
    if method in ("str_list_eq", "str_set_eq"):
        return isinstance(ref, list)
    if method == "spreadsheet_range":
        return isinstance(ref, list) and len(ref) == 2
    if method.startswith("approx:"):
        return re.fullmatch(r"\d+(\.\d+)?([eE]-?\d+)?", method[7:]) is not None and isinstance(ref, int | float)
    if method.startswith("range."):
        return re.fullmatch(r"[et]{2}", method[6:]) is not None and isinstance(ref, list) and len(ref) == 2
    first, *flags = method.split(".")
    if first == "re" and isinstance(ref, str) and set(flags) <= _FLAGS.keys():
        try:
            re.compile(ref)
        except (re.error, RecursionError, OverflowError):
            return False
        return True
    return False


def matches(value: Any, rule: Mapping[str, Any]) -> bool:
    """Return whether a value is as a rule wants it; a value of a kind that cannot be compared is not."""
    method, ref = rule["method"], rule["ref"]
    try:
        if method in _RELATIONS:
            return bool(_RELATIONS[method](value, ref))
        if method in ("str_list_eq", "str_set_eq"):
            kind: Any = list if method == "str_list_eq" else set
            return bool(kind(str(value).strip("\"'").split(",")) == kind(ref))
        if method == "spreadsheet_range":
            return _within_ranges(value, *ref)
        if method.startswith("approx:"):
            return bool(abs(float(value) - ref) <= float(method[7:]))
        if method.startswith("range."):
            left, right = (_RELATIONS[f"l{letter}"] for letter in method[6:])
            return bool(left(ref[0], value) and right(value, ref[1]))
        flags = re.RegexFlag(0)
        for name in method.split(".")[1:]:
            flags |= _FLAGS[name]
        return isinstance(value, str) and re.search(ref, value, flags) is not None
    except (TypeError, ValueError):
        return False


def _within_ranges(value: Any, least: str, most: str) -> bool:
    from openpyxl.worksheet.cell_range import MultiCellRange

    inner, outer = MultiCellRange(least), MultiCellRange(most)
    found = MultiCellRange(str(value))
    return all(each in found for each in inner) and all(each in outer for each in found)
