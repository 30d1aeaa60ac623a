"""A YAML document in which no key is written twice: YAML forbids it, and PyYAML would take the last in silence."""

from __future__ import annotations

from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"  # `<<`, whose keys others may replace


class RepeatedKeyError(yaml.YAMLError):
    """A key stands twice in one mapping; the message names key and lines."""


def read_document(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        RepeatedKeyError: a key stands twice in one mapping.
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, _Loader)  # noqa: S506 (it derives from the safe one)


class _Loader(yaml.SafeLoader):
    """The safe loader, and a check."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping; called by PyYAML for each."""
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise RepeatedKeyError(
                    f"key {key.value!r} stands in line {lines[name]} and again in line {line}. Keep one."
                )
            lines[name] = line
        return super().construct_mapping(node, deep=deep)
