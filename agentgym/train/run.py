"""A training run: score the model, train it on episodes that it plays, score it again, report.

What is finished is kept: a run that was interrupted goes on from its last checkpoint, and a scoring from its last
episodes. Both scorings use the same test seeds and the same decoding, and no decision of the run looks at them.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agentgym.errors import ConfigError, MissingDependencyError, StoreError
from agentgym.evaluate.evaluation import Evaluation, evaluate
from agentgym.evaluate.progress import show_progress
from agentgym.evaluate.report import write_report
from agentgym.lock import FolderLock
from agentgym.policy.loading import checkpoint_folder
from agentgym.policy.speech import DEFAULT
from agentgym.registry import make_world, select_tasks
from agentgym.rollout.cluster import connect
from agentgym.train.folder import RunFolder
from agentgym.versions import installation, versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from agentgym.evaluate.progress import Played
    from agentgym.task import Task
    from agentgym.train.config import TrainConfig
    from agentgym.train.learner import Learner


DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})
DISK_SIGNS = ("PytorchStreamWriter", "No space left", "File too large")  # torch's and safetensors' words for the same


@dataclass(frozen=True)
class RunSummary:
    """What ``summary.json`` holds."""

    name: str
    model: str
    tasks: list[str]
    algorithm: str
    seed: int
    generations: int
    episodes: int
    """Episodes played for training; those of the scorings are in ``before`` and ``after``."""
    before: dict[str, Any]
    """Success, its 95 % interval and the number of episodes, of all tasks together."""
    after: dict[str, Any]
    train_minutes: float
    wall_minutes: float
    """From start to report; of a resumed run, with the parts that were found done."""
    env_steps: int
    """Actions taken in training and scorings; those that an interrupted scoring had taken before are not in it."""
    steps_per_s: float
    """Actions a second while training, learning included."""
    infrastructure_failures: int
    peak_memory_mb: float
    """Highest sum of the proportional set sizes of all processes of this run, seen by this call, looked at once a
    generation and every 100 scored episodes."""
    versions: dict[str, str]
    run: str
    """The run's folder."""
    dialect: str = DEFAULT
    """In which the model writes actions."""


def train(config: TrainConfig, *, resume: bool, console: Console) -> RunSummary:
    """Run a training job.

    Args:
        config: what to do.
        resume: go on with the run in the folder instead of moving it aside.
        console: where progress is shown.

    Raises:
        ConfigError: a setting does not fit the others, there is nothing to resume, or the run in the folder is being
            run by another process.
        UnknownNameError: there is no such task or model.
        CheckpointError: the model cannot be loaded.
        MissingDependencyError: a package or the browser is missing.
        StoreError: the disk is full, or what an earlier run left is corrupt.
    """
    with FolderLock(config.folder) as lock:
        return _train(config, lock, resume=resume, console=console)


def _train(config: TrainConfig, lock: FolderLock, *, resume: bool, console: Console) -> RunSummary:
    began = time.monotonic()
    tasks = _tasks(config)
    checkpoint_folder(config.model, known=["nano"])
    make_world(tasks[0].world).close()  # a missing browser is told before torch is loaded
    folder = RunFolder(config.folder)
    if resume:
        folder.resume(config)
        if folder.finished:
            return _finished(folder, console)
    if folder.check():
        lock.take()  # before an earlier run is moved or gone on with: somebody may be at it
    console.print(f"loading {config.model} ...", markup=False, highlight=False)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # a run needs no network, and tells nobody of itself
    try:
        from agentgym.train.learner import Learner, grpo_arguments
    except (ImportError, RuntimeError) as error:  # transformers wraps what its modules raise while they load
        raise MissingDependencyError(f"Training needs more packages: {error}. Run {installation('train')}.") from error
    grpo_arguments(config, folder)  # what TRL refuses is told before an earlier run is moved
    moved = None
    if resume:
        folder.keep(config)
    else:
        moved = folder.begin(config, lock)
    if moved is not None:
        console.print(f"{folder.path} held an earlier run; it is now {moved}.", markup=False, highlight=False)
    earlier_s = _seconds_found(folder)
    with _disk_errors(folder.path), _cluster(config):
        learner = Learner(config, folder, tasks, console)
        before = _score("before", learner, console)
        learner.train()
        after = _score("after", learner, console)
        summary = _summary(learner, before, after, began - earlier_s)
        folder.write_json("summary.json", asdict(summary))
        report = write_report(folder.path)
    _say_result(console, summary, report)
    return summary


def _finished(folder: RunFolder, console: Console) -> RunSummary:
    """Say that there is nothing left to do."""
    document = folder.read_json("summary.json") or {}
    try:
        summary = RunSummary(**document)
    except TypeError as error:
        raise StoreError(
            f"{folder.path / 'summary.json'} is not this version's: {error}. Remove it to go on."
        ) from error
    text = f"{folder.path} is finished; nothing is left to do. Leave out --resume to train anew."
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return summary


def _tasks(config: TrainConfig) -> tuple[Task, ...]:
    tasks = select_tasks(config.tasks)
    worlds = sorted({task.world for task in tasks})
    if len(worlds) > 1:
        raise ConfigError(f"tasks: a run plays in one world, these need {', '.join(worlds)}.")
    return tasks


def _score(name: str, learner: Learner, console: Console) -> dict[str, Any]:
    """Score the model as it is, unless that was done; keep the result, and a few episodes with screenshots."""
    folder, config = learner.folder, learner.config
    found = folder.read_json(f"{name}.json")
    if found is not None:
        return found
    if name == "before" and learner.trained:
        raise StoreError(
            f"{folder.path / 'before.json'} is gone, and the model has been trained since, so that score cannot be had "
            "any more. Leave out --resume to start anew."
        )
    settings = config.evaluation
    total = settings.episodes * len(learner.tasks)

    def play(episodes: int, part: str, *, screenshots: bool, on_progress: Any = None) -> Evaluation:
        with learner.episode_source(screenshots=screenshots) as source:
            return evaluate(
                learner.tasks,
                learner.scorer,
                episodes=episodes,
                first_seed=settings.first_seed,
                source=source,
                folder=folder.store(part).folder,
                on_progress=on_progress,
            )

    with show_progress(console, f"scoring {name}", total=total, unit="episodes") as progress:
        result = play(settings.episodes, name, screenshots=False, on_progress=partial(_watched, learner, progress))
    if settings.shown:
        play(settings.shown, f"shown-{name}", screenshots=True)
    document = {**result.to_json(), "episodes": result.episodes, "failures": result.infrastructure_failures}
    folder.write_json(f"{name}.json", document)
    low, high = result.ci95
    text = f"{name}: success {result.success:.3f} (95 % interval {low:.3f} to {high:.3f}, {result.episodes} episodes)"
    if result.unplayed:
        text += f"; {result.unplayed} episodes could not be played: the machine failed them every time"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return document


def _watched(learner: Learner, progress: Any, played: Played) -> None:
    progress(played)
    if played.done % 100 == 0:
        learner.memory.look()


def _summary(learner: Learner, before: dict[str, Any], after: dict[str, Any], began: float) -> RunSummary:
    lines = learner.folder.read_progress()
    seconds = sum(line["seconds"] for line in lines)
    steps = sum(line["steps"] for line in lines)
    config = learner.config
    failures = sum(line["infrastructure_failures"] for line in lines)
    learner.memory.look()
    return RunSummary(
        name=config.name,
        model=config.model,
        tasks=[task.id for task in learner.tasks],
        algorithm="ppo" if config.estimator == "gae" else config.estimator,
        seed=config.seed,
        generations=len(lines),
        episodes=sum(line["episodes"] for line in lines),
        before={key: before[key] for key in ("success", "ci95", "episodes")},
        after={key: after[key] for key in ("success", "ci95", "episodes")},
        train_minutes=round(seconds / 60, 2),
        wall_minutes=round((time.monotonic() - began) / 60, 2),
        env_steps=steps + _steps(before) + _steps(after),
        steps_per_s=round(steps / seconds, 1) if seconds else 0.0,
        infrastructure_failures=failures + before["failures"] + after["failures"],
        peak_memory_mb=round(learner.memory.peak_mb),
        versions=versions(),
        run=str(learner.folder.path),
        dialect=config.dialect,
    )


def _steps(scoring: dict[str, Any]) -> int:
    """Return the actions of a scoring's episodes, also of those that an earlier, interrupted call has played."""
    return sum(round(task["mean_steps"] * task["episodes"]) for task in scoring["tasks"].values())


def _seconds_found(folder: RunFolder) -> float:
    """Return how long the parts took that an earlier, interrupted call has finished."""
    scorings = [folder.read_json(f"{name}.json") for name in ("before", "after")]
    done = [*folder.read_progress(), *(each for each in scorings if each is not None)]
    return sum(float(each["seconds"]) for each in done)


@contextmanager
def _cluster(config: TrainConfig) -> Iterator[None]:
    """Stay connected to Ray for the whole run: the workers of each part would start it anew, which takes seconds."""
    if not config.ray.enabled:
        yield
        return
    connected = connect(config.ray.address)
    try:
        yield
    finally:
        if connected:
            import ray

            ray.shutdown()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn the ways in which libraries say that a file could not be written into one."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number not in DISK_ERRORS and not any(sign in str(error) for sign in DISK_SIGNS):
            raise
        raise StoreError(f"{path} cannot be written: {error}. Free some space, then go on with --resume.") from error


def _say_result(console: Console, summary: RunSummary, report: Path) -> None:
    before, after = summary.before, summary.after
    console.print(
        f"success {before['success']:.3f} -> {after['success']:.3f} in {summary.wall_minutes:.1f} min "
        f"({summary.episodes} episodes, {summary.steps_per_s:.0f} steps/s); report: {report}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
