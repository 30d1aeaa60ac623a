"""What all parts of a task file share: they do not change, and keys that are not known are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable

Command: TypeAlias = str | list[str]


class Part(BaseModel):
    """A part of a task file."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def kind_of(known: frozenset[str]) -> Callable[[Any], str]:
    """Return what tells the kind of a part by its ``type``: one of those that are known, or "other"."""

    def kind(value: Any) -> str:
        found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return found if isinstance(found, str) and found in known else "other"

    return kind
