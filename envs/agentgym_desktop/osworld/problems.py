"""Why a task cannot be played here: each problem is of a kind, and says what is missing."""

from __future__ import annotations

from typing import NamedTuple

KINDS = {
    "internet": "needs the internet",
    "login": "needs an account of a service",
    "root": "needs the rights of root",
    "app": "needs an app that is not installed",
    "program": "runs a program that is not installed",
    "system": "needs a part of GNOME or systemd, which a desktop here has not",
    "step": "has a set-up step that is not supported",
    "getter": "looks at something that is not supported",
    "metric": "is judged by a metric that is not supported",
    "file": "needs a file that is not at hand, or too big",
}
"""What each kind means, in words that follow "a task that"."""


class Problem(NamedTuple):
    """Something that keeps a task from being played."""

    kind: str
    """Of `KINDS`."""
    what: str
    """The thing itself, such as the name of an app, a metric, or a file."""

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}: {self.what}"
