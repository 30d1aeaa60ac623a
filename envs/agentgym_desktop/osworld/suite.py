"""OSWorld's tasks from a folder: those that can be played here as a suite, and why the others cannot."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import ConfigError
from agentgym.task import Suite
from agentgym_desktop.osworld.downloads import Downloads
from agentgym_desktop.osworld.problems import KINDS, Problem
from agentgym_desktop.osworld.schema import ID, TaskFile, load_json, parse
from agentgym_desktop.osworld.support import problems_of
from agentgym_desktop.osworld.task import OSWorldTask

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TASKS = 100_000
SHOWN = 12  # things of one kind that a report lists


@dataclass(frozen=True)
class Entry:
    """A task file, and what keeps it from being played."""

    path: Path
    file: TaskFile
    problems: tuple[Problem, ...]

    @property
    def supported(self) -> bool:
        """Whether nothing but files is missing."""
        return all(problem.kind == "file" for problem in self.problems)

    @property
    def ready(self) -> bool:
        """Whether it can be played."""
        return not self.problems


@dataclass(frozen=True)
class Report:
    """What became of a folder of tasks; as text, a summary."""

    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        supported = sum(entry.supported for entry in self.entries)
        ready = sum(entry.ready for entry in self.entries)
        lines = [
            f"Well-formed tasks: {len(self.entries)}.",
            f"Supported on this machine: {supported}; with all their files at hand, too: {ready}.",
        ]
        for kind, meaning in KINDS.items():
            tasks = sum(any(problem.kind == kind for problem in entry.problems) for entry in self.entries)
            if tasks:
                lines.append(f"{tasks} {'tasks' if tasks > 1 else 'task'}: {meaning}{self._examples(kind)}")
        return "\n".join(lines)

    def reasons(self, kind: str) -> Counter[str]:
        """Return what is missing of a kind (see `problems.KINDS`), and for how many tasks."""
        return Counter(each.what for entry in self.entries for each in entry.problems if each.kind == kind)

    def _examples(self, kind: str) -> str:
        counted = self.reasons(kind)
        if kind == "file":
            return f" ({len(counted)} files)"
        shown = [f"{what} {count}" for what, count in counted.most_common(SHOWN)]
        return f" ({', '.join(shown)}{', ...' if len(counted) > SHOWN else ''})"


def load(tasks: str | Path, files: str | Path | None = None, *, name: str = "osworld") -> Suite:
    """Return the tasks that can be played on this machine; `report` tells which cannot, and why.

    Args:
        tasks: a folder of task files, or one file: a task, or an index such as OSWorld's ``test_all.json``.
        files: the folder with what OSWorld would download (see `downloads`); None where no task needs any.
        name: of the suite.

    Raises:
        ConfigError: a file is not what it should be; the message has its path and key.
    """
    downloads = _downloads(files)
    entries = report(tasks, files).entries
    return Suite(name, tuple(OSWorldTask(entry.file, downloads, suite=name) for entry in entries if entry.ready))


def report(tasks: str | Path, files: str | Path | None = None) -> Report:
    """Return what became of each task, in the order of their files.

    Raises:
        ConfigError: as for `load`.
    """
    downloads = _downloads(files)
    entries: dict[str, Entry] = {}
    for path in _paths(Path(tasks)):
        file = parse(_read(path), str(path))
        if file.id in entries:
            raise ConfigError(f"{path}: id: the task {file.id!r} is in {entries[file.id].path}, too")
        entries[file.id] = Entry(path, file, problems_of(file, downloads))
    return Report(tuple(entries.values()))


def _downloads(files: str | Path | None) -> Downloads:
    return Downloads(None if files is None else Path(files))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the task file cannot be read: {error.strerror}") from error


def _paths(tasks: Path) -> Iterator[Path]:
    """Yield the task files that are meant."""
    if tasks.is_dir():
        found = sorted(tasks.rglob("*.json"))[:MAX_TASKS]
        found = [path for path in found if "evaluator" in _keys(path)]
        if not found:
            raise ConfigError(f"{tasks}: there is no task file (*.json with an `evaluator`) in this folder")
        yield from found
        return
    if not tasks.is_file():
        raise ConfigError(f"{tasks}: there is no such file or folder of tasks")
    raw = load_json(_read(tasks), str(tasks))
    if isinstance(raw, dict) and "evaluator" in raw:
        yield tasks
    else:
        yield from _listed(tasks, raw)


def _keys(path: Path) -> Any:
    raw = load_json(_read(path), str(path))
    return raw if isinstance(raw, dict) else ()


def _listed(index: Path, raw: Any) -> Iterator[Path]:
    """Yield the task files of an index: ids by app, in ``examples/APP/ID.json`` beside it."""
    if not isinstance(raw, dict) or not all(isinstance(ids, list) for ids in raw.values()):
        raise ConfigError(f"{index}: wanted a task, or an index (an object of lists of task ids by app)")
    for app, ids in raw.items():
        for number, each in enumerate(ids):
            if not isinstance(each, str) or not re.match(ID, each) or not re.match(ID, app):
                raise ConfigError(f"{index}: {app}.{number}: wanted the id of a task, got {each!r}")
            yield index.parent / "examples" / app / f"{each}.json"
