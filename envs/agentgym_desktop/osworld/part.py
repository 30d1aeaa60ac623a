"""What all parts of a task file share: they do not change, and keys that are not known are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Command: TypeAlias = str | list[str]


class Part(BaseModel):
    """A part of a task file."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def tag_by(tags: Mapping[str, str]) -> Callable[[Any], str]:
    """Return what tells which model a part is of, by its ``type``; "other" where there is none for it."""

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return tags.get(kind, "other") if isinstance(kind, str) else "other"

    return tag
