"""Files as the metrics take them: a name and a content, with the files that were fetched for the same side.

It imports nothing, as the process that judges must start fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """A file that is judged or compared with."""

    name: str
    content: bytes
    folder: dict[str, bytes] = field(default_factory=dict, repr=False)
    """What was fetched together with it, by name."""
    ours: bool = False
    """Whether it is one of the task's own, which no agent has touched."""


@dataclass(frozen=True)
class LastRow:
    """The last row of the first sheet of a workbook."""

    file: File
