"""Does the state match what was asked for?

What is judged comes from pages and programs, so it may be of any type: what is not text is a mismatch, never an
exception. Text is compared without regard to white space at its ends and to how much of it stands between words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agentgym.episode import Score

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_QUOTE = 80  # characters of a value that a reason quotes


def text_matches(actual: object, expected: str, *, ignore_case: bool = False) -> Score:
    """Score 1 if a text is the expected one, else 0.

    Args:
        actual: what was found.
        expected: what was asked for.
        ignore_case: whether upper and lower case are the same.
    """
    if _same(actual, expected, ignore_case=ignore_case):
        return Score(1.0, f"is {_quote(expected)}")
    return Score(0.0, f"expected {_quote(expected)}, found {_quote(actual)}")


def fields_match(actual: object, expected: Mapping[str, str], *, ignore_case: bool = False) -> Score:
    """Score 1 if every expected field has its value, else 0; further fields do not matter.

    Args:
        actual: field names and values that were found.
        expected: those that were asked for.
        ignore_case: whether upper and lower case are the same.
    """
    if not isinstance(actual, Mapping):
        return Score(0.0, f"expected fields, found {_quote(actual)}")
    wrong = [
        f"{name}: expected {_quote(value)}, found {_quote(actual.get(name))}"
        for name, value in expected.items()
        if not _same(actual.get(name), value, ignore_case=ignore_case)
    ]
    return Score(0.0, "; ".join(wrong)) if wrong else Score(1.0, f"all {len(expected)} fields match")


def items_match(actual: object, expected: Sequence[str], *, ordered: bool = False) -> Score:
    """Score 1 if a list holds exactly the expected texts, each as often, else 0.

    Args:
        actual: what was found.
        expected: what was asked for.
        ordered: whether their order matters.
    """
    if not isinstance(actual, Sequence) or isinstance(actual, str | bytes):
        return Score(0.0, f"expected a list, found {_quote(actual)}")
    if not all(isinstance(item, str) for item in actual):
        return Score(0.0, f"expected a list of texts, found {_quote(actual)}")
    found, wanted = _normal_all(actual), _normal_all(expected)
    if found == wanted or (not ordered and Counter(found) == Counter(wanted)):
        return Score(1.0, f"all {len(wanted)} items match")
    return Score(0.0, f"expected {_quote(wanted)}, found {_quote(found)}")


def _same(actual: object, expected: str, *, ignore_case: bool) -> bool:
    if not isinstance(actual, str):
        return False
    left, right = _normal(actual), _normal(expected)
    return left == right or (ignore_case and left.casefold() == right.casefold())


def _normal(text: str) -> str:
    return " ".join(text.split())


def _normal_all(texts: Iterable[str]) -> list[str]:
    return [_normal(text) for text in texts]


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_QUOTE else text[: MAX_QUOTE - 3] + "..."
