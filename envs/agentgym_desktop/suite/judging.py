"""How scores are put together: parts that were wanted, and harm that was not.

A task's score is the share of its parts that are so, each counted by its worth, less `HARM` for each file that was to
stay as it was and did not, and for each that nobody asked for. Parts are about what the agent was to change: none of
them is so at the start.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from agentgym.episode import Score

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from agentgym_desktop.task import Evidence

HARM = 0.25  # of a score, for each thing that was done beside the task
MAX_REASON = 600  # characters


class Part(NamedTuple):
    """Something that was wanted."""

    what: str
    """In words: "notes.txt is in Archive"."""
    so: bool
    worth: float = 1.0


def judge(parts: Iterable[Part], harm: Collection[str] = ()) -> Score:
    """Return the score of parts, less what was harmed.

    Args:
        parts: what was wanted; at least one.
        harm: what was done beside it, a sentence each.
    """
    parts = tuple(parts)
    share = sum(part.worth for part in parts if part.so) / sum(part.worth for part in parts)
    missing = [f"not so: {part.what}" for part in parts if not part.so]
    reason = "; ".join([*missing, *harm]) or "; ".join(part.what for part in parts)
    return Score(max(0.0, share - HARM * len(harm)), reason[:MAX_REASON])


def harm_done(evidence: Evidence, files: Mapping[str, bytes], *, may: Collection[str] = ()) -> list[str]:
    """Return what has changed in the home folder though it was not to: a sentence for each file.

    Hidden files are not looked at: apps keep their settings there.

    Args:
        evidence: the desktop.
        files: what there was, by path.
        may: files that may have changed, or be gone or new, and folders in which anything may.
    """
    allowed = {PurePosixPath(path) for path in may}

    def is_allowed(path: PurePosixPath) -> bool:
        return bool(allowed & {path, *path.parents})

    kept = {PurePosixPath(path): content for path, content in files.items()}
    harm = []
    for path, content in kept.items():
        if not is_allowed(path) and evidence.read(str(path)) != content:
            harm.append(f"{path} has been changed or is gone")
    folders = {folder for path in {*kept, *allowed} for folder in path.parents}
    known = {*kept, *folders}
    for folder in sorted(folders):
        if is_allowed(folder):
            continue
        for name in evidence.list(str(folder)) or ():
            path = folder / name
            if not name.startswith(".") and path not in known and not is_allowed(path):
                harm.append(f"nobody asked for {path}")
    return harm


def text_of(content: bytes | None) -> str | None:
    """Return the text of a file without the ends of its last lines; None where it is not UTF-8, or none."""
    if content is None or content.startswith(b"\xef\xbb\xbf") or b"\0" in content:
        return None
    try:
        return content.decode().rstrip("\n")
    except UnicodeDecodeError:
        return None


def lines_of(content: bytes | None) -> list[str]:
    """Return the lines of a text file; none where it is no text."""
    text = text_of(content)
    return text.split("\n") if text else []
