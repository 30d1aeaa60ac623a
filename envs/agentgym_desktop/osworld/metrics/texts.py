"""Metrics of text files: plain ones, lists, tables of comma-separated values, JSON, settings."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics import rules
from agentgym_desktop.osworld.metrics.registry import UnreadableError, files_of, metric, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.osworld.files import File
    from agentgym_desktop.osworld.schema import Check

MAX_LINE = 100_000  # characters of a line that patterns are looked for in
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)")
_OOR = "{http://openoffice.org/2001/registry}"


def _patterns(check: Check) -> Iterator[str]:
    rule = getattr(check.expected, "rules", None)
    for key in ("expect", "unexpect"):
        for pattern in rule.get(key, []) if isinstance(rule, dict) else []:
            try:
                re.compile(pattern)
            except (re.error, TypeError, RecursionError, OverflowError):
                yield f"the pattern {str(pattern)[:40]!r}"


def _json_rules(check: Check) -> Iterator[str]:
    rule = getattr(check.expected, "rules", None)
    for key in ("expect", "unexpect"):
        for each in rule.get(key, []) if isinstance(rule, dict) else []:
            if not rules.knows(each) or not isinstance(each.get("key"), list):
                yield f"the rule {str(each)[:60]}"


@metric(options="ignore_blanks ignore_case")
def compare_text_file(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two files have the same text."""
    if result is None:
        return 0.0
    texts = [text_of(result), text_of(expected)]
    if options.get("ignore_blanks"):
        texts = [re.sub(r"\s+", " ", re.sub(r"[\t\n]", " ", text).strip()) for text in texts]
    if options.get("ignore_case"):
        texts = [text.lower() for text in texts]
    return float(texts[0] == texts[1])


@metric()
def diff_text_file(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """How much of its lines two files have in common."""
    if result is None:
        return 0.0
    return difflib.SequenceMatcher(a=text_of(result).splitlines(), b=text_of(expected).splitlines()).ratio()


@metric(needs="expected")
def file_contains(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """All of some texts are in a file."""
    if result is None:
        return 0.0
    text = text_of(result)
    return float(all(each in text for each in expected["expected"]))


@metric(needs="expected")
def check_line_number(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """So many lines of a file have a time of day."""
    if result is None:
        return 0.0
    found = sum(_CLOCK.search(line) is not None for line in text_of(result).split("\n"))
    return float(found == int(expected["expected"]))


@metric(gaps=_patterns)
def check_list(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Each of some patterns is in a line of a file, and others are in none."""
    if result is None:
        return 0.0
    lines = [line[:MAX_LINE] for line in text_of(result).splitlines(keepends=True)]

    def found(pattern: str) -> bool:
        return any(re.search(pattern, line) for line in lines)

    wanted = all(found(each) for each in expected.get("expect", []))
    return float(wanted and not any(found(each) for each in expected.get("unexpect", [])))


@metric()
def check_csv(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Each of some records is in a table, and others are not."""
    if result is None:
        return 0.0
    try:
        records = list(csv.DictReader(io.StringIO(text_of(result))))
    except csv.Error as error:
        raise UnreadableError.of(result, error) from error

    def found(wanted: dict[str, str]) -> bool:
        return any(all(record.get(key) == value for key, value in wanted.items()) for record in records)

    have = all(found(each) for each in expected.get("expect", []))
    return float(have and not any(found(each) for each in expected.get("unexpect", [])))


@metric(options="strict ignore_case")
def compare_csv(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A table has the same lines as one of the expected ones."""
    if result is None:
        return 0.0

    def lines(file: File) -> list[str]:
        text = file.content.decode("utf-8-sig", errors="replace")
        found = text.lower().splitlines() if options.get("ignore_case") else text.splitlines()
        return found if options.get("strict", True) else [line.strip() for line in found]

    return float(any(file is not None and lines(file) == lines(result) for file in files_of(expected)))


@metric(options="is_yaml", gaps=_json_rules)
def check_json(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Values of a JSON (or YAML) file are as rules want them; a key is the way to a value."""
    if result is None:
        return 0.0
    value = _yaml(result) if options.get("is_yaml") else _json(result)
    for rule in expected.get("expect", []):
        there, found = _at(value, rule["key"])
        if not there or not rules.matches(found, rule):
            return 0.0
    return float(not any(rules.matches(_at(value, rule["key"])[1], rule) for rule in expected.get("unexpect", [])))


@metric(needs="expected")
def check_json_settings(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A file of settings has these values."""
    if result is None:
        return 0.0
    found = _json(result)
    return float(
        isinstance(found, dict) and all(found.get(key, ...) == value for key, value in expected["expected"].items())
    )


@metric(needs="expected")
def check_json_keybindings(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A list in a file, which may begin with a line of comment, has an entry."""
    if result is None:
        return 0.0
    text = text_of(result)
    for part in (text, text.partition("\n")[2]):
        try:
            found = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, list):
            return float(expected["expected"] in found)
    return 0.0


@metric(options="containment_ok", needs="expected")
def compare_config(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A file is the expected text, or JSON of the same value; by default it may hold more."""
    if result is None:
        return 0.0
    text, wanted = text_of(result), str(expected["expected"])
    try:
        found, value = json.loads(text), json.loads(wanted)
    except (ValueError, RecursionError):
        return float(wanted.strip() in text if options.get("containment_ok", True) else wanted == text)
    return float(_holds(found, value) if options.get("containment_ok", True) else found == value)


@metric()
def compare_python_pure_text(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two programs have the same lines but for empty ones, ends of lines, and comments about coding at the top."""
    if result is None or expected is None:
        return 0.0
    return float(_code(text_of(result)) == _code(text_of(expected)))


@metric()
def compare_result_files(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """Two files have the same text; where a number is expected, it is in the other, or nearly the other."""
    if result is None:
        return 0.0
    text, wanted = text_of(result).strip(), text_of(expected).strip()
    try:
        number = float(wanted)
    except ValueError:
        return float(text == wanted)
    try:
        return float(wanted in text or abs(float(text) - number) < 1e-4)
    except ValueError:
        return 0.0


@metric(needs="key value")
def check_config_status(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """A line of a file of settings in parentheses, ``(key value)``, is so."""
    if result is None:
        return 0.0
    key = expected["key"] if isinstance(expected["key"], list) else [expected["key"]]
    for line in text_of(result).split("\n"):
        words = line.strip().lstrip("(").rstrip(")").split()
        if words and words[: len(key)] == key and words[-1] == expected["value"]:
            return 1.0
    return 0.0


@metric(needs="font_name")
def find_default_font(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """LibreOffice's settings name the font that new text documents have."""
    if result is None:
        return 0.0
    from agentgym_desktop.osworld.metrics.archives import parse_xml

    font = None
    for item in parse_xml(result, result.content).iter("item"):
        if item.get(f"{_OOR}path") == "/org.openoffice.Office.Writer/DefaultFont":
            for prop in item.iter("prop"):
                if prop.get(f"{_OOR}name") == "Standard":
                    font = prop.findtext("value")
    return float(font == expected["font_name"])


def _json(file: File) -> Any:
    try:
        return json.loads(text_of(file))
    except (ValueError, RecursionError) as error:
        raise UnreadableError.of(file, f"no JSON: {error}") from error


def _yaml(file: File) -> Any:
    import yaml

    try:
        return yaml.safe_load(text_of(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError.of(file, f"no YAML: {str(error)[:100]}") from error


def _at(value: Any, keys: list[Any]) -> tuple[bool, Any]:
    for key in keys:
        try:
            value = value[key]
        except (KeyError, TypeError, IndexError):
            return False, None
    return True, value


def _holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and _holds(found[key], each) for key, each in wanted.items()
        )
    return bool(found == wanted)


def _code(text: str) -> list[str]:
    lines = text.splitlines()
    top = 0
    while top < min(3, len(lines)) and re.match(r"#!|# -\*- coding:|# coding[:=]", lines[top].strip()):
        top += 1
    return [line.expandtabs(4).rstrip() for line in lines[top:] if line.strip()]
