"""What a training run has recorded in its folder, as it is read for the report.

A run writes ``summary.json``, ``before.json``, ``after.json``, ``progress.jsonl`` and ``config.yaml``, and episodes
with screenshots in ``trajectories/shown-before`` and ``trajectories/shown-after``. While it goes on, and after it was
interrupted, some of them are missing: each file, and each key in one, is optional. A file that is there but cannot be
read is an error that names it; only the last line of ``progress.jsonl`` may be cut, as a killed run leaves it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentgym.errors import StoreError
from agentgym.rollout.store import TrajectoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym.episode import Trajectory

Fraction = Annotated[float, Field(ge=0, le=1)]


class Document(BaseModel):
    """What a file holds; keys that are not known are left out, keys that are missing are None."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TaskScore(Document):
    """How a policy did on one task."""

    success: Fraction | None = None
    ci95: tuple[Fraction, Fraction] | None = None
    episodes: int | None = None
    infrastructure_failures: int | None = None
    mean_steps: float | None = None


class Scoring(Document):
    """How a policy did on all tasks: an `Evaluation` as it was written."""

    success: Fraction | None = None
    ci95: tuple[Fraction, Fraction] | None = None
    tasks: dict[str, TaskScore] = {}
    steps_per_s: float | None = None

    @property
    def episodes(self) -> int:
        """Episodes that count."""
        return sum(task.episodes or 0 for task in self.tasks.values())


class Generation(Document):
    """One round of playing and learning."""

    generation: int
    episodes: int | None = None
    success: Fraction | None = None
    reward: float | None = None
    mean_steps: float | None = None
    rows: int | None = None
    infrastructure_failures: int | None = None
    minutes: float | None = None
    """Since the training began."""
    env_share: float | None = None
    policy_share: float | None = None
    learn_share: float | None = None
    tasks: dict[str, TaskScore] = {}


class Summary(Document):
    """What a run says of itself."""

    name: str | None = None
    model: str | None = None
    algorithm: str | None = None
    dialect: str | None = None
    tasks: tuple[str, ...] = ()
    episodes: int | None = None
    generations: int | None = None
    before: Scoring | None = None
    after: Scoring | None = None
    train_minutes: float | None = None
    wall_minutes: float | None = None
    env_steps: int | None = None
    """In all episodes, scorings included."""
    steps_per_s: float | None = None
    """While training, learning included."""
    peak_memory_mb: float | None = None
    infrastructure_failures: int | None = None
    seed: int | None = None
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class RunRecord:
    """What was found in a run's folder."""

    path: Path
    summary: Summary
    before: Scoring | None
    """The scoring before training; None until it is done."""
    after: Scoring | None
    """The scoring after training; None until it is done."""
    generations: tuple[Generation, ...]
    """By number; of a generation that was done twice, after an interruption, the later one."""
    shown_before: tuple[Trajectory, ...]
    shown_after: tuple[Trajectory, ...]
    config: str
    """The configuration, verbatim; empty where there is none."""

    @property
    def name(self) -> str:
        """Name of the run, or of its folder."""
        return self.summary.name or self.path.resolve().name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks, in the run's order."""
        scored = [scoring.tasks for scoring in (self.before, self.after) if scoring is not None]
        shown = (trajectory.key.task_id for trajectory in (*self.shown_before, *self.shown_after))
        trained = (task for generation in self.generations for task in generation.tasks)
        names = [*(name for tasks in scored for name in tasks), *trained, *shown]
        return tuple(dict.fromkeys(names or self.summary.tasks))


def read_run(path: Path) -> RunRecord:
    """Read a run's folder.

    Raises:
        StoreError: it is not a run's folder, or one of its files is corrupt; the message names the file.
    """
    summary = _read(path / "summary.json", Summary)
    before = _read(path / "before.json", Scoring)
    after = _read(path / "after.json", Scoring)
    progress = path / "progress.jsonl"
    if summary is None and before is None and not progress.is_file():
        raise StoreError(
            f"{path} holds nothing to report: no summary.json, before.json or progress.jsonl. "
            "`agentgym train` writes them, and says where; by default it is runs/NAME."
        )
    summary = summary or Summary()
    return RunRecord(
        path=path,
        summary=summary,
        before=_scored(before or summary.before),
        after=_scored(after or summary.after),
        generations=_read_progress(progress),
        shown_before=_read_episodes(path / "trajectories" / "shown-before"),
        shown_after=_read_episodes(path / "trajectories" / "shown-after"),
        config=(_content(path / "config.yaml") or b"").decode(errors="replace"),
    )


def _scored(scoring: Scoring | None) -> Scoring | None:
    return None if scoring is None or scoring.success is None else scoring


AnyDocument = TypeVar("AnyDocument", bound=Document)


def _read(path: Path, kind: type[AnyDocument]) -> AnyDocument | None:
    """Read a JSON file; None where there is none."""
    content = _content(path)
    if content is None:
        return None
    try:
        return kind.model_validate(_parse(content))
    except ValueError as error:
        raise _corrupt(f"{path}", error) from error


def _read_progress(path: Path) -> tuple[Generation, ...]:
    lines = [(number, line) for number, line in enumerate((_content(path) or b"").split(b"\n"), 1) if line.strip()]
    found: dict[int, Generation] = {}
    for number, line in lines:
        try:
            generation = Generation.model_validate(_parse(line))
        except ValueError as error:
            if number == lines[-1][0]:
                break
            raise _corrupt(f"{path}, line {number},", error) from error
        found[generation.generation] = generation
    return tuple(found[number] for number in sorted(found))


def _read_episodes(folder: Path) -> tuple[Trajectory, ...]:
    """Read a folder of trajectories; none where there is no such folder."""
    return tuple(TrajectoryStore(folder).read())


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def _parse(content: bytes) -> Any:
    """Parse JSON; NaN and infinities, which are rates of nothing, become None."""
    return json.loads(content, parse_constant=lambda _: None)


def _corrupt(place: str, error: ValueError) -> StoreError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    else:
        reason = str(error)
    return StoreError(
        f"{place} is not what a run writes ({reason}). Remove it to get a report without it, or train again."
    )
