"""Metrics by name, and what all of them share.

A metric takes what the agent has brought about, what it is compared with, and options; it returns a number in [0, 1].
It runs in a process of its own (see `judge`), and may take files for anything: one that cannot be read raises
`UnreadableError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentgym_desktop.osworld.files import File
    from agentgym_desktop.osworld.schema import Check

    Call = Callable[[Any, Any, dict[str, Any]], float]
    Gaps = Callable[[Check], Iterator[str]]


class UnreadableError(Exception):
    """A file is not what a metric takes.

    Args:
        message: why.
        of_agent: whether the agent has left it, so that it counts as wrong; else the check cannot be judged.
    """

    def __init__(self, message: str, *, of_agent: bool) -> None:
        super().__init__(message)
        self.of_agent = of_agent

    @classmethod
    def of(cls, file: File, why: object) -> UnreadableError:
        """Return the error for a file."""
        return cls(f"{file.name[:80]} cannot be read: {why}", of_agent=not file.ours)


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        call: what computes it.
        options: it knows.
        needs: keys that the rule which it compares with must have.
        further_gaps: tells what else of a check it cannot do.
    """

    call: Call
    options: frozenset[str]
    needs: tuple[str, ...]
    further_gaps: Gaps | None

    def gaps(self, check: Check) -> Iterator[str]:
        """Yield what of a check it cannot do."""
        rules = [getattr(each, "rules", None) for each in (check.result, check.expected)]
        if self.needs and not any(isinstance(each, dict) and set(self.needs) <= each.keys() for each in rules):
            yield f"no rule with {', '.join(self.needs)}"
        elif self.further_gaps is not None:
            yield from self.further_gaps(check)


METRICS: dict[str, Metric] = {}
"""All metrics that are known here."""


def metric(*, options: str = "", needs: str = "", gaps: Gaps | None = None) -> Callable[[Call], Call]:
    """Register a function as the metric of its name.

    Args:
        options: names of those that it knows.
        needs: names of the keys that its rule must have.
        gaps: tells what else of a check it cannot do.
    """

    def register(call: Call) -> Call:
        METRICS[call.__name__] = Metric(call, frozenset(options.split()), tuple(needs.split()), gaps)
        return call

    return register


def files_of(value: Any) -> list[File | None]:
    """Return one file, or those of a list, as a list."""
    return value if isinstance(value, list) else [value]


def text_of(file: File) -> str:
    """Return the text of a file, its lines ended by a line feed.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return file.content.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableError.of(file, "it is no text in UTF-8") from error
