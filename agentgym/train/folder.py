"""The folder of a training run: what is where, written so that an interruption loses nothing that was finished.

config.yaml              the whole configuration
before.json, after.json  the two scorings
progress.jsonl           one line a generation
trajectories/            before, train, after, shown-before, shown-after: trajectory stores
checkpoints/             checkpoint-N (optimiser steps; for --resume) and final
metrics/                 TensorBoard
summary.json, report.html
.lock                    held by the process that runs it, see `agentgym.lock`
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from agentgym.errors import ConfigError, StoreError
from agentgym.lock import LOCK
from agentgym.rollout.store import TrajectoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym.lock import FolderLock
    from agentgym.train.config import TrainConfig

MAY_CHANGE = frozenset(
    {"max_minutes", "max_failed_share", "threads", "ray", "sessions", "checkpoint_every", "out", "name"}
)
"""Keys that may differ when a run is resumed: they say where and how long it runs, not what it learns."""


class RunFolder:
    """Paths, and reading and writing of what a run keeps.

    Args:
        path: of the folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.final = self.checkpoints / "final"
        self.metrics = path / "metrics"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def store(self, name: str) -> TrajectoryStore:
        """Return the trajectory store of one part of the run."""
        return TrajectoryStore(self.path / "trajectories" / name)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "summary.json").exists()

    def begin(self, config: TrainConfig, lock: FolderLock) -> Path | None:
        """Start a new run; an earlier one moves aside.

        Args:
            config: of the new run.
            lock: of the folder; held afterwards.

        Returns:
            Where the earlier run is now; None if there was none.

        Raises:
            ConfigError: the folder is something else, or another process is running what is there.
        """
        moved = None
        if self.check():
            lock.take()
            moved = _free_name(self.path)
            self.path.rename(moved)
        lock.take()
        self.keep(config)
        return moved

    def check(self) -> bool:
        """Return whether a run is there.

        Raises:
            ConfigError: the folder is something else.
        """
        if not self.path.exists() or (self.path.is_dir() and {each.name for each in self.path.iterdir()} <= {LOCK}):
            return False
        if not (self.path / "config.yaml").is_file():
            raise ConfigError(f"out: {self.path} exists and is not a run's folder. Choose another one.")
        return True

    def resume(self, config: TrainConfig) -> None:
        """Check that a run is there and that it is the same one.

        Raises:
            ConfigError: there is none, or a key that says what is learnt differs.
        """
        path = self.path / "config.yaml"
        if not path.is_file():
            raise ConfigError(f"There is no run to resume in {self.path}. Leave out --resume to start one.")
        try:
            before = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not readable: {error}. Leave out --resume to start anew.") from error
        if not isinstance(before, dict):
            raise ConfigError(f"{path} holds no configuration. Leave out --resume to start anew.")
        defaults = type(config)(model="", tasks=()).model_dump(mode="json")
        # Keys that there were not yet when the run began are what all runs did before there was a choice.
        old, new = _values(defaults) | _values(before), _values(config.model_dump(mode="json"))
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key) and key.partition(".")[0] not in MAY_CHANGE:
                raise ConfigError(
                    f"{key}: the run in {self.path} has {old.get(key)!r}, now it is {new.get(key)!r}. "
                    "Resume with the same value, or start anew without --resume or in another folder."
                )

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file's object, or None where there is no such file.

        Raises:
            StoreError: it is not JSON.
        """
        path = self.path / name
        if not path.exists():
            return None
        try:
            document: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise StoreError(f"{path} is not readable JSON: {error}. Remove it to have it made again.") from error
        return document

    def write_json(self, name: str, document: dict[str, Any]) -> None:
        """Write a JSON file; it is whole or not there."""
        self._write(self.path / name, json.dumps(document, indent=2) + "\n")

    def read_progress(self) -> list[dict[str, Any]]:
        """Return the generations' lines; a last one that was cut off by a crash is left out.

        Raises:
            StoreError: another line is not JSON.
        """
        path = self.path / "progress.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(json.loads(line))
            except ValueError as error:
                if number < len(lines):
                    raise StoreError(
                        f"{path}, line {number}, is not readable JSON: {error}. Restore it, or leave out --resume."
                    ) from error
        return found

    def append_progress(self, line: dict[str, Any]) -> None:
        """Add a generation's line."""
        with (self.path / "progress.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def write_progress(self, lines: list[dict[str, Any]]) -> None:
        """Replace all generations' lines."""
        self._write(self.path / "progress.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    def rewind(self, generations: int) -> None:
        """Forget what was played after the first so many generations: it will be played again."""
        self.write_progress(self.read_progress()[:generations])
        self.store("train").truncate(generations)

    def keep(self, config: TrainConfig) -> None:
        """Write the configuration down."""
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        self._write(self.path / "config.yaml", text)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        aside = path.with_suffix(path.suffix + ".tmp")
        try:
            aside.write_text(text)
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)


def _values(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a configuration by dotted path."""
    found = {}
    for key, value in document.items():
        found.update(_values(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return found


def _free_name(path: Path) -> Path:
    """Return the first of PATH.1, PATH.2, … that is free."""
    number = 1
    while (found := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return found
